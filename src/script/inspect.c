#include "script/inspect.h"

#include "base/clock.h"
#include "base/watchdog.h"
#include "json/write.h"
#include "script/task.h"

/* The innermost line of Lua that the task is at; 0: it has not begun. */
static int line_of(const struct task *task)
{
    lua_Debug frame;
    for (int level = 0; task->co != NULL && lua_getstack(task->co, level, &frame); level++) {
        lua_getinfo(task->co, "l", &frame);
        if (frame.currentline > 0) {
            return frame.currentline;
        }
    }
    return 0;
}

static const char *state_of(const struct task *task)
{
    if (task->is_running) {
        return "running";
    }
    if (task->is_ready) {
        return "ready";
    }
    return task->call.is_sleep ? "sleeping" : task->call.together != 0 ? "waiting for others" : task->call.fetch != NULL ? "waiting for http" : "waiting";
}

static struct str path_of(const struct task *task)
{
    struct str path = STR_NONE;
    if (task->message != NULL) {
        path.ptr = happn_message_path(task->message, &path.len);
    } else if (task->http != NULL) {
        path.ptr = happn_http_path(task->http, &path.len);
    }
    return path.ptr != NULL ? path : STR_LIT("");
}

static void add_task(struct buf *out, const struct task *task, uint64_t now, uint64_t generation, bool is_first)
{
    buf_add_format(out, "%s{\"id\":%llu,\"script\":", is_first ? "" : ",", (unsigned long long)task->id);
    json_add_string(out, str_of(task->script != NULL ? task->script->file : "?"));
    buf_add_lit(out, ",\"hook\":");
    json_add_string(out, str_of(task->hook != NULL ? task->hook : "?"));
    buf_add_format(out, ",\"line\":%d,\"age\":%llu,\"state\":\"%s\",\"path\":", line_of(task), (unsigned long long)(now - task->started), state_of(task));
    json_add_string(out, path_of(task));
    buf_add_format(out, ",\"generation\":%llu}", (unsigned long long)generation);
}

static bool add_tasks(struct buf *out, const struct generation *generation, uint64_t now, bool is_first)
{
    for (const struct task *task = generation->running; task != NULL; task = task->next) {
        add_task(out, task, now, generation->number, is_first);
        is_first = false;
    }
    return is_first;
}

static void add_scripts(struct buf *out, const struct generation *generation)
{
    for (const struct script *script = generation->all; script != NULL; script = script->next) {
        buf_add_text(out, script == generation->all ? "{\"script\":" : ",{\"script\":");
        json_add_string(out, str_of(script->file));
        buf_add_format(out, ",\"calls\":%llu,\"refusals\":%llu,\"errors\":%llu}", (unsigned long long)script->calls, (unsigned long long)script->refusals,
                       (unsigned long long)script->errors);
    }
}

static void add_stall(struct buf *out, const struct stall *stall)
{
    if (stall->place[0] == '\0') {
        buf_add_lit(out, "null");
        return;
    }
    buf_add_format(out, "{\"ms\":%llu,\"isOver\":%s,\"place\":", (unsigned long long)stall->ms, stall->is_over ? "true" : "false");
    json_add_string(out, str_of(stall->place));
    buf_add_lit(out, ",\"note\":");
    json_add_string(out, str_of(stall->note));
    buf_add_char(out, '}');
}

void inspect_add_stalls(const struct loop *loop, struct buf *out)
{
    struct stall_totals totals = watchdog_totals(loop);
    buf_add_format(out, "{\"count\":%llu,\"longest\":", (unsigned long long)totals.count);
    add_stall(out, &totals.longest);
    buf_add_lit(out, ",\"last\":");
    add_stall(out, &totals.last);
    buf_add_char(out, '}');
}

void inspect_add(struct scripts *scripts, struct buf *out)
{
    const struct generation *current = scripts->current;
    uint64_t now = loop_ticks(scripts->core->loop);
    buf_add_format(out, "{\"generation\":%llu,\"memory\":%zu,\"memoryLimit\":%zu,\"timers\":%zu,\"listeners\":%zu,\"scripts\":[",
                   (unsigned long long)current->number, current->vm.used, current->vm.limit, current->timer_count, current->listener_count);
    add_scripts(out, current);
    buf_add_lit(out, "],\"metrics\":");
    metrics_add(&scripts->metrics, out);
    buf_add_lit(out, ",\"stalls\":");
    inspect_add_stalls(scripts->core->loop, out);
    buf_add_lit(out, ",\"tasks\":[");
    bool is_first = add_tasks(out, current, now, true);
    for (const struct generation *generation = scripts->retired; generation != NULL; generation = generation->next) {
        is_first = add_tasks(out, generation, now, is_first);
    }
    buf_add_lit(out, "]}");
}

void inspect_add_totals(const struct scripts *scripts, struct buf *out)
{
    const struct generation *current = scripts->current;
    uint64_t calls = 0, refusals = 0, errors = 0;
    for (const struct script *script = current->all; script != NULL; script = script->next) {
        calls += script->calls;
        refusals += script->refusals;
        errors += script->errors;
    }
    buf_add_format(out, "{\"generation\":%llu,\"memory\":%zu,\"tasks\":%zu,\"calls\":%llu,\"refusals\":%llu,\"errors\":%llu,\"metrics\":",
                   (unsigned long long)current->number, current->vm.used, current->task_count, (unsigned long long)calls, (unsigned long long)refusals,
                   (unsigned long long)errors);
    metrics_add(&scripts->metrics, out);
    buf_add_char(out, '}');
}

static struct task *find(struct generation *generation, uint64_t id)
{
    struct task *task = generation->running;
    while (task != NULL && task->id != id) {
        task = task->next;
    }
    return task;
}

bool inspect_kill(struct scripts *scripts, uint64_t id)
{
    struct task *task = find(scripts->current, id);
    for (struct generation *generation = scripts->retired; generation != NULL && task == NULL; generation = generation->next) {
        task = find(generation, id);
    }
    if (task == NULL || task->is_cancelled) {
        return false;
    }
    task_cancel(task, "an operator has ended the call");
    return true;
}
