/* Most searches by an index are for a few short documents. These are read along with the entries, in one statement; where it turns out that
 * there are many, or long ones, or that an entry's row is no longer its document's, the paths alone are gathered and each is read later. */

#include <stdlib.h>

#include "search/key.h"
#include "store/sqlite_index.h"

enum { FEW = 64, SHORT = 4096 /* bytes of data, little enough to be copied */ };

static bool has_arrays(void *arg, size_t at)
{
    struct sqlite_file *file = arg;
    sqlite3_stmt *statement = file->index->statements[INDEX_HAS_ARRAYS];
    struct buf key;
    buf_init(&key, file->index->arena.allocator, 64);
    key_add(&key, &(struct value){.type = VALUE_ARRAY});
    sqlite3_bind_int64(statement, 1, file->index->numbers[at]);
    sqlite3_bind_blob64(statement, 2, key.ptr, key.len, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    buf_fini(&key);
    return code != SQLITE_DONE; /* when in doubt there are */
}

static void bind_range(sqlite3_stmt *statement, int64_t number, const struct key_range *range)
{
    sqlite3_bind_int64(statement, 1, number);
    sqlite3_bind_blob64(statement, 2, range->first.ptr, range->first.len, SQLITE_STATIC);
    sqlite3_bind_blob64(statement, 3, range->last.ptr, range->last.len, SQLITE_STATIC);
}

/* Unset where it is NULL. */
static struct str column(sqlite3_stmt *statement, int at)
{
    const void *text = sqlite3_column_text(statement, at); /* before the length */
    return str_make(text, (size_t)sqlite3_column_bytes(statement, at));
}

static bool is_wanted(const struct shelf_walk *walk, struct str path)
{
    return str_starts(path, walk->prefix) && str_compare(path, walk->from) >= 0;
}

/* ---- documents */

/* Asked for each entry before its document is looked up. */
static void is_wanted_in_sql(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct sqlite_index *index = sqlite3_user_data(context);
    const char *text = (const char *)sqlite3_value_text(values[0]);
    (void)count;
    if (text == NULL || index->few_left == 0) {
        sqlite3_result_error(context, "too many", -1);
        return;
    }
    index->few_left--;
    sqlite3_result_int(context, is_wanted(index->walk, str_make(text, (size_t)sqlite3_value_bytes(values[0]))));
}

int sqlite_index_add_function(struct sqlite_file *file)
{
    return sqlite3_create_function(file->db, "is_wanted", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, file->index, is_wanted_in_sql, NULL, NULL);
}

struct few {
    struct arena *arena;
    struct document *items;
    size_t count;
};

/* False: not to be had this way. */
static bool add_document(struct few *few, sqlite3_stmt *row)
{
    struct document *document = &few->items[few->count++];
    struct str data = column(row, 6), modified_by = column(row, 3), tag = column(row, 4);
    if (!str_is_set(data)) {
        return false;
    }
    *document = (struct document){.created = sqlite3_column_int64(row, 1),
                                  .modified = sqlite3_column_int64(row, 2),
                                  .rev = sqlite3_column_int64(row, 5),
                                  .is_unchecked = true};
    document->path = arena_str(few->arena, column(row, 0));
    document->data = arena_str(few->arena, data);
    bool is_there = document->path.ptr != NULL && document->data.ptr != NULL;
    if (str_is_set(modified_by)) {
        document->modified_by = arena_str(few->arena, modified_by);
        is_there = is_there && document->modified_by.ptr != NULL;
    }
    if (str_is_set(tag)) {
        document->tag = arena_str(few->arena, tag);
        is_there = is_there && document->tag.ptr != NULL;
    }
    return is_there;
}

static bool read_range(struct sqlite_file *file, int64_t number, const struct key_range *range, struct few *few)
{
    sqlite3_stmt *statement = file->index->statements[INDEX_DOCUMENTS];
    bind_range(statement, number, range);
    sqlite3_bind_int(statement, 4, SHORT);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && add_document(few, statement)) {
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

static int by_path(const void *a, const void *b)
{
    return str_compare(((const struct document *)a)->path, ((const struct document *)b)->path);
}

/* A document with several values may have been found by more than one of them. */
static size_t without_double_documents(struct document *documents, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !str_equal(documents[kept - 1].path, documents[i].path)) {
            documents[kept++] = documents[i];
        }
    }
    return kept;
}

static bool choose_documents(struct sqlite_file *file, const struct shelf_walk *walk, const struct plan *plan, struct arena *arena, struct sqlite_choice *out)
{
    struct few few = {arena, arena_alloc(arena, FEW * sizeof *few.items), 0};
    file->index->walk = walk;
    file->index->few_left = FEW;
    for (size_t i = 0; i < plan->count; i++) {
        if (few.items == NULL || !read_range(file, file->index->numbers[plan->index], &plan->ranges[i], &few)) {
            return false;
        }
    }
    if (few.count > 1) {
        qsort(few.items, few.count, sizeof *few.items, by_path);
    }
    out->documents = few.items;
    out->count = without_double_documents(few.items, few.count);
    return true;
}

/* ---- paths */

struct paths {
    struct arena *arena;
    struct str *items;
    size_t count, room;
};

static bool add_path(struct paths *paths, struct str path)
{
    if (paths->count == paths->room) {
        size_t room = paths->room == 0 ? 64 : paths->room * 2;
        struct str *more = arena_alloc(paths->arena, room * sizeof *more);
        if (more == NULL) {
            return false;
        }
        if (paths->count != 0) {
            memcpy(more, paths->items, paths->count * sizeof *more);
        }
        paths->items = more;
        paths->room = room;
    }
    paths->items[paths->count] = arena_str(paths->arena, path);
    return paths->items[paths->count++].ptr != NULL;
}

static bool add_range(struct sqlite_file *file, int64_t number, const struct key_range *range, const struct shelf_walk *walk, struct paths *paths)
{
    sqlite3_stmt *statement = file->index->statements[INDEX_PATHS];
    bind_range(statement, number, range);
    int code;
    bool is_fine = true;
    while (is_fine && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct str path = column(statement, 0);
        is_fine = str_is_set(path) && sqlite_file_spend(file, 0) && (!is_wanted(walk, path) || add_path(paths, path));
    }
    sqlite3_reset(statement);
    return is_fine && code == SQLITE_DONE;
}

static int by_text(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static size_t without_doubles(struct str *paths, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !str_equal(paths[kept - 1], paths[i])) {
            paths[kept++] = paths[i];
        }
    }
    return kept;
}

static bool choose_paths(struct sqlite_file *file, const struct shelf_walk *walk, const struct plan *plan, struct arena *arena, struct sqlite_choice *out)
{
    struct paths paths = {.arena = arena};
    for (size_t i = 0; i < plan->count; i++) {
        if (!add_range(file, file->index->numbers[plan->index], &plan->ranges[i], walk, &paths)) {
            return false;
        }
    }
    if (paths.count > 1) {
        qsort(paths.items, paths.count, sizeof *paths.items, by_text);
    }
    out->paths = paths.items;
    out->count = without_doubles(paths.items, paths.count);
    return true;
}

bool sqlite_index_choose(struct sqlite_file *file, const struct shelf_walk *walk, struct arena *arena, struct sqlite_choice *out)
{
    struct plan plan;
    struct sqlite_index *index = file->index;
    *out = (struct sqlite_choice){.count = 0};
    if (index == NULL || !plan_make(walk->search, index->fields, index->count, has_arrays, file, arena, &plan)) {
        return false;
    }
    out->name = index->fields[plan.index].name;
    return (!walk->bare && choose_documents(file, walk, &plan, arena, out)) || choose_paths(file, walk, &plan, arena, out);
}
