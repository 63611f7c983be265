/* coroutine.* for scripts.
 *
 * A waiting call such as happn.get yields a private token. Inside a script's own coroutine that token would end up as a
 * result of the script's resume; ours recognises it and yields it on, up to the task, and passes the wake-up down again.
 * So a generator that reads documents works as if the call had blocked. */

#include "script/sandbox.h"

enum { RESUME_COST = 100 };

const char coroutine_wait_tag;

int coroutine_wait_with(lua_State *L, lua_KFunction k, lua_KContext context)
{
    lua_pushlightuserdata(L, (void *)&coroutine_wait_tag);
    return lua_yieldk(L, 1, context, k);
}

int coroutine_wait(lua_State *L, lua_KFunction k)
{
    return coroutine_wait_with(L, k, 0);
}

static bool is_waiting(lua_State *co, int count)
{
    return count == 1 && lua_touserdata(co, -1) == &coroutine_wait_tag;
}

static lua_State *check_thread(lua_State *L, int index)
{
    lua_State *co = lua_tothread(L, index);
    luaL_argexpected(L, co != NULL, index, "coroutine");
    return co;
}

/* coroutine.running gives a script the thread of its call, which is not the script's: it must neither be woken nor closed by others. */
static bool is_of_task(lua_State *L, lua_State *co)
{
    bool is_registered = lua_rawgetp(L, LUA_REGISTRYINDEX, co) != LUA_TNIL;
    lua_pop(L, 1);
    return is_registered;
}

/* Results or the error of co are moved to L. */
static int resumed(lua_State *L, lua_State *co, int status, int count, bool wrapped)
{
    if (status == LUA_OK || status == LUA_YIELD) {
        if (!lua_checkstack(L, count + 1)) {
            lua_pop(co, count);
            return luaL_error(L, "too many results");
        }
        if (!wrapped) {
            lua_pushboolean(L, 1);
        }
        lua_xmove(co, L, count);
        return wrapped ? count : count + 1;
    }
    lua_xmove(co, L, 1);
    if (vm_of(L)->killed) {
        *(struct vm **)lua_getextraspace(co) = NULL; /* for good: its to-be-closed variables must never run */
    }
    vm_check(L);
    if (wrapped) {
        lua_closethread(co, L);
        return lua_error(L);
    }
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int go_on(lua_State *L, int status, lua_KContext wrapped);

static int run(lua_State *L, lua_State *co, int arguments, bool wrapped)
{
    struct vm *vm = vm_of(L);
    int count;
    lua_State *outer = vm_switch(vm, co);
    int status = lua_resume(co, L, arguments, &count);
    (void)vm_switch(vm, outer);
    if (status == LUA_YIELD && is_waiting(co, count)) {
        lua_pop(co, 1);
        lua_settop(L, 0);
        lua_pushthread(co); /* kept here while waiting */
        lua_xmove(co, L, 1);
        lua_pushlightuserdata(L, (void *)&coroutine_wait_tag);
        return lua_yieldk(L, 1, wrapped, go_on);
    }
    return resumed(L, co, status, count, wrapped);
}

static int go_on(lua_State *L, int status, lua_KContext wrapped)
{
    (void)status;
    return run(L, lua_tothread(L, 1), 0, wrapped != 0);
}

static int start(lua_State *L, lua_State *co, int first, bool wrapped)
{
    vm_charge(L, RESUME_COST);
    int arguments = lua_gettop(L) - first + 1, status = lua_status(co);
    bool is_over = status == LUA_OK && lua_gettop(co) == 0;
    lua_Debug frame;
    bool is_active = is_of_task(L, co) || (status == LUA_OK && lua_getstack(co, 0, &frame) != 0);
    if (is_over || is_active || (status != LUA_OK && status != LUA_YIELD) || !lua_checkstack(co, arguments)) {
        lua_settop(L, 0);
        lua_pushstring(L, is_active || co == L ? "cannot resume non-suspended coroutine" : "cannot resume dead coroutine");
        if (wrapped) {
            return lua_error(L);
        }
        lua_pushboolean(L, 0);
        lua_insert(L, 1);
        return 2;
    }
    lua_xmove(L, co, arguments);
    return run(L, co, arguments, wrapped);
}

static int co_resume(lua_State *L)
{
    return start(L, check_thread(L, 1), 2, false);
}

static int co_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    vm_charge(L, RESUME_COST);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int call_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    return start(L, co, 1, true);
}

static int co_wrap(lua_State *L)
{
    co_create(L);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

static int co_yield(lua_State *L)
{
    if (!lua_isyieldable(L)) {
        return luaL_error(L, "coroutine.yield outside a coroutine");
    }
    if (is_of_task(L, L)) {
        return luaL_error(L, "coroutine.yield outside a coroutine");
    }
    return lua_yield(L, lua_gettop(L));
}

static int co_status(lua_State *L)
{
    lua_State *co = check_thread(L, 1);
    lua_Debug frame;
    int status = lua_status(co);
    const char *text = "dead";
    if (co == L) {
        text = "running";
    } else if (is_of_task(L, co)) {
        text = "normal";
    } else if (status == LUA_YIELD) {
        text = "suspended";
    } else if (status == LUA_OK) {
        text = lua_getstack(co, 0, &frame) != 0 ? "normal" : lua_gettop(co) == 0 ? "dead" : "suspended";
    }
    lua_pushstring(L, text);
    return 1;
}

static int co_is_yieldable(lua_State *L)
{
    lua_pushboolean(L, lua_isyieldable(L));
    return 1;
}

static int co_running(lua_State *L)
{
    int is_main = lua_pushthread(L);
    lua_pushboolean(L, is_main);
    return 2;
}

static int co_close(lua_State *L)
{
    lua_State *co = check_thread(L, 1);
    vm_charge(L, RESUME_COST);
    lua_Debug frame;
    int status = lua_status(co);
    bool is_active = co == L || is_of_task(L, co) || (status == LUA_OK && lua_getstack(co, 0, &frame) != 0);
    if (is_active) {
        return luaL_error(L, "cannot close a running coroutine");
    }
    if (vm_of(co) == NULL) {
        return luaL_error(L, "this coroutine was stopped");
    }
    lua_State *outer = vm_switch(vm_of(L), co);
    status = lua_closethread(co, L);
    (void)vm_switch(vm_of(L), outer);
    vm_check(L);
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK) {
        return 1;
    }
    lua_xmove(co, L, 1);
    return 2;
}

void coroutine_push_library(lua_State *L)
{
    static const luaL_Reg functions[] = {{"create", co_create},   {"resume", co_resume},
                                         {"wrap", co_wrap},       {"yield", co_yield},
                                         {"status", co_status},   {"isyieldable", co_is_yieldable},
                                         {"running", co_running}, {"close", co_close},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
}
