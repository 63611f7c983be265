#include "workshop/listing.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "json/write.h"

enum { MOST_NAMES = 200 };

static void add_value(lua_State *L, struct buf *out, int index)
{
    struct str text;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        text.ptr = lua_tolstring(L, index, &text.len);
        json_add_string(out, text);
        break;
    case LUA_TNUMBER:
    case LUA_TBOOLEAN:
        text.ptr = luaL_tolstring(L, index, &text.len);
        buf_add_str(out, text);
        lua_pop(L, 1);
        break;
    case LUA_TTABLE:
        buf_add_lit(out, "{...}");
        break;
    default:
        buf_add_text(out, luaL_typename(L, index));
    }
}

static void add_comma(struct buf *out, size_t count)
{
    buf_add_text(out, count != 0 ? ", " : " ");
}

static size_t add_list(lua_State *L, struct buf *out, int table)
{
    size_t count = 0;
    for (lua_Integer i = 1; count < MOST_NAMES && lua_rawgeti(L, table, i) != LUA_TNIL; i++, count++) {
        add_comma(out, count);
        add_value(L, out, -1);
        lua_pop(L, 1);
    }
    lua_settop(L, table);
    return count;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t find_names(lua_State *L, int table, const char **names)
{
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        if (count < MOST_NAMES && lua_type(L, -2) == LUA_TSTRING) {
            names[count++] = lua_tostring(L, -2); /* the table keeps it */
        }
    }
    qsort(names, count, sizeof *names, compare_names);
    return count;
}

/* Keys that are neither names nor of the list. */
static bool has_others(lua_State *L, int table, size_t listed)
{
    bool has = false;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        bool is_listed = lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 && lua_tointeger(L, -2) <= (lua_Integer)listed;
        has = has || (lua_type(L, -2) != LUA_TSTRING && !is_listed);
    }
    return has;
}

void listing_add(lua_State *L, struct buf *out, int table)
{
    const char *names[MOST_NAMES];
    lua_pushvalue(L, table);
    table = lua_gettop(L);
    luaL_checkstack(L, 8, "a listing");
    buf_add_char(out, '{');
    size_t listed = add_list(L, out, table), count = find_names(L, table, names);
    for (size_t i = 0; i < count; i++) {
        add_comma(out, listed + i);
        buf_add_format(out, "%s = ", names[i]);
        lua_pushstring(L, names[i]);
        lua_rawget(L, table);
        add_value(L, out, -1);
        lua_pop(L, 1);
    }
    buf_add_text(out, has_others(L, table, listed) || count == MOST_NAMES || listed == MOST_NAMES ? (listed + count != 0 ? ", ... }" : " ... }") : " }");
    lua_settop(L, table - 1);
}
