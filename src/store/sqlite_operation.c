#include "store/sqlite_operation.h"

#include "base/error.h"
#include "json/merge.h"
#include "paths/path.h"
#include "paths/wildcard.h"

enum { MAX_DOCUMENT = 256u << 20, REMOVE_CHUNK = 1000 };

static void bind_text(sqlite3_stmt *statement, int at, struct str text)
{
    /* Bound until the next binding, but only looked at while the statement runs. A NULL pointer would bind NULL. */
    sqlite3_bind_text64(statement, at, text.ptr != NULL ? text.ptr : "", text.len, SQLITE_STATIC, SQLITE_UTF8);
}

static struct str column(sqlite3_stmt *statement, int at)
{
    const void *text = sqlite3_column_text(statement, at); /* before the length */
    return str_make(text, (size_t)sqlite3_column_bytes(statement, at));
}

static struct str copy_column(struct arena *out, sqlite3_stmt *statement, int at)
{
    struct str text = column(statement, at);
    return text.ptr != NULL ? arena_str(out, text) : STR_NONE; /* SQLite had no memory, or we */
}

static happn_status no_memory(struct store_op *op)
{
    return error_set(&op->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

/* `at` is the column of `created`. */
static bool copy_document(const struct store_op *op, sqlite3_stmt *row, int at, struct arena *out,
                          struct document *document)
{
    document->created = sqlite3_column_int64(row, at);
    document->modified = sqlite3_column_int64(row, at + 1);
    document->rev = sqlite3_column_int64(row, at + 3);
    bool has_author = sqlite3_column_type(row, at + 2) != SQLITE_NULL;
    if (has_author) {
        document->modified_by = copy_column(out, row, at + 2);
    }
    if (!op->paths_only) {
        document->data = copy_column(out, row, at + 4);
    }
    return document->path.ptr != NULL && (!has_author || document->modified_by.ptr != NULL) &&
           (op->paths_only || document->data.ptr != NULL);
}

/* What the statement's last step means when it gave no row. */
static happn_status end_of_rows(struct sqlite_file *file, struct store_op *op, int code)
{
    return code == SQLITE_DONE ? HAPPN_OK : sqlite_file_failed(file, &op->error);
}

static happn_status get(struct sqlite_file *file, struct store_op *op, struct arena *out)
{
    sqlite3_stmt *statement = file->statements[op->paths_only ? SQL_GET_BARE : SQL_GET];
    bind_text(statement, 1, op->path);
    happn_status status = HAPPN_OK;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        op->documents = arena_alloc(out, sizeof *op->documents);
        if (op->documents != NULL) {
            *op->documents = (struct document){.path = arena_str(out, op->path)};
        }
        if (op->documents == NULL || !copy_document(op, statement, 0, out, op->documents)) {
            status = no_memory(op);
        } else {
            op->count = 1;
        }
    } else {
        status = end_of_rows(file, op, code);
    }
    sqlite3_reset(statement);
    return status;
}

static bool concerns(const struct store_op *op, struct str path)
{
    return wildcard_matches(WILDCARD_STRING, op->path, path, 0) && (op->include_system || !path_is_system(path));
}

/* Everything from `first` on that starts with the prefix. The end is the prefix with its last byte raised; where there is
 * none, an empty blob, which is greater than any text. */
static happn_status bind_range(sqlite3_stmt *statement, struct str first, struct str prefix, struct arena *scratch)
{
    bind_text(statement, 1, first);
    size_t len = prefix.len;
    while (len != 0 && (unsigned char)prefix.ptr[len - 1] == 0xff) {
        len--;
    }
    if (len == 0) {
        sqlite3_bind_zeroblob(statement, 2, 0);
        return HAPPN_OK;
    }
    char *end = (char *)arena_str(scratch, str_make(prefix.ptr, len)).ptr;
    if (end == NULL) {
        return HAPPN_E_MEMORY;
    }
    end[len - 1]++;
    bind_text(statement, 2, str_make(end, len));
    return HAPPN_OK;
}

static struct document *add_document(struct store_op *op, struct arena *out, size_t *room)
{
    if (op->count == *room) {
        *room = *room == 0 ? 16 : *room * 2;
        struct document *more = arena_alloc(out, *room * sizeof *more);
        if (more == NULL) {
            return NULL;
        }
        if (op->count != 0) {
            memcpy(more, op->documents, op->count * sizeof *more);
        }
        op->documents = more;
    }
    struct document *document = &op->documents[op->count++];
    *document = (struct document){.rev = 0};
    return document;
}

static happn_status find_rows(struct sqlite_file *file, struct store_op *op, sqlite3_stmt *statement,
                              struct arena *out)
{
    size_t room = 0;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct str path = column(statement, 0);
        if (!concerns(op, path)) {
            continue;
        }
        struct document *document = add_document(op, out, &room);
        if (document == NULL) {
            return no_memory(op);
        }
        document->path = arena_str(out, path);
        if (!copy_document(op, statement, 1, out, document)) {
            return no_memory(op);
        }
    }
    return end_of_rows(file, op, code);
}

static happn_status find(struct sqlite_file *file, struct store_op *op, struct arena *out)
{
    if (!path_has_wildcard(op->path)) {
        return concerns(op, op->path) ? get(file, op, out) : HAPPN_OK;
    }
    sqlite3_stmt *statement = file->statements[op->paths_only ? SQL_FIND_BARE : SQL_FIND];
    struct str prefix = wildcard_literal_prefix(op->path);
    if (bind_range(statement, prefix, prefix, out) != HAPPN_OK) {
        return no_memory(op);
    }
    happn_status status = find_rows(file, op, statement, out);
    sqlite3_reset(statement);
    return status;
}

static happn_status put(struct sqlite_file *file, struct store_op *op, struct str data, int64_t created)
{
    sqlite3_stmt *statement = file->statements[SQL_PUT];
    int64_t rev = file->rev + 1;
    bind_text(statement, 1, op->path);
    sqlite3_bind_int64(statement, 2, created);
    sqlite3_bind_int64(statement, 3, op->now);
    if (op->modified_by.len != 0) {
        bind_text(statement, 4, op->modified_by);
    } else {
        sqlite3_bind_null(statement, 4);
    }
    sqlite3_bind_int64(statement, 5, rev);
    /* The one text that can be too long for SQLite: then the parameter would keep what it had before. */
    int code = sqlite3_bind_text64(statement, 6, data.ptr, data.len, SQLITE_STATIC, SQLITE_UTF8);
    if (code != SQLITE_OK || sqlite_file_run(file, SQL_PUT) != SQLITE_OK) {
        return sqlite_file_failed(file, &op->error);
    }
    file->rev = rev;
    op->document = (struct document){.path = op->path,
                                     .data = data,
                                     .created = created,
                                     .modified = op->now,
                                     .modified_by = op->modified_by,
                                     .rev = rev};
    return HAPPN_OK;
}

static happn_status merge_row(struct store_op *op, sqlite3_stmt *row, struct arena *out, struct str *data)
{
    struct buf merged;
    buf_init(&merged, out->allocator, MAX_DOCUMENT);
    json_merge(&merged, column(row, 4), op->data);
    happn_status status = merged.status;
    if (status == HAPPN_OK) {
        *data = arena_str(out, buf_str(&merged));
    }
    buf_fini(&merged);
    if (status == HAPPN_E_LIMIT) {
        return error_set(&op->error, status, "the merged document is longer than %u bytes", MAX_DOCUMENT);
    }
    return status != HAPPN_OK || data->ptr == NULL ? no_memory(op) : HAPPN_OK;
}

static happn_status set(struct sqlite_file *file, struct store_op *op, struct arena *out)
{
    bool is_merge = op->kind == STORE_MERGE;
    sqlite3_stmt *before = file->statements[is_merge ? SQL_GET : SQL_GET_BARE];
    bind_text(before, 1, op->path);
    struct str data = op->data;
    int64_t created = op->now;
    happn_status status = HAPPN_OK;
    int code = sqlite3_step(before);
    op->was_created = code == SQLITE_DONE;
    if (code == SQLITE_ROW) {
        created = sqlite3_column_int64(before, 0);
        status = is_merge ? merge_row(op, before, out, &data) : HAPPN_OK;
    } else {
        status = end_of_rows(file, op, code);
    }
    sqlite3_reset(before);
    return status == HAPPN_OK ? put(file, op, data, created) : status;
}

static happn_status remove_one(struct sqlite_file *file, struct store_op *op, struct str path)
{
    bind_text(file->statements[SQL_DELETE], 1, path);
    if (sqlite_file_run(file, SQL_DELETE) != SQLITE_OK) {
        return sqlite_file_failed(file, &op->error);
    }
    int count = sqlite3_changes(file->db);
    op->removed += count;
    file->rev += count;
    return HAPPN_OK;
}

/* Collects up to REMOVE_CHUNK paths to be removed, and where to go on: directly behind the last one looked at. */
static happn_status collect(struct sqlite_file *file, struct store_op *op, struct arena *scratch, struct str *from,
                            struct str *paths, size_t *count)
{
    sqlite3_stmt *statement = file->statements[SQL_FIND_BARE];
    if (bind_range(statement, *from, wildcard_literal_prefix(op->path), scratch) != HAPPN_OK) {
        return no_memory(op);
    }
    int code = SQLITE_DONE;
    happn_status status = HAPPN_OK;
    *count = 0;
    while (*count < REMOVE_CHUNK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct str path = column(statement, 0);
        if (!concerns(op, path)) {
            continue;
        }
        paths[*count] = arena_str(scratch, path);
        if (paths[*count].ptr == NULL) {
            status = no_memory(op);
            break;
        }
        *from = str_make(paths[*count].ptr, path.len + 1); /* with its NUL: the next possible text */
        ++*count;
    }
    if (status == HAPPN_OK && code != SQLITE_ROW) {
        status = end_of_rows(file, op, code);
    }
    sqlite3_reset(statement);
    return status;
}

static happn_status remove_chunks(struct sqlite_file *file, struct store_op *op, struct arena *out)
{
    struct arena scratch;
    struct str *paths = arena_alloc(out, REMOVE_CHUNK * sizeof *paths);
    struct str from = wildcard_literal_prefix(op->path);
    happn_status status = paths != NULL ? HAPPN_OK : no_memory(op);
    size_t count = REMOVE_CHUNK;
    arena_init(&scratch, out->allocator);
    while (status == HAPPN_OK && count == REMOVE_CHUNK) {
        struct arena before = scratch; /* holds `from` until the next one is found */
        arena_init(&scratch, out->allocator);
        status = collect(file, op, &scratch, &from, paths, &count);
        arena_fini(&before);
        for (size_t i = 0; i < count && status == HAPPN_OK; i++) {
            status = remove_one(file, op, paths[i]);
        }
    }
    arena_fini(&scratch);
    return status;
}

/* Many statements: a failure in the middle must bring back what was removed before it. */
static happn_status remove_pattern(struct sqlite_file *file, struct store_op *op, struct arena *out)
{
    if (sqlite_file_run(file, SQL_SAVEPOINT) != SQLITE_OK) {
        return sqlite_file_failed(file, &op->error);
    }
    happn_status status = remove_chunks(file, op, out);
    if (sqlite3_get_autocommit(file->db)) {
        return status; /* all is rolled back already */
    }
    if (status != HAPPN_OK) {
        sqlite_file_run(file, SQL_UNDO);
    }
    if (sqlite_file_run(file, SQL_RELEASE) != SQLITE_OK && status == HAPPN_OK) {
        status = sqlite_file_failed(file, &op->error);
    }
    return status;
}

static happn_status run(struct sqlite_file *file, struct store_op *op, struct arena *out)
{
    switch (op->kind) {
    case STORE_SET:
    case STORE_MERGE:
        return set(file, op, out);
    case STORE_GET:
        return get(file, op, out);
    case STORE_FIND:
        return find(file, op, out);
    case STORE_REMOVE:
        return path_has_wildcard(op->path) ? remove_pattern(file, op, out) : remove_one(file, op, op->path);
    }
    return error_set(&op->error, HAPPN_E_UNSUPPORTED, "the sqlite store does not know operation %d", op->kind);
}

happn_status sqlite_operation_run(struct sqlite_file *file, struct store_op *op, struct arena *out)
{
    int64_t rev = file->rev;
    happn_status status = run(file, op, out);
    if (status != HAPPN_OK) {
        file->rev = rev;
        sqlite_operation_forget(op);
        return status;
    }
    op->snapshot_rev = file->rev;
    return HAPPN_OK;
}

void sqlite_operation_forget(struct store_op *op)
{
    op->document = (struct document){.rev = 0};
    op->was_created = false;
    op->documents = NULL;
    op->count = 0;
    op->removed = 0;
    op->snapshot_rev = 0;
}
