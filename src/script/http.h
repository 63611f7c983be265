/* `req`: what a route's function sees of an HTTP request. */
#ifndef HAPPN_SCRIPT_HTTP_H
#define HAPPN_SCRIPT_HTTP_H

#include "script/task.h"

/* Pushes the view of task's request. */
void http_push(lua_State *L, struct task *task);
void http_install(lua_State *L);

#endif
