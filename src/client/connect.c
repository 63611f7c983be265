#include "client/connect.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "client/client.h"
#include "json/scan.h"

enum { DEFAULT_PORT = 55000, DEFAULT_HEARTBEAT_MS = 25000, DEFAULT_PONG_MS = 10000, MAX_MS = 1 << 30,
       DEFAULT_RECONNECT_MIN_MS = 500, DEFAULT_RECONNECT_MAX_MS = 180000 };

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

static bool take_scheme(struct str *rest, struct link_options *out)
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
static bool read_url(struct str url, struct link_options *out)
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

enum {
    O_HOST, O_PORT, O_URL, O_CA, O_INSECURE, O_TIMEOUT, O_CONNECT_TIMEOUT, O_HEARTBEAT, O_PONG_TIMEOUT, O_MAX_MESSAGE,
    O_USERNAME, O_PASSWORD, O_TOKEN, O_INFO, O_SECURE, O_RECONNECT, O_RECONNECT_MIN, O_RECONNECT_MAX, O_RECONNECT_ATTEMPTS, OPTIONS
};

static const char *const names[OPTIONS] = {"host", "port", "url", "ca", "insecure", "timeout", "connectTimeout", "heartbeat",
                                           "pongTimeout", "maxMessage", "username", "password", "token", "info", "secure",
                                           "reconnect", "reconnectMin", "reconnectMax", "reconnectAttempts"};

static bool read_texts(struct arena *arena, const struct json_member *members, struct link_options *out)
{
    if (str_is_set(members[O_HOST].value) &&
        !copy(out->host, sizeof out->host, json_string(arena, members[O_HOST].value))) {
        return false;
    }
    if (str_is_set(members[O_CA].value) && !copy(out->ca, sizeof out->ca, json_string(arena, members[O_CA].value))) {
        return false;
    }
    out->is_secure = json_true(members[O_SECURE].value);
    struct str url = json_string(arena, members[O_URL].value);
    return !str_is_set(members[O_URL].value) || (str_is_set(url) && read_url(url, out));
}

/* A whole number from least to most; unchanged when it is not given. */
static bool read_number(struct str value, int64_t least, int64_t most, int64_t *out)
{
    int64_t number = json_int(value, *out);
    if (str_is_set(value) && (json_type_of(value) != JSON_NUMBER || number < least || number > most)) {
        return false;
    }
    *out = number;
    return true;
}

static bool read_numbers(const struct json_member *members, struct connect_options *out)
{
    int64_t port = out->link.port, timeout = CLIENT_TIMEOUT_MS, connect = CLIENT_TIMEOUT_MS, heartbeat = DEFAULT_HEARTBEAT_MS,
            pong = DEFAULT_PONG_MS, message = CLIENT_MAX_MESSAGE;
    if (!read_number(members[O_PORT].value, 1, 65535, &port) || !read_number(members[O_TIMEOUT].value, 1, MAX_MS, &timeout) ||
        !read_number(members[O_CONNECT_TIMEOUT].value, 1, MAX_MS, &connect) ||
        !read_number(members[O_HEARTBEAT].value, 1, MAX_MS, &heartbeat) ||
        !read_number(members[O_PONG_TIMEOUT].value, 1, MAX_MS, &pong) ||
        !read_number(members[O_MAX_MESSAGE].value, 1024, 1 << 30, &message)) {
        return false;
    }
    out->link.port = (int)port;
    out->link.heartbeat_ms = (int)heartbeat;
    out->link.pong_ms = (int)pong;
    out->link.max_message = (size_t)message;
    out->timeout_ms = (uint64_t)timeout;
    out->connect_ms = (uint64_t)connect;
    return true;
}

static bool read_reconnect(const struct json_member *members, struct connect_options *out)
{
    int64_t least = DEFAULT_RECONNECT_MIN_MS, most = DEFAULT_RECONNECT_MAX_MS;
    struct str wanted = members[O_RECONNECT].value;
    if (!read_number(members[O_RECONNECT_MIN].value, 1, MAX_MS, &least) || !read_number(members[O_RECONNECT_MAX].value, 1, MAX_MS, &most) ||
        !read_number(members[O_RECONNECT_ATTEMPTS].value, 0, MAX_MS, &out->reconnect_attempts) ||
        (str_is_set(wanted) && json_type_of(wanted) != JSON_BOOL)) {
        return false;
    }
    out->reconnect = json_true(wanted);
    out->reconnect_min_ms = (uint64_t)least;
    out->reconnect_max_ms = (uint64_t)most;
    return true;
}

static bool only_known(struct str text)
{
    struct json_iter it = json_iter(text);
    while (json_next(&it)) {
        size_t i = 0;
        while (i < OPTIONS && !json_text_is(it.key, str_of(names[i]))) {
            i++;
        }
        if (i == OPTIONS) {
            return false;
        }
    }
    return true;
}

happn_status connect_read(struct str text, const struct allocator *allocator, struct connect_options *out)
{
    struct json_member members[OPTIONS];
    for (int i = 0; i < OPTIONS; i++) {
        members[i] = (struct json_member){str_of(names[i]), STR_NONE};
    }
    if (!utf8_is_valid(text)) {
        return HAPPN_E_JSON;
    }
    happn_status status = json_scan(text, members, OPTIONS, NULL);
    if (status != HAPPN_OK) {
        return status;
    }
    if (json_type_of(text) != JSON_OBJECT || !only_known(text)) {
        return HAPPN_E_ARGUMENT;
    }
    *out = (struct connect_options){.link = {.host = "127.0.0.1", .port = DEFAULT_PORT, .path = "/primus"}};
    struct arena arena;
    arena_init(&arena, allocator);
    out->link.is_insecure = json_true(members[O_INSECURE].value);
    bool valid = read_texts(&arena, members, &out->link) && read_numbers(members, out) && read_reconnect(members, out);
    arena_fini(&arena);
    return valid ? HAPPN_OK : HAPPN_E_ARGUMENT;
}
