#include "workshop/testing.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "script/calls.h"
#include "script/sandbox.h"
#include "script/view.h"

void testing_begin(struct testing *testing)
{
    testing->number++;
    testing->is_secured = testing->has_house = false;
    testing->host = NULL;
    testing->answers = NULL;
    testing->happenings = NULL;
    testing->last_happening = &testing->happenings;
    testing->expectations = NULL;
    testing->calls = NULL;
    testing->last_call = &testing->calls;
    testing->failure[0] = '\0';
    testing->outside = LUA_NOREF;
    testing->errands = testing->errand = NULL;
    testing->last_errand = &testing->errands;
    testing->house.outside = outside_of(testing);
    arena_init(&testing->case_arena, NULL);
}

void testing_trim(struct testing *testing)
{
    for (struct answer **at = &testing->answers; *at != NULL;) {
        struct answer *answer = *at;
        if (answer->is_done) {
            buf_fini(&answer->data);
            buf_fini(&answer->meta);
            *at = answer->next;
        } else {
            at = &answer->next;
        }
    }
}

void testing_end(struct testing *testing)
{
    testing->core.loop = &testing->loop;
    if (testing->has_house) {
        house_close(&testing->house);
    }
    testing->has_house = false;
    for (struct answer *answer = testing->answers; answer != NULL; answer = answer->next) {
        buf_fini(&answer->data);
        buf_fini(&answer->meta);
    }
    testing->answers = NULL;
    arena_fini(&testing->case_arena);
}

/* -- answers -- */

struct answer *testing_answer(lua_State *L, struct testing *testing)
{
    struct answer *answer = arena_alloc(&testing->case_arena, sizeof *answer);
    if (answer == NULL) {
        luaL_error(L, "out of memory");
    }
    *answer = (struct answer){.next = testing->answers, .testing = testing};
    buf_init(&answer->data, NULL, SIZE_MAX / 2);
    buf_init(&answer->meta, NULL, SIZE_MAX / 2);
    testing->answers = answer;
    return answer;
}

void testing_take_status(happn_status status, const happn_error *error, void *arg)
{
    struct answer *answer = arg;
    answer->error = error != NULL ? *error : (happn_error){.status = status};
    answer->error.status = status;
    answer->is_done = true;
}

void testing_take_result(const happn_result *result, void *arg)
{
    struct answer *answer = arg;
    buf_add(&answer->data, result->data, result->data_len);
    buf_add(&answer->meta, result->meta, result->meta_len);
    testing_take_status(result->status, result->error, answer);
}

int testing_raise(lua_State *L, happn_status status)
{
    happn_error error = {.status = status};
    return calls_raise(L, &error);
}

/* -- events -- */

void testing_take_event(const char *data, size_t data_len, const char *meta, size_t meta_len, void *arg)
{
    struct listening *listening = arg;
    struct testing *testing = listening->testing;
    struct happening *happening = arena_alloc(&testing->case_arena, sizeof *happening);
    if (happening == NULL) {
        return;
    }
    *happening = (struct happening){NULL, listening, arena_str(&testing->case_arena, str_make(data, data_len)),
                                    arena_str(&testing->case_arena, str_make(meta, meta_len))};
    *testing->last_happening = happening;
    testing->last_happening = &happening->next;
}

static void call_function(lua_State *L, struct testing *testing, const struct happening *happening)
{
    struct errand *errand = testing->errand;
    lua_pushcfunction(L, vm_traceback);
    int handler = lua_gettop(L);
    testing->errand = NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, happening->listening->function);
    testing_push_json(L, happening->data);
    testing_push_json(L, happening->meta);
    if (lua_pcall(L, 2, 0, handler) != LUA_OK && testing->failure[0] == '\0') {
        snprintf(testing->failure, sizeof testing->failure, "%s", lua_tostring(L, -1) != NULL ? lua_tostring(L, -1) : "the error is not a text");
    }
    testing->errand = errand;
    lua_settop(L, handler - 1);
}

/* Calls the function of the oldest event, and lets those go on who play other servers. False: nobody has anything to do. */
static bool go_on(lua_State *L, struct testing *testing)
{
    struct happening *happening = testing->happenings;
    if (happening == NULL) {
        return outside_serve(L, testing);
    }
    testing->happenings = happening->next;
    testing->last_happening = happening->next != NULL ? testing->last_happening : &testing->happenings;
    call_function(L, testing, happening);
    return true;
}

void testing_pump(lua_State *L, struct testing *testing)
{
    if (!testing->has_house) {
        return;
    }
    luaL_checkstack(L, 8, "events that cause events");
    do {
        if (!house_settle(&testing->house)) {
            luaL_error(L, "the server never comes to rest: does a script call itself without end?");
        }
    } while (go_on(L, testing));
}

/* -- waiting -- */

bool testing_step(struct testing *testing, uint64_t ticks)
{
    uint64_t next = outside_next(testing);
    if (next > ticks) {
        return house_step(&testing->house, ticks);
    }
    (void)house_step(&testing->house, next); /* a timer's before that, or it is that time */
    return true;
}

static void wait_for(lua_State *L, struct testing *testing, const struct answer *answer)
{
    struct house *house = &testing->house;
    if (house->is_live) {
        house_wait(house, &answer->is_done);
        return;
    }
    luaL_checkstack(L, 8, "waits in waits");
    uint64_t end = loop_ticks(house->loop) + HOUSE_LONGEST_WAIT_MS;
    while (house_settle(house) && !answer->is_done && (go_on(L, testing) || testing_step(testing, end))) {
    }
}

struct answer *testing_answered(lua_State *L, lua_KContext context)
{
    struct answer *answer = (struct answer *)context;
    const struct testing *testing = answer->testing;
    if (!answer->is_done) {
        luaL_error(L, testing->house.is_interrupted ? "interrupted" : "no answer comes, however long one waits");
    }
    if (answer->error.status != HAPPN_OK) {
        calls_raise(L, &answer->error);
    }
    return answer;
}

void testing_wait(lua_State *L, struct testing *testing, struct answer *answer)
{
    wait_for(L, testing, answer);
    testing_pump(L, testing);
    (void)testing_answered(L, (lua_KContext)answer);
}

int testing_wait_then(lua_State *L, struct testing *testing, struct answer *answer, lua_KFunction k)
{
    if (testing->errand != NULL && lua_isyieldable(L)) {
        testing->errand->answer = answer;
        return coroutine_wait_with(L, k, (lua_KContext)answer);
    }
    wait_for(L, testing, answer);
    testing_pump(L, testing);
    return k(L, LUA_OK, (lua_KContext)answer);
}

/* -- values -- */

void testing_push_json(lua_State *L, struct str json)
{
    if (json.len == 0 || json_check(json, NULL) != HAPPN_OK) {
        lua_pushnil(L);
    } else {
        view_push(L, json_trim(json));
    }
}

struct str testing_json(lua_State *L, struct testing *testing, int index, const char *name)
{
    struct str json = arena_str(&testing->case_arena, value_encode(L, index, name));
    if (json.ptr == NULL) {
        luaL_error(L, "out of memory");
    }
    return json;
}
