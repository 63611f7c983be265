/* What users and groups may be called, and when two names are the same. */
#ifndef HAPPN_SECURITY_NAMES_H
#define HAPPN_SECURITY_NAMES_H

#include "base/arena.h"
#include "happn/status.h"

enum { NAME_MOST = 256 };

/* E_ARGUMENT says what is wrong, in happn-3's words where it has some. A name becomes a part of a path: it has no `/`, no `*`, no
 * braces and no control characters. */
happn_status name_check_user(struct str name, happn_error *error);

/* One part of a group's name. is_reserved: the server's own groups may be named. */
happn_status name_check_group(struct str name, happn_error *error);

/* In lower case, letter by letter. ptr NULL: no memory, or no UTF-8. */
struct str name_fold(struct arena *arena, struct str name);

#endif
