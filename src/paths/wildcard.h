/* Both wildcard languages. */
#ifndef HAPPN_PATHS_WILDCARD_H
#define HAPPN_PATHS_WILDCARD_H

#include "base/error.h"
#include "base/str.h"

enum wildcard_language {
    WILDCARD_STRING, /* `*` is any text, also with slashes, also empty */
    WILDCARD_SEGMENT /* `*` is one whole segment; a last slash-star-star is 1..depth segments */
};

enum { WILDCARD_DEFAULT_DEPTH = 5, WILDCARD_MAX_DEPTH = 64 };

bool wildcard_matches(enum wildcard_language language, struct str pattern, struct str path, int depth);

/* String language: whether some path matches both patterns. Costs length times length at most. */
bool wildcard_overlaps(struct str a, struct str b);

/* The literal text before the first `*`: every match starts with it. */
struct str wildcard_literal_prefix(struct str pattern);

/* What the original refuses when subscribing: in the string language a pattern that (runs of `*` collapsed) is longer
 * than one character and starts with `*`. E_REFUSED with error name SystemError, code 500, text "subscribe failed". */
happn_status wildcard_check_subscription(enum wildcard_language language, struct str pattern, happn_error *error);

#endif
