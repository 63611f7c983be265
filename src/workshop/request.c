/* t.http: a request that goes the whole way of one that came over a socket, and its answer taken apart. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "workshop/testing.h"

enum { MOST_HEADERS = 64 };

struct exchange {
    struct local_request request;
    struct local_header headers[MOST_HEADERS];
    struct answer *answer;
};

static void take_text(void *arg, struct str text)
{
    struct exchange *exchange = arg;
    buf_add_str(&exchange->answer->data, text);
    testing_take_status(exchange->answer->data.status, NULL, exchange->answer);
}

static const char *keep(lua_State *L, struct testing *testing, struct str text)
{
    const char *copy = arena_str(&testing->case_arena, text).ptr;
    if (copy == NULL) {
        luaL_error(L, "out of memory");
    }
    return copy;
}

static char *keep_lower(lua_State *L, struct testing *testing, const char *text)
{
    char *copy = (char *)keep(L, testing, str_of(text));
    for (char *p = copy; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    return copy;
}

static void add_header(lua_State *L, struct exchange *exchange, const char *name, struct str value)
{
    if (exchange->request.header_count == MOST_HEADERS) {
        luaL_error(L, "more than %d headers", MOST_HEADERS);
    }
    exchange->headers[exchange->request.header_count++] = (struct local_header){name, value};
}

static bool has_header(const struct exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->request.header_count; i++) {
        if (strcmp(exchange->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void take_headers(lua_State *L, struct testing *testing, struct exchange *exchange, int index)
{
    if (lua_isnoneornil(L, index)) {
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        size_t len;
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_isstring(L, -1), index, "headers are texts by name");
        lua_pushvalue(L, -1);
        const char *value = lua_tolstring(L, -1, &len);
        add_header(L, exchange, keep_lower(L, testing, lua_tostring(L, -3)), str_make(keep(L, testing, str_make(value, len)), len));
        lua_pop(L, 2);
    }
}

/* A text is sent as it is, anything else as JSON. */
static void take_body(lua_State *L, struct testing *testing, struct exchange *exchange, int index)
{
    if (lua_isnoneornil(L, index)) {
        return;
    }
    if (lua_type(L, index) == LUA_TSTRING) {
        size_t len;
        const char *text = lua_tolstring(L, index, &len);
        exchange->request.body = str_make(keep(L, testing, str_make(text, len)), len);
        return;
    }
    exchange->request.body = testing_json(L, testing, index, "body");
    if (!has_header(exchange, "content-type")) {
        add_header(L, exchange, "content-type", STR_LIT("application/json"));
    }
}

static void take_path(lua_State *L, struct testing *testing, struct exchange *exchange, int index)
{
    size_t len;
    const char *text = luaL_checklstring(L, index, &len);
    luaL_argcheck(L, text[0] == '/', index, "a path that begins with /");
    struct str path = str_make(keep(L, testing, str_make(text, len)), len);
    const char *query = memchr(path.ptr, '?', path.len);
    if (query != NULL) {
        exchange->request.query = str_skip(path, (size_t)(query - path.ptr) + 1);
        path.len = (size_t)(query - path.ptr);
    }
    exchange->request.path = path;
}

static struct exchange *new_exchange(lua_State *L, struct testing *testing, int index, const char *token)
{
    struct exchange *exchange = arena_alloc(&testing->case_arena, sizeof *exchange);
    if (exchange == NULL) {
        luaL_error(L, "out of memory");
    }
    *exchange = (struct exchange){.answer = testing_answer(L, testing)};
    exchange->request.method = keep(L, testing, str_of(luaL_checkstring(L, index)));
    exchange->request.headers = exchange->headers;
    exchange->request.answered = take_text;
    exchange->request.arg = exchange;
    take_path(L, testing, exchange, index + 1);
    take_headers(L, testing, exchange, index + 3);
    take_body(L, testing, exchange, index + 2);
    if (token != NULL && !has_header(exchange, "authorization")) {
        struct str parts[] = {STR_LIT("Bearer "), str_of(token)};
        add_header(L, exchange, "authorization", arena_join(&testing->case_arena, parts, 2));
    }
    return exchange;
}

/* -- the answer -- */

static struct str take_line(struct str *rest)
{
    const char *end = memmem(rest->ptr, rest->len, "\r\n", 2);
    struct str line = str_make(rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len);
    *rest = str_skip(*rest, line.len + 2);
    return line;
}

static void push_headers(lua_State *L, struct testing *testing, struct str *rest)
{
    lua_newtable(L);
    for (struct str line = take_line(rest); line.len != 0; line = take_line(rest)) {
        const char *colon = memchr(line.ptr, ':', line.len);
        if (colon != NULL) {
            struct str value = str_skip(line, (size_t)(colon - line.ptr) + 1);
            value = str_skip(value, value.len != 0 && value.ptr[0] == ' ');
            const char *name = keep(L, testing, str_make(line.ptr, (size_t)(colon - line.ptr)));
            lua_pushstring(L, keep_lower(L, testing, name));
            lua_pushlstring(L, value.ptr, value.len);
            lua_rawset(L, -3);
        }
    }
}

static void push_body(lua_State *L, int headers, struct str body)
{
    lua_getfield(L, headers, "content-type");
    const char *type = lua_tostring(L, -1);
    bool is_json = type != NULL && strncmp(type, "application/json", 16) == 0 && json_check(body, NULL) == HAPPN_OK;
    lua_pop(L, 1);
    if (is_json) {
        testing_push_json(L, body);
    } else {
        lua_pushlstring(L, body.ptr, body.len);
    }
}

static void push_answer(lua_State *L, struct testing *testing, struct str text)
{
    struct str first = take_line(&text);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, first.len > 12 ? strtol(first.ptr + 9, NULL, 10) : 0);
    lua_setfield(L, -2, "status");
    push_headers(L, testing, &text);
    push_body(L, lua_gettop(L), text);
    lua_setfield(L, -3, "body");
    lua_setfield(L, -2, "headers");
    lua_pushlstring(L, text.ptr, text.len);
    lua_setfield(L, -2, "text");
}

static int answered(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    struct answer *answer = testing_answered(L, context);
    push_answer(L, testing_of(L), buf_str(&answer->data));
    return 1;
}

int request_ask(lua_State *L, struct testing *testing, int index, const char *token)
{
    lua_settop(L, index + 3);
    if (!testing->has_house) {
        luaL_error(L, "there is no server yet: t.server{ routes = { \"routes/orders.lua\" } }");
    }
    struct exchange *exchange = new_exchange(L, testing, index, token);
    happn_status status = local_send(testing->house.http, &exchange->request);
    if (status != HAPPN_OK) {
        testing_raise(L, status);
    }
    return testing_wait_then(L, testing, exchange->answer, answered);
}
