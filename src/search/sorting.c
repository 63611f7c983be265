/* Three stages: the values to sort by are taken out of each document, and runs of a thousand are sorted; runs are merged to longer ones, until
 * there is one; the documents are put where they belong. What is moved in between are pointers. */

#include "search/sorting.h"

#include <stdlib.h>

enum { RUN = 1024, STEPS_OF_ONE = 4 /* to take the values of a document, and sort it within its run */ };

struct place {
    struct document document;
    struct value *values;
    const struct sort_order *order;
    struct arena *scratch;
};

struct sorting {
    const struct sort_order *order;
    const struct allocator *allocator;
    struct document *documents;
    size_t count;
    struct place *places;
    struct value *values;
    struct place **now, **next; /* sorted in runs of `width`; what they are merged into */
    size_t width;
    size_t at;                  /* in this stage, or this round of merging */
    size_t left, right;         /* merging: what follows of both runs */
    bool has_runs, is_merged;
    size_t steps;
    bool is_limited;
    struct arena scratch;
};

static int compare(const void *a, const void *b)
{
    const struct place *x = *(struct place *const *)a, *y = *(struct place *const *)b;
    for (size_t i = 0; i < x->order->count; i++) {
        int order = value_sort(x->scratch, &x->values[i], &y->values[i]);
        if (order != 0) {
            return x->order->is_descending[i] ? -order : order;
        }
    }
    return str_compare(x->document.path, y->document.path);
}

struct sorting *sorting_new(const struct sort_order *order, const struct allocator *allocator, struct document *documents, size_t count)
{
    struct sorting *sorting = memory_alloc(allocator, sizeof *sorting);
    if (sorting == NULL) {
        return NULL;
    }
    *sorting = (struct sorting){.order = order, .allocator = allocator, .documents = documents, .count = count, .width = RUN};
    arena_init(&sorting->scratch, allocator);
    sorting->places = memory_alloc(allocator, count * sizeof *sorting->places);
    sorting->values = memory_alloc(allocator, count * order->count * sizeof *sorting->values);
    sorting->now = memory_alloc(allocator, count * sizeof *sorting->now);
    sorting->next = memory_alloc(allocator, count * sizeof *sorting->next);
    if (sorting->places == NULL || sorting->values == NULL || sorting->now == NULL || sorting->next == NULL) {
        sorting_free(sorting);
        return NULL;
    }
    return sorting;
}

void sorting_free(struct sorting *sorting)
{
    const struct allocator *allocator = sorting->allocator;
    arena_fini(&sorting->scratch);
    memory_free(allocator, sorting->places);
    memory_free(allocator, sorting->values);
    memory_free(allocator, sorting->now);
    memory_free(allocator, sorting->next);
    memory_free(allocator, sorting);
}

/* False: that is enough for now. */
static bool spend(struct sorting *sorting, size_t steps)
{
    if (!sorting->is_limited) {
        return true;
    }
    bool has_more = sorting->steps > steps;
    sorting->steps -= has_more ? steps : sorting->steps;
    return has_more;
}

static void read_values(struct sorting *sorting, size_t at)
{
    const struct sort_order *order = sorting->order;
    struct place *place = &sorting->places[at];
    *place = (struct place){sorting->documents[at], sorting->values + at * order->count, order, &sorting->scratch};
    for (size_t i = 0; i < order->count; i++) {
        place->values[i] = field_first(&order->fields[i], &place->document, &sorting->scratch);
    }
    sorting->now[at] = place;
}

static bool make_runs(struct sorting *sorting)
{
    while (sorting->at < sorting->count) {
        read_values(sorting, sorting->at++);
        if (sorting->at % RUN == 0 || sorting->at == sorting->count) {
            size_t start = (sorting->at - 1) / RUN * RUN;
            qsort(sorting->now + start, sorting->at - start, sizeof *sorting->now, compare);
        }
        if (!spend(sorting, STEPS_OF_ONE)) {
            break;
        }
    }
    return sorting->at == sorting->count;
}

static void begin_round(struct sorting *sorting)
{
    sorting->at = sorting->left = 0;
    sorting->right = sorting->width;
    sorting->is_merged = sorting->width >= sorting->count;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The smaller one of what the two runs have next. */
static void merge_one(struct sorting *sorting)
{
    size_t start = sorting->at / (sorting->width * 2) * (sorting->width * 2);
    size_t middle = least(start + sorting->width, sorting->count), end = least(middle + sorting->width, sorting->count);
    if (sorting->at == start) {
        sorting->left = start;
        sorting->right = middle;
    }
    bool takes_left = sorting->right == end ||
                      (sorting->left < middle && compare(&sorting->now[sorting->left], &sorting->now[sorting->right]) <= 0);
    sorting->next[sorting->at++] = sorting->now[takes_left ? sorting->left++ : sorting->right++];
}

static bool merge_runs(struct sorting *sorting)
{
    while (!sorting->is_merged) {
        merge_one(sorting);
        if (sorting->at == sorting->count) {
            struct place **merged = sorting->next;
            sorting->next = sorting->now;
            sorting->now = merged;
            sorting->width *= 2;
            begin_round(sorting);
        }
        if (!spend(sorting, 1)) {
            break;
        }
    }
    return sorting->is_merged;
}

static bool put_back(struct sorting *sorting)
{
    while (sorting->at < sorting->count) {
        sorting->documents[sorting->at] = sorting->now[sorting->at]->document;
        sorting->at++;
        if (!spend(sorting, 1)) {
            break;
        }
    }
    return sorting->at == sorting->count;
}

bool sorting_go(struct sorting *sorting, size_t steps)
{
    sorting->steps = steps;
    sorting->is_limited = steps != 0;
    if (!sorting->has_runs) {
        if (!make_runs(sorting)) {
            return false;
        }
        sorting->has_runs = true;
        begin_round(sorting);
    }
    return merge_runs(sorting) && put_back(sorting);
}
