/* A route's path is a list of segments, literal or a parameter. Of all routes that fit a path the one with the earliest
 * literal segments wins; a path that exists for other methods only is answered with 405 and their names. */

#include "script/route.h"

#include <stdio.h>
#include <strings.h>

#include "json/write.h"
#include "script/answers.h"
#include "script/http.h"
#include "script/stream.h"
#include "script/view.h"

enum { MAX_SEGMENTS = 32 };

/* -- declaring -- */

bool route_is_key(struct str key)
{
    size_t i = 0;
    while (i < key.len && key.ptr[i] >= 'A' && key.ptr[i] <= 'Z') {
        i++;
    }
    return i != 0 && i + 1 < key.len && key.ptr[i] == ' ' && key.ptr[i + 1] == '/';
}

/* Cuts the next segment off; false at the end. Empty segments do not count, so a last slash changes nothing. */
static bool next_segment(struct str *path, struct str *segment)
{
    while (path->len != 0 && path->ptr[0] == '/') {
        *path = str_skip(*path, 1);
    }
    if (path->len == 0) {
        return false;
    }
    const char *slash = memchr(path->ptr, '/', path->len);
    *segment = str_make(path->ptr, slash != NULL ? (size_t)(slash - path->ptr) : path->len);
    *path = str_skip(*path, segment->len);
    return true;
}

static void *allocate(lua_State *L, struct generation *generation, size_t size)
{
    void *block = arena_alloc(&generation->arena, size);
    if (block == NULL) {
        luaL_error(L, "out of memory");
    }
    return block;
}

static struct segment make_segment(lua_State *L, struct generation *generation, struct str text)
{
    bool is_parameter = text.len > 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}';
    if (is_parameter) {
        text = str_make(text.ptr + 1, text.len - 2);
    }
    if (str_has(text, '{') || str_has(text, '}') || str_has(text, '*')) {
        lua_pushlstring(L, text.ptr, text.len);
        luaL_error(L, "a segment of a route is a text or {name}, not %s", lua_tostring(L, -1));
    }
    struct str copy = arena_str(&generation->arena, text);
    if (copy.ptr == NULL) {
        luaL_error(L, "out of memory");
    }
    return (struct segment){copy, is_parameter};
}

static void add_segments(lua_State *L, struct generation *generation, struct script_route *route, struct str path)
{
    struct str segment;
    while (next_segment(&path, &segment)) {
        if (route->count == MAX_SEGMENTS) {
            luaL_error(L, "a route has more than %d segments", MAX_SEGMENTS);
        }
        route->segments[route->count++] = make_segment(L, generation, segment);
    }
}

static struct script_route *new_route(lua_State *L, struct generation *generation)
{
    if (generation->route_count == generation->route_room) {
        size_t room = generation->route_room == 0 ? 16 : generation->route_room * 2;
        struct script_route *routes = allocate(L, generation, room * sizeof *routes);
        if (generation->route_count != 0) {
            memcpy(routes, generation->routes, generation->route_count * sizeof *routes);
        }
        generation->routes = routes;
        generation->route_room = room;
    }
    struct script_route *route = &generation->routes[generation->route_count];
    *route = (struct script_route){.segments = allocate(L, generation, MAX_SEGMENTS * sizeof(struct segment))};
    return route;
}

/* A route is a function, or { public = true, run = function }. Leaves the function on top in place of the table. */
static bool take_function(lua_State *L, const char *key)
{
    if (lua_isfunction(L, -1)) {
        return false;
    }
    if (!lua_istable(L, -1)) {
        luaL_error(L, "route \"%s\" must be a function, or { public = true, run = function }", key);
    }
    int table = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        if (strcmp(name, "public") != 0 && strcmp(name, "run") != 0) {
            luaL_error(L, "route \"%s\": unknown key \"%s\", there are public and run", key, name);
        }
    }
    lua_pushliteral(L, "public");
    lua_rawget(L, table);
    bool is_public = lua_toboolean(L, -1);
    lua_pushliteral(L, "run");
    lua_rawget(L, table);
    if (!lua_isfunction(L, -1)) {
        luaL_error(L, "route \"%s\": run must be a function", key);
    }
    lua_replace(L, table);
    lua_settop(L, table);
    return is_public;
}

/* The key is at -2, the function at -1. */
static void declare(lua_State *L, struct script *script)
{
    struct generation *generation = script->generation;
    size_t len;
    const char *text = lua_tolstring(L, -2, &len);
    struct str key = str_make(text, len);
    bool is_public = take_function(L, text);
    struct str copy = arena_str(&generation->arena, key);
    struct script_route *route = new_route(L, generation);
    if (copy.ptr == NULL) {
        luaL_error(L, "out of memory");
    }
    const char *space = memchr(copy.ptr, ' ', copy.len);
    route->script = script;
    route->is_public = is_public;
    route->key = copy.ptr;
    route->place = scripts_keep(generation->scripts, copy);
    route->method = str_make(copy.ptr, (size_t)(space - copy.ptr));
    add_segments(L, generation, route, str_of(script->entry->mount));
    add_segments(L, generation, route, str_of(space + 1));
    lua_pushvalue(L, -1);
    route->function = luaL_ref(L, LUA_REGISTRYINDEX);
    generation->route_count++;
}

void routes_declare(lua_State *L, struct script *script, int table)
{
    table = lua_absindex(L, table);
    lua_pushnil(L);
    while (lua_next(L, table) != 0) {
        size_t len;
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : NULL;
        if (key != NULL && route_is_key(str_make(key, len))) {
            declare(L, script);
        }
        lua_pop(L, 1);
    }
}

/* -- matching -- */

static bool fits(const struct script_route *route, const struct str *segments, size_t count)
{
    bool same = route->count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = route->segments[i].is_parameter || str_equal(route->segments[i].text, segments[i]);
    }
    return same;
}

static bool is_better(const struct script_route *route, const struct script_route *than)
{
    for (size_t i = 0; than != NULL && i < route->count; i++) {
        if (route->segments[i].is_parameter != than->segments[i].is_parameter) {
            return than->segments[i].is_parameter;
        }
    }
    return than == NULL;
}

static bool has_method(const struct script_route *route, struct str method)
{
    return str_equal(route->method, method) || (str_is(method, "HEAD") && str_is(route->method, "GET"));
}

static void add_allowed(char *allowed, size_t size, struct str method)
{
    char word[32];
    snprintf(word, sizeof word, "%.*s", (int)method.len, method.ptr);
    size_t used = strlen(allowed);
    if (strstr(allowed, word) == NULL) {
        snprintf(allowed + used, size - used, "%s%s", used != 0 ? ", " : "", word);
    }
}

/* allowed: gets the methods that the path has; NULL: nobody asks. */
static const struct script_route *find_route(const struct generation *generation, struct str method, struct str path,
                                             char *allowed, size_t size)
{
    struct str segments[MAX_SEGMENTS + 1];
    size_t count = 0;
    const struct script_route *best = NULL;
    while (count <= MAX_SEGMENTS && next_segment(&path, &segments[count])) {
        count++;
    }
    for (size_t i = 0; i < generation->route_count; i++) {
        const struct script_route *route = &generation->routes[i];
        if (!fits(route, segments, count)) {
            continue;
        }
        if (allowed != NULL) {
            add_allowed(allowed, size, route->method);
        }
        if (has_method(route, method) && is_better(route, best)) {
            best = route;
        }
    }
    return best;
}

/* -- answering: the coroutine's side -- */

enum { AT_TASK = 1, AT_REQUEST, AT_HANDLER, AT_RESULT };

static void push_parameters(lua_State *L, struct task *task)
{
    struct str path, segment;
    path.ptr = happn_http_path(task->http, &path.len);
    lua_newtable(L);
    for (size_t i = 0; next_segment(&path, &segment); i++) {
        if (task->route->segments[i].is_parameter) {
            struct str name = task->route->segments[i].text;
            lua_pushlstring(L, name.ptr, name.len);
            lua_pushlstring(L, segment.ptr, segment.len); /* the path was decoded once, before permissions looked at it */
            lua_rawset(L, -3);
        }
    }
}

static bool is_clean(lua_State *L, int index)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    return strlen(text) == len && strpbrk(text, "\r\n") == NULL;
}

/* All are checked before the first is added. */
static void check_headers(lua_State *L, int table)
{
    lua_pushnil(L);
    while (lua_next(L, table) != 0) {
        bool is_text = lua_type(L, -2) == LUA_TSTRING && (lua_type(L, -1) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER);
        if (!is_text || !is_clean(L, -2) || !is_clean(L, -1)) {
            luaL_error(L, "headers of an answer are texts without line breaks");
        }
        lua_pop(L, 1);
    }
}

static void add_headers(lua_State *L, struct task *task, int table)
{
    luaL_checktype(L, table, LUA_TTABLE);
    check_headers(L, table);
    lua_pushnil(L);
    while (lua_next(L, table) != 0) {
        const char *name = lua_tostring(L, -2), *value = lua_tostring(L, -1);
        if (strcasecmp(name, "content-type") == 0) {
            if (!task_set_content_type(task, value)) {
                luaL_error(L, "out of memory");
            }
        } else if (happn_http_add_header(task->http, name, value) != HAPPN_OK) {
            luaL_error(L, "the header %s cannot be sent", name);
        }
        lua_pop(L, 1);
    }
}

static void take_body(lua_State *L, struct task *task, int value)
{
    struct str text;
    if (lua_isnil(L, value)) {
        text = STR_LIT("");
    } else if (lua_type(L, value) == LUA_TSTRING) {
        text.ptr = lua_tolstring(L, value, &text.len);
        task->is_plain = true;
    } else {
        text = value_encode(L, value, "answer");
    }
    buf_add_str(&task->body, text);
    if (task->body.status != HAPPN_OK) {
        luaL_error(L, "the answer is too large");
    }
}

/* value | status | status, value | status, value, headers */
static void take_answer(lua_State *L, struct task *task)
{
    int count = lua_gettop(L) - AT_RESULT + 1, value = AT_RESULT;
    lua_settop(L, AT_RESULT + 2);
    bool has_status = count > 1 || lua_isinteger(L, AT_RESULT);
    if (has_status) {
        lua_Integer status = lua_isinteger(L, AT_RESULT) ? lua_tointeger(L, AT_RESULT) : 0;
        if (status < 200 || status > 599) {
            luaL_error(L, "route \"%s\": a status is a whole number from 200 to 599", task->route->key);
        }
        task->status = (int)status;
        value = AT_RESULT + 1;
    } else {
        task->status = lua_isnil(L, AT_RESULT) ? 204 : 200;
    }
    take_body(L, task, value); /* headers last: what was added could not be taken back */
    if (!lua_isnil(L, AT_RESULT + 2)) {
        add_headers(L, task, AT_RESULT + 2);
    }
}

/* happn.fail: its code is the status when it is one. */
static void refuse(lua_State *L, struct task *task)
{
    struct refusal refusal;
    task->script->refusals++;
    refusal_read(L, AT_RESULT, &refusal);
    struct buf *body = &task->body;
    buf_add_lit(body, "{\"error\":{\"name\":");
    json_add_string(body, str_of(refusal.name));
    buf_add_lit(body, ",\"message\":");
    json_add_string(body, str_of(refusal.text));
    if (refusal.code != 0) {
        buf_add_format(body, ",\"code\":%d", refusal.code);
    }
    if (str_is_set(refusal.fields)) { /* an object that is not empty: its members go on here */
        buf_add_char(body, ',');
        buf_add(body, refusal.fields.ptr + 1, refusal.fields.len - 2);
    }
    buf_add_lit(body, "}}");
    task->status = refusal.code >= 400 && refusal.code <= 599 ? refusal.code : 400;
    (void)task_set_content_type(task, NULL);
    if (body->status != HAPPN_OK) {
        luaL_error(L, "the answer is too large");
    }
}

static int settle(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    struct task *task = lua_touserdata(L, AT_TASK);
    if (status == LUA_OK || status == LUA_YIELD) {
        vm_check(L); /* who was stopped has not succeeded, even if it caught the error */
        if (!task->is_streaming) {
            take_answer(L, task);
        }
        return 0;
    }
    vm_enter(vm_of(L), L, task_budget(task)); /* a killed script must not take the report with it */
    if (vm_has_metatable(L, AT_RESULT, &vm_fail_key) && !task->is_streaming) {
        refuse(L, task);
    } else {
        task_fail(task, lua_type(L, AT_RESULT) == LUA_TSTRING ? lua_tostring(L, AT_RESULT) : "the error is not a text");
    }
    return 0;
}

static int route_main(lua_State *L)
{
    struct task *task = lua_touserdata(L, AT_TASK);
    struct vm *vm = vm_of(L);
    task->script->calls++;
    vm->error_source[0] = '\0';
    vm->error_line = 0;
    http_push(L, task);
    push_parameters(L, task);
    lua_pushliteral(L, "params");
    lua_insert(L, -2);
    lua_settable(L, AT_REQUEST);
    lua_pushcfunction(L, vm_traceback);
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->route->function);
    lua_pushvalue(L, AT_REQUEST);
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->script->config);
    return settle(L, lua_pcallk(L, 2, LUA_MULTRET, AT_HANDLER, 0, settle), 0);
}

/* -- answering: the core's side -- */

void route_finish(struct task *task)
{
    happn_http *http = task->http;
    if (task->is_streaming) {
        stream_finish(task);
        return;
    }
    /* The answer leaves the task first: what responding causes may need tasks. */
    struct buf body = task->body;
    const char *usual = task->is_plain ? "text/plain; charset=utf-8" : NULL;
    char *content_type = task->content_type;
    int status = task->status;
    task->content_type = NULL;
    buf_init(&task->body, body.allocator, body.max);
    task_release(task);
    happn_http_respond(http, status, content_type != NULL ? content_type : usual, buf_str(&body).ptr, body.len);
    memory_free(body.allocator, content_type);
    buf_fini(&body);
}

static void respond_error(happn_http *http, int status, const char *name, const char *text)
{
    char body[160];
    int len = snprintf(body, sizeof body, "{\"error\":{\"name\":\"%s\",\"message\":\"%s\"}}", name, text);
    happn_http_respond(http, status, NULL, body, (size_t)len);
}

static const struct script_route *route_for(const struct scripts *scripts, const happn_http *http)
{
    struct str path;
    path.ptr = happn_http_path(http, &path.len);
    return find_route(scripts->current, str_of(happn_http_method(http)), path, NULL, 0);
}

bool route_is_there(void *scripts, const happn_http *http)
{
    return route_for(scripts, http) != NULL;
}

bool route_is_public(void *scripts, const happn_http *http)
{
    const struct script_route *route = route_for(scripts, http);
    return route != NULL && route->is_public;
}

/* False: the path has no methods at all. */
static bool refuse_method(struct scripts *scripts, happn_http *http, struct str path)
{
    char allowed[160] = "";
    find_route(scripts->current, str_of(happn_http_method(http)), path, allowed, sizeof allowed);
    if (allowed[0] == '\0') {
        return false;
    }
    (void)!happn_http_add_header(http, "allow", allowed);
    respond_error(http, 405, "MethodNotAllowed", "this path has other methods");
    return true;
}

bool route_answer(void *arg, happn_http *http)
{
    struct scripts *scripts = arg;
    struct str path;
    path.ptr = happn_http_path(http, &path.len);
    const struct script_route *route = find_route(scripts->current, str_of(happn_http_method(http)), path, NULL, 0);
    if (route == NULL) {
        return refuse_method(scripts, http, path);
    }
    struct task *task = task_new(scripts->current, TASK_ROUTE);
    if (task == NULL) {
        respond_error(http, 503, happn_status_name(HAPPN_E_BUSY), happn_status_text(HAPPN_E_BUSY));
        return true;
    }
    task->http = http;
    task->route = route;
    task->script = route->script;
    task->hook = route->key;
    task->place = route->place;
    task->status = 500;
    if (task_start(task, route_main)) {
        route_finish(task);
    }
    return true;
}
