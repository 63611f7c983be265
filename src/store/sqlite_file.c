/* The file: `documents` is a rowid table with an index on path, because an overwritten document then stays where it is
 * and the index is left alone. WITHOUT ROWID was measured as well (store_bench, 100 000 documents overwritten at random,
 * groups of 256, CPU time): the same at 100 bytes, but a get of 1 kB takes 18 µs instead of 5, a set 35 instead of 14,
 * because large rows sit in the inner pages of the tree. It lists small documents faster (0.35 µs each, not 1.4).
 * Data comes last, so that the small columns of a large document are read without its overflow pages. Paths are compared
 * by bytes (BINARY), which is the order of every store. `meta` keeps the high-water mark of rev. The header carries our application_id, so that we never write
 * into somebody else's database, and the schema's version in user_version. Both are looked at before anything is
 * changed, and written in the transaction that makes the tables: a file is wholly ours or still empty. */

#include "store/sqlite_file.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/error.h"
#include "store/sqlite_index.h"
#include "store/sqlite_shelf.h"

enum {
    APPLICATION_ID = 1751216240, /* "happ" */
    SCHEMA = 2,
    BUSY_MS = 2000, /* somebody may look into the file with a tool */
    NARROW_KILOBYTES = 1024,
    BRIEF_ROWS = 200, /* documents, or entries of an index and the documents they name */
    BRIEF_BYTES = 256 << 10,
    BRIEF_NS = 2000000 /* a disk that is asked for pages may take its time */
};

static const char schema[] = "BEGIN IMMEDIATE;"
                             "CREATE TABLE documents("
                             " path TEXT NOT NULL UNIQUE,"
                             " created INTEGER NOT NULL,"
                             " modified INTEGER NOT NULL,"
                             " modified_by TEXT,"
                             " tag TEXT,"
                             " rev INTEGER NOT NULL,"
                             " data TEXT NOT NULL"
                             ") STRICT;"
                             "CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
                             "INSERT INTO meta VALUES('rev', 0);"
                             "PRAGMA application_id=1751216240;"
                             "PRAGMA user_version=2;"
                             "COMMIT;";

/* Format 1 had no tags. */
static const char upgrade[] = "BEGIN IMMEDIATE;"
                              "ALTER TABLE documents ADD COLUMN tag TEXT;"
                              "PRAGMA user_version=2;"
                              "COMMIT;";

#define BARE "created, modified, modified_by, tag, rev"
#define DATA "CASE WHEN octet_length(data) < 1048576 THEN data END, rowid"
_Static_assert(SQLITE_LONG == 1048576, "the same number in SQL");
#define RANGE "FROM documents WHERE path >= ?1 AND path < ?2 ORDER BY path"

static const char *const texts[SQL_COUNT] = {
    [SQL_GET] = "SELECT " BARE ", " DATA " FROM documents WHERE path = ?1",
    [SQL_GET_BARE] = "SELECT " BARE ", octet_length(data) FROM documents WHERE path = ?1",
    [SQL_FIND] = "SELECT path, " BARE ", " DATA " " RANGE,
    [SQL_FIND_BARE] = "SELECT path, " BARE ", octet_length(data) " RANGE,
    [SQL_PUT] = "INSERT INTO documents(path, " BARE ", data) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                "ON CONFLICT(path) DO UPDATE SET created = ?2, modified = ?3, modified_by = ?4, tag = ?5, rev = ?6, data = ?7",
    [SQL_DELETE] = "DELETE FROM documents WHERE path = ?1",
    [SQL_KEEP_REV] = "UPDATE meta SET value = ?1 WHERE name = 'rev'",
    [SQL_BEGIN] = "BEGIN",
    [SQL_BEGIN_WRITING] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVEPOINT] = "SAVEPOINT one",
    [SQL_RELEASE] = "RELEASE one",
    [SQL_UNDO] = "ROLLBACK TO one",
};

happn_status sqlite_file_failed(struct sqlite_file *file, happn_error *error)
{
    file->failed_code = sqlite3_extended_errcode(file->db);
    return error_set(error, (file->failed_code & 0xff) == SQLITE_NOMEM ? HAPPN_E_MEMORY : HAPPN_E_STORE, "the store failed: %s",
                     sqlite3_errmsg(file->db));
}

int sqlite_file_run(struct sqlite_file *file, enum sqlite_statement which)
{
    int code = sqlite3_step(file->statements[which]);
    sqlite3_reset(file->statements[which]);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

static int ask(struct sqlite_file *file, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    *out = 0;
    int code = sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            *out = sqlite3_column_int64(statement, 0);
        }
    }
    int final = sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : final;
}

static happn_status cannot_open(struct sqlite_file *file, const char *name, happn_error *error)
{
    switch (file->db != NULL ? sqlite3_errcode(file->db) & 0xff : SQLITE_NOMEM) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(error, HAPPN_E_BUSY, "%s is open in another program", name);
    case SQLITE_NOTADB:
        return error_set(error, HAPPN_E_STORE, "%s is not a database of happn", name);
    case SQLITE_NOMEM:
        return error_set(error, HAPPN_E_MEMORY, "cannot open %s: out of memory", name);
    case SQLITE_CORRUPT:
        return error_set(error, HAPPN_E_STORE, "cannot open %s: %s", name, sqlite3_errmsg(file->db));
    default:
        return error_set(error, HAPPN_E_IO, "cannot open %s: %s", name, sqlite3_errmsg(file->db));
    }
}

/* An empty file is as good as none. */
static happn_status check_owner(struct sqlite_file *file, const char *name, int64_t *version_out, happn_error *error)
{
    int64_t application, version, tables;
    if (ask(file, "SELECT count(*) FROM sqlite_schema", &tables) != SQLITE_OK ||
        ask(file, "PRAGMA application_id", &application) != SQLITE_OK ||
        ask(file, "PRAGMA user_version", &version) != SQLITE_OK) {
        return cannot_open(file, name, error);
    }
    bool is_new = tables == 0 && application == 0 && version == 0;
    *version_out = version;
    if (!is_new && application != APPLICATION_ID) {
        return error_set(error, HAPPN_E_STORE, "%s is a database of another program, not of happn", name);
    }
    if (version > SCHEMA) {
        return error_set(error, HAPPN_E_STORE, "%s was written by a newer happn (format %lld, this one knows %d)", name,
                         (long long)version, SCHEMA);
    }
    return HAPPN_OK;
}

static int pragma(struct sqlite_file *file, const char *name, int64_t value)
{
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA %s=%lld", name, (long long)value);
    return sqlite3_exec(file->db, sql, NULL, NULL, NULL);
}

static happn_status use_log(struct sqlite_file *file, const char *name, happn_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(file->db, "PRAGMA journal_mode=WAL", -1, &statement, NULL);
    bool is_wal = code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
                  strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
    code = sqlite3_finalize(statement);
    if (code != SQLITE_OK) {
        return cannot_open(file, name, error);
    }
    if (!is_wal) { /* SQLite does not say why */
        return error_set(error, HAPPN_E_UNSUPPORTED, "%s can have no write-ahead log: its file system is without shared memory maps, or memory has run out", name);
    }
    return HAPPN_OK;
}

/* Called after each commit with the length of the log: we move it later, when the batch is acknowledged. */
static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db, (void)name;
    ((struct sqlite_file *)context)->log_pages = pages;
    return SQLITE_OK;
}

/* Older ones would read every text: then long ones are not known before. */
static const char find_bare_without_length[] = "SELECT path, " BARE ", 0 " RANGE;

static bool knows_length(void)
{
    return sqlite3_libversion_number() >= 3043000;
}

/* SQLite has it from 3.43 on, without reading the text. */
static void octet_length(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_int64(context, sqlite3_value_bytes(values[0]));
}

static int add_functions(sqlite3 *db)
{
    int how = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    return knows_length() ? SQLITE_OK : sqlite3_create_function(db, "octet_length", 1, how, NULL, octet_length, NULL, NULL);
}

static happn_status open_connection(struct sqlite_file *file, const struct sqlite_options *options, int flags,
                            happn_error *error)
{
    *file = (struct sqlite_file){.checkpoint_pages = (int)options->checkpoint_pages};
    file->shelf.ops = &sqlite_shelf;
    if (file->checkpoint_pages == 0) {
        file->checkpoint_pages = 8000;
    }
    if (sqlite3_open_v2(options->file, &file->db, flags | SQLITE_OPEN_NOMUTEX, options->vfs) != SQLITE_OK ||
        add_functions(file->db) != SQLITE_OK) {
        return cannot_open(file, options->file, error);
    }
    sqlite3_busy_timeout(file->db, BUSY_MS);
    return HAPPN_OK;
}

static happn_status prepare(struct sqlite_file *file, const char *name, int count, happn_error *error)
{
    for (int i = 0; i < count; i++) {
        const char *text = i == SQL_FIND_BARE && !knows_length() ? find_bare_without_length : texts[i];
        if (sqlite3_prepare_v3(file->db, text, -1, SQLITE_PREPARE_PERSISTENT, &file->statements[i], NULL) != SQLITE_OK) {
            return error_set(error, HAPPN_E_STORE, "cannot open %s: %s", name, sqlite3_errmsg(file->db));
        }
    }
    return HAPPN_OK;
}

/* Half of the cache for each of the two connections. */
static int use_cache(struct sqlite_file *file, const struct sqlite_options *options)
{
    size_t bytes = options->cache_bytes != 0 ? options->cache_bytes : 32u << 20;
    file->cache_kilobytes = (int64_t)(bytes / 2048);
    return pragma(file, "cache_size", -file->cache_kilobytes);
}

void sqlite_file_narrow(struct sqlite_file *file)
{
    if (!file->is_narrow && file->cache_kilobytes > NARROW_KILOBYTES) {
        file->is_narrow = pragma(file, "cache_size", -NARROW_KILOBYTES) == SQLITE_OK;
    }
}

void sqlite_file_widen(struct sqlite_file *file)
{
    if (file->is_narrow && pragma(file, "cache_size", -file->cache_kilobytes) == SQLITE_OK) {
        file->is_narrow = false;
    }
}

static happn_status set_up(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error)
{
    int64_t version = 0;
    happn_status status = check_owner(file, options->file, &version, error);
    if (status == HAPPN_OK) {
        status = use_log(file, options->file, error);
    }
    if (status != HAPPN_OK) {
        return status;
    }
    sqlite3_wal_hook(file->db, on_commit, file); /* and no automatic checkpoints */
    if (pragma(file, "synchronous", options->sync ? 2 : 0) != SQLITE_OK ||
        pragma(file, "fullfsync", options->sync) != SQLITE_OK ||
        pragma(file, "journal_size_limit", 64 << 20) != SQLITE_OK || pragma(file, "temp_store", 2) != SQLITE_OK ||
        use_cache(file, options) != SQLITE_OK ||
        (version == 0 && sqlite3_exec(file->db, schema, NULL, NULL, NULL) != SQLITE_OK) ||
        (version == 1 && sqlite3_exec(file->db, upgrade, NULL, NULL, NULL) != SQLITE_OK) ||
        ask(file, "SELECT value FROM meta WHERE name = 'rev'", &file->kept_rev) != SQLITE_OK) {
        return cannot_open(file, options->file, error);
    }
    file->shelf.rev = file->kept_rev;
    status = prepare(file, options->file, SQL_COUNT, error);
    return status == HAPPN_OK ? sqlite_index_open(file, options, error) : status;
}

happn_status sqlite_file_open(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error)
{
    happn_status status = open_connection(file, options, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error);
    if (status == HAPPN_OK) {
        status = set_up(file, options, error);
    }
    if (status != HAPPN_OK) {
        sqlite_file_close(file);
    }
    return status;
}

happn_status sqlite_file_open_reader(struct sqlite_file *file, const struct sqlite_options *options,
                                     happn_error *error)
{
    happn_status status = open_connection(file, options, SQLITE_OPEN_READONLY, error);
    if (status == HAPPN_OK) {
        sqlite3_busy_timeout(file->db, 0); /* it is the loop that would wait */
        use_cache(file, options);
        status = prepare(file, options->file, SQL_READING, error);
    }
    if (status == HAPPN_OK) {
        status = sqlite_index_open_reader(file, options, error);
    }
    if (status != HAPPN_OK) {
        sqlite_file_close(file);
    }
    return status;
}

void sqlite_file_be_brief(struct sqlite_file *file)
{
    file->is_brief = true;
    file->rows_left = BRIEF_ROWS;
    file->bytes_left = BRIEF_BYTES;
    file->brief_end = uv_hrtime() + BRIEF_NS;
}

bool sqlite_file_spend(struct sqlite_file *file, size_t bytes)
{
    if (!file->is_brief) {
        return true;
    }
    bool is_late = --file->rows_left % 8 == 0 && uv_hrtime() > file->brief_end; /* asking costs as much as a row of an index */
    if (file->rows_left == 0 || bytes > file->bytes_left || is_late) {
        return false;
    }
    file->bytes_left -= bytes;
    return true;
}

int sqlite_file_keep_rev(struct sqlite_file *file, int64_t rev)
{
    sqlite3_bind_int64(file->statements[SQL_KEEP_REV], 1, rev);
    return sqlite_file_run(file, SQL_KEEP_REV);
}

static void move_log(struct sqlite_file *file)
{
    file->log_pages = 0; /* a failure is tried again after the next commit */
    sqlite3_wal_checkpoint_v2(file->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

void sqlite_file_checkpoint(struct sqlite_file *file)
{
    if (file->log_pages >= file->checkpoint_pages) {
        move_log(file);
    }
}

void sqlite_file_make_room(struct sqlite_file *file)
{
    move_log(file);
}

void sqlite_file_close(struct sqlite_file *file)
{
    sqlite_index_close(file);
    for (int i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(file->statements[i]);
    }
    sqlite3_close(file->db);
    buf_fini(&file->long_text);
    *file = (struct sqlite_file){0};
}
