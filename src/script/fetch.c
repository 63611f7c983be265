/* happn.http: a request goes out, its task waits, and the answer is a table. fetch_options.c says what may be asked, fetcher.c carries it out;
 * in the tests of scripts somebody stands in for the other servers. */

#include "script/fetch.h"

#include "base/error.h"
#include "script/fetcher.h"
#include "script/sandbox.h"
#include "script/value.h"
#include "script/view.h"

enum { MOST_AT_ONCE = 256, MOST_HEAD = 65536, FETCH_COST = 1000 };

static const char response_key;

/* -- what comes back -- */

/* "Name: value" lines as a table, names in lower case; of a doubled name the values are joined with a comma. */
static void push_headers(lua_State *L, struct str head)
{
    lua_newtable(L);
    while (head.len != 0) {
        const char *end = memchr(head.ptr, '\n', head.len);
        struct str line = end != NULL ? str_make(head.ptr, (size_t)(end - head.ptr)) : head;
        head = str_skip(head, line.len + 1);
        const char *colon = str_has(line, ':') ? memchr(line.ptr, ':', line.len) : NULL;
        if (colon == NULL) {
            continue;
        }
        struct str name = str_make(line.ptr, (size_t)(colon - line.ptr)), value = str_skip(line, name.len + 1);
        luaL_Buffer lower;
        luaL_buffinit(L, &lower);
        for (size_t i = 0; i < name.len; i++) {
            luaL_addchar(&lower, name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i]);
        }
        luaL_pushresult(&lower);
        while (value.len != 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) {
            value = str_skip(value, 1);
        }
        value.len -= value.len != 0 && value.ptr[value.len - 1] == '\r';
        lua_pushvalue(L, -1);
        bool is_again = lua_rawget(L, -3) == LUA_TSTRING;
        if (is_again) {
            lua_pushliteral(L, ", ");
            lua_pushlstring(L, value.ptr, value.len);
            lua_concat(L, 3);
        } else {
            lua_pop(L, 1);
            lua_pushlstring(L, value.ptr, value.len);
        }
        lua_rawset(L, -3);
    }
}

static int push_response(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    struct task *task = vm_of(L)->task;
    (void)calls_answer(L); /* raises what went wrong */
    struct fetch *fetch = task->call.fetch;
    if (fetch == NULL) {
        return luaL_error(L, "this coroutine belongs to another call");
    }
    vm_charge(L, fetch->body.len / 64);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, fetch->status);
    lua_setfield(L, -2, "status");
    push_headers(L, buf_str(&fetch->head));
    lua_setfield(L, -2, "headers");
    vm_push_given(L, buf_str(&fetch->body));
    lua_setfield(L, -2, "body");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &response_key);
    lua_setmetatable(L, -2);
    task->call.fetch = NULL;
    fetch_drop(fetch);
    return 1;
}

/* response:json() */
static int response_json(lua_State *L)
{
    size_t len, at = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushliteral(L, "body");
    lua_rawget(L, 1);
    const char *body = luaL_checklstring(L, -1, &len);
    vm_charge(L, len / 16);
    happn_status status = value_is_utf8(str_make(body, len)) ? json_check(str_make(body, len), &at) : HAPPN_E_JSON;
    if (status != HAPPN_OK) {
        return luaL_error(L, "the answer is not JSON: %s near byte %d", status == HAPPN_E_JSON ? "a mistake" : happn_status_text(status), (int)at + 1);
    }
    view_push(L, json_trim(str_make(body, len)));
    return 1;
}

/* -- what is asked -- */

static struct fetch *new_fetch(struct task *task)
{
    struct core *core = task->scripts->core;
    struct fetcher *fetcher = fetcher_of(task->scripts);
    struct fetch *fetch = fetcher != NULL ? memory_zalloc(core->allocator, sizeof *fetch) : NULL;
    if (fetch == NULL) {
        return NULL;
    }
    *fetch = (struct fetch){.fetcher = fetcher, .task = task};
    buf_init(&fetch->sent, core->allocator, core->limits.message_bytes);
    buf_init(&fetch->head, core->allocator, MOST_HEAD);
    buf_init(&fetch->body, core->allocator, core->limits.message_bytes);
    return fetch;
}

/* -- who stands in for other servers -- */

static void ask_stand_in(lua_State *L, struct fetch *fetch, const struct script_outside *outside)
{
    struct call *call = &fetch->task->call;
    struct str json = value_encode(L, 1, "options");
    happn_error error = {0};
    fetch->is_asked = outside->ask(outside->arg, fetch, json, fetch_timeout(L), &error) == HAPPN_OK;
    if (!fetch->is_asked) {
        fetch_fail(call, &error);
        call->is_done = true;
    }
}

static void end_asking(struct fetch *fetch)
{
    fetch->is_asked = false;
    fetch->task->call.is_done = true;
    task_wake(fetch->task);
}

void fetch_answer(struct fetch *fetch, long status, struct str head, struct str body)
{
    fetch->status = status;
    buf_add_str(&fetch->head, head);
    buf_add_str(&fetch->body, body);
    if (fetch->head.status != HAPPN_OK || fetch->body.status != HAPPN_OK) {
        fetch_refuse(fetch, "the answer is too large: max says how many bytes it may have");
    } else {
        end_asking(fetch);
    }
}

void fetch_refuse(struct fetch *fetch, const char *why)
{
    happn_error error = {0};
    error_set(&error, HAPPN_E_IO, "%s", why);
    fetch_fail(&fetch->task->call, &error);
    end_asking(fetch);
}

const char *fetch_what(const struct fetch *fetch)
{
    return fetch->what;
}

/* -- the functions -- */

/* The options are at 1. What raises leaves the fetch to the task, which drops it with the next call or at its end. */
static int send_request(lua_State *L)
{
    struct task *task = calls_task(L, "happn.http");
    vm_charge(L, FETCH_COST);
    calls_begin(task);
    struct fetch *fetch = task->call.fetch = new_fetch(task);
    if (fetch == NULL) {
        return luaL_error(L, "out of memory");
    }
    if (fetch->fetcher->count >= MOST_AT_ONCE) {
        return luaL_error(L, "Busy: scripts wait for %d answers over HTTP already", MOST_AT_ONCE);
    }
    CURL *easy = curl_easy_init();
    if (easy == NULL) {
        return luaL_error(L, "out of memory");
    }
    fetch->easy = easy;
    fetch->fetcher->count++;
    fetch_set_up(L, fetch);
    if (task->scripts->settings.options.outside != NULL) {
        ask_stand_in(L, fetch, task->scripts->settings.options.outside);
    } else {
        CURLMcode code = curl_multi_add_handle(fetch->fetcher->multi, easy);
        if (code != CURLM_OK) {
            return luaL_error(L, "happn.http: %s", curl_multi_strerror(code));
        }
    }
    lua_settop(L, 0);
    return coroutine_wait(L, push_response);
}

static int request(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    return send_request(L);
}

/* The options, or new ones, at 1 with the url; the caller's table stays as it is. */
static void begin_options(lua_State *L, int options)
{
    luaL_checkstring(L, 1);
    lua_settop(L, options);
    if (lua_isnil(L, options)) {
        lua_newtable(L);
    } else {
        luaL_checktype(L, options, LUA_TTABLE);
        vm_copy_table(L, options);
    }
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "url");
}

/* get(url, options) */
static int get(lua_State *L)
{
    begin_options(L, 2);
    lua_replace(L, 1);
    lua_settop(L, 1);
    return send_request(L);
}

/* post(url, body, options) */
static int post(lua_State *L)
{
    begin_options(L, 3);
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "body");
    lua_pushliteral(L, "POST");
    lua_setfield(L, -2, "method");
    lua_replace(L, 1);
    lua_settop(L, 1);
    return send_request(L);
}

void fetch_add(lua_State *L)
{
    static const luaL_Reg functions[] = {{"request", request}, {"get", get}, {"post", post}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "http");
}

void fetch_install(lua_State *L)
{
    lua_newtable(L);
    lua_newtable(L);
    lua_pushcfunction(L, response_json);
    lua_setfield(L, -2, "json");
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &response_key);
}