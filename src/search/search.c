#include "search/search.h"

#include <stdlib.h>

#include "base/error.h"

struct search {
    struct condition *criteria;
    struct projection *projection;
    struct sort_order order;
    size_t skip, limit; /* limit 0: none */
};

static bool is_asked(struct str json)
{
    return str_is_set(json) && json_type_of(json) != JSON_NULL;
}

static happn_status read_sort(struct arena *arena, struct str json, struct search *search, happn_error *error)
{
    if (json_type_of(json) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_ARGUMENT, "sort must be an object such as {\"name\": 1, \"age\": -1}");
    }
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        double direction = json_number(it.value, 0);
        if (json_type_of(it.value) != JSON_NUMBER || (direction != 1 && direction != -1)) {
            return error_set(error, HAPPN_E_ARGUMENT, "sort: %.*s must be 1 or -1", (int)(it.key.len < 100 ? it.key.len : 100), it.key.ptr);
        }
        if (search->order.count == MOST_SORTED) {
            return error_set(error, HAPPN_E_LIMIT, "sort: more than %d fields", MOST_SORTED);
        }
        struct str name = json_string(arena, str_make(it.key.ptr - 1, it.key.len + 2)); /* the key with its quotes */
        if (name.ptr == NULL) {
            return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
        }
        happn_status status = field_read(arena, name, &search->order.fields[search->order.count], error);
        if (status != HAPPN_OK) {
            return status;
        }
        search->order.is_descending[search->order.count++] = direction < 0;
    }
    return HAPPN_OK;
}

happn_status search_compile(struct arena *arena, const struct search_text *text, struct search **out, happn_error *error)
{
    *out = NULL;
    if (!is_asked(text->criteria) && !is_asked(text->fields) && !is_asked(text->sort) && text->skip == 0 && text->limit == 0) {
        return HAPPN_OK;
    }
    struct search *search = arena_alloc(arena, sizeof *search);
    if (search == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    *search = (struct search){.skip = (size_t)text->skip, .limit = (size_t)text->limit};
    happn_status status = HAPPN_OK;
    if (is_asked(text->criteria)) {
        status = criteria_compile(arena, text->criteria, &search->criteria, error);
    }
    if (status == HAPPN_OK && is_asked(text->fields)) {
        status = projection_compile(arena, text->fields, &search->projection, error);
    }
    if (status == HAPPN_OK && is_asked(text->sort)) {
        status = read_sort(arena, text->sort, search, error);
    }
    *out = status == HAPPN_OK ? search : NULL;
    return status;
}

const struct condition *search_criteria(const struct search *search)
{
    return search != NULL ? search->criteria : NULL;
}

void search_work_init(struct search_work *work, const struct allocator *allocator)
{
    *work = (struct search_work){.status = HAPPN_OK};
    arena_init(&work->scratch, allocator);
}

void search_work_fini(struct search_work *work)
{
    regex_work_free(work->regex);
    work->regex = NULL;
    arena_fini(&work->scratch);
}

bool search_matches(const struct search *search, const struct document *document, struct search_work *work)
{
    if (search == NULL || search->criteria == NULL) {
        return true;
    }
    work->last.data = NULL;
    bool matches = criteria_match(search->criteria, document, work);
    arena_reset(&work->scratch);
    return matches && work->status == HAPPN_OK;
}

static size_t both(const struct search *search)
{
    bool fits = search->limit != 0 && search->skip < SIZE_MAX - search->limit;
    return fits ? search->skip + search->limit : SIZE_MAX;
}

size_t search_enough(const struct search *search)
{
    return search == NULL || search->order.count != 0 ? SIZE_MAX : both(search);
}

size_t search_keep(const struct search *search)
{
    return search == NULL ? SIZE_MAX : both(search);
}

size_t search_window(const struct search *search, size_t total)
{
    if (search == NULL) {
        return total;
    }
    size_t rest = total > search->skip ? total - search->skip : 0;
    return search->limit != 0 && rest > search->limit ? search->limit : rest;
}

/* ---- order */

static int by_path(const void *a, const void *b)
{
    return str_compare(((const struct document *)a)->path, ((const struct document *)b)->path);
}

static bool sort(const struct search *search, const struct allocator *allocator, struct document *documents, size_t count)
{
    struct sorting *sorting = search_sort_begin(search, allocator, documents, count);
    if (sorting == NULL) {
        return false;
    }
    (void)sorting_go(sorting, 0);
    sorting_free(sorting);
    return true;
}

static bool is_sorted(const struct document *documents, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (str_compare(documents[i - 1].path, documents[i].path) > 0) {
            return false;
        }
    }
    return true;
}

bool search_project_some(const struct search *search, struct arena *arena, struct document *documents, size_t count)
{
    for (size_t i = 0; search != NULL && search->projection != NULL && i < count; i++) {
        if (str_is_set(documents[i].data) && !documents[i].is_projected) {
            documents[i].data = projection_apply(search->projection, documents[i].data, arena);
            documents[i].is_projected = true;
            if (documents[i].data.ptr == NULL) {
                return false;
            }
        }
    }
    return true;
}

bool search_projects_at_once(const struct search *search)
{
    return search != NULL && search->order.count == 0 && search->projection != NULL && !search->projection->all_data;
}

struct str search_project(const struct search *search, struct str data, struct arena *arena)
{
    return projection_apply(search->projection, data, arena);
}

struct sorting *search_sort_begin(const struct search *search, const struct allocator *allocator, struct document *documents, size_t count)
{
    return sorting_new(&search->order, allocator, documents, count);
}

bool search_sorts(const struct search *search)
{
    return search != NULL && search->order.count != 0;
}

size_t search_cut(const struct search *search, bool finish, struct document *documents, size_t count)
{
    if (search == NULL) {
        return count;
    }
    if (!finish) {
        size_t keep = search_keep(search);
        return count < keep ? count : keep;
    }
    size_t left = search_window(search, count);
    if (search->skip != 0 && left != 0) {
        memmove(documents, documents + search->skip, left * sizeof *documents);
    }
    return left;
}

bool search_arrange(const struct search *search, bool finish, struct arena *arena, struct document *documents, size_t *count)
{
    if (search_sorts(search) && *count > 1) {
        if (!sort(search, arena->allocator, documents, *count)) {
            return false;
        }
    } else if (!is_sorted(documents, *count)) {
        qsort(documents, *count, sizeof *documents, by_path);
    }
    *count = search_cut(search, finish, documents, *count);
    return !finish || search_project_some(search, arena, documents, *count);
}

bool search_shows(const struct search *search, enum search_meta what)
{
    return search == NULL || search->projection == NULL || (search->projection->meta >> what & 1) != 0;
}
