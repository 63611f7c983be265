/* Tasks come from their generation's pool and go back to it. Coroutines that ended cleanly are kept for the next task; one that an error has left is dropped. */

#include "base/clock.h"
#include "script/fetch.h"
#include "script/task.h"
#include "security/identity.h"

enum { META_BYTES = 65536 /* an event's, beside data as large as a message may be */ };

static int make_thread(lua_State *L)
{
    struct task *task = lua_touserdata(L, 1);
    lua_State *co = lua_newthread(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, co); /* also tells coroutine.yield that this is no coroutine of a script's */
    task->co = co;
    return 0;
}

static int forget_thread(lua_State *L)
{
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, lua_touserdata(L, 1));
    return 0;
}

void task_drop_thread(struct task *task)
{
    (void)vm_protect(&task->generation->vm, forget_thread, task->co, NULL);
    task->co = NULL;
}

static void free_task(struct task *task)
{
    const struct allocator *allocator = task->scripts->core->allocator;
    buf_fini(&task->call.result);
    buf_fini(&task->body);
    memory_free(allocator, task->content_type);
    memory_free(allocator, task);
}

bool task_set_content_type(struct task *task, const char *type)
{
    const struct allocator *allocator = task->scripts->core->allocator;
    memory_free(allocator, task->content_type);
    task->is_plain = false;
    task->content_type = NULL;
    if (type == NULL) {
        return true;
    }
    size_t size = strlen(type) + 1;
    task->content_type = memory_alloc(allocator, size);
    if (task->content_type != NULL) {
        memcpy(task->content_type, type, size);
    }
    return task->content_type != NULL;
}

static struct task *make_task(struct generation *generation)
{
    struct core *core = generation->scripts->core;
    struct task *task = memory_zalloc(core->allocator, sizeof *task);
    if (task == NULL) {
        return NULL;
    }
    task->link.ops = &script_link_ops;
    task->generation = generation;
    task->scripts = generation->scripts;
    buf_init(&task->call.result, core->allocator, core->limits.message_bytes);
    buf_init(&task->body, core->allocator, core->limits.message_bytes + META_BYTES);
    return task;
}

static void link_running(struct task *task)
{
    struct generation *generation = task->generation;
    task->previous = NULL;
    task->next = generation->running;
    if (task->next != NULL) {
        task->next->previous = task;
    }
    generation->running = task;
    generation->task_count++;
}

static void unlink_running(struct task *task)
{
    struct generation *generation = task->generation;
    if (task->previous != NULL) {
        task->previous->next = task->next;
    } else {
        generation->running = task->next;
    }
    if (task->next != NULL) {
        task->next->previous = task->previous;
    }
    generation->task_count--;
}

struct task *task_new(struct generation *generation, enum task_kind kind)
{
    if (generation->task_count >= generation->scripts->settings.options.tasks) {
        return NULL;
    }
    struct task *task = generation->pool;
    if (task != NULL) {
        generation->pool = task->next;
    } else if ((task = make_task(generation)) == NULL) {
        return NULL;
    }
    if (task->co == NULL && vm_protect(&generation->vm, make_thread, task, NULL) != HAPPN_OK) {
        task->next = generation->pool;
        generation->pool = task;
        return NULL;
    }
    task->kind = kind;
    task->starts = NULL;
    task->call.together = 0;
    task->id = ++generation->scripts->last_task;
    task->started = loop_ticks(generation->scripts->core->loop);
    task->work = (struct background){.function = LUA_NOREF, .arguments = LUA_NOREF, .results = LUA_NOREF};
    task->verdict = HAPPN_NEXT;
    task->answer = LOGIN_FAILED;
    task->index = 0;
    task->script = NULL;
    task->hook = task->place = NULL;
    task->deadline = 0;
    task->is_parked = task->is_cancelled = task->is_silent = task->is_stopping = task->is_streaming = task->has_writers = false;
    task->call.is_stream = false;
    link_running(task);
    return task;
}

void task_end_view(struct task *task)
{
    if (task->view != NULL) {
        task->view->task = NULL;
        task->view = NULL;
    }
}

/* Its answer may still come: the session hears it no more. */
void task_leave_session(struct task *task)
{
    if (task->session != NULL) {
        core_session_closed(task->session);
        task->session = NULL;
    }
}

/* In the pool it is nobody. */
static void forget_caller(struct task *task)
{
    if (task->session != NULL) {
        identity_unref(task->session->identity);
        task->session->identity = NULL;
        task->session->is_trusted = false;
    }
}

enum { KEEP_BYTES = 65536 };

static void shrink(struct buf *buf)
{
    if (buf->capacity > KEEP_BYTES) {
        buf_fini(buf);
    }
    buf_clear(buf);
}

void task_release(struct task *task)
{
    struct generation *generation = task->generation;
    task_end_view(task);
    fetch_drop(task->call.fetch);
    task->call.fetch = NULL;
    if (task->call.request != NULL) {
        core_request_free(task->call.request);
        task->call.request = NULL;
    }
    forget_caller(task);
    shrink(&task->call.result);
    shrink(&task->body);
    (void)task_set_content_type(task, NULL);
    unlink_running(task);
    task->message = NULL;
    task->http = NULL;
    task->next = generation->pool;
    generation->pool = task;
    if (generation->vm.was_full && generation == generation->scripts->current) {
        scripts_relieve(generation->scripts);
    }
    generation_release(generation);
}

static void timer_closed(uv_handle_t *handle)
{
    struct task *task = handle->data;
    struct scripts *scripts = task->scripts;
    free_task(task);
    scripts_release(scripts);
}

void task_free_pool(struct generation *generation)
{
    while (generation->pool != NULL) {
        struct task *task = generation->pool;
        generation->pool = task->next;
        task_leave_session(task);
        if (task->has_timer) {
            generation->scripts->holds++;
            uv_close((uv_handle_t *)&task->timer, timer_closed);
        } else {
            free_task(task);
        }
    }
}
