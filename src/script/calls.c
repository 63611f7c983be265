/* A call is a request like any other's, over a session in this process whose protocol keeps the reply as JSON text. */

#include "script/calls.h"

#include <stdio.h>

#include "base/error.h"
#include "json/write.h"
#include "paths/wildcard.h"
#include "script/fetch.h"
#include "script/sandbox.h"
#include "script/view.h"
#include "security/identity.h"

enum { CALL_COST = 200 };

/* -- the reply, on the core's side -- */

static void add_meta(struct buf *out, const struct document *document)
{
    bool has_members;
    json_add_open_object(out, document->data, NULL, &has_members);
    buf_add_text(out, has_members ? ",\"_meta\":{\"path\":" : "\"_meta\":{\"path\":");
    json_add_string(out, document->path);
    buf_add_lit(out, ",\"created\":");
    buf_add_i64(out, document->created);
    buf_add_lit(out, ",\"modified\":");
    buf_add_i64(out, document->modified);
    buf_add_lit(out, "}}");
}

static void add_list(struct buf *out, const struct reply *reply, bool paths_only)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < reply->count; i++) {
        buf_add_text(out, i != 0 ? "," : "");
        if (paths_only) {
            json_add_string(out, reply->documents[i].path);
        } else {
            add_meta(out, &reply->documents[i]);
        }
    }
    buf_add_char(out, ']');
}

void call_fail(struct call *call, const happn_error *error)
{
    call->status = error->status;
    buf_clear(&call->result);
    buf_add(&call->result, error, sizeof *error);
}

/* Without memory for all of it, or with a limit of messages that is shorter, the status alone is left. */
static happn_error call_error(const struct call *call)
{
    happn_error error = {.status = call->status};
    if (call->result.status == HAPPN_OK && call->result.len == sizeof error) {
        memcpy(&error, call->result.ptr, sizeof error);
    }
    return error;
}

static void keep_reply(const struct request *request, struct buf *unused)
{
    (void)unused;
    struct task *task = request->session->link_data;
    const struct reply *reply = &request->reply;
    struct buf *out = &task->call.result;
    buf_clear(out);
    task->call.status = HAPPN_OK;
    switch (reply->kind) {
    case REPLY_ERROR:
        call_fail(&task->call, &request->error);
        break;
    case REPLY_DOCUMENT:
        add_meta(out, &reply->document);
        break;
    case REPLY_LIST:
        add_list(out, reply, request->options.path_only);
        break;
    case REPLY_PATH:
        buf_add_char(out, '[');
        json_add_string(out, reply->path);
        buf_add_char(out, ']');
        break;
    default:
        buf_add_str(out, str_is_set(reply->data) ? reply->data : STR_LIT("null"));
    }
    if (task->call.status == HAPPN_OK && out->status != HAPPN_OK) {
        happn_error error = {0};
        error_set(&error, out->status, "the answer is too large: %s", happn_status_text(out->status));
        call_fail(&task->call, &error);
    }
    task->call.is_done = true;
}

static void ignore_publication(const struct publication *publication, const struct channel *channel, struct buf *out)
{
    (void)publication, (void)channel, (void)out;
}

static void ignore_disconnect(const struct session *session, struct str reason, struct buf *out)
{
    (void)session;
    (void)reason, (void)out;
}

const struct protocol script_protocol = {.name = "script",
                                         .number = 4,
                                         .heartbeat = HEARTBEAT_BY_SERVER,
                                         .language = WILDCARD_STRING,
                                         .encode_reply = keep_reply,
                                         .encode_publication = ignore_publication,
                                         .encode_disconnect = ignore_disconnect};

static struct buf *link_begin(struct link *link)
{
    return &((struct task *)link)->call.result;
}

/* While the core is still inside core_dispatch the task looks itself; otherwise it must be woken. */
static void link_commit(struct link *link)
{
    struct task *task = (struct task *)link;
    if (task->call.is_done && !task->is_running) {
        task_wake(task);
    }
}

static void link_send(struct link *link, struct payload *payload)
{
    (void)link, (void)payload;
}

static void link_close(struct link *link, const char *reason)
{
    (void)link, (void)reason; /* ends when the scripts are closed */
}

const struct link_ops script_link_ops = {link_begin, link_commit, link_send, link_close, NULL, NULL};

/* -- the script's side -- */

struct task *calls_task(lua_State *L, const char *name)
{
    struct task *task = vm_of(L)->task;
    if (task == NULL) {
        luaL_error(L, "%s is not available while a script is loaded", name);
    }
    if (task->kind == TASK_OUTBOUND) {
        luaL_error(L, "%s is not available in an outbound layer: it would have to wait", name);
    }
    if (!lua_isyieldable(L)) {
        luaL_error(L, "%s cannot wait here, inside a function such as table.sort or string.gsub", name);
    }
    return task;
}

/* A script's calls have the rights of whoever it works for. Tasks are used again, each time for somebody else, so this is settled
 * for every call. */
static void act_for_caller(const struct task *task, struct session *session, bool as_system)
{
    struct actor actor = task_actor(task);
    if (actor.identity != NULL) {
        identity_ref(actor.identity);
    }
    identity_unref(session->identity);
    session->identity = actor.identity;
    session->is_trusted = actor.is_trusted || as_system;
    session->script_depth = actor.depth + 1;
}

static bool ensure_session(struct task *task, bool as_system)
{
    if (task->session == NULL) {
        task->session = core_session_open(task->scripts->core, &task->link);
        if (task->session == NULL) {
            return false;
        }
        task->session->protocol = &script_protocol;
        task->session->link_data = task;
        task->session->is_local = true;
    }
    act_for_caller(task, task->session, as_system);
    return true;
}

void calls_begin(struct task *task)
{
    fetch_drop(task->call.fetch);
    task->call.fetch = NULL;
    if (task->call.request != NULL) {
        core_request_free(task->call.request); /* of a call that was given up */
        task->call.request = NULL;
    }
    task->call.is_sleep = task->call.is_stream = task->call.is_done = task->call.together_failed = false;
    task->call.status = HAPPN_OK;
}

/* Everything that can raise is done before a request is taken. */
static struct request *new_request(lua_State *L, struct task *task, enum action action, const char *name)
{
    size_t len;
    const char *path = luaL_checklstring(L, 1, &len);
    vm_charge(L, CALL_COST);
    struct request *request = ensure_session(task, lua_toboolean(L, lua_upvalueindex(1))) ? core_request_new(task->session) : NULL;
    if (request == NULL) {
        luaL_error(L, "out of memory");
    }
    calls_begin(task);
    task->call.request = request;
    request->action = action;
    request->action_text = str_of(name);
    request->path = arena_str(&request->arena, str_make(path, len));
    request->path_is_text = request->path.ptr != NULL;
    request->event_id = STR_LIT("0");
    return request;
}

static void take_json(lua_State *L, struct request *request, int index, const char *name, struct str *out)
{
    *out = arena_str(&request->arena, value_encode(L, index, name));
    if (out->ptr == NULL) {
        luaL_error(L, "out of memory");
    }
    happn_status status = json_check(*out, NULL);
    if (status != HAPPN_OK) {
        luaL_error(L, "%s: %s", name, happn_status_text(status));
    }
}

static void take_options(lua_State *L, struct request *request, int index)
{
    if (!lua_isnoneornil(L, index)) {
        luaL_checktype(L, index, LUA_TTABLE);
        take_json(L, request, index, "options", &request->options_raw);
    }
}

/* sort, skip and limit may stand beside criteria and fields; on the wire they stand in `options`. Both at once are the caller's mistake. */
static void lift_window(lua_State *L, struct request *request)
{
    static const char *const names[] = {"sort", "skip", "limit"};
    struct str options = request->options_raw, parts[16];
    size_t count = 0;
    for (size_t i = 0; str_is_set(options) && i < sizeof names / sizeof names[0]; i++) {
        struct str value = json_get(options, names[i]);
        if (str_is_set(value)) {
            parts[count] = count == 0 ? STR_LIT("{\"options\":{\"") : STR_LIT(",\"");
            count++;
            parts[count++] = str_of(names[i]);
            parts[count++] = STR_LIT("\":");
            parts[count++] = value;
        }
    }
    if (count == 0) {
        return;
    }
    if (str_is_set(json_get(options, "options"))) {
        luaL_error(L, "sort, skip and limit stand in options.options, or beside it there is none");
    }
    parts[count++] = STR_LIT("},");
    parts[count++] = str_skip(options, 1);
    request->options_raw = arena_join(&request->arena, parts, count);
    if (request->options_raw.ptr == NULL) {
        luaL_error(L, "out of memory");
    }
}

int calls_raise(lua_State *L, const happn_error *error)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, error->name[0] != '\0' ? error->name : happn_status_name(error->status));
    lua_setfield(L, -2, "name");
    lua_pushstring(L, error->message[0] != '\0' ? error->message : happn_status_text(error->status));
    lua_setfield(L, -2, "message");
    lua_pushinteger(L, error->code != 0 ? error->code : error->status);
    lua_setfield(L, -2, "code");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &vm_call_error_key);
    lua_setmetatable(L, -2);
    return lua_error(L);
}

/* The coroutine goes on: the answer becomes the result. */
struct str calls_answer(lua_State *L)
{
    struct call *call = &vm_of(L)->task->call;
    if (!call->is_done) {
        luaL_error(L, "this coroutine belongs to another call");
    }
    call->is_done = false;
    if (!call->is_sleep && call->status != HAPPN_OK) {
        happn_error error = call_error(call);
        calls_raise(L, &error);
    }
    return buf_str(&call->result);
}

static int push_document(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    view_push(L, calls_answer(L));
    return 1;
}

static int push_paths(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    struct str answer = calls_answer(L);
    if (json_type_of(answer) == JSON_ARRAY) {
        value_push_plain(L, answer);
    } else {
        value_push_plain(L, STR_LIT("[]"));
    }
    return 1;
}

static int push_removed(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    lua_pushinteger(L, json_int(json_get(calls_answer(L), "removed"), 0));
    return 1;
}

static int push_count(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    struct str answer = calls_answer(L);
    struct str value = json_get(answer, "value");
    lua_pushinteger(L, json_int(str_is_set(value) ? value : answer, 0));
    return 1;
}

static int push_nothing(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    calls_answer(L);
    return 0;
}

/* The options get one more member: what the caller gave stays as it was. */
static void add_option(lua_State *L, struct request *request, const char *member)
{
    struct str options = str_is_set(request->options_raw) ? request->options_raw : STR_LIT("{}");
    struct str inner = json_trim(str_make(options.ptr + 1, options.len - 2));
    struct str parts[] = {STR_LIT("{"), str_of(member), inner.len != 0 ? STR_LIT(",") : STR_LIT(""), inner, STR_LIT("}")};
    request->options_raw = arena_join(&request->arena, parts, 5);
    if (request->options_raw.ptr == NULL) {
        luaL_error(L, "out of memory");
    }
}

/* What asks for documents: the path at 1, options at 2. */
static void begin_search(lua_State *L, const char *function, enum action action, const char *name)
{
    struct request *request = new_request(L, calls_task(L, function), action, name);
    take_options(L, request, 2);
    lift_window(L, request);
}

/* What has data: the path at 1, data at 2, options at 3, and one more option, or NULL. */
static void begin_set(lua_State *L, const char *function, const char *option)
{
    struct task *task = calls_task(L, function);
    luaL_checkany(L, 2);
    struct request *request = new_request(L, task, ACTION_SET, "set");
    take_json(L, request, 2, "data", &request->data);
    take_options(L, request, 3);
    if (option != NULL) {
        add_option(L, request, option);
    }
}

static int call_get(lua_State *L)
{
    begin_search(L, "happn.get", ACTION_GET, "get");
    return coroutine_wait(L, push_document);
}

static int call_count(lua_State *L)
{
    begin_search(L, "happn.count", ACTION_COUNT, "count");
    return coroutine_wait(L, push_count);
}

static int call_remove(lua_State *L)
{
    begin_search(L, "happn.remove", ACTION_REMOVE, "remove");
    return coroutine_wait(L, push_removed);
}

static int call_paths(lua_State *L)
{
    struct task *task = calls_task(L, "happn.paths");
    struct request *request = new_request(L, task, ACTION_GET, "get");
    request->options_raw = STR_LIT("{\"path_only\":true}");
    return coroutine_wait(L, push_paths);
}

static int call_set(lua_State *L)
{
    begin_set(L, "happn.set", NULL);
    return coroutine_wait(L, push_document);
}

static int call_set_sibling(lua_State *L)
{
    begin_set(L, "happn.set_sibling", "\"set_type\":\"sibling\"");
    return coroutine_wait(L, push_document);
}

static int call_publish(lua_State *L)
{
    begin_set(L, "happn.publish", "\"noStore\":true");
    return coroutine_wait(L, push_nothing);
}

static int call_error_text(lua_State *L)
{
    vm_push_error_text(L, 1);
    return 1;
}

void calls_install(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, call_error_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &vm_call_error_key);
}

void calls_add(lua_State *L, bool as_system)
{
    static const luaL_Reg functions[] = {{"get", call_get},         {"count", call_count},     {"paths", call_paths},
                                         {"set", call_set},         {"set_sibling", call_set_sibling}, {"publish", call_publish},
                                         {"remove", call_remove},   {NULL, NULL}};
    lua_pushboolean(L, as_system);
    luaL_setfuncs(L, functions, 1);
}
