/* sleep, spawn and together: how a script waits and branches. */
#ifndef HAPPN_SCRIPT_FLOW_H
#define HAPPN_SCRIPT_FLOW_H

#include "script/task.h"

/* Adds the functions to the table on top of the stack. */
void flow_add(lua_State *L);

#endif
