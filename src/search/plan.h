/* Which declared index narrows a search, and to which keys. */
#ifndef HAPPN_SEARCH_PLAN_H
#define HAPPN_SEARCH_PLAN_H

#include "search/search.h"

/* Keys from `first` to `last`, both included. */
struct key_range {
    struct str first, last;
};

struct plan {
    size_t index; /* of the fields given */
    struct key_range *ranges;
    size_t count;
};

/* Every document that the search matches has a key of the chosen index in one of the ranges. has_arrays tells whether any document
 * has several values for a field: then only one condition at a time may narrow it. False: no index helps, or out of memory. */
bool plan_make(const struct search *search, const struct field *fields, size_t count, bool (*has_arrays)(void *arg, size_t index), void *arg,
               struct arena *arena, struct plan *out);

#endif
