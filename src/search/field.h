/* Names in criteria, sort and fields: what of a document they mean. */
#ifndef HAPPN_SEARCH_FIELD_H
#define HAPPN_SEARCH_FIELD_H

#include "happn/status.h"
#include "search/document.h"
#include "search/value.h"

enum field_source {
    FIELD_DATA,        /* parts below the data; none: all of it */
    FIELD_PATH,
    FIELD_CREATED,
    FIELD_MODIFIED,
    FIELD_MODIFIED_BY,
    FIELD_TAG,
    FIELD_REV,
    FIELD_META,        /* all of `_meta`; as a value it is missing */
    FIELD_NOTHING      /* a member of `_meta` that nobody has */
};

struct field {
    enum field_source source;
    struct str *parts;
    size_t count;
    struct str name; /* as it was written, decoded */
};

enum { FIELD_MAX_PARTS = 32 };

/* `_meta.created`, `created`, `path` ... are the document's own; `data.x`, `_data.x` and everything else are members of the
 * data. E_LIMIT: too many parts; E_MEMORY. */
happn_status field_read(struct arena *arena, struct str name, struct field *out, happn_error *error);

/* Calls visit for every value that the field has: several where the path leads through arrays. Stops, and returns true, when
 * visit does. */
typedef bool (*field_visit)(void *arg, const struct value *value);
bool field_each(const struct field *field, const struct document *document, struct arena *scratch, field_visit visit, void *arg);

/* The same from a value on, which need not be a document's. */
bool field_each_below(const struct field *field, struct str json, struct arena *scratch, field_visit visit, void *arg);

/* An object's member, the last of that name; unset when there is none. */
struct str field_member(struct str object, struct str name);

/* The value to sort by: the first, MISSING when there is none. */
struct value field_first(const struct field *field, const struct document *document, struct arena *scratch);

#endif
