#include "net/secured.h"

#include <stdio.h>

#include "base/form.h"
#include "core/gate.h"
#include "net/cors.h"
#include "paths/wildcard.h"
#include "security/header.h"

struct str secured_cookie_name(const struct core *core)
{
    return str_is_set(core->cookie_name) ? core->cookie_name : STR_LIT("happn_token");
}

struct str secured_token(happn_http *http, bool *from_cookie)
{
    const struct listener *listener = http_listener(http);
    struct str token = cookie_read(http_header(http, "cookie"), secured_cookie_name(listener->core));
    *from_cookie = token.len != 0;
    if (token.len == 0 && listener->options.query_tokens) {
        token = form_find(http_arena(http), http_query(http), STR_LIT("happn_token"));
    }
    return token.len != 0 ? token : bearer_read(http_header(http, "authorization"));
}

void secured_refuse(happn_http *http, int status, const char *text)
{
    const struct listener *listener = http_listener(http);
    status = listener->core->compat == 13 ? status : 403; /* older ones do not ask for a login */
    struct str page = status == 401 ? listener->options.unauthorized_page : listener->options.forbidden_page;
    http_set_reason(http, "unauthorized access");
    if (status == 401 && happn_http_add_header(http, "WWW-Authenticate", "happn-auth") != HAPPN_OK) {
        status = 500;
    }
    if (str_is_set(page)) {
        happn_http_respond(http, status, "text/html; charset=utf-8", page.ptr, page.len);
    } else {
        happn_http_respond(http, status, "text/plain", text, strlen(text));
    }
}

static bool is_excluded(const struct listener *listener, struct str path)
{
    for (size_t i = 0; i < listener->options.exclusion_count; i++) {
        if (wildcard_matches(WILDCARD_STRING, listener->options.exclusions[i], path, 0)) {
            return true;
        }
    }
    return false;
}

static bool is_own_origin(happn_http *http, struct str origin)
{
    const char *at = memmem(origin.ptr, origin.len, "://", 3);
    return at != NULL && str_equal(str_skip(origin, (size_t)(at - origin.ptr) + 3), http_header(http, "host"));
}

/* Browsers say by Sec-Fetch-Site what the page and we are to each other, older ones where the page is from; no page can say something else. */
bool secured_is_foreign(happn_http *http)
{
    struct str site = http_header(http, "sec-fetch-site"), origin = http_header(http, "origin");
    if (http_lacks_memory(http)) {
        return true;
    }
    if (origin.len != 0 && cors_trusts(http, origin)) {
        return false;
    }
    if (str_is(site, "same-origin") || str_is(site, "none")) {
        return false;
    }
    return str_is(site, "cross-site") || (origin.len != 0 && !is_own_origin(http, origin));
}

/* A page of somebody else may make a browser send the cookie: what changes something must come from a page of our own. */
static bool is_forged(happn_http *http)
{
    const char *method = happn_http_method(http);
    bool is_safe = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
    return !is_safe && secured_is_foreign(http);
}

/* On a public route somebody without permission is still who he is; somebody whose token has ended is nobody. */
static void forget_ended(struct identity **identity, enum gate_answer answer)
{
    if (answer == GATE_UNAUTHORIZED) {
        identity_unref(*identity);
        *identity = NULL;
    }
}

bool secured_pass(happn_http *http, struct str path)
{
    struct listener *listener = http_listener(http);
    struct core *core = listener->core;
    if (core->security == NULL || is_excluded(listener, path)) {
        return true;
    }
    char message[256];
    bool from_cookie;
    struct str token = secured_token(http, &from_cookie);
    if (from_cookie && is_forged(http)) {
        secured_refuse(http, 403, "this request comes from a page of another site");
        return false;
    }
    struct http_caller caller = {token, str_of(happn_http_address(http))};
    struct identity **identity = http_identity_slot(http);
    enum gate_answer answer = gate_http(core, http_arena(http), &caller, happn_http_method(http), path, identity, message);
    if (answer == GATE_OPEN) {
        return true;
    }
    if (core->script_is_public != NULL && core->script_is_public(core->scripts, http)) {
        forget_ended(identity, answer);
        return true;
    }
    secured_refuse(http, answer == GATE_UNAUTHORIZED ? 401 : 403, message);
    return false;
}
