/* What a script can reach: a fresh environment for each, made from an allow list. */
#ifndef HAPPN_SCRIPT_SANDBOX_H
#define HAPPN_SCRIPT_SANDBOX_H

#include "script/generation.h"

/* Opens the libraries where no script sees them. Once a state. */
void sandbox_install(lua_State *L);

/* Pushes a new environment for the script: library functions, require, happn. */
void sandbox_push_environment(lua_State *L, struct script *script);

/* Pushes the file's function with the environment at index `environment`. Raises; bytecode is refused. */
void sandbox_push_chunk(lua_State *L, struct script *script, const char *file, int environment);

/* coroutine.c: the library that lets happn's waiting calls pass through a script's own coroutines. */
void coroutine_push_library(lua_State *L);
/* What a waiting call yields. */
extern const char coroutine_wait_tag;
/* Ends the C function: yields up to the task. k goes on when it is resumed. */
int coroutine_wait(lua_State *L, lua_KFunction k);
int coroutine_wait_with(lua_State *L, lua_KFunction k, lua_KContext context);

/* api.c: the table `happn` of one script. */
void api_push(lua_State *L, struct script *script);
void api_install(lua_State *L);

#endif
