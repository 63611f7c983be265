/* `req`: what a route's function sees of an HTTP request. */
#ifndef HAPPN_SCRIPT_HTTP_H
#define HAPPN_SCRIPT_HTTP_H

#include "script/task.h"

/* Pushes the view of task's request. */
void http_push(lua_State *L, struct task *task);
void http_install(lua_State *L);

/* Copies text with %XX decoded (and + as a space when it is a form) onto the stack. */
void http_push_decoded(lua_State *L, struct str text, bool is_form);

#endif
