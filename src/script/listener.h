/* happn.on: functions that are told of what is published. They belong to their generation, as timers do. */
#ifndef HAPPN_SCRIPT_LISTENER_H
#define HAPPN_SCRIPT_LISTENER_H

#include "script/task.h"

/* Adds `on` to the table on top of the stack; it is the script's. */
void listener_add(lua_State *L, struct script *script);
void listener_install(lua_State *L);

/* The generation serves: its listeners hear from now on. */
void listeners_begin(struct generation *generation);
/* It serves no longer: nothing new is heard. What waits is still handled, unless the scripts close. */
void listeners_end(struct generation *generation);

extern const struct protocol listener_protocol;

#endif
