#include "script/timer.h"

#include <stdio.h>

#include "base/clock.h"
#include "script/background.h"
#include "script/duration.h"
#include "script/handle.h"
#include "security/identity.h"

enum { MAX_TIMERS = 10000, TIMER_COST = 300 };

struct script_timer {
    uv_timer_t handle;
    struct script_timer *next;
    struct script *script;
    uint64_t id, ms;
    int function;
    bool repeats;
    bool is_running;       /* its task has not ended: the next time is left out */
    bool has_handle, is_over;
    bool is_callers;       /* made by a call, and acts for whoever made it */
    const void *origin;    /* the session that the call goes back to, only to be compared */
    struct actor actor;
    char hook[48];         /* "every 30s" */
};

static const char timer_key;

/* -- ending -- */

static void free_timer(struct script_timer *timer)
{
    memory_free(timer->script->generation->scripts->core->allocator, timer);
}

static void timer_closed(uv_handle_t *handle)
{
    struct script_timer *timer = handle->data;
    struct scripts *scripts = timer->script->generation->scripts;
    struct generation *generation = timer->script->generation;
    free_timer(timer);
    generation->timers_closing--;
    generation_release(generation);
    scripts_release(scripts);
}

/* One whose task runs is closed when that has ended. */
static void end_timer(struct script_timer *timer)
{
    struct generation *generation = timer->script->generation;
    struct script_timer **at = &generation->timers;
    while (*at != timer) {
        at = &(*at)->next;
    }
    *at = timer->next;
    generation->timer_count--;
    timer->script->after -= timer->is_callers;
    luaL_unref(generation->vm.L, LUA_REGISTRYINDEX, timer->function);
    identity_unref(timer->actor.identity);
    timer->actor.identity = NULL;
    timer->is_over = true;
    if (!timer->has_handle) {
        free_timer(timer);
        return;
    }
    generation->timers_closing++;
    generation->scripts->holds++;
    if (!timer->is_running) {
        uv_close((uv_handle_t *)&timer->handle, timer_closed);
    }
}

/* -- running -- */

static void task_ended(void *owner)
{
    struct script_timer *timer = owner;
    timer->is_running = false;
    if (timer->is_over) {
        uv_close((uv_handle_t *)&timer->handle, timer_closed);
    } else if (!timer->repeats) {
        end_timer(timer);
    }
}

static void note_busy(const struct script_timer *timer)
{
    log_write(timer->script->generation->scripts->core->log, LOG_WARN, "script", "%s: %s was left out, too many calls of scripts are under way",
              timer->script->file, timer->hook);
}

static void fire(uv_timer_t *handle)
{
    struct script_timer *timer = handle->data;
    if (timer->is_running) {
        return;
    }
    struct task *task = background_new(timer->script, timer->hook, timer->function);
    if (task == NULL) {
        note_busy(timer);
        if (!timer->repeats) {
            loop_timer_start(timer->script->generation->scripts->core->loop, handle, fire, 1000, 0); /* once is not never */
        }
        return;
    }
    task->place = "a timer";
    if (timer->is_callers) {
        background_act(task, timer->actor);
    } else {
        background_act_for_script(task);
    }
    timer->is_running = true;
    task->work.ended = task_ended;
    task->work.owner = timer;
    background_run(task);
}

static void begin(struct script_timer *timer)
{
    struct loop *loop = timer->script->generation->scripts->core->loop;
    uv_timer_init(&loop->uv, &timer->handle);
    timer->handle.data = timer;
    timer->has_handle = true;
    loop_timer_start(loop, &timer->handle, fire, timer->ms, timer->repeats ? timer->ms : 0);
}

void timers_begin(struct generation *generation)
{
    for (struct script_timer *timer = generation->timers; timer != NULL; timer = timer->next) {
        begin(timer);
    }
}

void timers_end(struct generation *generation)
{
    while (generation->timers != NULL) {
        end_timer(generation->timers);
    }
}

/* -- the script's side -- */

static int stop_timer(lua_State *L)
{
    uint64_t number = handle_check(L, &timer_key, "timer");
    struct generation *generation = vm_of(L)->owner;
    struct script_timer *timer = generation->timers;
    while (timer != NULL && timer->id != number) {
        timer = timer->next;
    }
    if (timer != NULL) {
        end_timer(timer);
    }
    lua_pushboolean(L, timer != NULL);
    return 1;
}

static void name_hook(lua_State *L, struct script_timer *timer)
{
    const char *what = timer->repeats ? "every" : "after";
    if (lua_type(L, 1) == LUA_TSTRING) {
        snprintf(timer->hook, sizeof timer->hook, "%s %s", what, lua_tostring(L, 1));
    } else {
        snprintf(timer->hook, sizeof timer->hook, "%s %llums", what, (unsigned long long)timer->ms);
    }
}

static void act_for_caller(struct script_timer *timer, const struct task *by)
{
    timer->actor = task_actor(by);
    timer->is_callers = true;
    timer->origin = background_origin(by);
    timer->script->after++;
    if (timer->actor.identity != NULL) {
        identity_ref(timer->actor.identity);
    }
}

/* Of all timers the calls of one script may make half, those that go back to one session an eighth. */
static bool has_share(const struct script *script, const struct task *by)
{
    const void *origin = background_origin(by);
    size_t count = 0;
    if (script->after < MAX_TIMERS / 8) {
        return true;
    }
    for (const struct script_timer *timer = script->generation->timers; timer != NULL; timer = timer->next) {
        count += timer->is_callers && timer->origin == origin;
    }
    return script->after < MAX_TIMERS / 2 && (origin == NULL || count < MAX_TIMERS / 8);
}

static int push_timer(lua_State *L, bool repeats)
{
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    struct generation *generation = script->generation;
    struct task *by = vm_of(L)->task;
    uint64_t ms = duration_check(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_argcheck(L, !repeats || ms > 0, 1, "more than nothing");
    vm_charge(L, TIMER_COST);
    if (generation->timer_count >= MAX_TIMERS || (by != NULL && generation->is_over)) {
        return luaL_error(L, generation->is_over ? "these scripts were replaced or the server is stopping" : "too many timers");
    }
    if (by != NULL && !has_share(script, by)) {
        return luaL_error(L, "Busy: too many timers of this script, or for this session");
    }
    uint64_t *number = handle_push(L, &timer_key);
    lua_pushvalue(L, 2);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    struct script_timer *timer = memory_zalloc(generation->scripts->core->allocator, sizeof *timer);
    if (timer == NULL) {
        luaL_unref(L, LUA_REGISTRYINDEX, function);
        return luaL_error(L, "out of memory");
    }
    *timer = (struct script_timer){.next = generation->timers, .script = script, .id = ++generation->last_timer, .ms = ms, .function = function,
                                   .repeats = repeats};
    *number = timer->id;
    name_hook(L, timer);
    generation->timers = timer;
    generation->timer_count++;
    if (by != NULL) {
        act_for_caller(timer, by);
        begin(timer);
    }
    return 1;
}

static int every(lua_State *L)
{
    if (vm_of(L)->task != NULL) {
        return luaL_error(L, "happn.every is available while a script is loaded only: each call would add one more. happn.after runs once");
    }
    return push_timer(L, true);
}

static int after(lua_State *L)
{
    return push_timer(L, false);
}

void timer_add(lua_State *L, struct script *script)
{
    static const luaL_Reg functions[] = {{"every", every}, {"after", after}, {NULL, NULL}};
    lua_pushlightuserdata(L, script);
    luaL_setfuncs(L, functions, 1);
}

void timer_install(lua_State *L)
{
    handle_install(L, &timer_key, "timer", "stop", stop_timer);
}
