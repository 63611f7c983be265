/* Export: one walk along the paths, in one read transaction: what a server writes meanwhile is not seen. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "happn/transfer.h"
#include "json/write.h"
#include "paths/wildcard.h"
#include "store/sqlite_file.h"
#include "store/shelf.h"
#include "transfer/output.h"
#include "base/error.h"

enum { PROGRESS_EVERY = 20000 };

struct export {
    const happn_transfer_options *options;
    happn_transfer_report *report;
    FILE *file;
    struct buf line;
    happn_status status;
};

static void add_text(struct buf *line, const char *name, struct str text)
{
    if (str_is_set(text)) {
        buf_add_text(line, name);
        json_add_string(line, text);
    }
}

static bool write_line(void *arg, const struct document *document)
{
    struct export *export = arg;
    struct buf *line = &export->line;
    struct str pattern = str_of(export->options->pattern != NULL ? export->options->pattern : "*");
    if (!wildcard_matches(WILDCARD_STRING, pattern, document->path, 0)) {
        return true;
    }
    buf_clear(line);
    add_text(line, "{\"path\":", document->path);
    buf_add_lit(line, ",\"data\":");
    buf_add_str(line, document->data);
    buf_add_format(line, ",\"created\":%lld,\"modified\":%lld", (long long)document->created, (long long)document->modified);
    add_text(line, ",\"modifiedBy\":", document->modified_by);
    add_text(line, ",\"tag\":", document->tag);
    buf_add_lit(line, "}\n");
    export->status = line->status;
    if (export->status == HAPPN_OK && fwrite(line->ptr, 1, line->len, export->file) != line->len) {
        export->status = HAPPN_E_IO;
    }
    if (++export->report->stored % PROGRESS_EVERY == 0 && export->options->progress != NULL) {
        export->options->progress(export->report, export->options->arg);
    }
    return export->status == HAPPN_OK;
}

static happn_status walk(struct export *export, happn_error *error)
{
    struct sqlite_file file;
    struct sqlite_options options = {.file = export->options->database};
    struct str pattern = str_of(export->options->pattern != NULL ? export->options->pattern : "*");
    if (access(options.file, F_OK) != 0) {
        return error_set(error, HAPPN_E_IO, "there is no database %.300s", options.file);
    }
    happn_status status = sqlite_file_open_reader(&file, &options, error);
    if (status != HAPPN_OK) {
        return status;
    }
    sqlite3_busy_timeout(file.db, 2000);
    struct str prefix = wildcard_literal_prefix(pattern);
    struct shelf_walk walk = {.prefix = prefix, .from = prefix, .visit = write_line, .arg = export};
    buf_init(&export->line, &memory_default, SIZE_MAX / 2);
    status = file.shelf.ops->walk(&file.shelf, &walk, error);
    if (status == HAPPN_OK && export->status != HAPPN_OK) {
        status = error_set(error, export->status, "cannot write: %s", export->status == HAPPN_E_IO ? strerror(errno) : happn_status_text(export->status));
    }
    buf_fini(&export->line);
    sqlite_file_close(&file);
    return status;
}

static happn_status export_file(struct export *export, const char *target, happn_error *error)
{
    struct output output;
    happn_status status = output_begin(&output, target, ".part", export->options->force != 0, error);
    if (status != HAPPN_OK) {
        return status;
    }
    export->file = fopen(output.part, "wb");
    if (export->file == NULL) {
        return error_set(error, HAPPN_E_IO, "cannot write %.300s: %s", target, strerror(errno));
    }
    status = walk(export, error);
    if (fclose(export->file) != 0 && status == HAPPN_OK) {
        status = error_set(error, HAPPN_E_IO, "cannot write %.300s: %s", target, strerror(errno));
    }
    if (status == HAPPN_OK) {
        status = output_finish(&output, error);
    }
    output_drop(&output);
    return status;
}

happn_status happn_export(const happn_transfer_options *options, const char *target, happn_transfer_report *report, happn_error *error)
{
    *report = (happn_transfer_report){.size = sizeof *report};
    struct export export = {.options = options, .report = report, .file = stdout};
    happn_status status;
    if (strcmp(target, "-") == 0) {
        status = walk(&export, error);
        if (status == HAPPN_OK && fflush(stdout) != 0) {
            status = error_set(error, HAPPN_E_IO, "cannot write: %s", strerror(errno));
        }
    } else {
        status = export_file(&export, target, error);
    }
    report->documents = report->stored;
    if (options->progress != NULL) {
        options->progress(report, options->arg);
    }
    return status;
}
