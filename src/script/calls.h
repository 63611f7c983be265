/* happn.get, set, remove, paths, sleep: calls that wait. */
#ifndef HAPPN_SCRIPT_CALLS_H
#define HAPPN_SCRIPT_CALLS_H

#include "script/task.h"

/* Adds the functions to the table on top of the stack. */
void calls_add(lua_State *L);
void calls_install(lua_State *L);

#endif
