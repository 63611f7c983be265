/* The options of happn.http, checked and told to curl. Only http and https are spoken, certificates are checked, and what comes back is limited. */

#include <stdio.h>
#include <strings.h>

#include "happn/version.h"
#include "script/duration.h"
#include "script/fetcher.h"
#include "script/value.h"

enum { MOST_REDIRECTS = 5, DEFAULT_TIMEOUT_MS = 10000 };

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

uint64_t fetch_timeout(lua_State *L)
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

/* -- what comes back is gathered -- */

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

void fetch_set_up(lua_State *L, struct fetch *fetch)
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
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)fetch_timeout(L));
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
