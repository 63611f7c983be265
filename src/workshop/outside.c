/* Other servers, as a test plays them. The function is called while a script asks, in the middle of a turn of the loop: so it answers at once, and
 * everything that could raise is behind a protected call. */

#include <stdio.h>

#include "base/error.h"
#include "workshop/testing.h"

struct asked {
    struct testing *testing;
    struct str request;
    long *status;
    struct buf *head, *body;
};

static void add_default_method(lua_State *L)
{
    lua_getfield(L, -1, "method");
    if (lua_isnil(L, -1)) {
        bool has_body = lua_getfield(L, -2, "body") != LUA_TNIL;
        lua_pushstring(L, has_body ? "POST" : "GET");
        lua_setfield(L, -4, "method");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void take_headers(lua_State *L, struct asked *asked, int index)
{
    if (lua_isnil(L, index)) {
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        buf_add_format(asked->head, "%s: %s\r\n", luaL_checkstring(L, -2), luaL_checkstring(L, -1));
        lua_pop(L, 1);
    }
}

static void take_body(lua_State *L, struct asked *asked, int index)
{
    if (lua_type(L, index) == LUA_TSTRING) {
        size_t len;
        const char *text = lua_tolstring(L, index, &len);
        buf_add(asked->body, text, len);
    } else if (!lua_isnil(L, index)) {
        buf_add_str(asked->body, value_encode(L, index, "body"));
        buf_add_lit(asked->head, "content-type: application/json\r\n");
    }
}

/* Leaves status, body, headers at 1 to 3, whichever form was returned. */
static int ask(lua_State *L)
{
    struct asked *asked = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, asked->testing->outside);
    value_push_plain(L, asked->request);
    add_default_method(L);
    lua_call(L, 1, 3);
    if (!lua_isinteger(L, 1)) {
        lua_settop(L, 1);
        lua_pushinteger(L, 200);
        lua_insert(L, 1);
        lua_settop(L, 3);
        if (lua_isnil(L, 2)) {
            luaL_error(L, "no such server");
        }
    }
    *asked->status = (long)lua_tointeger(L, 1);
    take_headers(L, asked, 3);
    take_body(L, asked, 2);
    return 0;
}

happn_status outside_answer(void *arg, struct str request, long *status, struct buf *head, struct buf *body, happn_error *error)
{
    struct testing *testing = arg;
    struct asked asked = {testing, arena_str(&testing->case_arena, request), status, head, body};
    lua_State *L = testing->L;
    if (testing->outside == LUA_NOREF || L == NULL || asked.request.ptr == NULL || !lua_checkstack(L, 8)) {
        return error_set(error, HAPPN_E_IO, "in a test no other server is asked: t.on_http(function(request) ... end) stands in for them");
    }
    int top = lua_gettop(L);
    happn_status result = HAPPN_OK;
    lua_pushcfunction(L, ask);
    lua_pushlightuserdata(L, &asked);
    testing->is_answering = true;
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        vm_push_error_text(L, -1);
        result = error_set(error, HAPPN_E_IO, "%s", lua_tostring(L, -1));
    } else if (head->status != HAPPN_OK || body->status != HAPPN_OK) {
        result = error_set(error, HAPPN_E_IO, "the answer is too large");
    }
    testing->is_answering = false;
    lua_settop(L, top);
    return result;
}
