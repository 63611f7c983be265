/* The administrators' interface: POST /_admin/<verb> with the arguments as a JSON object; GET /_admin lists the verbs. The token comes in the
 * Authorization header only, which no page of somebody else can make a browser send. */

#include <stdio.h>

#include "base/utf8.h"
#include "core/gate.h"
#include "json/scan.h"
#include "json/write.h"
#include "net/secured.h"
#include "security/administration.h"
#include "security/header.h"

static void answer_error(happn_http *http, int status, const happn_error *error)
{
    struct buf text;
    buf_init(&text, http_core(http)->allocator, 1 << 16);
    buf_add_lit(&text, "{\"error\":{\"name\":");
    json_add_string(&text, str_of(error->name[0] != '\0' ? error->name : happn_status_name(error->status)));
    buf_add_lit(&text, ",\"message\":");
    json_add_string(&text, str_of(error->message));
    buf_add_lit(&text, "}}");
    happn_http_respond(http, status, NULL, buf_str(&text).ptr, text.len);
    buf_fini(&text);
}

static int status_of(happn_status status)
{
    switch (status) {
    case HAPPN_E_ARGUMENT:
    case HAPPN_E_LIMIT:
        return 400;
    case HAPPN_E_DENIED:
        return 403;
    case HAPPN_E_NOT_FOUND:
    case HAPPN_E_UNSUPPORTED:
        return 404;
    case HAPPN_E_CONFLICT:
        return 409;
    case HAPPN_E_BUSY:
        return 503;
    default:
        return 500;
    }
}

static void done(const happn_error *error, struct str result, void *arg)
{
    happn_http *http = arg;
    http_end_work(http);
    if (error != NULL) {
        answer_error(http, status_of(error->status), error);
        return;
    }
    happn_http_respond(http, 200, NULL, result.ptr, result.len);
}

static void list_verbs(happn_http *http)
{
    struct buf text;
    struct administration_verb verb;
    buf_init(&text, http_core(http)->allocator, 1 << 16);
    buf_add_char(&text, '[');
    for (size_t i = 0; administration_verb(i, &verb); i++) {
        buf_add_format(&text, "%s{\"verb\":\"%s\",\"takes\":", i != 0 ? "," : "", verb.name);
        json_add_string(&text, str_of(verb.takes));
        buf_add_lit(&text, ",\"does\":");
        json_add_string(&text, str_of(verb.does));
        buf_add_char(&text, '}');
    }
    buf_add_char(&text, ']');
    happn_http_respond(http, 200, NULL, buf_str(&text).ptr, text.len);
    buf_fini(&text);
}

/* True: an administrator asks. False: it has been answered. */
bool admin_admits(happn_http *http)
{
    char message[256];
    struct http_caller caller = {bearer_read(http_header(http, "authorization")), str_of(happn_http_address(http))};
    enum gate_answer answer = gate_admin(http_core(http), http_arena(http), &caller, message);
    if (answer != GATE_OPEN) {
        secured_refuse(http, answer == GATE_UNAUTHORIZED ? 401 : 403, message);
    }
    return answer == GATE_OPEN;
}

bool admin_has(happn_http *http, struct str path)
{
    return http_core(http)->security != NULL && (str_is(path, "/_admin") || str_starts(path, STR_LIT("/_admin/")));
}

bool admin_route(happn_http *http, struct str path)
{
    struct security *security = http_core(http)->security;
    if (!admin_has(http, path)) {
        return false;
    }
    if (!http_is_checked(http) && !admin_admits(http)) {
        return true;
    }
    bool is_list = str_is(path, "/_admin");
    struct str body = http_sent_body(http);
    bool is_post = strcmp(happn_http_method(http), "POST") == 0;
    if (is_list) {
        list_verbs(http);
    } else if (!is_post) {
        happn_error error = {.status = HAPPN_E_ARGUMENT, .message = "use POST, with the arguments as a JSON object"};
        answer_error(http, 405, &error);
    } else if (str_is_set(body) && (!utf8_is_valid(body) || json_check(body, NULL) != HAPPN_OK || json_type_of(body) != JSON_OBJECT)) {
        happn_error error = {.status = HAPPN_E_JSON, .message = "the body must be a JSON object in UTF-8"};
        answer_error(http, 400, &error);
    } else {
        http_begin_work(http);
        administration_call(security, str_skip(path, 8), body, done, http);
    }
    return true;
}
