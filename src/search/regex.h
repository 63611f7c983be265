/* Regular expressions, by PCRE2, with an end to everything. */
#ifndef HAPPN_SEARCH_REGEX_H
#define HAPPN_SEARCH_REGEX_H

#include "base/arena.h"
#include "happn/status.h"

struct regex;
struct regex_work; /* what matching needs; of one thread */

enum { REGEX_MAX_LENGTH = 1000 };

/* Lives in the arena. flags: i m s x u, in any case; g and y are ignored. E_ARGUMENT or E_LIMIT say what is wrong and where. */
happn_status regex_compile(struct arena *arena, struct str pattern, struct str flags, struct regex **out, happn_error *error);

/* *matches; E_LIMIT when the limit of steps was reached. *work is made when it is needed. */
happn_status regex_match(const struct regex *regex, struct regex_work **work, struct str text, bool *matches, happn_error *error);
/* What group `number` of the last match caught, in that match's text; not set: it caught nothing, or there is no such group. 0 is the whole match;
 * groups up to REGEX_GROUPS. */
enum { REGEX_GROUPS = 20 };
struct str regex_group(const struct regex_work *work, struct str text, size_t number);
void regex_work_free(struct regex_work *work);

#endif
