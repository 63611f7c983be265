/* One table for all: entries(field, key, path, row). It has no rowid, so that the keys of a field lie together in their order; a second
 * tree by path finds the entries of a document. `row` is where the document was when the entry was made: a hint that spares the search
 * by path, to be checked by whoever takes it, since VACUUM promises nobody his number. Fields are numbered by the table `indexes`, which also says, across restarts,
 * which of them are complete. A program that opens the database without declaring them drops them: they would grow stale. */

#include "store/sqlite_index.h"

#include <stdlib.h>

#include "base/error.h"
#include "search/key.h"

static const char tables[] = "CREATE TABLE IF NOT EXISTS indexes(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
                             "CREATE TABLE IF NOT EXISTS entries(field INTEGER NOT NULL, key BLOB NOT NULL, path TEXT NOT NULL, row INTEGER NOT NULL,"
                             " PRIMARY KEY(field, key, path)) STRICT, WITHOUT ROWID;"
                             "CREATE INDEX IF NOT EXISTS entries_by_path ON entries(path);";

static const char drop_tables[] = "DROP TABLE IF EXISTS entries; DROP TABLE IF EXISTS indexes";

#define CHOSEN "WHERE e.field = ?1 AND e.key >= ?2 AND e.key <= ?3"

static const char *const texts[INDEX_STATEMENTS] = {
    [INDEX_PATHS] = "SELECT e.path FROM entries AS e " CHOSEN,
    [INDEX_DOCUMENTS] = "SELECT e.path, d.created, d.modified, d.modified_by, d.tag, d.rev,"
                        " CASE WHEN d.path = e.path AND octet_length(d.data) <= ?4 THEN d.data END"
                        " FROM entries AS e LEFT JOIN documents AS d ON d.rowid = e.row " CHOSEN " AND is_wanted(e.path)",
    [INDEX_HAS_ARRAYS] = "SELECT 1 FROM entries WHERE field = ?1 AND key = ?2 LIMIT 1",
    [INDEX_FORGET] = "DELETE FROM entries WHERE path = ?1",
    [INDEX_KEEP] = "INSERT OR IGNORE INTO entries SELECT ?1, ?2, path, rowid FROM documents WHERE path = ?3",
};

static happn_status no_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static int run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

int sqlite_index_forget(struct sqlite_file *file, struct str path)
{
    if (file->index == NULL) {
        return SQLITE_OK;
    }
    sqlite3_stmt *statement = file->index->statements[INDEX_FORGET];
    sqlite3_bind_text64(statement, 1, path.ptr, path.len, SQLITE_STATIC, SQLITE_UTF8);
    return run(statement);
}

struct keeping {
    sqlite3_stmt *statement;
    int code;
};

static void keep_key(void *arg, struct str key)
{
    struct keeping *keeping = arg;
    sqlite3_bind_blob64(keeping->statement, 2, key.ptr, key.len, SQLITE_STATIC);
    if (keeping->code == SQLITE_OK) {
        keeping->code = run(keeping->statement);
    }
}

static int keep_field(struct sqlite_file *file, size_t at, const struct document *document)
{
    struct sqlite_index *index = file->index;
    struct arena scratch;
    struct keeping keeping = {index->statements[INDEX_KEEP], SQLITE_OK};
    arena_init(&scratch, index->arena.allocator);
    sqlite3_bind_int64(keeping.statement, 1, index->numbers[at]);
    sqlite3_bind_text64(keeping.statement, 3, document->path.ptr, document->path.len, SQLITE_STATIC, SQLITE_UTF8);
    if (!key_each(&index->fields[at], document, &scratch, keep_key, &keeping)) {
        keeping.code = SQLITE_NOMEM;
    }
    arena_fini(&scratch);
    return keeping.code;
}

int sqlite_index_keep(struct sqlite_file *file, const struct document *document)
{
    int code = SQLITE_OK;
    for (size_t i = 0; file->index != NULL && i < file->index->count && code == SQLITE_OK; i++) {
        code = keep_field(file, i, document);
    }
    return code;
}

/* ---- opening */

static happn_status failed(struct sqlite_file *file, happn_error *error)
{
    return error_set(error, HAPPN_E_STORE, "cannot make the indexes: %s", sqlite3_errmsg(file->db));
}

static happn_status read_fields(struct sqlite_index *index, const struct sqlite_options *options, happn_error *error)
{
    index->fields = arena_alloc(&index->arena, options->index_count * sizeof *index->fields);
    index->numbers = arena_alloc(&index->arena, options->index_count * sizeof *index->numbers);
    if (index->fields == NULL || index->numbers == NULL) {
        return no_memory(error);
    }
    for (size_t i = 0; i < options->index_count; i++) {
        struct str name = arena_str(&index->arena, options->indexes[i]);
        happn_status status = name.ptr != NULL ? field_read(&index->arena, name, &index->fields[i], error) : no_memory(error);
        if (status != HAPPN_OK) {
            return status;
        }
        index->count++;
    }
    return HAPPN_OK;
}

/* The number of a field; 0: it is new. -1: failure. */
static int64_t find_number(struct sqlite_file *file, struct str name)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(file->db, "SELECT number FROM indexes WHERE name = ?1", -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_text64(statement, 1, name.ptr, name.len, SQLITE_STATIC, SQLITE_UTF8);
        int code = sqlite3_step(statement);
        number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : code == SQLITE_DONE ? 0 : -1;
    }
    sqlite3_finalize(statement);
    return number;
}

struct building {
    struct sqlite_file *file;
    size_t at;
    int code;
};

static bool build_one(void *arg, const struct document *document)
{
    struct building *building = arg;
    building->code = keep_field(building->file, building->at, document);
    return building->code == SQLITE_OK;
}

static happn_status build(struct sqlite_file *file, size_t at, happn_error *error)
{
    struct sqlite_index *index = file->index;
    sqlite3_stmt *statement = NULL;
    bool is_named = sqlite3_prepare_v2(file->db, "INSERT INTO indexes(name) VALUES(?1)", -1, &statement, NULL) == SQLITE_OK &&
                    sqlite3_bind_text64(statement, 1, index->fields[at].name.ptr, index->fields[at].name.len, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK &&
                    sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_finalize(statement);
    if (!is_named) {
        return failed(file, error);
    }
    index->numbers[at] = sqlite3_last_insert_rowid(file->db);
    struct building building = {file, at, SQLITE_OK};
    struct shelf_walk walk = {.prefix = STR_LIT(""), .from = STR_LIT(""), .visit = build_one, .arg = &building};
    happn_status status = file->shelf.ops->walk(&file->shelf, &walk, error);
    return status == HAPPN_OK && building.code != SQLITE_OK ? failed(file, error) : status;
}

static bool has_others(struct sqlite_file *file)
{
    sqlite3_stmt *statement = NULL;
    bool has = sqlite3_prepare_v2(file->db, "SELECT count(*) FROM indexes", -1, &statement, NULL) != SQLITE_OK ||
               sqlite3_step(statement) != SQLITE_ROW || sqlite3_column_int64(statement, 0) != (int64_t)file->index->count;
    sqlite3_finalize(statement);
    return has;
}

/* What is not declared any more goes. */
static happn_status drop_others(struct sqlite_file *file, happn_error *error)
{
    if (!has_others(file)) {
        return HAPPN_OK;
    }
    struct buf sql;
    buf_init(&sql, file->index->arena.allocator, 1 << 20);
    buf_add_lit(&sql, "DELETE FROM entries WHERE field NOT IN (0");
    for (size_t i = 0; i < file->index->count; i++) {
        buf_add_format(&sql, ",%lld", (long long)file->index->numbers[i]);
    }
    buf_add_lit(&sql, "); DELETE FROM indexes WHERE number NOT IN (0");
    for (size_t i = 0; i < file->index->count; i++) {
        buf_add_format(&sql, ",%lld", (long long)file->index->numbers[i]);
    }
    buf_add_lit(&sql, ");");
    buf_add_char(&sql, '\0');
    int code = sql.status == HAPPN_OK ? sqlite3_exec(file->db, sql.ptr, NULL, NULL, NULL) : SQLITE_NOMEM;
    buf_fini(&sql);
    return code == SQLITE_OK ? HAPPN_OK : failed(file, error);
}

static happn_status prepare(struct sqlite_file *file, int count, happn_error *error)
{
    if (sqlite_index_add_function(file) != SQLITE_OK) {
        return failed(file, error);
    }
    for (int i = 0; i < count; i++) {
        if (sqlite3_prepare_v3(file->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &file->index->statements[i], NULL) != SQLITE_OK) {
            return failed(file, error);
        }
    }
    return HAPPN_OK;
}

static int make_tables(struct sqlite_file *file)
{
    sqlite3_stmt *statement = NULL;
    bool is_old = sqlite3_prepare_v2(file->db, "SELECT count(*) FROM pragma_table_info('entries')", -1, &statement, NULL) == SQLITE_OK &&
                  sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0) == 3; /* without rows: they are made anew */
    int code = sqlite3_finalize(statement);
    if (code == SQLITE_OK && is_old) {
        code = sqlite3_exec(file->db, drop_tables, NULL, NULL, NULL);
    }
    return code == SQLITE_OK ? sqlite3_exec(file->db, tables, NULL, NULL, NULL) : code;
}

static happn_status make(struct sqlite_file *file, happn_error *error)
{
    struct sqlite_index *index = file->index;
    happn_status status = make_tables(file) == SQLITE_OK ? prepare(file, INDEX_STATEMENTS, error) : failed(file, error);
    for (size_t i = 0; i < index->count && status == HAPPN_OK; i++) {
        index->numbers[i] = find_number(file, index->fields[i].name);
        if (index->numbers[i] < 0) {
            status = failed(file, error);
        } else if (index->numbers[i] == 0) {
            status = build(file, i, error);
        }
    }
    return status == HAPPN_OK ? drop_others(file, error) : status;
}

static happn_status new_index(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error)
{
    struct sqlite_index *index = memory_zalloc(&memory_default, sizeof *index);
    if (index == NULL) {
        return no_memory(error);
    }
    arena_init(&index->arena, &memory_default);
    file->index = index;
    return read_fields(index, options, error);
}

happn_status sqlite_index_open_reader(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error)
{
    if (options->index_count == 0) {
        return HAPPN_OK;
    }
    happn_status status = new_index(file, options, error);
    status = status == HAPPN_OK ? prepare(file, INDEX_READING, error) : status;
    for (size_t i = 0; status == HAPPN_OK && i < file->index->count; i++) {
        file->index->numbers[i] = find_number(file, file->index->fields[i].name);
        status = file->index->numbers[i] > 0 ? HAPPN_OK : failed(file, error);
    }
    return status;
}

happn_status sqlite_index_open(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error)
{
    if (options->index_count == 0) {
        int code = sqlite3_exec(file->db, drop_tables, NULL, NULL, NULL);
        return code == SQLITE_OK ? HAPPN_OK : failed(file, error);
    }
    happn_status status = new_index(file, options, error);
    if (status == HAPPN_OK && sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        return failed(file, error);
    }
    if (status == HAPPN_OK) {
        status = make(file, error);
        bool is_done = sqlite3_exec(file->db, status == HAPPN_OK ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK;
        status = status == HAPPN_OK && !is_done ? failed(file, error) : status;
    }
    return status;
}

void sqlite_index_close(struct sqlite_file *file)
{
    if (file->index == NULL) {
        return;
    }
    for (int i = 0; i < INDEX_STATEMENTS; i++) {
        sqlite3_finalize(file->index->statements[i]);
    }
    arena_fini(&file->index->arena);
    memory_free(&memory_default, file->index);
    file->index = NULL;
}
