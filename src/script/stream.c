/* The function that writes runs inside the route's own call. A write waits while the client is slow; when it leaves, the call is ended
 * where it waits, and what it has to close is closed. */

#include "script/stream.h"

#include "base/error.h"
#include "script/calls.h"
#include "script/sandbox.h"
#include "script/value.h"

static const char stream_key, events_key;

enum { WRITE_COST = 100 };

/* Lives in a userdata whose user value is the request's view. */
static struct task *task_at(lua_State *L, const char *key, const char *name)
{
    if (lua_type(L, 1) != LUA_TUSERDATA || !vm_has_metatable(L, 1, key)) {
        luaL_error(L, "%s was expected: out:write(text), not out.write(text)", name);
    }
    lua_getiuservalue(L, 1, 1);
    struct task *task = ((struct task_view *)lua_touserdata(L, -1))->task;
    lua_pop(L, 1);
    if (task == NULL) {
        luaL_error(L, "%s used after its request has ended", name);
    }
    return task;
}

/* -- the core's side -- */

static void fail_writer(struct task *writer, happn_status status)
{
    happn_error error = {0};
    error_set(&error, status, "the client has left, or its answer has ended");
    call_fail(&writer->call, &error);
}

/* Functions of the script that write to the answer beside the route's own: they go on, or are told that nobody reads it any more. */
static void wake_writers(struct task *task, happn_status status)
{
    bool has_writers = task->has_writers;
    task->has_writers = false;
    for (struct task *one = has_writers ? task->generation->running : NULL; one != NULL; one = one->next) {
        if (one != task && one->call.is_stream && one->call.stream == task) {
            one->call.is_stream = false;
            one->call.is_done = true;
            if (status != HAPPN_OK) {
                fail_writer(one, status);
            }
            task_wake(one);
        }
    }
}

static void on_progress(happn_http *http, happn_status status, void *arg)
{
    struct task *task = arg;
    (void)http;
    wake_writers(task, status);
    if (status != HAPPN_OK) {
        task->is_silent = true; /* nobody is there to be told of a failure */
        task_cancel(task, "the client has left");
        return;
    }
    if (task->call.is_stream) {
        task->call.is_stream = false;
        task->call.is_done = true;
        task_wake(task);
    }
}

void stream_finish(struct task *task)
{
    happn_http *http = task->http;
    bool failed = task->verdict == HAPPN_FAIL;
    wake_writers(task, HAPPN_E_CLOSED);
    task_release(task);
    happn_http_end(http, failed);
}

/* -- writing -- */

static int go_on(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    (void)calls_answer(L);
    lua_pushboolean(L, 1);
    return 1;
}

static int gone(lua_State *L)
{
    return luaL_error(L, "the client has left");
}

/* The call whose answer it is waits for its reader, and so do functions that a call has begun by happn.spawn or, for its own answer, by
 * happn.together. Others (a route that tells many readers, a listener, a timer) do not: one who does not read must not keep them from the
 * rest, and what may wait for him has a limit. */
static bool waits_for_reader(const struct task *writer, const struct task *answer)
{
    bool is_spawned = writer->work.parent == NULL && writer->work.is_begun;
    while (writer->work.parent != NULL) {
        writer = writer->work.parent;
    }
    return writer == answer || is_spawned;
}

/* A long answer may go on for as long as it is read: each part has the time of one call. */
static int write_part(lua_State *L, struct task *task, struct str part)
{
    vm_charge(L, WRITE_COST + part.len / 64);
    vm_renew(vm_of(L), task_budget(task));
    happn_status status = happn_http_write(task->http, part.ptr, part.len);
    if (status == HAPPN_E_CLOSED) {
        return gone(L);
    }
    if (status == HAPPN_E_LIMIT) { /* others than the route's own call write here, and do not wait */
        return luaL_error(L, "the client does not read what it is sent: services.transport.config.queueBytes was reached");
    }
    if (status != HAPPN_OK && status != HAPPN_PENDING) {
        return luaL_error(L, "%s", happn_status_text(status));
    }
    if (status == HAPPN_OK || !waits_for_reader(vm_of(L)->task, task)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    struct task *writer = calls_task(L, "a write");
    calls_begin(writer);
    writer->call.is_stream = true;
    writer->call.stream = task;
    task->has_writers = task->has_writers || writer != task;
    return coroutine_wait(L, go_on);
}

/* out:write(value): a text as it is, anything else as JSON. */
static int write_value(lua_State *L)
{
    struct task *task = task_at(L, &stream_key, "a stream");
    struct str part;
    luaL_checkany(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING) {
        part.ptr = lua_tolstring(L, 2, &part.len);
    } else {
        part = value_encode(L, 2, "answer");
    }
    return write_part(L, task, part);
}

/* -- server-sent events -- */

static void add_line(luaL_Buffer *out, const char *name, struct str text)
{
    luaL_addstring(out, name);
    luaL_addlstring(out, text.ptr, text.len);
    luaL_addchar(out, '\n');
}

/* One `data:` for each line, as the format wants it; a line ends with LF, CR or both, or what is sent could hold fields of its own. */
static void add_data(luaL_Buffer *out, struct str text)
{
    for (;;) {
        size_t len = 0;
        while (len < text.len && text.ptr[len] != '\n' && text.ptr[len] != '\r') {
            len++;
        }
        add_line(out, "data: ", str_make(text.ptr, len));
        if (len == text.len) {
            return;
        }
        text = str_skip(text, str_starts(str_skip(text, len), STR_LIT("\r\n")) ? len + 2 : len + 1);
    }
}

static struct str option(lua_State *L, int index, const char *name)
{
    struct str text = STR_NONE;
    lua_pushnil(L);
    if (lua_istable(L, index)) {
        lua_pop(L, 1);
        lua_pushstring(L, name);
        lua_rawget(L, index);
    }
    if (!lua_isnil(L, -1)) {
        text.ptr = luaL_checklstring(L, -1, &text.len);
        if (memchr(text.ptr, '\n', text.len) != NULL || memchr(text.ptr, '\r', text.len) != NULL) {
            luaL_error(L, "%s of an event must be one line", name);
        }
    }
    return text; /* stays on the stack */
}

/* out:send(value, { event = "name", id = "7" }) */
static int send_event(lua_State *L)
{
    struct task *task = task_at(L, &events_key, "a stream of events");
    luaL_checkany(L, 2);
    lua_settop(L, 3);
    struct str event = option(L, 3, "event"), id = option(L, 3, "id");
    if (lua_type(L, 2) != LUA_TSTRING) {
        struct str json = value_encode(L, 2, "event");
        vm_push_given(L, json);
        lua_replace(L, 2);
    }
    struct str data;
    data.ptr = lua_tolstring(L, 2, &data.len);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    if (event.ptr != NULL) {
        add_line(&out, "event: ", event);
    }
    if (id.ptr != NULL) {
        add_line(&out, "id: ", id);
    }
    add_data(&out, data);
    luaL_addchar(&out, '\n');
    luaL_pushresult(&out);
    struct str part;
    part.ptr = lua_tolstring(L, -1, &part.len);
    return write_part(L, task, part);
}

/* out:comment(text): keeps a connection alive that has nothing to say. */
static int comment(lua_State *L)
{
    struct task *task = task_at(L, &events_key, "a stream of events");
    size_t len;
    const char *text = luaL_optlstring(L, 2, "", &len);
    luaL_argcheck(L, memchr(text, '\n', len) == NULL && memchr(text, '\r', len) == NULL, 2, "one line");
    lua_pushfstring(L, ": %s\n\n", text);
    struct str part;
    part.ptr = lua_tolstring(L, -1, &part.len);
    return write_part(L, task, part);
}

/* -- beginning -- */

static int ended(lua_State *L, int status, lua_KContext context)
{
    (void)L, (void)status, (void)context;
    return 0;
}

/* The request is at 1; runs the function at `function` with the stream. */
static int begin(lua_State *L, struct task *task, int function, const char *key, int status, const char *type)
{
    happn_status begun = happn_http_begin(task->http, status, type);
    if (begun == HAPPN_E_CLOSED) {
        return gone(L);
    }
    if (begun != HAPPN_OK) {
        return luaL_error(L, "the answer cannot begin: %s", happn_status_text(begun));
    }
    task->is_streaming = true;
    happn_http_on_progress(task->http, on_progress, task);
    lua_pushvalue(L, function);
    lua_newuserdatauv(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
    lua_setmetatable(L, -2);
    lua_callk(L, 1, 0, 0, ended);
    return ended(L, LUA_OK, 0);
}

static struct task *check(lua_State *L, int function)
{
    struct task *task = vm_of(L)->task;
    luaL_checktype(L, function, LUA_TFUNCTION);
    if (task == NULL || task->kind != TASK_ROUTE || task->is_streaming) {
        luaL_error(L, "an answer in parts begins once, in the route's own call");
    }
    return task;
}

static void take_headers(lua_State *L, struct task *task, int table)
{
    lua_getfield(L, table, "headers");
    if (lua_isnil(L, -1)) {
        return;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    int headers = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, headers) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "headers of an answer are texts");
        }
        if (happn_http_add_header(task->http, lua_tostring(L, -2), lua_tostring(L, -1)) != HAPPN_OK) {
            luaL_error(L, "the header %s cannot be sent", lua_tostring(L, -2));
        }
    }
}

/* req:stream(fn) or req:stream({ status = 200, type = "text/csv", headers = {...} }, fn) */
int stream_method(lua_State *L)
{
    if (lua_isfunction(L, 2)) {
        lua_newtable(L);
        lua_insert(L, 2);
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    struct task *task = check(L, 3);
    take_headers(L, task, 2);
    lua_getfield(L, 2, "status");
    int status = (int)luaL_optinteger(L, -1, 200);
    luaL_argcheck(L, status >= 200 && status <= 599, 2, "status is between 200 and 599");
    lua_getfield(L, 2, "type");
    const char *type = luaL_optstring(L, -1, "text/plain; charset=utf-8");
    return begin(L, task, 3, &stream_key, status, type);
}

/* req:events(fn) */
int stream_events_method(lua_State *L)
{
    struct task *task = check(L, 2);
    if (happn_http_add_header(task->http, "Cache-Control", "no-cache") != HAPPN_OK) {
        return luaL_error(L, "too many headers");
    }
    return begin(L, task, 2, &events_key, 200, "text/event-stream");
}

static void install(lua_State *L, const char *key, const char *name, const luaL_Reg *methods)
{
    lua_newtable(L);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void stream_install(lua_State *L)
{
    static const luaL_Reg stream[] = {{"write", write_value}, {NULL, NULL}};
    static const luaL_Reg events[] = {{"send", send_event}, {"comment", comment}, {NULL, NULL}};
    install(L, &stream_key, "stream", stream);
    install(L, &events_key, "events", events);
}
