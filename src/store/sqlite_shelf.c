#include "store/sqlite_shelf.h"

#include "base/error.h"
#include "paths/path.h"
#include "search/search.h"
#include "store/sqlite_index.h"

static struct sqlite_file *file_of(struct shelf *shelf)
{
    return (struct sqlite_file *)((char *)shelf - offsetof(struct sqlite_file, shelf));
}

static void bind_text(sqlite3_stmt *statement, int at, struct str text)
{
    /* Bound until the next binding, but only looked at while the statement runs. A NULL pointer would bind NULL. */
    sqlite3_bind_text64(statement, at, text.ptr != NULL ? text.ptr : "", text.len, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_name(sqlite3_stmt *statement, int at, struct str text)
{
    if (str_is_set(text)) {
        bind_text(statement, at, text);
    } else {
        sqlite3_bind_null(statement, at);
    }
}

/* Unset for NULL, and when SQLite had no memory. */
static struct str column(sqlite3_stmt *statement, int at)
{
    const void *text = sqlite3_column_text(statement, at); /* before the length */
    return str_make(text, (size_t)sqlite3_column_bytes(statement, at));
}

/* Ends the statement whose row was lent out. */
static void take_back(struct sqlite_file *file)
{
    buf_fini(&file->long_text);
    if (file->open != NULL) {
        sqlite3_reset(file->open);
        file->open = NULL;
    }
}

static happn_status no_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static happn_status copy_long(struct sqlite_file *file, sqlite3_blob *text, happn_error *error)
{
    size_t len = (size_t)sqlite3_blob_bytes(text);
    buf_fini(&file->long_text);
    buf_init(&file->long_text, file->long_text.allocator, len + 1); /* no more than it needs */
    if (!buf_reserve(&file->long_text, len + 1)) {
        return no_memory(error);
    }
    file->long_text.len = len;
    return sqlite3_blob_read(text, file->long_text.ptr, (int)len, 0) == SQLITE_OK ? HAPPN_OK : sqlite_file_failed(file, error);
}

/* As a column SQLite would put it together in memory of its own first, and keep its pages. */
static happn_status read_long(struct sqlite_file *file, int64_t row, struct document *out, happn_error *error)
{
    sqlite3_blob *text = NULL;
    if (sqlite3_blob_open(file->db, "main", "documents", "data", row, 0, &text) != SQLITE_OK) {
        return sqlite_file_failed(file, error);
    }
    sqlite_file_narrow(file);
    happn_status status = copy_long(file, text, error);
    sqlite3_blob_close(text);
    out->data = buf_str(&file->long_text);
    out->own = &file->long_text;
    return status;
}

static void note_length(struct sqlite_file *file, int64_t len)
{
    file->has_met_long = file->has_met_long || len >= SQLITE_LONG;
}

/* `at` is the column of `created`. The slices are SQLite's until the statement goes on. */
static happn_status read_columns(struct sqlite_file *file, sqlite3_stmt *row, int at, bool bare, struct document *out, happn_error *error)
{
    out->created = sqlite3_column_int64(row, at);
    out->modified = sqlite3_column_int64(row, at + 1);
    out->modified_by = column(row, at + 2);
    out->tag = column(row, at + 3);
    out->rev = sqlite3_column_int64(row, at + 4);
    out->is_unchecked = !bare;
    if (bare) {
        note_length(file, sqlite3_column_int64(row, at + 5));
        return HAPPN_OK;
    }
    if (sqlite3_column_type(row, at + 5) == SQLITE_NULL) {
        happn_status status = read_long(file, sqlite3_column_int64(row, at + 6), out, error);
        note_length(file, (int64_t)out->data.len);
        return status;
    }
    out->data = column(row, at + 5);
    note_length(file, (int64_t)out->data.len);
    return str_is_set(out->data) ? HAPPN_OK : no_memory(error);
}

static happn_status read_one(struct shelf *shelf, struct str path, bool bare, struct document *out, happn_error *error)
{
    struct sqlite_file *file = file_of(shelf);
    take_back(file);
    sqlite3_stmt *statement = file->statements[bare ? SQL_GET_BARE : SQL_GET];
    bind_text(statement, 1, path);
    *out = (struct document){.rev = 0};
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW) {
        happn_status status = code == SQLITE_DONE ? HAPPN_OK : sqlite_file_failed(file, error);
        sqlite3_reset(statement);
        return status;
    }
    file->open = statement;
    out->path = path;
    return read_columns(file, statement, 0, bare, out, error);
}

/* With indexes one write is several statements: all of them happen, or none. */
static int begin_whole(struct sqlite_file *file)
{
    return file->index != NULL ? sqlite_file_run(file, SQL_SAVEPOINT) : SQLITE_OK;
}

/* After a failure SQLite's words for it are in `error` already. */
static happn_status end_whole(struct sqlite_file *file, happn_status status, happn_error *error)
{
    if (file->index == NULL || sqlite3_get_autocommit(file->db)) {
        return status;
    }
    if (status != HAPPN_OK) {
        sqlite_file_run(file, SQL_UNDO);
    }
    int code = sqlite_file_run(file, SQL_RELEASE);
    return status == HAPPN_OK && code != SQLITE_OK ? sqlite_file_failed(file, error) : status;
}

static happn_status write_row(struct sqlite_file *file, const struct document *document, happn_error *error)
{
    sqlite3_stmt *statement = file->statements[SQL_PUT];
    bind_text(statement, 1, document->path);
    sqlite3_bind_int64(statement, 2, document->created);
    sqlite3_bind_int64(statement, 3, document->modified);
    bind_name(statement, 4, document->modified_by);
    bind_name(statement, 5, document->tag);
    sqlite3_bind_int64(statement, 6, document->rev);
    /* The one text that can be too long for SQLite: then the parameter would keep what it had before. */
    int code = sqlite3_bind_text64(statement, 7, document->data.ptr, document->data.len, SQLITE_STATIC, SQLITE_UTF8);
    happn_status status = HAPPN_OK;
    if (code != SQLITE_OK || begin_whole(file) != SQLITE_OK) {
        return sqlite_file_failed(file, error);
    }
    if (sqlite_index_forget(file, document->path) != SQLITE_OK || sqlite_file_run(file, SQL_PUT) != SQLITE_OK ||
        sqlite_index_keep(file, document) != SQLITE_OK) {
        status = sqlite_file_failed(file, error);
    }
    status = end_whole(file, status, error);
    take_back(file); /* data may have been a part of what was read */
    return status;
}

static happn_status erase_row(struct sqlite_file *file, struct str path, happn_error *error)
{
    take_back(file);
    bind_text(file->statements[SQL_DELETE], 1, path);
    if (begin_whole(file) != SQLITE_OK) {
        return sqlite_file_failed(file, error);
    }
    bool is_done = sqlite_index_forget(file, path) == SQLITE_OK && sqlite_file_run(file, SQL_DELETE) == SQLITE_OK;
    return end_whole(file, is_done ? HAPPN_OK : sqlite_file_failed(file, error), error);
}

/* Bytes of pages. */
static int cache_used(struct sqlite_file *file)
{
    int now = 0, most = 0;
    sqlite3_db_status(file->db, SQLITE_DBSTATUS_CACHE_USED, &now, &most, 0);
    return now;
}

/* To free the pages of a large text SQLite reads them. Nearly always it is known before that there is one, else they go afterwards. */
static happn_status change(struct sqlite_file *file, struct str path, const struct document *document, happn_error *error)
{
    bool is_long = file->has_met_long || (document != NULL && document->data.len >= SQLITE_LONG);
    int used = cache_used(file);
    if (is_long) {
        sqlite_file_narrow(file);
    }
    happn_status status = document != NULL ? write_row(file, document, error) : erase_row(file, path, error);
    if (cache_used(file) > used + SQLITE_LONG) {
        sqlite_file_narrow(file);
    }
    return status;
}

static happn_status write_one(struct shelf *shelf, const struct document *document, happn_error *error)
{
    return change(file_of(shelf), document->path, document, error);
}

static happn_status erase_one(struct shelf *shelf, struct str path, happn_error *error)
{
    return change(file_of(shelf), path, NULL, error);
}

/* The end of a range is its prefix with the last byte raised; where there is none, an empty blob, which is greater than
 * any text. `end` has room for the prefix. */
static void bind_end(sqlite3_stmt *statement, struct str prefix, char *end)
{
    size_t len = prefix.len;
    while (len != 0 && (unsigned char)prefix.ptr[len - 1] == 0xff) {
        len--;
    }
    if (len == 0) {
        sqlite3_bind_zeroblob(statement, 2, 0);
        return;
    }
    memcpy(end, prefix.ptr, len);
    end[len - 1]++;
    bind_text(statement, 2, str_make(end, len));
}

static happn_status walk_rows(struct sqlite_file *file, sqlite3_stmt *statement, const struct shelf_walk *walk, happn_error *error)
{
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct document document = {.path = column(statement, 0)};
        happn_status status = str_is_set(document.path) ? read_columns(file, statement, 1, walk->bare, &document, error) : no_memory(error);
        status = status == HAPPN_OK && !sqlite_file_spend(file, document.data.len) ? HAPPN_E_BUSY : status;
        if (status != HAPPN_OK) {
            return status;
        }
        if (!walk->visit(walk->arg, &document)) {
            return HAPPN_OK;
        }
    }
    return code == SQLITE_DONE ? HAPPN_OK : sqlite_file_failed(file, error);
}

/* Along the paths that an index has left. */
static happn_status walk_paths(struct shelf *shelf, const struct shelf_walk *walk, const struct str *paths, size_t count, happn_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct document document;
        happn_status status = read_one(shelf, paths[i], walk->bare, &document, error);
        status = status == HAPPN_OK && !sqlite_file_spend(file_of(shelf), document.data.len) ? HAPPN_E_BUSY : status;
        if (status != HAPPN_OK) {
            return status;
        }
        if (str_is_set(document.path) && !walk->visit(walk->arg, &document)) {
            break;
        }
    }
    take_back(file_of(shelf));
    return HAPPN_OK;
}

static happn_status visit_each(struct shelf *shelf, const struct shelf_walk *walk, const struct document *documents, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!sqlite_file_spend(file_of(shelf), documents[i].data.len)) {
            return HAPPN_E_BUSY;
        }
        if (!walk->visit(walk->arg, &documents[i])) {
            break;
        }
    }
    return HAPPN_OK;
}

static bool walk_by_index(struct shelf *shelf, const struct shelf_walk *walk, happn_status *status, happn_error *error)
{
    struct arena arena;
    struct sqlite_choice choice;
    arena_init(&arena, &memory_default);
    bool helps = sqlite_index_choose(file_of(shelf), walk, &arena, &choice);
    if (helps) {
        *status = choice.documents != NULL ? visit_each(shelf, walk, choice.documents, choice.count)
                                           : walk_paths(shelf, walk, choice.paths, choice.count, error);
        if (walk->index != NULL) {
            *walk->index = choice.name;
        }
    }
    arena_fini(&arena);
    return helps;
}

static happn_status walk(struct shelf *shelf, const struct shelf_walk *walk, happn_error *error)
{
    struct sqlite_file *file = file_of(shelf);
    take_back(file);
    if (walk->prefix.len > PATH_MAX_LENGTH) {
        return HAPPN_OK; /* no path is so long */
    }
    happn_status by_index;
    if (walk->search != NULL && walk_by_index(shelf, walk, &by_index, error)) {
        return by_index;
    }
    if (file->is_brief && search_criteria(walk->search) != NULL) {
        return HAPPN_E_BUSY;
    }
    char end[PATH_MAX_LENGTH];
    sqlite3_stmt *statement = file->statements[walk->bare ? SQL_FIND_BARE : SQL_FIND];
    bind_text(statement, 1, walk->from);
    bind_end(statement, walk->prefix, end);
    happn_status status = walk_rows(file, statement, walk, error);
    sqlite3_reset(statement);
    return status;
}

static void rest(struct shelf *shelf)
{
    take_back(file_of(shelf));
    file_of(shelf)->has_met_long = false;
    sqlite_file_widen(file_of(shelf));
}

static happn_status group(struct shelf *shelf, happn_error *error)
{
    struct sqlite_file *file = file_of(shelf);
    return sqlite_file_run(file, SQL_SAVEPOINT) == SQLITE_OK ? HAPPN_OK : sqlite_file_failed(file, error);
}

static happn_status group_end(struct shelf *shelf, bool keep, happn_error *error)
{
    struct sqlite_file *file = file_of(shelf);
    take_back(file);
    if (sqlite3_get_autocommit(file->db)) {
        return HAPPN_E_STORE; /* all is rolled back already */
    }
    if (!keep) {
        sqlite_file_run(file, SQL_UNDO);
    }
    return sqlite_file_run(file, SQL_RELEASE) == SQLITE_OK ? HAPPN_OK : sqlite_file_failed(file, error);
}

/* The new database is put together in a temporary file: everything else that is temporary is small and stays in memory. */
static happn_status vacuum(struct sqlite_file *file, happn_error *error)
{
    sqlite3_exec(file->db, "PRAGMA temp_store=1", NULL, NULL, NULL);
    int code = sqlite3_exec(file->db, "VACUUM", NULL, NULL, NULL);
    happn_status status = code == SQLITE_OK ? HAPPN_OK : sqlite_file_failed(file, error);
    sqlite3_exec(file->db, "PRAGMA temp_store=2", NULL, NULL, NULL);
    return status;
}

/* Everything is written anew, then the log goes into the database and is cut off. */
static happn_status compact(struct shelf *shelf, happn_error *error)
{
    struct sqlite_file *file = file_of(shelf);
    take_back(file);
    happn_status status = vacuum(file, error);
    if (status != HAPPN_OK) {
        return status;
    }
    file->log_pages = 0;
    sqlite3_wal_checkpoint_v2(file->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL); /* not now: then later */
    return HAPPN_OK;
}

const struct shelf_ops sqlite_shelf = {.read = read_one, .write = write_one, .erase = erase_one, .walk = walk, .rest = rest,
                                       .compact = compact, .group = group, .group_end = group_end};
