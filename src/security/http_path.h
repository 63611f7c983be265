/* The path of a URL, brought into one form before anybody looks at it.
 *
 * Exclusions, permissions, routes and files must mean the same path, or one of them can be talked past. So the text is decoded once, here, and
 * nobody decodes again: %2e%2e is a way up like .., and %252e is the text %2e. */
#ifndef HAPPN_SECURITY_HTTP_PATH_H
#define HAPPN_SECURITY_HTTP_PATH_H

#include "base/arena.h"
#include "base/error.h"

enum { HTTP_PATH_MOST = 4000 }; /* bytes, decoded: with /@HTTP before it still a path */

/* target: as the request line has it, with or without a query. *out: without it, %xx decoded, // and . and .. gone, a last slash kept; it begins
 * with a slash. In the arena. E_PATH says what is wrong: no slash at the front, a bad %, NUL or a control character, no UTF-8 (overlong
 * forms too), a way out above the root, too long. */
happn_status http_path_normalise(struct arena *arena, struct str target, struct str *out, happn_error *error);

#endif
