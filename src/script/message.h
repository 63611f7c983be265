/* `msg`: what an inbound or outbound function sees of a message. */
#ifndef HAPPN_SCRIPT_MESSAGE_H
#define HAPPN_SCRIPT_MESSAGE_H

#include "script/task.h"

/* Pushes the view of task's message. ctx at index (a table or nil) is what earlier scripts have shared. */
void message_push(lua_State *L, struct task *task, int ctx);

/* Pushes msg.ctx, nil when nobody asked for it. */
void message_push_context(lua_State *L, int index);

/* Gives what the script has changed to the message. Raises. */
void message_write_back(lua_State *L, struct task *task, int index);
/* Keeps what the script has changed in msg.session.state. Raises. */
void message_keep_state(lua_State *L, struct task *task, int index);
/* The value at index becomes the message's data. Raises. */
void message_set_value(lua_State *L, struct task *task, int index);

void message_install(lua_State *L);

#endif
