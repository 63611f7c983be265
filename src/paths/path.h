/* Rules for paths, with the original's texts. */
#ifndef HAPPN_PATHS_PATH_H
#define HAPPN_PATHS_PATH_H

#include "base/error.h"
#include "base/str.h"

enum { PATH_MAX_LENGTH = 4096 };

enum path_use { PATH_FOR_SET, PATH_FOR_GET, PATH_FOR_REMOVE, PATH_FOR_ON };

/* OK or E_PATH with the original's (8, 13) text in error: characters of charset B plus { } for set, remove and on,
 * no `*` for set, never empty (except get), at most PATH_MAX_LENGTH bytes, no NUL. Bytes >= 0x80 are refused for
 * set, remove and on as the original does; get never looks at characters. */
happn_status path_check(struct str path, enum path_use use, happn_error *error);

/* True for paths in or at /_SYSTEM, with or without the leading slash. */
bool path_is_system(struct str path);

static inline bool path_has_wildcard(struct str path)
{
    return str_has(path, '*');
}

#endif
