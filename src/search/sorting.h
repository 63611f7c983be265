/* Putting documents in order, some steps at a time: a hundred thousand at once would hold up everybody else for a tenth of a second. */
#ifndef HAPPN_SEARCH_SORTING_H
#define HAPPN_SEARCH_SORTING_H

#include "search/field.h"

enum { MOST_SORTED = 16 };

/* By these fields, then by path. */
struct sort_order {
    struct field fields[MOST_SORTED];
    bool is_descending[MOST_SORTED];
    size_t count;
};

struct sorting;

/* The documents stay as they are until the last steps. Order and documents must stay. NULL: out of memory, which no step needs. */
struct sorting *sorting_new(const struct sort_order *order, const struct allocator *allocator, struct document *documents, size_t count);

/* Goes on for about so many steps, several for each document; 0: to the end. True: they are in order. */
bool sorting_go(struct sorting *sorting, size_t steps);

void sorting_free(struct sorting *sorting);

#endif
