#include "search/search.h"

#include <stdlib.h>

#include "base/error.h"

enum { MOST_SORTED = 16 };

struct search {
    struct condition *criteria;
    struct projection *projection;
    struct field sort[MOST_SORTED];
    bool is_descending[MOST_SORTED];
    size_t sorted;
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
        if (search->sorted == MOST_SORTED) {
            return error_set(error, HAPPN_E_LIMIT, "sort: more than %d fields", MOST_SORTED);
        }
        struct str name = json_string(arena, str_make(it.key.ptr - 1, it.key.len + 2)); /* the key with its quotes */
        if (name.ptr == NULL) {
            return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
        }
        happn_status status = field_read(arena, name, &search->sort[search->sorted], error);
        if (status != HAPPN_OK) {
            return status;
        }
        search->is_descending[search->sorted++] = direction < 0;
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
    return search == NULL || search->sorted != 0 ? SIZE_MAX : both(search);
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

/* ---- order: the values to sort by are taken out once */

struct place {
    struct document document;
    struct value *values;
    const struct search *search;
    struct arena *scratch;
};

static int compare(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    for (size_t i = 0; i < x->search->sorted; i++) {
        int order = value_sort(x->scratch, &x->values[i], &y->values[i]);
        if (order != 0) {
            return x->search->is_descending[i] ? -order : order;
        }
    }
    return str_compare(x->document.path, y->document.path);
}

static int by_path(const void *a, const void *b)
{
    return str_compare(((const struct document *)a)->path, ((const struct document *)b)->path);
}

static bool sort(const struct search *search, struct document *documents, size_t count, struct arena *scratch)
{
    struct place *places = arena_alloc(scratch, count * sizeof *places);
    struct value *values = arena_alloc(scratch, count * search->sorted * sizeof *values);
    if (places == NULL || values == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        places[i] = (struct place){documents[i], values + i * search->sorted, search, scratch};
        for (size_t k = 0; k < search->sorted; k++) {
            places[i].values[k] = field_first(&search->sort[k], &documents[i], scratch);
        }
    }
    qsort(places, count, sizeof *places, compare);
    for (size_t i = 0; i < count; i++) {
        documents[i] = places[i].document;
    }
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

static bool project(const struct search *search, struct arena *arena, struct document *documents, size_t count)
{
    for (size_t i = 0; search->projection != NULL && i < count; i++) {
        if (str_is_set(documents[i].data) && !documents[i].is_projected) {
            documents[i].data = projection_apply(search->projection, documents[i].data, arena);
            if (documents[i].data.ptr == NULL) {
                return false;
            }
        }
    }
    return true;
}

bool search_projects_at_once(const struct search *search)
{
    return search != NULL && search->sorted == 0 && search->projection != NULL && !search->projection->all_data;
}

struct str search_project(const struct search *search, struct str data, struct arena *arena)
{
    return projection_apply(search->projection, data, arena);
}

bool search_arrange(const struct search *search, bool finish, struct arena *arena, struct document *documents, size_t *count)
{
    if (search != NULL && search->sorted != 0 && *count > 1) {
        struct arena scratch;
        arena_init(&scratch, arena->allocator);
        bool is_done = sort(search, documents, *count, &scratch);
        arena_fini(&scratch);
        if (!is_done) {
            return false;
        }
    } else if (!is_sorted(documents, *count)) {
        qsort(documents, *count, sizeof *documents, by_path);
    }
    if (search == NULL) {
        return true;
    }
    if (!finish) {
        size_t keep = search_keep(search);
        *count = *count < keep ? *count : keep;
        return true;
    }
    size_t left = search_window(search, *count);
    if (search->skip != 0 && left != 0) {
        memmove(documents, documents + search->skip, left * sizeof *documents);
    }
    *count = left;
    return project(search, arena, documents, left);
}

bool search_shows(const struct search *search, enum search_meta what)
{
    return search == NULL || search->projection == NULL || (search->projection->meta >> what & 1) != 0;
}
