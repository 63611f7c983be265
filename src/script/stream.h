/* Answers of routes in parts: req:stream and req:events. */
#ifndef HAPPN_SCRIPT_STREAM_H
#define HAPPN_SCRIPT_STREAM_H

#include "script/task.h"

/* Methods of a request. */
int stream_method(lua_State *L);
int stream_events_method(lua_State *L);
void stream_install(lua_State *L);

/* The route has ended: so does its answer. */
void stream_finish(struct task *task);

#endif
