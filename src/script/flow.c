#include "script/flow.h"

#include "script/background.h"
#include "script/calls.h"
#include "script/duration.h"
#include "script/sandbox.h"

enum { FLOW_COST = 200, MAX_TOGETHER = 1000 };

static int go_on(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    (void)calls_answer(L);
    return 0;
}

static int sleep_for(lua_State *L)
{
    struct task *task = calls_task(L, "happn.sleep");
    uint64_t ms = duration_check(L, 1);
    vm_charge(L, FLOW_COST);
    calls_begin(task);
    task->call.is_sleep = true;
    task->call.sleep_ms = ms;
    return coroutine_wait(L, go_on);
}

static const char busy[] = "Busy: too many calls of scripts are under way";

/* -- spawn -- */

/* What is left on the stack after the function becomes {n = 2, ...}. */
static int pack(lua_State *L, int count)
{
    lua_createtable(L, count, 1);
    lua_insert(L, -count - 1);
    int table = lua_gettop(L) - count;
    for (int i = count; i > 0; i--) {
        lua_rawseti(L, table, i);
    }
    lua_pushinteger(L, count);
    lua_setfield(L, table, "n");
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int spawn(lua_State *L)
{
    struct task *by = vm_of(L)->task;
    if (by == NULL) {
        return luaL_error(L, "happn.spawn is not available while a script is loaded: use M.start");
    }
    luaL_checktype(L, 1, LUA_TFUNCTION);
    vm_charge(L, FLOW_COST);
    int arguments = pack(L, lua_gettop(L) - 1);
    lua_settop(L, 1);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    struct task *task = background_begin(by, "spawn", function);
    if (task == NULL) {
        luaL_unref(L, LUA_REGISTRYINDEX, function);
        luaL_unref(L, LUA_REGISTRYINDEX, arguments);
        return luaL_error(L, "%s", busy);
    }
    task->work.owns_function = true;
    task->work.arguments = arguments;
    background_run(task);
    return 0;
}

/* -- together -- */

/* The results in order; the first error instead, when there was one. */
static int push_results(lua_State *L, int status, lua_KContext count)
{
    (void)status;
    (void)calls_answer(L);
    if (lua_getfield(L, 1, "error") != LUA_TNIL) {
        return lua_error(L);
    }
    if (vm_of(L)->task->call.together_failed) {
        return luaL_error(L, "a function of happn.together was stopped");
    }
    luaL_checkstack(L, (int)count, "too many results");
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 1, i);
    }
    return (int)count;
}

/* The functions are at 1 to count, the list of results behind them. They are not begun before all of them are there. */
static void make_children(lua_State *L, struct task *task, int count)
{
    struct task **children = lua_newuserdatauv(L, (size_t)count * sizeof(struct task *), 0);
    for (int i = 0; i < count; i++) {
        lua_pushvalue(L, i + 1);
        int function = luaL_ref(L, LUA_REGISTRYINDEX);
        struct task *child = background_begin(task, "together", function);
        if (child == NULL) {
            luaL_unref(L, LUA_REGISTRYINDEX, function);
            for (int j = 0; j < i; j++) {
                luaL_unref(L, LUA_REGISTRYINDEX, children[j]->work.function);
                background_drop(children[j]);
            }
            luaL_error(L, "%s", busy);
        }
        child->work.owns_function = true;
        child->work.slot = i + 1;
        children[i] = child;
    }
    for (int i = 0; i < count; i++) {
        lua_pushvalue(L, count + 1);
        children[i]->work.results = luaL_ref(L, LUA_REGISTRYINDEX);
        children[i]->work.parent = task;
        background_run(children[i]);
    }
    task->call.together = (size_t)count;
    lua_pop(L, 1);
}

static int together(lua_State *L)
{
    struct task *task = calls_task(L, "happn.together");
    int count = lua_gettop(L);
    luaL_argcheck(L, count <= MAX_TOGETHER, MAX_TOGETHER + 1, "at most 1000 functions");
    for (int i = 1; i <= count; i++) {
        luaL_checktype(L, i, LUA_TFUNCTION);
    }
    if (count == 0) {
        return 0;
    }
    vm_charge(L, (size_t)count * FLOW_COST);
    calls_begin(task);
    lua_createtable(L, count, 1);
    make_children(L, task, count);
    lua_replace(L, 1);
    lua_settop(L, 1);
    return coroutine_wait_with(L, push_results, count);
}

void flow_add(lua_State *L)
{
    static const luaL_Reg functions[] = {{"sleep", sleep_for}, {"spawn", spawn}, {"together", together}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
