/* The path of a URL, before anybody looks at it.
 *
 * Exclusions, permissions, routes and files must mean the same path, or one of them can be talked past. libwebsockets has decoded it once
 * and taken out //, . and .. (which cannot lead above the root); nobody decodes again, so %252e is the text %2e. What it lets through
 * is refused here; that dots and double slashes are gone is checked, too: all of the above rests on it. */
#ifndef HAPPN_SECURITY_HTTP_PATH_H
#define HAPPN_SECURITY_HTTP_PATH_H

#include "base/error.h"
#include "base/str.h"

enum { HTTP_PATH_MOST = 4000 }; /* bytes: with /@HTTP before it still a path */

/* path: decoded, without a query. E_PATH says what is wrong: no slash at the front, NUL or a control character, no UTF-8 (overlong forms too), a
 * segment that is empty or dots, too long. */
happn_status http_path_check(struct str path, happn_error *error);

#endif
