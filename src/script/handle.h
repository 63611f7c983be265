/* What scripts hold of a timer or a listener: a number, which does no harm when that has ended. */
#ifndef HAPPN_SCRIPT_HANDLE_H
#define HAPPN_SCRIPT_HANDLE_H

#include "script/vm.h"

/* Pushes a handle of this kind; the number is still to be written. */
uint64_t *handle_push(lua_State *L, const void *kind);
/* The number of the handle at 1. Raises when it is none of this kind; name is what it is called. */
uint64_t handle_check(lua_State *L, const void *kind, const char *name);
/* Handles of this kind have one method. */
void handle_install(lua_State *L, const void *kind, const char *name, const char *method, lua_CFunction run);

#endif
