#include "net/cors.h"

#include <stdio.h>

static bool is_listed(const struct cors_options *cors, struct str origin)
{
    for (size_t i = 0; i < cors->origin_count; i++) {
        if (str_is(cors->origins[i], "*") || str_equal(cors->origins[i], origin)) {
            return true;
        }
    }
    return false;
}

bool cors_trusts(const happn_http *http, struct str origin)
{
    const struct cors_options *cors = &http_listener(http)->options.cors;
    return cors->allows_credentials && is_listed(cors, origin);
}

static bool add_header(happn_http *http, const char *name, struct str value)
{
    char *text = arena_alloc(http_arena(http), value.len + 1);
    if (text == NULL) {
        return false;
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    return happn_http_add_header(http, name, text) == HAPPN_OK;
}

static void add_list(happn_http *http, const char *name, const struct str *items, size_t count)
{
    struct buf text;
    buf_init(&text, http_core(http)->allocator, 1 << 14);
    for (size_t i = 0; i < count; i++) {
        buf_add_text(&text, i != 0 ? ", " : "");
        buf_add_str(&text, items[i]);
    }
    if (text.status == HAPPN_OK) {
        (void)add_header(http, name, buf_str(&text));
    }
    buf_fini(&text);
}

static void answer_beforehand(happn_http *http, const struct cors_options *cors)
{
    char age[24];
    snprintf(age, sizeof age, "%lld", (long long)cors->max_age);
    add_list(http, "Access-Control-Allow-Methods", cors->methods, cors->method_count);
    struct str asked = http_header(http, "access-control-request-headers");
    if (cors->header_count != 0) {
        add_list(http, "Access-Control-Allow-Headers", cors->headers, cors->header_count);
    } else if (asked.len != 0) {
        (void)add_header(http, "Access-Control-Allow-Headers", asked);
    }
    (void)!happn_http_add_header(http, "Access-Control-Max-Age", age);
    happn_http_respond(http, 204, NULL, NULL, 0);
}

bool cors_route(happn_http *http)
{
    const struct cors_options *cors = &http_listener(http)->options.cors;
    struct str origin = cors->origin_count != 0 ? http_header(http, "origin") : STR_NONE;
    if (origin.len == 0) {
        return false;
    }
    (void)!happn_http_add_header(http, "Vary", "Origin");
    if (!is_listed(cors, origin) || !add_header(http, "Access-Control-Allow-Origin", origin)) {
        return false;
    }
    if (cors->allows_credentials) {
        (void)!happn_http_add_header(http, "Access-Control-Allow-Credentials", "true");
    }
    bool is_question = strcmp(happn_http_method(http), "OPTIONS") == 0 && http_header(http, "access-control-request-method").len != 0;
    if (is_question) {
        answer_beforehand(http, cors);
    }
    return is_question;
}
