/* `fields`: which parts of a document are wanted. */
#ifndef HAPPN_SEARCH_PROJECTION_H
#define HAPPN_SEARCH_PROJECTION_H

#include "search/field.h"

struct projection {
    struct field *fields;
    size_t count;
    unsigned meta; /* bits: 1 << enum field_source */
    bool all_data;
};

/* json: {"name": 1, "address.city": true}. A value of 0 or false leaves the field out of the list; nothing else can be excluded. */
happn_status projection_compile(struct arena *arena, struct str json, struct projection **out, happn_error *error);

/* The text of the object that is left. ptr NULL: out of memory. */
struct str projection_apply(const struct projection *projection, struct str data, struct arena *arena);

#endif
