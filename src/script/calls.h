/* happn.get, set, remove, paths and so on: calls of the store, which wait. */
#ifndef HAPPN_SCRIPT_CALLS_H
#define HAPPN_SCRIPT_CALLS_H

#include "script/task.h"

/* Adds the functions to the table on top of the stack; as_system: they have all rights. */
void calls_add(lua_State *L, bool as_system);
void calls_install(lua_State *L);

/* The task that runs; raises where it cannot wait. name is the function's, for the error. */
struct task *calls_task(lua_State *L, const char *name);
/* It is about to wait for something new. */
void calls_begin(struct task *task);
/* What it waited for has failed. The error lies where the answer would, because most calls never have one. */
void call_fail(struct call *call, const happn_error *error);
/* It goes on: what it has waited for, as JSON text. Raises what went wrong. */
struct str calls_answer(lua_State *L);

/* Raises what a script sees of a call that failed: name, message and code. */
int calls_raise(lua_State *L, const happn_error *error);

#endif
