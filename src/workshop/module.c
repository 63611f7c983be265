/* The table that require "happn.test" returns. */

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/nearest.h"
#include "script/duration.h"
#include "script/sandbox.h"
#include "workshop/testing.h"

enum { STEP_COST = 100 };

static int test_case(lua_State *L)
{
    struct testing *testing = testing_of(L);
    lua_Debug where;
    const char *name = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (!testing->is_collecting) {
        return luaL_error(L, "a case cannot be in another one");
    }
    struct test_case *one = arena_alloc(&testing->arena, sizeof *one);
    if (one == NULL || (name = arena_str(&testing->arena, str_of(name)).ptr) == NULL) {
        return luaL_error(L, "out of memory");
    }
    int line = lua_getstack(L, 1, &where) && lua_getinfo(L, "l", &where) ? where.currentline : 0;
    lua_pushvalue(L, 2);
    *one = (struct test_case){NULL, name, luaL_ref(L, LUA_REGISTRYINDEX), line};
    *testing->last_case = one;
    testing->last_case = &one->next;
    return 0;
}

/* A server is also its own client, with all rights. */
static int test_server(lua_State *L)
{
    struct testing *testing = testing_of(L);
    lua_settop(L, 1);
    server_ensure(L, testing, 1, true);
    guest_push(L, testing, NULL, NULL);
    return 1;
}

static int test_client(lua_State *L)
{
    struct testing *testing = testing_of(L);
    lua_settop(L, 1);
    server_ensure(L, testing, 1, false);
    const char *user = NULL, *password = TESTING_PASSWORD;
    if (lua_istable(L, 1)) {
        lua_getfield(L, 1, "user");
        user = lua_tostring(L, -1);
        if (lua_getfield(L, 1, "password") == LUA_TSTRING) {
            password = lua_tostring(L, -1);
        }
        lua_getfield(L, 1, "users");
    }
    if (user != NULL) {
        server_add_user(L, testing, user, 1);
    }
    guest_push(L, testing, user, password);
    return 1;
}

/* login(username, password): a user that is there already, or that a login script knows. */
static int test_login(lua_State *L)
{
    struct testing *testing = testing_of(L);
    const char *username = luaL_checkstring(L, 1), *password = luaL_optstring(L, 2, TESTING_PASSWORD);
    if (!testing->has_house) {
        return luaL_error(L, "there is no server yet: t.server{ secure = true }");
    }
    guest_push(L, testing, username, password);
    return 1;
}

static int test_http(lua_State *L)
{
    return request_ask(L, testing_of(L), 1, NULL);
}

static int advanced(lua_State *L, int status, lua_KContext context)
{
    (void)L, (void)status, (void)context;
    return 0;
}

/* In the function of t.on_http it is a pause of that function's, and those who wait for something else let the time pass. */
static int test_advance(lua_State *L)
{
    struct testing *testing = testing_of(L);
    uint64_t ms = duration_check(L, 1);
    if (!testing->has_house) {
        return luaL_error(L, "there is no server yet");
    }
    uint64_t end = loop_ticks(testing->house.loop) + ms;
    if (testing->errand != NULL && lua_isyieldable(L)) {
        testing->errand->wake_at = end;
        return coroutine_wait(L, advanced);
    }
    testing_pump(L, testing);
    while (testing_step(testing, end)) {
        vm_charge(L, STEP_COST); /* a year of seconds does not end before the budget does */
        testing_pump(L, testing);
    }
    testing_pump(L, testing);
    return 0;
}

/* on_http(fn): in place of all other servers, until the case ends. */
static int test_on_http(lua_State *L)
{
    struct testing *testing = testing_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, testing->outside);
    testing->outside = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* The scripts are loaded anew, as happn serve does it at a HUP. */
static int test_reload(lua_State *L)
{
    struct testing *testing = testing_of(L);
    happn_error error = {0};
    if (!testing->has_house) {
        return luaL_error(L, "there is no server yet");
    }
    if (happn_reload(testing->house.service, &error) != HAPPN_OK) {
        return luaL_error(L, "%s", error.message);
    }
    testing_pump(L, testing);
    return 0;
}

static int test_now(lua_State *L)
{
    const struct testing *testing = testing_of(L);
    if (!testing->has_house) {
        return luaL_error(L, "there is no server yet");
    }
    lua_pushnumber(L, (lua_Number)loop_now_ms(testing->house.loop) / 1000);
    return 1;
}

/* -- saying what must be -- */

static int test_ok(lua_State *L)
{
    if (lua_toboolean(L, 1)) {
        return 0;
    }
    lua_pushfstring(L, "%s is %s", luaL_optstring(L, 2, "the value"), lua_isnoneornil(L, 1) ? "nil" : "false");
    return lua_error(L);
}

static void push_error_name(lua_State *L, int index)
{
    if (lua_istable(L, index)) {
        lua_pushliteral(L, "name");
        lua_rawget(L, index);
    } else {
        lua_pushnil(L);
    }
}

static int failed(lua_State *L, int status, lua_KContext context)
{
    bool has_name = !lua_isfunction(L, 1);
    const char *name = has_name ? lua_tostring(L, 1) : NULL;
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD) {
        lua_pushfstring(L, "nothing failed\nexpected: %s", has_name ? name : "an error");
        return lua_error(L);
    }
    vm_check(L);
    int error = lua_gettop(L);
    push_error_name(L, error);
    const char *actual = lua_tostring(L, -1);
    if (has_name && (actual == NULL || strcmp(actual, name) != 0)) {
        vm_push_error_text(L, error);
        lua_pushfstring(L, "it failed otherwise\n     got: %s\nexpected: %s", lua_tostring(L, -1), name);
        return lua_error(L);
    }
    lua_settop(L, error);
    return 1;
}

/* fails(fn) or fails(name, fn); returns the error. */
static int test_fails(lua_State *L)
{
    bool has_name = !lua_isfunction(L, 1);
    if (has_name) {
        luaL_checkstring(L, 1);
    }
    luaL_checktype(L, has_name ? 2 : 1, LUA_TFUNCTION);
    lua_pushvalue(L, has_name ? 2 : 1);
    return failed(L, lua_pcallk(L, 0, 0, 0, 0, failed), 0);
}

/* Upvalues: the expectation, a function or nil. */
static int expected_call(lua_State *L)
{
    struct expectation *expectation = lua_touserdata(L, lua_upvalueindex(1));
    expectation->count++;
    if (lua_isnil(L, lua_upvalueindex(2))) {
        return 0;
    }
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* expect(n, fn): a function that must be called exactly n times until the case ends. */
static int test_expect(lua_State *L)
{
    struct testing *testing = testing_of(L);
    struct expectation *expectation = arena_alloc(&testing->arena, sizeof *expectation);
    lua_Debug where;
    lua_settop(L, 2);
    lua_Integer wanted = luaL_checkinteger(L, 1);
    luaL_argcheck(L, lua_isnil(L, 2) || lua_isfunction(L, 2), 2, "a function");
    if (expectation == NULL) {
        return luaL_error(L, "out of memory");
    }
    *expectation = (struct expectation){testing->expectations, wanted, 0, ""};
    if (lua_getstack(L, 1, &where) && lua_getinfo(L, "Sl", &where)) {
        snprintf(expectation->place, sizeof expectation->place, "%s:%d", where.short_src, where.currentline);
    }
    testing->expectations = expectation;
    lua_pushlightuserdata(L, expectation);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, expected_call, 2);
    return 1;
}

/* -- looking back -- */

static void push_text(lua_State *L, const char *name, struct str text)
{
    if (str_is_set(text)) {
        lua_pushlstring(L, text.ptr, text.len);
        lua_setfield(L, -2, name);
    }
}

/* What scripts have asked of the store, in order: { action, path, data }. */
static int test_calls(lua_State *L)
{
    struct testing *testing = testing_of(L);
    lua_newtable(L);
    lua_Integer i = 0;
    for (const struct store_call *call = testing->calls; call != NULL; call = call->next) {
        lua_createtable(L, 0, 3);
        push_text(L, "action", call->action);
        push_text(L, "path", call->path);
        testing_push_json(L, call->data);
        lua_setfield(L, -2, "data");
        lua_rawseti(L, -2, ++i);
    }
    return 1;
}

/* What scripts have logged, in order: { level, message }. */
static int test_log(lua_State *L)
{
    struct testing *testing = testing_of(L);
    struct answer *memory = testing_answer(L, testing);
    lua_newtable(L);
    if (!testing->has_house || !house_read_log(&testing->house, &memory->data)) {
        return 1;
    }
    struct str rest = buf_str(&memory->data);
    while (rest.len != 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        struct str line = str_make(rest.ptr, end != NULL ? (size_t)(end - rest.ptr) : rest.len);
        rest = str_skip(rest, line.len + 1);
        if (json_check(line, NULL) == HAPPN_OK) {
            lua_createtable(L, 0, 2);
            push_text(L, "level", json_string(&testing->case_arena, json_get(line, "level")));
            push_text(L, "message", json_string(&testing->case_arena, json_get(line, "message")));
            lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        }
    }
    return 1;
}

/* Upvalue 1: what the table is called. */
static int missing(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL, *best = NULL;
    if (name == NULL) {
        return 0;
    }
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        nearest_offer(name, lua_tostring(L, -2), &best);
    }
    return luaL_error(L, "%s has no %s%s%s%s", lua_tostring(L, lua_upvalueindex(1)), name, best != NULL ? "; did you mean " : "", best != NULL ? best : "",
                      best != NULL ? "?" : "");
}

void module_close_table(lua_State *L, const char *name)
{
    lua_newtable(L);
    lua_pushstring(L, name);
    lua_pushcclosure(L, missing, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

void module_push(lua_State *L, struct testing *testing)
{
    static const luaL_Reg functions[] = {{"case", test_case},     {"server", test_server}, {"client", test_client}, {"login", test_login},
                                         {"http", test_http},     {"advance", test_advance}, {"now", test_now},     {"ok", test_ok},
                                         {"equal", compare_equal}, {"fails", test_fails},  {"expect", test_expect}, {"calls", test_calls},
                                         {"log", test_log},       {"on_http", test_on_http}, {"reload", test_reload}, {NULL, NULL}};
    luaL_newlibtable(L, functions);
    lua_pushlightuserdata(L, testing);
    luaL_setfuncs(L, functions, 1);
    module_close_table(L, "happn.test");
}
