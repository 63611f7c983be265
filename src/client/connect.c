#include "client/connect.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/utf8.h"
#include "client/client.h"
#include "json/scan.h"
#include "security/signing.h"

enum { DEFAULT_PORT = 55000, DEFAULT_HEARTBEAT_MS = 25000, DEFAULT_PONG_MS = 10000, MAX_MS = 1 << 30,
       DEFAULT_RECONNECT_MIN_MS = 500, DEFAULT_RECONNECT_MAX_MS = 180000, DEFAULT_POOL_ATTEMPTS = 4 };

static bool copy(char *out, size_t size, struct str text)
{
    if (text.ptr == NULL || text.len >= size || memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

/* Takes what is before the character off; all of it when there is none. */
static struct str take_until(struct str *rest, const char *stops)
{
    size_t len = 0;
    while (len < rest->len && strchr(stops, rest->ptr[len]) == NULL) {
        len++;
    }
    struct str taken = str_make(rest->ptr, len);
    *rest = str_skip(*rest, len);
    return taken;
}

static bool read_port(struct str text, int *port)
{
    int number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || number > 65535) {
            return false;
        }
        number = number * 10 + (text.ptr[i] - '0');
    }
    *port = number;
    return text.len != 0 && number > 0 && number <= 65535;
}

static bool take_scheme(struct str *rest, struct connect_place *out)
{
    static const struct {
        const char *text;
        bool is_secure;
    } schemes[] = {{"ws://", false}, {"wss://", true}, {"http://", false}, {"https://", true}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (str_starts(*rest, str_of(schemes[i].text))) {
            *rest = str_skip(*rest, strlen(schemes[i].text));
            out->is_secure = schemes[i].is_secure;
            out->port = schemes[i].is_secure ? 443 : 80;
            return true;
        }
    }
    return false;
}

/* ws://host:port/path, IPv6 addresses in brackets; without a path /primus. */
static bool read_url(struct str url, struct connect_place *out)
{
    if (!take_scheme(&url, out)) {
        return false;
    }
    bool bracket = str_starts(url, STR_LIT("["));
    if (bracket) {
        url = str_skip(url, 1);
    }
    struct str host = take_until(&url, bracket ? "]" : ":/?");
    if (bracket) {
        url = str_skip(url, 1);
    }
    if (host.len == 0 || str_has(host, '@') || !copy(out->host, sizeof out->host, host)) {
        return false;
    }
    if (str_starts(url, STR_LIT(":"))) {
        url = str_skip(url, 1);
        if (!read_port(take_until(&url, "/?"), &out->port)) {
            return false;
        }
    }
    bool has_path = url.len != 0 && !str_is(url, "/");
    return !has_path || (url.ptr[0] == '/' && copy(out->path, sizeof out->path, url));
}

/* --- the options by name */

enum {
    O_HOST, O_PORT, O_URL, O_CA, O_INSECURE, O_TIMEOUT, O_CONNECT_TIMEOUT, O_HEARTBEAT, O_PONG_TIMEOUT, O_MAX_MESSAGE,
    O_USERNAME, O_PASSWORD, O_TOKEN, O_INFO, O_SECURE, O_RECONNECT, O_RECONNECT_MIN, O_RECONNECT_MAX, O_RECONNECT_ATTEMPTS,
    O_PUBLIC_KEY, O_PRIVATE_KEY, O_KEY_PAIR, O_COOKIE, O_COOKIE_NAME, O_POOL, O_POOL_TYPE, O_POOL_ATTEMPTS, OPTIONS
};

/* In the order of the enum; what they must be, for those that are just of a type. */
static const struct {
    const char *name;
    enum json_type type;
    const char *must_be;
} known[OPTIONS] = {
    {"host", JSON_STRING, "a text"}, {"port", JSON_NUMBER, "a number"}, {"url", JSON_STRING, "a text"}, {"ca", JSON_STRING, "the name of a file"},
    {"insecure", JSON_BOOL, "true or false"}, {"timeout", JSON_NUMBER, "a number"}, {"connectTimeout", JSON_NUMBER, "a number"},
    {"heartbeat", JSON_NUMBER, "a number"}, {"pongTimeout", JSON_NUMBER, "a number"}, {"maxMessage", JSON_NUMBER, "a number"},
    {"username", JSON_STRING, "a text"}, {"password", JSON_STRING, "a text"}, {"token", JSON_STRING, "a text"}, {"info", JSON_OBJECT, "an object"},
    {"secure", JSON_BOOL, "true or false"}, {"reconnect", JSON_BOOL, "true or false"}, {"reconnectMin", JSON_NUMBER, "a number"},
    {"reconnectMax", JSON_NUMBER, "a number"}, {"reconnectAttempts", JSON_NUMBER, "a number"}, {"publicKey", JSON_STRING, "a text"},
    {"privateKey", JSON_STRING, "a text"}, {"keyPair", JSON_OBJECT, "an object: {\"publicKey\", \"privateKey\"}"},
    {"cookie", JSON_STRING, "the text of a Cookie header"}, {"cookieName", JSON_STRING, "a text"}, {"pool", JSON_ARRAY, "a list of servers"},
    {"poolType", JSON_NUMBER, "0 (in order) or 1 (random)"}, {"poolReconnectAttempts", JSON_NUMBER, "a number"}};

static bool complain(happn_error *error, const char *name, const char *what)
{
    error_set(error, HAPPN_E_ARGUMENT, "the option %s must be %s", name, what);
    return false;
}

static bool check_names(struct str object, happn_error *error)
{
    struct json_iter it = json_iter(object);
    while (json_next(&it)) {
        size_t i = 0;
        while (i < OPTIONS && !json_text_is(it.key, str_of(known[i].name))) {
            i++;
        }
        if (i == OPTIONS) {
            error_set(error, HAPPN_E_ARGUMENT, "there is no option %.*s", (int)(it.key.len < 60 ? it.key.len : 60), it.key.ptr);
            return false;
        }
    }
    return true;
}

/* What is named, by the types of the table. Null is as good as not there. */
static bool check_types(struct str text, struct json_member *members, happn_error *error)
{
    if (!check_names(text, error)) {
        return false;
    }
    for (size_t i = 0; i < OPTIONS; i++) {
        if (str_is_set(members[i].value) && json_type_of(members[i].value) == JSON_NULL) {
            members[i].value = STR_NONE;
        } else if (str_is_set(members[i].value) && json_type_of(members[i].value) != known[i].type && i != O_INFO) {
            return complain(error, known[i].name, known[i].must_be);
        }
    }
    return true;
}

/* A whole number from least to most; unchanged when it is not given. */
static bool read_number(const struct json_member *members, int which, int64_t least, int64_t most, int64_t *out, happn_error *error)
{
    char range[60];
    struct str value = members[which].value;
    int64_t number = json_int(value, least - 1);
    if (!str_is_set(value)) {
        return true;
    }
    if (number < least || number > most) {
        snprintf(range, sizeof range, "a whole number from %lld to %lld", (long long)least, (long long)most);
        return complain(error, known[which].name, range);
    }
    *out = number;
    return true;
}

/* --- where to */

/* host, port, url and secure of an object; what is not there stays as it is. */
static bool read_place(struct arena *arena, const struct json_member *members, struct connect_place *out, happn_error *error)
{
    int64_t port = out->port;
    struct str host = members[O_HOST].value, url = members[O_URL].value;
    if (str_is_set(host) && !copy(out->host, sizeof out->host, json_string(arena, host))) {
        return complain(error, "host", "a name or an address, of less than 256 characters");
    }
    if (str_is_set(members[O_SECURE].value)) {
        out->is_secure = json_true(members[O_SECURE].value);
    }
    if (str_is_set(url) && !read_url(json_string(arena, url), out)) {
        return complain(error, "url", "like ws://host:55000, or wss:, http:, https:, without a user's name");
    }
    if (!read_number(members, O_PORT, 1, 65535, &port, error)) {
        return false;
    }
    out->port = str_is_set(members[O_PORT].value) ? (int)port : out->port;
    return true;
}

static bool read_pooled(struct arena *arena, struct str item, struct connect_place *out, happn_error *error)
{
    static const int which[] = {O_HOST, O_PORT, O_URL, O_SECURE};
    struct json_member members[OPTIONS] = {{STR_NONE, STR_NONE}};
    if (json_type_of(item) == JSON_STRING) {
        return read_url(json_string(arena, item), out) || complain(error, "pool", "a list of servers, each like \"ws://host:55000\" or {\"host\", \"port\"}");
    }
    if (json_type_of(item) != JSON_OBJECT) {
        return complain(error, "pool", "a list of servers, each like \"ws://host:55000\" or {\"host\", \"port\"}");
    }
    if (!check_names(item, error)) {
        return false;
    }
    for (size_t i = 0; i < sizeof which / sizeof which[0]; i++) {
        members[which[i]].value = json_get(item, known[which[i]].name);
        if (str_is_set(members[which[i]].value) && json_type_of(members[which[i]].value) != known[which[i]].type) {
            return complain(error, known[which[i]].name, known[which[i]].must_be);
        }
    }
    return read_place(arena, members, out, error);
}

/* What a server does not say is as in the options beside the pool. */
static bool read_pool(struct arena *arena, const struct json_member *members, struct connect_options *out, happn_error *error)
{
    int64_t type = POOL_RANDOM, attempts = DEFAULT_POOL_ATTEMPTS;
    struct str pool = members[O_POOL].value;
    size_t count = 0;
    if (!read_number(members, O_POOL_TYPE, POOL_ORDERED, POOL_RANDOM, &type, error) ||
        !read_number(members, O_POOL_ATTEMPTS, 0, MAX_MS, &attempts, error)) {
        return false;
    }
    for (struct json_iter it = json_iter(pool); str_is_set(pool) && json_next(&it);) {
        count++;
    }
    if (str_is_set(pool) && (count == 0 || count > POOL_MOST)) {
        return complain(error, "pool", "a list of 1 to 64 servers");
    }
    out->pool = count != 0 ? memory_alloc(out->allocator, count * sizeof *out->pool) : NULL;
    if (count != 0 && out->pool == NULL) {
        error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
        return false;
    }
    for (struct json_iter it = json_iter(pool); count != 0 && json_next(&it);) {
        out->pool[out->pool_count] = out->link.place;
        if (!read_pooled(arena, it.value, &out->pool[out->pool_count++], error)) {
            return false;
        }
    }
    out->pool_type = (enum pool_type)type;
    out->pool_attempts = attempts;
    out->limits_pool = str_is_set(members[O_POOL_ATTEMPTS].value);
    return true;
}

/* --- the rest */

static bool read_numbers(const struct json_member *members, struct connect_options *out, happn_error *error)
{
    int64_t timeout = CLIENT_TIMEOUT_MS, connect = CLIENT_TIMEOUT_MS, heartbeat = DEFAULT_HEARTBEAT_MS, pong = DEFAULT_PONG_MS,
            message = CLIENT_MAX_MESSAGE, least = DEFAULT_RECONNECT_MIN_MS, most = DEFAULT_RECONNECT_MAX_MS;
    if (!read_number(members, O_TIMEOUT, 1, MAX_MS, &timeout, error) || !read_number(members, O_CONNECT_TIMEOUT, 1, MAX_MS, &connect, error) ||
        !read_number(members, O_HEARTBEAT, 1, MAX_MS, &heartbeat, error) || !read_number(members, O_PONG_TIMEOUT, 1, MAX_MS, &pong, error) ||
        !read_number(members, O_MAX_MESSAGE, 1024, 1 << 30, &message, error) ||
        !read_number(members, O_RECONNECT_MIN, 1, MAX_MS, &least, error) || !read_number(members, O_RECONNECT_MAX, 1, MAX_MS, &most, error) ||
        !read_number(members, O_RECONNECT_ATTEMPTS, 0, MAX_MS, &out->reconnect_attempts, error)) {
        return false;
    }
    out->link.heartbeat_ms = (int)heartbeat;
    out->link.pong_ms = (int)pong;
    out->link.max_message = (size_t)message;
    out->timeout_ms = (uint64_t)timeout;
    out->connect_ms = (uint64_t)connect;
    out->reconnect = json_true(members[O_RECONNECT].value);
    out->reconnect_min_ms = (uint64_t)least;
    out->reconnect_max_ms = (uint64_t)most;
    return true;
}

/* What can be seen without the server. */
static bool check_login(struct arena *arena, struct str text, happn_error *error)
{
    struct buf key;
    if (str_is_set(client_options(text, "cookie")) && !str_is_set(client_options(text, "token")) && !str_is_set(login_cookie_token(arena, text))) {
        error_set(error, HAPPN_E_ARGUMENT, "the option cookie has no cookie of the name %s: was it set by the server's login?",
                  str_is_set(client_options(text, "cookieName")) ? "that cookieName says" : "happn_token");
        return false;
    }
    if (!login_is_by_key(text)) {
        return true;
    }
    if (json_string(arena, client_options(text, "username")).len == 0) {
        error_set(error, HAPPN_E_ARGUMENT, "a login by privateKey needs the option username, too");
        return false;
    }
    buf_init(&key, NULL, 1 << 16);
    bool is_read = signing_public_key(login_private_key(arena, text), &key);
    buf_fini(&key);
    return is_read || complain(error, "privateKey", "32 bytes of a secp256k1 key in base64, or an RSA key in PEM without a password");
}

static bool read_all(struct arena *arena, struct str text, struct json_member *members, struct connect_options *out, happn_error *error)
{
    if (!check_types(text, members, error)) {
        return false;
    }
    if (str_is_set(members[O_CA].value) && !copy(out->link.ca, sizeof out->link.ca, json_string(arena, members[O_CA].value))) {
        return complain(error, "ca", "the name of a file, of less than 512 characters");
    }
    out->link.is_insecure = json_true(members[O_INSECURE].value);
    return read_place(arena, members, &out->link.place, error) && read_numbers(members, out, error) && read_pool(arena, members, out, error) &&
           check_login(arena, text, error);
}

happn_status connect_read(struct str text, const struct allocator *allocator, struct connect_options *out, happn_error *error)
{
    struct json_member members[OPTIONS];
    *out = (struct connect_options){.allocator = allocator, .link = {.place = {.host = "127.0.0.1", .port = DEFAULT_PORT, .path = "/primus"}}};
    for (int i = 0; i < OPTIONS; i++) {
        members[i] = (struct json_member){str_of(known[i].name), STR_NONE};
    }
    happn_status status = utf8_is_valid(text) ? json_scan(text, members, OPTIONS, NULL) : HAPPN_E_JSON;
    if (status != HAPPN_OK) {
        return error_set(error, status, "the options must be a JSON object in UTF-8");
    }
    if (json_type_of(text) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_ARGUMENT, "the options must be a JSON object");
    }
    struct arena arena;
    arena_init(&arena, allocator);
    happn_error own = {.status = HAPPN_OK};
    bool valid = read_all(&arena, text, members, out, &own);
    arena_fini(&arena);
    if (!valid) {
        connect_fini(out);
        return error_set(error, own.status, "%s", own.message);
    }
    return HAPPN_OK;
}

void connect_fini(struct connect_options *options)
{
    memory_free(options->allocator, options->pool);
    options->pool = NULL;
    options->pool_count = 0;
}

happn_status happn_client_check_options(const char *options, size_t len, happn_error *error)
{
    struct connect_options read;
    happn_status status = connect_read(options != NULL ? str_make(options, len) : STR_LIT("{}"), NULL, &read, error);
    if (status == HAPPN_OK) {
        connect_fini(&read);
    }
    return status;
}
