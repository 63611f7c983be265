/* Durations as scripts write them: whole milliseconds, or a text with its unit. */
#ifndef HAPPN_SCRIPT_DURATION_H
#define HAPPN_SCRIPT_DURATION_H

#include <lauxlib.h>
#include <stdint.h>

enum { DURATION_DAY_MS = 86400000 };

/* Milliseconds of 500, "500ms", "1.5s", "10m", "2h", "1d"; raises for anything else, and for more than a thousand days. */
uint64_t duration_check(lua_State *L, int index);

#endif
