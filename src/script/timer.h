/* happn.every and happn.after. Timers belong to their generation: a reload ends them, and the new scripts make their own. */
#ifndef HAPPN_SCRIPT_TIMER_H
#define HAPPN_SCRIPT_TIMER_H

#include "script/task.h"

/* Adds the functions to the table on top of the stack; they are the script's. */
void timer_add(lua_State *L, struct script *script);
void timer_install(lua_State *L);

/* The generation serves: its timers begin to run. */
void timers_begin(struct generation *generation);
/* It serves no longer. */
void timers_end(struct generation *generation);

#endif
