/* One curl "multi" for all scripts: it tells which sockets and which timeout to watch, and is told when they are ready. Host names are
 * looked up on threads of its own. Only http and https are spoken, certificates are checked, and what comes back is limited. */

#include "script/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>

#include "base/error.h"
#include "happn/version.h"
#include "script/calls.h"
#include "script/duration.h"
#include "script/sandbox.h"
#include "script/value.h"
#include "script/view.h"

enum { MOST_AT_ONCE = 256, MOST_REDIRECTS = 5, MOST_HEAD = 65536, DEFAULT_TIMEOUT_MS = 10000, FETCH_COST = 1000 };

static const char response_key;

struct fetcher {
    struct scripts *scripts;
    CURLM *multi;
    uv_timer_t timer;
    size_t count; /* under way */
};

struct fetch {
    struct fetcher *fetcher;
    struct task *task;
    CURL *easy;
    struct curl_slist *headers;
    struct buf sent;        /* the body of the request */
    struct buf head, body;  /* of the answer */
    long status;
    bool is_asked;          /* the stand-in, which has not answered yet */
    char what[200];         /* "GET https://...", for errors */
    char error[CURL_ERROR_SIZE];
};

/* A socket of curl's that the loop watches. */
struct watched {
    uv_poll_t poll;
    struct scripts *scripts; /* outlives the fetcher */
    struct fetcher *fetcher;
    curl_socket_t socket;
};

/* -- the loop and curl -- */

static void fail_fetch(struct call *call, happn_error *error)
{
    snprintf(error->name, sizeof error->name, "HttpError");
    call_fail(call, error);
}

static void finish_fetch(struct fetch *fetch, CURLcode code)
{
    struct call *call = &fetch->task->call;
    curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
    fetch->fetcher->count--;
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &fetch->status);
    curl_easy_cleanup(fetch->easy);
    fetch->easy = NULL;
    if (code != CURLE_OK) {
        const char *why = fetch->body.status != HAPPN_OK ? "the answer is too large: max says how many bytes it may have"
                          : fetch->error[0] != '\0'      ? fetch->error
                                                         : curl_easy_strerror(code);
        happn_error error = {0};
        error_set(&error, HAPPN_E_IO, "%s: %s", fetch->what, why);
        fail_fetch(call, &error);
    }
    call->is_done = true;
    task_wake(fetch->task);
}

static void look_for_ends(struct fetcher *fetcher)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        struct fetch *fetch = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&fetch);
        finish_fetch(fetch, code);
    }
}

static void on_timeout(uv_timer_t *timer)
{
    struct fetcher *fetcher = timer->data;
    int running;
    curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    look_for_ends(fetcher);
}

static int set_timeout(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct fetcher *fetcher = arg;
    if (ms < 0) {
        uv_timer_stop(&fetcher->timer);
    } else {
        uv_timer_start(&fetcher->timer, on_timeout, (uint64_t)ms, 0);
    }
    return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watched *watched = poll->data;
    struct fetcher *fetcher = watched->fetcher;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    int running;
    curl_multi_socket_action(fetcher->multi, watched->socket, flags, &running);
    look_for_ends(fetcher);
}

static void free_watched(uv_handle_t *handle)
{
    struct watched *watched = handle->data;
    struct scripts *scripts = watched->scripts;
    memory_free(scripts->core->allocator, watched);
    scripts_release(scripts);
}

static struct watched *watch(struct fetcher *fetcher, curl_socket_t socket)
{
    struct watched *watched = memory_zalloc(fetcher->scripts->core->allocator, sizeof *watched);
    if (watched == NULL) {
        return NULL;
    }
    if (uv_poll_init_socket(&fetcher->scripts->core->loop->uv, &watched->poll, socket) != 0) {
        memory_free(fetcher->scripts->core->allocator, watched);
        return NULL;
    }
    watched->poll.data = watched;
    watched->fetcher = fetcher;
    watched->scripts = fetcher->scripts;
    watched->socket = socket;
    fetcher->scripts->holds++;
    curl_multi_assign(fetcher->multi, socket, watched);
    return watched;
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *of_socket)
{
    (void)easy;
    struct fetcher *fetcher = arg;
    struct watched *watched = of_socket;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            curl_multi_assign(fetcher->multi, socket, NULL);
            uv_close((uv_handle_t *)&watched->poll, free_watched);
        }
        return 0;
    }
    watched = watched != NULL ? watched : watch(fetcher, socket);
    if (watched == NULL) {
        return -1;
    }
    uv_poll_start(&watched->poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0), on_ready);
    return 0;
}

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static struct fetcher *fetcher_of(struct scripts *scripts)
{
    static uv_once_t once = UV_ONCE_INIT;
    if (scripts->fetcher != NULL) {
        return scripts->fetcher;
    }
    uv_once(&once, start_curl);
    struct fetcher *fetcher = memory_zalloc(scripts->core->allocator, sizeof *fetcher);
    CURLM *multi = fetcher != NULL ? curl_multi_init() : NULL;
    if (multi == NULL) {
        memory_free(scripts->core->allocator, fetcher);
        return NULL;
    }
    *fetcher = (struct fetcher){.scripts = scripts, .multi = multi};
    uv_timer_init(&scripts->core->loop->uv, &fetcher->timer);
    fetcher->timer.data = fetcher;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, fetcher);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timeout);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, fetcher);
    scripts->fetcher = fetcher;
    return fetcher;
}

static void free_fetcher(uv_handle_t *handle)
{
    struct fetcher *fetcher = handle->data;
    struct scripts *scripts = fetcher->scripts;
    memory_free(scripts->core->allocator, fetcher);
    scripts_release(scripts);
}

void fetcher_close(struct fetcher *fetcher)
{
    if (fetcher == NULL) {
        return;
    }
    fetcher->scripts->holds++; /* before the sockets', which this closes */
    fetcher->scripts->fetcher = NULL;
    curl_multi_cleanup(fetcher->multi);
    uv_close((uv_handle_t *)&fetcher->timer, free_fetcher);
}

void fetch_drop(struct fetch *fetch)
{
    if (fetch == NULL) {
        return;
    }
    if (fetch->is_asked) {
        const struct script_outside *outside = fetch->task->scripts->settings.options.outside;
        outside->drop(outside->arg, fetch);
    }
    if (fetch->easy != NULL) {
        curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
        fetch->fetcher->count--;
        curl_easy_cleanup(fetch->easy);
    }
    curl_slist_free_all(fetch->headers);
    buf_fini(&fetch->sent);
    buf_fini(&fetch->head);
    buf_fini(&fetch->body);
    memory_free(fetch->task->scripts->core->allocator, fetch);
}

/* -- what comes back -- */

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
    struct buf *buf = arg;
    buf_add(buf, bytes, size * count);
    return buf->status == HAPPN_OK ? size * count : 0;
}

/* Each answer of a chain of redirects has a head: the last one counts. */
static size_t take_head(char *bytes, size_t size, size_t count, void *arg)
{
    struct buf *buf = arg;
    if (size * count > 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        buf_clear(buf);
    }
    return take(bytes, size, count, buf);
}

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

static bool is_clean(struct str text)
{
    return !str_has(text, '\r') && !str_has(text, '\n') && !str_has(text, '\0');
}

/* Pushes the option, raw; checks its type. */
static int option(lua_State *L, const char *name, int type)
{
    lua_pushstring(L, name);
    int found = lua_rawget(L, 1);
    if (found != LUA_TNIL && found != type) {
        luaL_error(L, "happn.http: %s must be a %s", name, lua_typename(L, type));
    }
    return found;
}

static void check_options(lua_State *L)
{
    static const char *const known[] = {"url", "method", "headers", "body", "timeout", "max", "redirects"};
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        bool is_known = false;
        for (size_t i = 0; lua_type(L, -2) == LUA_TSTRING && i < sizeof known / sizeof known[0]; i++) {
            is_known = is_known || strcmp(known[i], lua_tostring(L, -2)) == 0;
        }
        if (!is_known) {
            luaL_error(L, "happn.http: there is no option %s, there are url, method, headers, body, timeout, max and redirects", luaL_tolstring(L, -2, NULL));
        }
    }
}

static void add_headers(lua_State *L, struct fetch *fetch)
{
    if (option(L, "headers", LUA_TTABLE) == LUA_TNIL) {
        return;
    }
    int table = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        struct str name = {NULL, 0}, value = {NULL, 0};
        if (lua_type(L, -2) == LUA_TSTRING && lua_isstring(L, -1)) {
            lua_pushvalue(L, -1); /* a number stays one in the table */
            value.ptr = lua_tolstring(L, -1, &value.len);
            name.ptr = lua_tolstring(L, -3, &name.len);
            lua_pushfstring(L, "%s%s%s", name.ptr, value.len != 0 ? ": " : ";", value.ptr);
        }
        if (name.ptr == NULL || !is_clean(name) || !is_clean(value) || str_has(name, ':')) {
            luaL_error(L, "happn.http: headers are texts without line breaks");
        }
        struct curl_slist *more = curl_slist_append(fetch->headers, lua_tostring(L, -1));
        if (more == NULL) {
            luaL_error(L, "out of memory");
        }
        fetch->headers = more;
        lua_pop(L, 2);
    }
}

static bool has_header(const struct fetch *fetch, const char *name)
{
    for (const struct curl_slist *line = fetch->headers; line != NULL; line = line->next) {
        if (strncasecmp(line->data, name, strlen(name)) == 0) {
            return true;
        }
    }
    return false;
}

/* A text is sent as it is, anything else as JSON. */
static bool take_body(lua_State *L, struct fetch *fetch)
{
    lua_pushliteral(L, "body");
    if (lua_rawget(L, 1) == LUA_TNIL) {
        return false;
    }
    struct str text;
    if (lua_type(L, -1) == LUA_TSTRING) {
        text.ptr = lua_tolstring(L, -1, &text.len);
    } else {
        text = value_encode(L, -1, "body");
        if (!has_header(fetch, "content-type:")) {
            struct curl_slist *more = curl_slist_append(fetch->headers, "Content-Type: application/json");
            fetch->headers = more != NULL ? more : fetch->headers;
        }
    }
    buf_add_str(&fetch->sent, text);
    if (fetch->sent.status != HAPPN_OK) {
        luaL_error(L, "the body is too large");
    }
    return true;
}

static void set_method(lua_State *L, struct fetch *fetch, const char *method, bool has_body)
{
    if (strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(method) || method[0] == '\0' || strlen(method) > 16) {
        luaL_error(L, "happn.http: a method is a word such as POST");
    }
    if (has_body) {
        curl_easy_setopt(fetch->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->sent.len);
        curl_easy_setopt(fetch->easy, CURLOPT_POSTFIELDS, buf_str(&fetch->sent).ptr);
    }
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(fetch->easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(fetch->easy, CURLOPT_CUSTOMREQUEST, method);
}

static uint64_t option_timeout(lua_State *L)
{
    lua_pushliteral(L, "timeout");
    return lua_rawget(L, 1) == LUA_TNIL ? DEFAULT_TIMEOUT_MS : duration_check(L, lua_gettop(L));
}

static lua_Integer option_number(lua_State *L, const char *name, lua_Integer fallback, lua_Integer most)
{
    int is_whole = 1;
    lua_Integer value = option(L, name, LUA_TNUMBER) == LUA_TNIL ? fallback : lua_tointegerx(L, -1, &is_whole);
    if (!is_whole || value < 0 || value > most) {
        luaL_error(L, "happn.http: %s is a whole number between 0 and %d", name, (int)most);
    }
    return value;
}

static void set_up(lua_State *L, struct fetch *fetch)
{
    check_options(L);
    if (option(L, "url", LUA_TSTRING) == LUA_TNIL) {
        luaL_error(L, "happn.http: url is missing");
    }
    const char *url = lua_tostring(L, -1);
    const char *method = option(L, "method", LUA_TSTRING) != LUA_TNIL ? lua_tostring(L, -1) : NULL;
    add_headers(L, fetch);
    bool has_body = take_body(L, fetch);
    method = method != NULL ? method : has_body ? "POST" : "GET";
    set_method(L, fetch, method, has_body);
    fetch->body.max = (size_t)option_number(L, "max", (lua_Integer)fetch->body.max, (lua_Integer)fetch->body.max);
    snprintf(fetch->what, sizeof fetch->what, "%s %s", method, url);
    CURL *easy = fetch->easy;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    lua_Integer redirects = option_number(L, "redirects", MOST_REDIRECTS, 20);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, redirects != 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)redirects);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)option_timeout(L));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a call that ends while a name is looked up does not wait for that thread */
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetch->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "happn/" HAPPN_VERSION);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &fetch->body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &fetch->head);
}

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
    fetch->is_asked = outside->ask(outside->arg, fetch, json, option_timeout(L), &error) == HAPPN_OK;
    if (!fetch->is_asked) {
        fail_fetch(call, &error);
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
    fail_fetch(&fetch->task->call, &error);
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
    set_up(L, fetch);
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
    lua_newtable(L);
    int table = lua_gettop(L);
    if (!lua_isnil(L, options)) {
        luaL_checktype(L, options, LUA_TTABLE);
        for (lua_pushnil(L); lua_next(L, options) != 0;) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, table);
        }
    }
    lua_pushvalue(L, 1);
    lua_setfield(L, table, "url");
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
