/* `msg.session`, `msg.recipient` and `req.session`: who is at the other end, and what scripts remember of them. */
#ifndef HAPPN_SCRIPT_SESSION_H
#define HAPPN_SCRIPT_SESSION_H

#include "script/task.h"

/* Pushes the view of the session that the message or request at `parent` belongs to. It ends with it. */
void session_push(lua_State *L, int parent);

/* Keeps what was changed in the `state` of the session view at index, if it is one. Raises: no JSON, too large. */
void session_write_back(lua_State *L, struct task *task, int index);

void session_install(lua_State *L);

#endif
