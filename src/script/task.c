/* How scripts wait without anybody noticing.
 *
 * A task owns a coroutine. happn.get and the like prepare a request and yield; the task gives the request to the core on a
 * session of its own. With a store that answers at once the answer is there when the core returns, and the coroutine goes
 * on at once; otherwise the task is woken later by the reply. So Lua is never entered from within Lua: whatever the request
 * causes (publications, other layers) happens while no script runs. */

#include "script/task.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "base/watchdog.h"
#include "json/write.h"
#include "script/fetch.h"
#include "script/sandbox.h"

enum { CALLS_A_TURN = 100, CLOSING_STEPS = 10000, CLOSING_NS = 1000000 };

struct actor task_actor(const struct task *task)
{
    if (task->kind == TASK_BACKGROUND) {
        return task->work.actor;
    }
    if (task->message != NULL) {
        const struct session *session = task->message->session;
        return (struct actor){session->identity, session->is_trusted, session->script_depth};
    }
    return (struct actor){task->http != NULL ? core_http_identity(task->http) : NULL, false, 0};
}

/* -- failing -- */

struct budget task_budget(const struct task *task)
{
    const struct scripts_options *options = &task->scripts->settings.options;
    bool is_route = task->kind == TASK_ROUTE || task->kind == TASK_BACKGROUND;
    return (struct budget){(int64_t)options->instructions * (is_route ? 10 : 1),
                           (int64_t)(is_route ? options->route_cpu : options->layer_cpu) * 1000000};
}

void task_report(struct task *task, const char *text, char id[ERROR_ID_SIZE])
{
    struct vm *vm = &task->generation->vm;
    if (task->script != NULL) {
        task->script->errors++;
    }
    struct error_report report = {.script = task->script != NULL ? task->script->file : "?",
                                  .hook = task->hook,
                                  .source = vm->error_source,
                                  .line = vm->error_line,
                                  .text = text};
    if (task->message != NULL) {
        report.action.ptr = happn_message_action(task->message, &report.action.len);
        report.path.ptr = happn_message_path(task->message, &report.path.len);
    } else if (task->http != NULL) {
        report.action = str_of(happn_http_method(task->http));
        report.path.ptr = happn_http_path(task->http, &report.path.len);
    }
    errors_report(&task->scripts->errors, task->scripts->core, &report, id);
}

/* "id":"...", and for whoever writes scripts what the log says, too. */
static void add_failure(struct buf *out, const struct task *task, const char *id, const char *text)
{
    const struct vm *vm = &task->generation->vm;
    buf_add_format(out, "\"id\":\"%s\"", id);
    if (!task->scripts->settings.options.debug) {
        return;
    }
    buf_add_lit(out, ",\"script\":");
    json_add_string(out, str_of(task->script != NULL ? task->script->file : "?"));
    buf_add_format(out, ",\"line\":%d,\"text\":", vm->error_line);
    json_add_string(out, utf8_is_valid(str_of(text)) ? str_of(text) : STR_LIT("(a text that is not UTF-8)"));
}

void task_fail(struct task *task, const char *text)
{
    char id[ERROR_ID_SIZE];
    struct buf fields;
    task_report(task, text, id);
    task->verdict = HAPPN_FAIL;
    if (task->message == NULL && task->kind != TASK_ROUTE) {
        return;
    }
    buf_init(&fields, task->scripts->core->allocator, 1 << 20);
    add_failure(&fields, task, id, text);
    if (task->message != NULL) {
        struct buf object;
        buf_init(&object, fields.allocator, 1 << 20);
        buf_add_char(&object, '{');
        buf_add_str(&object, buf_str(&fields));
        buf_add_char(&object, '}');
        happn_message_set_error(task->message, "ScriptError", "script failed", 0, buf_str(&object).ptr, object.len);
        buf_fini(&object);
    } else {
        task->status = 500;
        (void)task_set_content_type(task, NULL);
        buf_clear(&task->body);
        buf_add_lit(&task->body, "{\"error\":{\"name\":\"ScriptError\",\"message\":\"script failed\",");
        buf_add_str(&task->body, buf_str(&fields));
        buf_add_lit(&task->body, "}}");
    }
    buf_fini(&fields);
}

/* -- running -- */

/* What a task does together with others is its parent's. */
static struct budget *budget_of(struct task *task)
{
    while (task->work.parent != NULL) {
        task = task->work.parent;
    }
    return &task->budget;
}

static struct whereabouts *whereabouts_of(const struct task *task)
{
    return &task->scripts->core->loop->whereabouts;
}

void task_tell_place(const struct task *task)
{
    struct whereabouts *at = whereabouts_of(task);
    whereabouts_set(&at->script, task->script != NULL ? task->script->file : NULL);
    whereabouts_set(&at->hook, task->place);
    atomic_store_explicit(&at->line, 0, memory_order_relaxed);
}

/* It was what the loop has stood still for, or one of those who ran meanwhile: what, where, and with what. */
static void note_stall(const struct task *task)
{
    char what[200], line[40] = "";
    struct str path = STR_NONE;
    int at = atomic_load_explicit(&whereabouts_of(task)->line, memory_order_relaxed);
    if (at > 0) { /* by now it may be a later one than when the watchdog looked */
        snprintf(line, sizeof line, " near line %d", at);
    }
    if (task->message != NULL) {
        path.ptr = happn_message_path(task->message, &path.len);
    } else if (task->http != NULL) {
        path.ptr = happn_http_path(task->http, &path.len);
    }
    snprintf(what, sizeof what, "%s%s%s", task->script != NULL ? task->script->file : "?", line,
             task->http != NULL ? ", a request" : task->message != NULL ? ", a message" : "");
    watchdog_note(task->scripts->core->loop, what, path.ptr, path.ptr != NULL ? path.len : 0);
}

/* Resumes the coroutine; what the thread was at before, it is at again. */
static int run_thread(struct task *task, int arguments, int *count)
{
    struct whereabouts *at = whereabouts_of(task);
    const char *script = atomic_load_explicit(&at->script, memory_order_relaxed), *hook = atomic_load_explicit(&at->hook, memory_order_relaxed);
    int line = atomic_load_explicit(&at->line, memory_order_relaxed);
    task_tell_place(task);
    int status = lua_resume(task->co, NULL, arguments, count);
    if (atomic_load_explicit(&at->is_stuck, memory_order_relaxed)) {
        note_stall(task);
    }
    whereabouts_set(&at->script, script);
    whereabouts_set(&at->hook, hook);
    atomic_store_explicit(&at->line, line, memory_order_relaxed);
    return status;
}

/* True when the coroutine has ended, one way or the other. */
static bool resume(struct task *task, int arguments)
{
    struct vm *vm = &task->generation->vm;
    struct task *outer = vm->task;
    lua_State *co = task->co;
    int count;
    struct budget *budget = budget_of(task);
    vm->task = task;
    vm->may_pause = task->kind != TASK_OUTBOUND;
    vm_enter(vm, co, *budget);
    int status = run_thread(task, arguments, &count);
    *budget = vm_leave(vm);
    vm->task = outer;
    vm->may_pause = false;
    task->is_paused = status == LUA_YIELD && vm->is_paused;
    if (status == LUA_YIELD) {
        lua_pop(co, count);
        return false;
    }
    task_end_view(task);
    if (status == LUA_OK) {
        lua_settop(co, 0);
        return true;
    }
    task_fail(task, lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1) : "the error is not a text");
    task_drop_thread(task);
    return true;
}

static void on_timer(uv_timer_t *timer);

/* Wakes a sleeper, and ends what waits for too long. */
static void start_timer(struct task *task)
{
    struct loop *loop = task->scripts->core->loop;
    const struct scripts_options *options = &task->scripts->settings.options;
    if (!task->has_timer) {
        uv_timer_init(&loop->uv, &task->timer);
        task->timer.data = task;
        task->has_timer = true;
    }
    uint64_t now = loop_ticks(loop);
    if (task->deadline == 0) {
        task->deadline = now + (task->kind == TASK_ROUTE || task->kind == TASK_BACKGROUND ? options->route_wall : options->layer_wall);
    }
    if (task->is_streaming || task->call.is_stream) { /* it may take its time, but whoever reads it may not stop */
        task->deadline = task->call.is_stream ? now + options->route_wall : UINT64_MAX / 2;
    }
    uint64_t left = task->deadline > now ? task->deadline - now : 0;
    bool sleeps = task->call.is_sleep && task->call.sleep_ms < left;
    loop_timer_start(loop, &task->timer, on_timer, sleeps ? task->call.sleep_ms : left, 0);
}

/* Hands the prepared request to the core; true when the answer is there. */
static bool carry_out(struct task *task)
{
    struct call *call = &task->call;
    struct request *request = call->request;
    call->request = NULL;
    if (request != NULL) {
        core_dispatch(request);
    }
    return call->is_done;
}

static void close_thread(struct task *task)
{
    struct vm *vm = &task->generation->vm;
    struct task *outer = vm->task;
    task_end_view(task);
    vm->task = task;
    vm_enter(vm, task->co, (struct budget){CLOSING_STEPS, CLOSING_NS});
    lua_closethread(task->co, NULL);
    (void)vm_leave(vm);
    vm->task = outer;
    task_drop_thread(task);
}

void task_cancel_children(struct task *task)
{
    bool again = task->call.together != 0;
    while (again) { /* cancelling may cause anything, so the list is looked at anew each time */
        again = false;
        for (struct task *child = task->generation->running; child != NULL && !again; child = child->next) {
            if (child->work.parent == task && !child->is_cancelled) {
                child->is_silent = again = true;
                task_cancel(child, "another one failed");
            }
        }
    }
}

/* Those that could not end at once (they are in the list of the ready, or inside the core) end later, without it. */
static void leave_children(struct task *task)
{
    for (struct task *child = task->generation->running; child != NULL; child = child->next) {
        if (child->work.parent == task) {
            child->work.parent = NULL;
        }
    }
    task->call.together = 0;
}

static void stop(struct task *task, const char *why)
{
    if (task->call.together != 0) {
        task_cancel_children(task);
        leave_children(task);
    }
    fetch_drop(task->call.fetch);
    task->call.fetch = NULL;
    close_thread(task);
    task_leave_session(task);
    if (task->is_silent) {
        task->verdict = HAPPN_FAIL;
        return;
    }
    task->generation->vm.error_source[0] = '\0';
    task->generation->vm.error_line = 0;
    task_fail(task, why);
    if (task->scripts->is_closing && task->kind == TASK_ROUTE) {
        task->status = 503;
    }
}

/* Runs on until it ends (true) or waits. */
static bool run(struct task *task, int arguments)
{
    int turns = 0;
    bool ended;
    task->is_running = true;
    while (!(ended = resume(task, arguments))) {
        arguments = 0;
        if (task->is_paused) { /* to the end of the queue */
            task_wake(task);
            break;
        }
        bool is_done = carry_out(task);
        if (task->is_cancelled) {
            stop(task, "the server is stopping");
            ended = true;
            break;
        }
        if (!is_done) {
            start_timer(task);
            break;
        }
        if (++turns == CALLS_A_TURN) { /* others want to run, too */
            task_wake(task);
            break;
        }
    }
    task->is_running = false;
    return ended;
}

bool task_start(struct task *task, lua_CFunction main)
{
    task->budget = task_budget(task);
    task->call.is_done = false;
    lua_pushcfunction(task->co, main);
    lua_pushlightuserdata(task->co, task);
    return run(task, 1);
}

static void finish(struct task *task)
{
    if (task->kind == TASK_ROUTE) {
        route_finish(task);
    } else if (task->kind == TASK_BACKGROUND) {
        background_finish(task);
    } else {
        layer_finish(task);
    }
}

static void go_on(struct task *task)
{
    if (task->has_timer) {
        uv_timer_stop(&task->timer);
    }
    lua_CFunction starts = task->starts;
    task->starts = NULL;
    if (starts != NULL ? task_start(task, starts) : run(task, 0)) {
        finish(task);
    }
}

static void drain(void *arg)
{
    struct scripts *scripts = arg;
    struct task *task = scripts->ready;
    scripts->ready = NULL;
    scripts->ready_tail = &scripts->ready;
    scripts->drain_posted = false;
    while (task != NULL) {
        struct task *next = task->next_ready;
        task->is_ready = false;
        if (task->is_cancelled) {
            finish(task);
        } else {
            go_on(task);
        }
        task = next;
    }
    scripts_release(scripts);
}

void task_wake(struct task *task)
{
    struct scripts *scripts = task->scripts;
    if (!task->is_ready) {
        task->is_ready = true;
        task->next_ready = NULL;
        *scripts->ready_tail = task;
        scripts->ready_tail = &task->next_ready;
    }
    if (!scripts->drain_posted && loop_post(scripts->core->loop, drain, scripts) == HAPPN_OK) {
        scripts->drain_posted = true;
        scripts->holds++;
    }
}

void task_cancel(struct task *task, const char *why)
{
    if (task->is_cancelled) {
        return;
    }
    if (task->is_running) {
        task->is_cancelled = true; /* noticed when the core returns */
        return;
    }
    if (task->has_timer) {
        uv_timer_stop(&task->timer);
    }
    stop(task, why);
    if (task->is_ready) {
        task->is_cancelled = true; /* it lies in the list of those to go on: ended there */
        return;
    }
    finish(task);
}

static void on_timer(uv_timer_t *timer)
{
    struct task *task = timer->data;
    if (task->call.is_sleep && loop_ticks(task->scripts->core->loop) < task->deadline) {
        task->call.is_done = true;
        go_on(task);
        return;
    }
    task_cancel(task, "the call took too long: it waited past its time limit");
}
