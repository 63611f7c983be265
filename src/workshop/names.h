/* Names that what was typed may become: of the environment, of tables in it, of documents. */
#ifndef HAPPN_WORKSHOP_NAMES_H
#define HAPPN_WORKSHOP_NAMES_H

#include <lua.h>

#include "base/str.h"

typedef void (*names_take_fn)(const char *name, size_t len, void *arg);

/* text: "happn.js", "doc.li", "fo". Tells every name that its last part may become, and returns how long that part is. No code of the user's
 * runs. The environment is at index. Raises only for want of memory. */
size_t names_find(lua_State *L, int environment, struct str text, names_take_fn take, void *arg);

#endif
