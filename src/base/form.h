/* Queries and forms: "a=1&b=2". */
#ifndef HAPPN_BASE_FORM_H
#define HAPPN_BASE_FORM_H

#include "base/arena.h"

/* Takes the next pair off, neither of it decoded; false at the end. */
bool form_next(struct str *form, struct str *name, struct str *value);
/* Decodes % and +. out has room for text.len bytes; returns how many it needed. */
size_t form_decode(struct str text, char *out);

/* The value of a name (any case), decoded into the arena; of a doubled name the first counts. Not set: there is none, or it
 * is not UTF-8. */
struct str form_find(struct arena *arena, struct str form, struct str name);

#endif
