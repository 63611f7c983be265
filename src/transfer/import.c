/* Import: each line becomes an operation of the store, several thousand of them under way. The store keeps their order, so
 * that the last line of a path counts, as the original has it; what is held in memory is a line, not the file. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "happn/transfer.h"
#include "search/search.h"
#include "store/sqlite.h"
#include "transfer/output.h"
#include "transfer/record.h"

enum { UNDER_WAY = 4096, PROGRESS_EVERY = 20000 };

struct import;

/* An operation and all that belongs to it. */
struct job {
    struct job *next;
    struct import *import;
    struct arena arena;
    struct store_op op;
    uint64_t line;
    char text[200]; /* the beginning of the line, for the report */
};

struct import {
    const happn_transfer_options *options;
    happn_transfer_report *report;
    struct loop loop;
    struct provider *provider;
    struct job *free_jobs;
    size_t under_way;
    int64_t now;
    uint64_t created; /* paths that were not there before; report->removed are gone again */
    happn_status status; /* the first failure of the store itself */
    happn_error error;
    bool is_closed;
};

static void reject(struct import *import, uint64_t line, const char *reason, struct str text)
{
    import->report->rejected++;
    if (import->options->rejected != NULL) {
        import->options->rejected(line, reason, text.ptr, text.len, import->options->arg);
    }
}

static struct job *new_job(struct import *import)
{
    struct job *job = import->free_jobs;
    if (job != NULL) {
        import->free_jobs = job->next;
        arena_reset(&job->arena);
    } else {
        job = memory_zalloc(&memory_default, sizeof *job);
        if (job == NULL) {
            return NULL;
        }
        arena_init(&job->arena, &memory_default);
    }
    job->import = import;
    job->op = (struct store_op){.arena = &job->arena, .context = job, .include_system = true, .now = import->now};
    return job;
}

static void free_job(struct job *job)
{
    job->next = job->import->free_jobs;
    job->import->free_jobs = job;
}

static void finish_job(struct store_op *op)
{
    struct job *job = op->context;
    struct import *import = job->import;
    import->under_way--;
    if (op->status == HAPPN_OK) {
        *(op->kind == STORE_REMOVE ? &import->report->removed : &import->report->stored) += op->kind == STORE_REMOVE ? (uint64_t)op->removed : 1;
        import->created += op->kind != STORE_REMOVE && op->was_created;
    } else if (op->status == HAPPN_E_STORE || op->status == HAPPN_E_MEMORY) {
        if (import->status == HAPPN_OK) {
            import->status = op->status;
            import->error = op->error;
        }
    } else {
        reject(import, job->line, op->error.message, str_of(job->text));
    }
    free_job(job);
}

/* Takes the job over. */
static void submit(struct import *import, struct job *job, struct str text)
{
    job->line = import->report->lines;
    snprintf(job->text, sizeof job->text, "%.*s", (int)(text.len < 199 ? text.len : 199), text.ptr);
    job->op.done = finish_job;
    import->under_way++;
    happn_status status = HAPPN_OK;
    if (import->options->dry_run) {
        job->op.status = HAPPN_OK;
        finish_job(&job->op);
        return;
    }
    while ((status = provider_submit(import->provider, &job->op)) == HAPPN_E_BUSY) {
        uv_run(&import->loop.uv, UV_RUN_ONCE);
    }
    if (status != HAPPN_PENDING) {
        job->op.status = status;
        finish_job(&job->op);
    }
    while (import->under_way >= UNDER_WAY) {
        uv_run(&import->loop.uv, UV_RUN_ONCE);
    }
}

static bool is_pointless(struct str path)
{
    return str_is(path, "/_SYSTEM/_DATABASE/_VERSION"); /* the original's own format */
}

static void restore(struct job *job, const struct document *document)
{
    struct store_op *op = &job->op;
    op->kind = STORE_RESTORE;
    op->path = arena_str(&job->arena, document->path);
    op->data = arena_str(&job->arena, document->data);
    op->restored = *document;
    op->restored.modified_by = str_is_set(document->modified_by) ? arena_str(&job->arena, document->modified_by) : STR_NONE;
    op->restored.tag = str_is_set(document->tag) ? arena_str(&job->arena, document->tag) : STR_NONE;
}

static bool take_document(void *arg, const struct document *document, const happn_error *error, struct str text)
{
    struct import *import = arg;
    if (error != NULL) {
        reject(import, import->report->lines, error->message, text);
        return true;
    }
    if (is_pointless(document->path)) {
        import->report->skipped++;
        return true;
    }
    struct job *job = new_job(import);
    if (job == NULL) {
        import->status = error_set(&import->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
        return false;
    }
    restore(job, document);
    submit(import, job, text);
    return import->status == HAPPN_OK;
}

static bool compile_criteria(struct job *job, struct str criteria, happn_error *error)
{
    struct search_text text = {.criteria = str_is_set(criteria) ? arena_str(&job->arena, criteria) : STR_NONE};
    struct search *search;
    happn_status status = search_compile(&job->arena, &text, &search, error);
    job->op.search = search;
    return status == HAPPN_OK;
}

static void take_record(struct import *import, const struct record *record, struct str line)
{
    if (record->kind == RECORD_DOCUMENT && !record->is_set) {
        take_document(import, &record->document, NULL, line);
        return;
    }
    struct job *job = new_job(import);
    happn_error error = {.status = HAPPN_OK};
    if (job == NULL) {
        import->status = error_set(&import->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    job->op.path = arena_str(&job->arena, record->document.path);
    if (record->is_set) {
        job->op.kind = record->is_merge ? STORE_MERGE : STORE_SET;
        job->op.modified_by = str_is_set(record->document.modified_by) ? arena_str(&job->arena, record->document.modified_by) : STR_NONE;
        job->op.data = arena_str(&job->arena, record->document.data);
        job->op.now = record->document.modified;
    } else if (record->kind == RECORD_INCREMENT) {
        job->op.kind = STORE_INCREMENT;
        job->op.field = arena_str(&job->arena, record->field);
        job->op.by = arena_str(&job->arena, record->by);
    } else {
        job->op.kind = STORE_REMOVE;
        if (!compile_criteria(job, record->criteria, &error)) {
            reject(import, import->report->lines, error.message, line);
            free_job(job);
            return;
        }
    }
    submit(import, job, line);
}

static void take_line(struct import *import, struct str line)
{
    struct arena arena;
    struct record record;
    happn_error error = {.status = HAPPN_OK};
    arena_init(&arena, &memory_default);
    happn_status status = record_read(&arena, line, import->now, &record, &error);
    if (status == HAPPN_OK && record.kind == RECORD_SNAPSHOT) {
        status = record_each(&arena, record.snapshot, import->now, take_document, import, &error);
    } else if (status == HAPPN_OK && record.kind == RECORD_NOTHING) {
        import->report->skipped++;
    } else if (status == HAPPN_OK) {
        take_record(import, &record, line);
    }
    if (status != HAPPN_OK) {
        reject(import, import->report->lines, error.message, line);
    }
    arena_fini(&arena);
}

static void tell(struct import *import)
{
    if (import->options->progress != NULL) {
        import->options->progress(import->report, import->options->arg);
    }
}

static void read_lines(struct import *import, FILE *source)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t len;
    while (import->status == HAPPN_OK && (len = getline(&text, &room, source)) >= 0) {
        import->report->lines++;
        struct str line = json_trim(str_make(text, (size_t)len));
        if (line.len != 0) {
            take_line(import, line);
        }
        if (import->report->lines % PROGRESS_EVERY == 0) {
            tell(import);
        }
    }
    if (ferror(source)) {
        import->status = error_set(&import->error, HAPPN_E_IO, "cannot read: %s", strerror(errno));
    }
    free(text);
}

static void note_count(struct store_op *op)
{
    *(bool *)op->context = true;
}

static happn_status count(struct import *import, uint64_t *out)
{
    bool is_done = false;
    struct arena arena;
    arena_init(&arena, &memory_default);
    struct store_op op = {.kind = STORE_COUNT, .path = STR_LIT("*"), .include_system = true, .arena = &arena, .done = note_count, .context = &is_done};
    happn_status status = provider_submit(import->provider, &op);
    while (status == HAPPN_PENDING && !is_done) {
        uv_run(&import->loop.uv, UV_RUN_ONCE);
    }
    *out = op.count;
    arena_fini(&arena);
    return status == HAPPN_PENDING ? op.status : status;
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

static void close_store(struct import *import)
{
    while (import->under_way != 0) {
        uv_run(&import->loop.uv, UV_RUN_ONCE);
    }
    if (import->provider != NULL) {
        import->provider->ops->close(import->provider, note_closed, &import->is_closed);
        while (!import->is_closed) {
            uv_run(&import->loop.uv, UV_RUN_ONCE);
        }
    }
    while (import->free_jobs != NULL) {
        struct job *job = import->free_jobs;
        import->free_jobs = job->next;
        arena_fini(&job->arena);
        memory_free(&memory_default, job);
    }
}

/* What is there must be what was there and what came. */
static happn_status check_count(struct import *import, uint64_t before)
{
    happn_transfer_report *report = import->report;
    happn_status status = count(import, &report->documents);
    uint64_t expected = before + import->created - report->removed;
    if (status != HAPPN_OK || report->documents == expected) {
        return status;
    }
    return error_set(&import->error, HAPPN_E_STORE, "the database has %llu documents instead of %llu", (unsigned long long)report->documents,
                     (unsigned long long)expected);
}

static happn_status run(struct import *import, const char *database, FILE *source)
{
    struct sqlite_options options = {.file = database, .sync = true};
    uint64_t before = 0;
    if (!import->options->dry_run) {
        happn_status status = store_sqlite_open(&import->loop, &memory_default, &options, &import->provider, &import->error);
        if (status != HAPPN_OK) {
            return status;
        }
        status = count(import, &before);
        if (status == HAPPN_OK && before != 0 && !import->options->add) {
            status = error_set(&import->error, HAPPN_E_REFUSED, "%.300s has %llu documents already", database, (unsigned long long)before);
        }
        if (status != HAPPN_OK) {
            return status;
        }
    }
    read_lines(import, source);
    while (import->under_way != 0) {
        uv_run(&import->loop.uv, UV_RUN_ONCE);
    }
    if (import->status == HAPPN_OK && !import->options->dry_run) {
        import->status = check_count(import, before);
    }
    return import->status;
}

static happn_status run_on_loop(struct import *import, const char *database, FILE *source)
{
    happn_status status = loop_init(&import->loop, &memory_default);
    if (status != HAPPN_OK) {
        return status;
    }
    import->now = loop_now_ms(&import->loop);
    status = run(import, database, source);
    close_store(import);
    loop_fini(&import->loop);
    return status;
}

/* A new database is made under another name first, so that nobody takes half of it for all. */
static happn_status import_new(struct import *import, FILE *source)
{
    struct output output;
    happn_status status = output_begin(&output, import->options->database, "-import", true, &import->error);
    if (status == HAPPN_OK) {
        status = run_on_loop(import, output.part, source);
    }
    if (status == HAPPN_OK) {
        status = output_finish(&output, &import->error);
    }
    output_drop(&output);
    return status;
}

happn_status happn_import(const happn_transfer_options *options, const char *source, happn_transfer_report *report, happn_error *error)
{
    *report = (happn_transfer_report){.size = sizeof *report};
    struct import import = {.options = options, .report = report};
    bool is_input = strcmp(source, "-") == 0;
    FILE *file = is_input ? stdin : fopen(source, "rb");
    if (file == NULL) {
        return error_set(error, HAPPN_E_IO, "cannot read %.300s: %s", source, strerror(errno));
    }
    bool is_new = !options->dry_run && access(options->database, F_OK) != 0;
    happn_status status = is_new ? import_new(&import, file) : run_on_loop(&import, options->database, file);
    if (!is_input) {
        fclose(file);
    }
    tell(&import);
    if (status != HAPPN_OK && error != NULL) {
        *error = import.error;
        error->status = status;
    }
    return status;
}
