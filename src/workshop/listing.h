/* A table for people's eyes, when it is no JSON: { 1, 2, name = "x", f = function, t = {...} }. */
#ifndef HAPPN_WORKSHOP_LISTING_H
#define HAPPN_WORKSHOP_LISTING_H

#include <lua.h>

#include "base/buf.h"

/* By raw access, names in their order, a few hundred members at most. Raises only for want of memory. */
void listing_add(lua_State *L, struct buf *out, int table);

#endif
