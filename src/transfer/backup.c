/* Backup: SQLite's own copying of pages. It would begin anew whenever another process writes, so the source is held in a read
 * transaction: what is copied is the moment at which that began. */

#include <sqlite3.h>
#include <unistd.h>

#include "base/error.h"
#include "happn/transfer.h"
#include "store/sqlite_file.h"
#include "transfer/output.h"

enum { PAGES_AT_ONCE = 2000, WAIT_MS = 2000 };

static happn_status failed(sqlite3 *db, const char *what, const char *name, happn_error *error)
{
    return error_set(error, HAPPN_E_STORE, "%s %.300s: %s", what, name, sqlite3_errmsg(db));
}

static happn_status copy(sqlite3 *from, sqlite3 *to, const happn_transfer_options *options, happn_transfer_report *report, happn_error *error)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) {
        return failed(to, "cannot begin to copy", options->database, error);
    }
    int code = SQLITE_OK;
    while (code == SQLITE_OK) {
        code = sqlite3_backup_step(backup, PAGES_AT_ONCE);
        report->lines = (uint64_t)(sqlite3_backup_pagecount(backup) - sqlite3_backup_remaining(backup)); /* pages */
        if (options->progress != NULL) {
            options->progress(report, options->arg);
        }
    }
    int end = sqlite3_backup_finish(backup);
    return code == SQLITE_DONE && end == SQLITE_OK ? HAPPN_OK : failed(to, "cannot copy", options->database, error);
}

static happn_status count(sqlite3 *db, const char *name, uint64_t *out, happn_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool is_done = sqlite3_prepare_v2(db, "SELECT count(*) FROM documents", -1, &statement, NULL) == SQLITE_OK &&
                   sqlite3_step(statement) == SQLITE_ROW;
    *out = is_done ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return is_done ? HAPPN_OK : failed(db, "cannot read", name, error);
}

/* The copy must hold what the source held at that moment. */
static happn_status copy_and_check(sqlite3 *from, sqlite3 *to, const happn_transfer_options *options, const char *target,
                                   happn_transfer_report *report, happn_error *error)
{
    happn_status status = count(from, options->database, &report->documents, error);
    if (status == HAPPN_OK) {
        status = copy(from, to, options, report, error);
    }
    if (status == HAPPN_OK) {
        status = count(to, target, &report->stored, error);
    }
    if (status == HAPPN_OK && report->stored != report->documents) {
        status = error_set(error, HAPPN_E_STORE, "the copy has %llu documents instead of %llu", (unsigned long long)report->stored,
                           (unsigned long long)report->documents);
    }
    return status;
}

static happn_status run(const happn_transfer_options *options, const char *part, happn_transfer_report *report, happn_error *error)
{
    struct sqlite_file source;
    struct sqlite_options how = {.file = options->database};
    sqlite3 *to = NULL;
    happn_status status = sqlite_file_open_reader(&source, &how, error);
    if (status != HAPPN_OK) {
        return status;
    }
    sqlite3_busy_timeout(source.db, WAIT_MS);
    if (sqlite3_exec(source.db, "BEGIN; SELECT count(*) FROM meta", NULL, NULL, NULL) != SQLITE_OK) {
        status = failed(source.db, "cannot read", options->database, error);
    } else if (sqlite3_open_v2(part, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
        status = failed(to, "cannot write", part, error);
    } else {
        status = copy_and_check(source.db, to, options, part, report, error);
    }
    sqlite3_close(to);
    sqlite_file_close(&source);
    return status;
}

happn_status happn_backup(const happn_transfer_options *options, const char *target, happn_transfer_report *report, happn_error *error)
{
    *report = (happn_transfer_report){.size = sizeof *report};
    struct output output;
    if (access(options->database, F_OK) != 0) {
        return error_set(error, HAPPN_E_IO, "there is no database %.300s", options->database);
    }
    happn_status status = output_begin(&output, target, ".part", options->force != 0, error);
    if (status == HAPPN_OK) {
        status = run(options, output.part, report, error);
    }
    if (status == HAPPN_OK) {
        status = output_finish(&output, error);
    }
    output_drop(&output);
    return status;
}
