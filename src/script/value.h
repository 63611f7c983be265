/* Lua values to JSON text and back. */
#ifndef HAPPN_SCRIPT_VALUE_H
#define HAPPN_SCRIPT_VALUE_H

#include "json/scan.h"
#include "script/vm.h"

enum { VALUE_MAX_DEPTH = 64 };

/* Values being written; `where` names the place for errors. */
struct encoder {
    struct buf *out;
    int depth;
    const void *open[VALUE_MAX_DEPTH]; /* the containers around: meeting one again is a cycle */
    const char *name; /* of the whole */
    struct {
        struct str name;
        lua_Integer number;
    } steps[VALUE_MAX_DEPTH + 1]; /* to where we are; made a text only for an error */
    size_t step_count;
};

/* Writes the value at index into vm->out as JSON and returns it; valid until the next conversion. Raises an error that names the
 * place ("data.items: ..."). Runs no metamethods. */
struct str value_encode(lua_State *L, int index, const char *name);
/* One value of a container being written. */
void value_write(lua_State *L, struct encoder *encoder, int index);
void value_write_text(lua_State *L, struct encoder *encoder, struct str text);
/* Descends into a container and back; name, which stays valid meanwhile, or, when that is unset, number says where. */
size_t value_enter(lua_State *L, struct encoder *encoder, const void *container);
void value_leave(struct encoder *encoder);
void value_step_into(struct encoder *encoder, struct str name, lua_Integer number);
void value_step_back(struct encoder *encoder);
int value_refuse(lua_State *L, const struct encoder *encoder, const char *what);

/* Pushes validated JSON as plain tables; null becomes happn.null, lists are marked as lists. */
void value_push_plain(lua_State *L, struct str json);
/* Pushes a number, text, boolean or null (as nil). */
void value_push_scalar(lua_State *L, struct str json);
/* Pushes the text between the quotes of a raw key, decoded. */
void value_push_key(lua_State *L, struct str key);

bool value_is_utf8(struct str text);

/* happn.null, and the mark of lists. */
void value_push_null(lua_State *L);
bool value_is_null(lua_State *L, int index);
void value_mark_list(lua_State *L); /* the table on top */
/* Would the table at index be written as a list? *count: of how many. */
bool value_is_list(lua_State *L, int index, lua_Integer *count);
void value_install(lua_State *L);   /* metatables, once a state */

#endif
