#include "workshop/names.h"

#include <lauxlib.h>

#include "json/scan.h"
#include "script/value.h"
#include "script/view.h"

static const char *const words[] = {"and",   "break", "do",  "else", "elseif", "end",    "false", "for",  "function", "goto", "if",
                                    "in",    "local", "nil", "not",  "or",     "repeat", "return", "then", "true",     "until", "while"};

struct search {
    struct str part;
    names_take_fn take;
    void *arg;
};

static bool is_name(struct str text)
{
    bool is = text.len != 0 && !(text.ptr[0] >= '0' && text.ptr[0] <= '9');
    for (size_t i = 0; i < text.len && is; i++) {
        char c = text.ptr[i];
        is = c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    return is;
}

static void look_at(const struct search *search, struct str name)
{
    if (str_starts(name, search->part) && is_name(name)) {
        search->take(name.ptr, name.len, search->arg);
    }
}

static void look_in_table(lua_State *L, const struct search *search)
{
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            struct str name;
            name.ptr = lua_tolstring(L, -2, &name.len);
            look_at(search, name);
        }
        lua_pop(L, 1);
    }
}

static void look_in_document(lua_State *L, const struct search *search)
{
    struct str json = value_encode(L, -1, "document");
    for (struct json_iter it = json_iter(json); json_type_of(json) == JSON_OBJECT && json_next(&it);) {
        look_at(search, it.key);
    }
}

/* The member of what is on the top of the stack, by raw access, in its place. */
static void step_into(lua_State *L, struct str name)
{
    if (lua_istable(L, -1)) {
        lua_pushlstring(L, name.ptr, name.len);
        lua_rawget(L, -2);
    } else if (view_is(L, -1)) { /* its own __index, which reads JSON */
        lua_pushlstring(L, name.ptr, name.len);
        lua_gettable(L, -2);
    } else {
        lua_pushnil(L);
    }
    lua_remove(L, -2);
}

size_t names_find(lua_State *L, int environment, struct str text, names_take_fn take, void *arg)
{
    int top = lua_gettop(L);
    size_t at = 0;
    luaL_checkstack(L, 8, "names");
    lua_pushvalue(L, environment);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.' || text.ptr[i] == ':') {
            step_into(L, str_make(text.ptr + at, i - at));
            at = i + 1;
        }
    }
    struct search search = {str_skip(text, at), take, arg};
    for (size_t i = 0; at == 0 && i < sizeof words / sizeof words[0]; i++) {
        look_at(&search, str_of(words[i]));
    }
    if (lua_istable(L, -1)) {
        look_in_table(L, &search);
    } else if (view_is(L, -1)) {
        look_in_document(L, &search);
    }
    lua_settop(L, top);
    return search.part.len;
}
