/* Queries and forms: "a=1&b=2". */
#ifndef HAPPN_NET_FORM_H
#define HAPPN_NET_FORM_H

#include "base/arena.h"

/* The value of a name (any case), decoded into the arena; of a doubled name the first counts. Not set: there is none, or it
 * is not UTF-8. */
struct str form_find(struct arena *arena, struct str form, struct str name);

#endif
