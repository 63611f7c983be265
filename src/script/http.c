#include "script/http.h"

#include "base/form.h"
#include "script/session.h"
#include "script/stream.h"
#include "script/view.h"

static const char request_key, headers_key;

enum { FIELDS = 1 };

static struct task *task_at(lua_State *L, const char *key)
{
    if (lua_type(L, 1) != LUA_TUSERDATA || !vm_has_metatable(L, 1, key)) {
        luaL_error(L, "a request was expected: req:json(), not req.json()");
    }
    struct task *task = ((struct task_view *)lua_touserdata(L, 1))->task;
    if (task == NULL) {
        luaL_error(L, "request used after it was answered");
    }
    return task;
}

void http_push(lua_State *L, struct task *task)
{
    struct task_view *view = lua_newuserdatauv(L, sizeof *view, 1);
    view->task = task;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &request_key);
    lua_setmetatable(L, -2);
    lua_newtable(L);
    lua_setiuservalue(L, -2, FIELDS);
    task->view = view;
}

static void push_decoded(lua_State *L, struct str text)
{
    luaL_Buffer out;
    char *room = luaL_buffinitsize(L, &out, text.len);
    luaL_pushresultsize(&out, form_decode(text, room));
}

/* "a=1&b=2" as a table; of a doubled name the last wins. */
static void push_form(lua_State *L, struct str text)
{
    struct str name, value;
    lua_newtable(L);
    while (form_next(&text, &name, &value)) {
        if (name.len != 0) {
            push_decoded(L, name);
            push_decoded(L, value);
            lua_rawset(L, -3);
        }
        vm_charge(L, 2 + (name.len + value.len) / 16);
    }
}

static void get_method(lua_State *L, struct task *task)
{
    lua_pushstring(L, happn_http_method(task->http));
}

static void get_path(lua_State *L, struct task *task)
{
    size_t len;
    const char *path = happn_http_path(task->http, &len);
    lua_pushlstring(L, path, len);
}

static void get_query(lua_State *L, struct task *task)
{
    struct str query;
    query.ptr = happn_http_query(task->http, &query.len);
    push_form(L, query.ptr != NULL ? query : STR_LIT(""));
}

static void get_body(lua_State *L, struct task *task)
{
    size_t len;
    const char *body = happn_http_body(task->http, &len);
    vm_push_given(L, body != NULL ? str_make(body, len) : STR_LIT(""));
}

static void get_address(lua_State *L, struct task *task)
{
    lua_pushstring(L, happn_http_address(task->http));
}

/* A view of its own, kept beside the request: headers are looked up by name, in any case. */
static void get_headers(lua_State *L, struct task *task)
{
    (void)task;
    lua_newuserdatauv(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &headers_key);
    lua_setmetatable(L, -2);
}

static int headers_get(lua_State *L)
{
    char name[128];
    size_t len, value_len;
    if (lua_type(L, 1) != LUA_TUSERDATA || !vm_has_metatable(L, 1, &headers_key)) {
        return luaL_error(L, "headers were expected");
    }
    const char *text = luaL_checklstring(L, 2, &len);
    lua_getiuservalue(L, 1, 1);
    lua_replace(L, 1);
    struct task *task = task_at(L, &request_key);
    if (len >= sizeof name) {
        return 0;
    }
    for (size_t i = 0; i <= len; i++) {
        name[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    }
    const char *value = happn_http_header(task->http, name, &value_len);
    if (value == NULL) {
        return 0;
    }
    lua_pushlstring(L, value, value_len);
    return 1;
}

static int method_json(lua_State *L)
{
    struct task *task = task_at(L, &request_key);
    struct str body;
    size_t at = 0;
    body.ptr = happn_http_body(task->http, &body.len);
    vm_charge(L, body.ptr != NULL ? body.len / 16 : 0);
    happn_status status = body.ptr != NULL ? json_check(body, &at) : HAPPN_E_JSON;
    if (status != HAPPN_OK) {
        lua_newtable(L); /* the client's mistake, so it is a refusal and not a script error */
        lua_pushliteral(L, "BadRequest");
        lua_setfield(L, -2, "name");
        lua_pushfstring(L, "the body is not JSON: %s near byte %d", status == HAPPN_E_JSON ? "a mistake" : happn_status_text(status), (int)at + 1);
        lua_setfield(L, -2, "message");
        lua_pushinteger(L, 400);
        lua_setfield(L, -2, "code");
        lua_rawgetp(L, LUA_REGISTRYINDEX, &vm_fail_key);
        lua_setmetatable(L, -2);
        return lua_error(L);
    }
    view_push(L, json_trim(body));
    return 1;
}

static int method_text(lua_State *L)
{
    get_body(L, task_at(L, &request_key));
    return 1;
}

static int method_form(lua_State *L)
{
    struct task *task = task_at(L, &request_key);
    struct str body;
    body.ptr = happn_http_body(task->http, &body.len);
    push_form(L, body.ptr != NULL ? body : STR_LIT(""));
    return 1;
}

static void get_session(lua_State *L, struct task *task)
{
    (void)task;
    session_push(L, 1);
}

/* "a=1; b=2" as a table; of a doubled name the first counts, as browsers send the closest path's first. */
static void get_cookies(lua_State *L, struct task *task)
{
    struct str text;
    text.ptr = happn_http_header(task->http, "cookie", &text.len);
    lua_newtable(L);
    while (text.ptr != NULL && text.len != 0) {
        struct str pair = str_take(&text, ';'), rest = pair, name = str_take(&rest, '=');
        while (name.len != 0 && name.ptr[0] == ' ') {
            name = str_skip(name, 1);
            pair = str_skip(pair, 1);
        }
        lua_pushlstring(L, name.ptr, name.len);
        lua_pushvalue(L, -1);
        if (name.len != 0 && pair.len > name.len && lua_rawget(L, -3) == LUA_TNIL) {
            struct str value = str_skip(pair, name.len + 1);
            lua_pop(L, 1);
            lua_pushlstring(L, value.ptr, value.len);
            lua_rawset(L, -3);
        } else {
            lua_pop(L, 2);
        }
        vm_charge(L, 2 + name.len / 16);
    }
}

static const struct {
    const char *name;
    void (*push)(lua_State *L, struct task *task);
    lua_CFunction method;
} fields[] = {{"method", get_method, NULL},   {"path", get_path, NULL},   {"query", get_query, NULL},
              {"headers", get_headers, NULL}, {"body", get_body, NULL},   {"ip", get_address, NULL},
              {"session", get_session, NULL}, {"cookies", get_cookies, NULL},
              {"json", NULL, method_json},    {"text", NULL, method_text}, {"form", NULL, method_form},
              {"stream", NULL, stream_method}, {"events", NULL, stream_events_method}};

static int request_get(lua_State *L)
{
    struct task *task = task_at(L, &request_key);
    lua_settop(L, 2);
    lua_getiuservalue(L, 1, FIELDS);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, 3) != LUA_TNIL) {
        return 1;
    }
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) != 0) {
            continue;
        }
        if (fields[i].method != NULL) {
            lua_pushcfunction(L, fields[i].method);
            return 1;
        }
        fields[i].push(L, task);
        lua_pushvalue(L, -1);
        lua_setfield(L, 3, name);
        return 1;
    }
    return luaL_error(L, "req has no field %s", luaL_tolstring(L, 2, NULL));
}

/* Scripts may note things on the request. */
static int request_set(lua_State *L)
{
    task_at(L, &request_key);
    lua_settop(L, 3);
    lua_getiuservalue(L, 1, FIELDS);
    lua_insert(L, 2);
    lua_rawset(L, 2);
    return 0;
}

static void install(lua_State *L, const char *key, const char *name, const luaL_Reg *methods)
{
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void http_install(lua_State *L)
{
    static const luaL_Reg request[] = {{"__index", request_get}, {"__newindex", request_set}, {NULL, NULL}};
    static const luaL_Reg headers[] = {{"__index", headers_get}, {NULL, NULL}};
    install(L, &request_key, "request", request);
    install(L, &headers_key, "headers", headers);
}
