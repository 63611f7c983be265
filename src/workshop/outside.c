/* Other servers, as a test plays them. What a script asks is noted in the middle of a turn of the loop; between two turns the function of t.on_http is
 * called for it, in a coroutine of its own: it may wait as the case itself does, and others go on meanwhile. The script's timeout goes by the
 * clock of the house. */

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "script/fetch.h"
#include "workshop/testing.h"

static happn_status note(void *arg, struct fetch *fetch, struct str request, uint64_t timeout_ms, happn_error *error)
{
    struct testing *testing = arg;
    struct errand *errand = arena_alloc(&testing->case_arena, sizeof *errand);
    if (testing->outside == LUA_NOREF || errand == NULL) {
        return error_set(error, HAPPN_E_IO, "in a test no other server is asked: t.on_http(function(request) ... end) stands in for them");
    }
    *errand = (struct errand){.fetch = fetch, .timeout = timeout_ms, .request = arena_str(&testing->case_arena, request), .wake_at = UINT64_MAX};
    errand->deadline = loop_ticks(testing->house.loop) + timeout_ms;
    *testing->last_errand = errand;
    testing->last_errand = &errand->next;
    return HAPPN_OK;
}

static void forget(void *arg, struct fetch *fetch)
{
    struct testing *testing = arg;
    for (struct errand *errand = testing->errands; errand != NULL; errand = errand->next) {
        if (errand->fetch == fetch) {
            errand->fetch = NULL;
        }
    }
}

struct script_outside outside_of(struct testing *testing)
{
    return (struct script_outside){note, forget, testing};
}

/* -- the answer -- */

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

static void take_headers(lua_State *L, struct buf *head, int index)
{
    if (lua_isnil(L, index)) {
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        buf_add_format(head, "%s: %s\r\n", luaL_checkstring(L, -2), luaL_checkstring(L, -1));
        lua_pop(L, 1);
    }
}

static void take_body(lua_State *L, struct answer *told, int index)
{
    if (lua_type(L, index) == LUA_TSTRING) {
        size_t len;
        const char *text = lua_tolstring(L, index, &len);
        buf_add(&told->data, text, len);
    } else if (!lua_isnil(L, index)) {
        buf_add_str(&told->data, value_encode(L, index, "body"));
        buf_add_lit(&told->meta, "content-type: application/json\r\n");
    }
}

static void answer_fetch(struct errand *errand, long status, const struct answer *told)
{
    struct fetch *fetch = errand->fetch;
    errand->fetch = NULL;
    if (fetch != NULL) {
        fetch_answer(fetch, status, buf_str(&told->meta), buf_str(&told->data));
    }
}

/* Leaves status, body, headers at 1 to 3, whichever form was returned. */
static int take_answer(lua_State *L, int status, lua_KContext context)
{
    struct errand *errand = (struct errand *)context;
    struct testing *testing = lua_touserdata(L, lua_upvalueindex(1));
    struct answer *told = testing_answer(L, testing);
    (void)status;
    if (!lua_isinteger(L, 1)) {
        lua_settop(L, 1);
        lua_pushinteger(L, 200);
        lua_insert(L, 1);
        lua_settop(L, 3);
        if (lua_isnil(L, 2)) {
            luaL_error(L, "no such server");
        }
    }
    take_headers(L, &told->meta, 3);
    take_body(L, told, 2);
    answer_fetch(errand, (long)lua_tointeger(L, 1), told);
    return 0;
}

/* Upvalue 1: the testing. What a coroutine of an errand runs. */
static int run_errand(lua_State *L)
{
    struct errand *errand = lua_touserdata(L, 1);
    struct testing *testing = lua_touserdata(L, lua_upvalueindex(1));
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, testing->outside);
    value_push_plain(L, errand->request);
    add_default_method(L);
    lua_callk(L, 1, 3, (lua_KContext)errand, take_answer);
    return take_answer(L, LUA_OK, (lua_KContext)errand);
}

/* -- going on -- */

static void refuse(struct errand *errand, const char *why)
{
    struct fetch *fetch = errand->fetch;
    errand->fetch = NULL;
    if (fetch != NULL) {
        fetch_refuse(fetch, why);
    }
}

static void refuse_late(struct errand *errand)
{
    char why[300];
    snprintf(why, sizeof why, "%s: Operation timed out after %llu milliseconds", fetch_what(errand->fetch), (unsigned long long)errand->timeout);
    refuse(errand, why);
}

/* As with the thread of a script's call, being known in the registry also tells coroutine.yield that this is no coroutine of the test's. */
static void begin(lua_State *L, struct testing *testing, struct errand *errand)
{
    errand->co = lua_newthread(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, errand->co);
    lua_pushlightuserdata(errand->co, testing);
    lua_pushcclosure(errand->co, run_errand, 1);
    lua_pushlightuserdata(errand->co, errand);
}

static void end(lua_State *L, struct errand *errand)
{
    lua_State *outer = vm_switch(vm_of(L), errand->co);
    lua_closethread(errand->co, L);
    (void)vm_switch(vm_of(L), outer);
    vm_check(L);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, errand->co);
    errand->co = NULL;
    errand->is_over = true;
}

static int resume(lua_State *L, struct testing *testing, struct errand *errand, int arguments)
{
    int count;
    struct errand *before = testing->errand;
    lua_State *outer = vm_switch(vm_of(L), errand->co);
    testing->errand = errand;
    errand->is_running = true;
    errand->answer = NULL;
    errand->wake_at = UINT64_MAX;
    int status = lua_resume(errand->co, L, arguments, &count);
    errand->is_running = false;
    testing->errand = before;
    (void)vm_switch(vm_of(L), outer);
    if (status == LUA_YIELD) {
        lua_pop(errand->co, count); /* the sign of waiting: nothing else gets here */
    }
    return status;
}

static void go_on(lua_State *L, struct testing *testing, struct errand *errand)
{
    luaL_checkstack(L, 8, "errands");
    bool is_new = errand->co == NULL;
    if (is_new) {
        begin(L, testing, errand);
    }
    int status = resume(L, testing, errand, is_new ? 1 : 0);
    if (status == LUA_YIELD) {
        return;
    }
    if (vm_of(L)->killed) {
        *(struct vm **)lua_getextraspace(errand->co) = NULL; /* its to-be-closed variables must never run */
        errand->is_over = true;
        vm_check(L);
    }
    if (status != LUA_OK) {
        vm_push_error_text(errand->co, -1);
        refuse(errand, lua_tostring(errand->co, -1));
    }
    end(L, errand);
}

static bool is_ready(const struct errand *errand, uint64_t now)
{
    return errand->co == NULL || now >= errand->wake_at || (errand->answer != NULL && errand->answer->is_done);
}

static bool serve(lua_State *L, struct testing *testing, struct errand *errand)
{
    uint64_t now = loop_ticks(testing->house.loop);
    bool is_late = errand->fetch != NULL && now >= errand->deadline;
    if (is_late) {
        refuse_late(errand);
    }
    if (errand->is_over || errand->is_running || !is_ready(errand, now)) {
        return is_late;
    }
    go_on(L, testing, errand);
    return true;
}

static void forget_ended(struct testing *testing)
{
    testing->last_errand = &testing->errands;
    while (*testing->last_errand != NULL) {
        if ((*testing->last_errand)->is_over) {
            *testing->last_errand = (*testing->last_errand)->next;
        } else {
            testing->last_errand = &(*testing->last_errand)->next;
        }
    }
}

bool outside_serve(lua_State *L, struct testing *testing)
{
    bool has_served = false;
    forget_ended(testing); /* one that is just looked at keeps its next */
    for (struct errand *errand = testing->errands; errand != NULL; errand = errand->next) {
        has_served = serve(L, testing, errand) || has_served;
    }
    return has_served;
}

uint64_t outside_next(const struct testing *testing)
{
    uint64_t next = UINT64_MAX;
    for (const struct errand *errand = testing->errands; errand != NULL; errand = errand->next) {
        if (errand->fetch != NULL && errand->deadline < next) {
            next = errand->deadline;
        }
        if (!errand->is_over && errand->wake_at < next) {
            next = errand->wake_at;
        }
    }
    return next;
}

void outside_close(lua_State *L, struct testing *testing)
{
    for (struct errand *errand = testing->errands; errand != NULL; errand = errand->next) {
        if (errand->co != NULL && !errand->is_running && vm_of(errand->co) != NULL) {
            end(L, errand);
        }
    }
}
