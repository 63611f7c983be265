/* Lua's pattern functions, counting their steps. */
#ifndef HAPPN_SCRIPT_PATTERN_H
#define HAPPN_SCRIPT_PATTERN_H

#include <lauxlib.h>

/* Puts find, match, gmatch and gsub into the table on top of the stack. */
void pattern_add(lua_State *L);

#endif
