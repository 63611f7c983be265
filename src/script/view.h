/* Documents as scripts see them: views on JSON text that read a field when it is asked for and remember what was changed. */
#ifndef HAPPN_SCRIPT_VIEW_H
#define HAPPN_SCRIPT_VIEW_H

#include "script/value.h"

/* Pushes validated JSON: containers as views on a copy of the text, anything else as a plain value. */
void view_push(lua_State *L, struct str json);
/* The same, of an object whose members are known; NULL: they are not. */
void view_push_parts(lua_State *L, struct str json, const struct json_parts *parts);

/* True when the value at index is a view and something in it was changed. */
bool view_is_changed(lua_State *L, int index);
bool view_is(lua_State *L, int index);
bool view_is_list(lua_State *L, int index);

/* Writes a view: what was not touched byte for byte. False when the value is none. */
bool view_write(lua_State *L, struct encoder *encoder, int index);

/* Whether the object's member (1-based position of a list) is there and null. */
bool view_has_null(lua_State *L, int view, int key);

void view_install(lua_State *L);

#endif
