/* One HTTP request: routed, answered in one write, at once or later. */

#include <stdio.h>
#include <strings.h>

#include "net/cors.h"
#include "net/http_request.h"
#include "net/local.h"
#include "net/secured.h"
#include "net/static.h"
#include "security/header.h"
#include "security/http_path.h"
#include "security/identity.h"

enum { HEADERS_BYTES = 16384 };

happn_http *http_new(struct listener *listener, struct str path)
{
    const struct allocator *allocator = listener->core->allocator;
    happn_http *http = memory_zalloc(allocator, sizeof *http);
    if (http == NULL) {
        return NULL;
    }
    http->core = listener->core;
    http->listener = listener;
    arena_init(&http->arena, allocator);
    buf_init(&http->body, allocator, listener->options.body_bytes);
    buf_init(&http->headers, allocator, HEADERS_BYTES);
    buf_init(&http->answer, allocator, SIZE_MAX / 2);
    http->path = arena_str(&http->arena, path);
    return http;
}

void http_free(happn_http *http)
{
    if (http->connection != NULL) {
        http->connection->http = NULL;
    }
    const struct allocator *allocator = http->core->allocator;
    http_body_end(http);
    http->core->answers_due -= http->is_routed;
    identity_unref(http->identity);
    buf_fini(&http->body);
    buf_fini(&http->headers);
    buf_fini(&http->answer);
    arena_fini(&http->arena);
    memory_free(allocator, http);
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},           {201, "Created"},          {202, "Accepted"},          {204, "No Content"},
        {206, "Partial Content"}, {416, "Range Not Satisfiable"},
        {301, "Moved Permanently"}, {302, "Found"},       {303, "See Other"},         {304, "Not Modified"},
        {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"}, {401, "Unauthorized"},
        {403, "Forbidden"},    {404, "Not Found"},        {405, "Method Not Allowed"}, {408, "Request Timeout"}, {409, "Conflict"},
        {410, "Gone"},         {411, "Length Required"},  {413, "Payload Too Large"}, {415, "Unsupported Media Type"},
        {422, "Unprocessable Entity"}, {426, "Upgrade Required"}, {429, "Too Many Requests"},
        {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "Status";
}

static bool may_have_body(int status)
{
    return status != 204 && status != 304;
}

bool http_is_status(int status)
{
    return status >= 200 && status <= 599;
}

bool http_has_body(const happn_http *http, int status)
{
    return may_have_body(status) && strcmp(http->method, "HEAD") != 0;
}

static void add_length(struct buf *out, int64_t length)
{
    if (length == HTTP_IN_CHUNKS) {
        buf_add_lit(out, "Transfer-Encoding: chunked\r\n");
    } else if (length != HTTP_TO_THE_END) {
        buf_add_lit(out, "Content-Length: ");
        buf_add_i64(out, length);
        buf_add_lit(out, "\r\n");
    }
}

void http_compose_head(happn_http *http, int status, const char *type, int64_t length)
{
    struct buf *out = &http->answer;
    out->len = buf_reserve(out, LWS_PRE) ? LWS_PRE : 0;
    buf_add_lit(out, "HTTP/1.1 "); /* printf would be a tenth of a short answer */
    buf_add_i64(out, status);
    buf_add_char(out, ' ');
    buf_add_text(out, http->reason != NULL ? http->reason : reason_of(status));
    buf_add_lit(out, "\r\n");
    if (may_have_body(status)) {
        buf_add_lit(out, "Content-Type: ");
        buf_add_text(out, type != NULL ? type : "application/json");
        buf_add_lit(out, "\r\n");
        add_length(out, length);
    }
    if (http_is_encrypted(http)) { /* a browser that came once does not try without TLS again */
        buf_add_lit(out, "Strict-Transport-Security: max-age=15552000; includeSubDomains\r\n");
    }
    if (http->close_after) {
        buf_add_lit(out, "Connection: close\r\n");
    }
    buf_add_str(out, buf_str(&http->headers));
    buf_add_lit(out, "\r\n");
}

static void compose(happn_http *http, int status, const char *type, const void *body, size_t len)
{
    static const char no_room[] = "the answer's headers found no room\n";
    if (http->headers.status != HAPPN_OK) { /* none at all is better than some: they may be about security */
        buf_clear(&http->headers);
        status = 500;
        type = "text/plain";
        body = no_room;
        len = sizeof no_room - 1;
    }
    buf_reserve(&http->answer, LWS_PRE + 256 + http->headers.len + len);
    http_compose_head(http, status, type, (int64_t)len);
    if (http_has_body(http, status)) {
        buf_add(&http->answer, body, len);
    }
}

int http_give_locally(happn_http *http)
{
    const struct local_request *local = http->local;
    struct buf answer = http->answer;
    buf_init(&http->answer, answer.allocator, answer.max);
    http_free(http);
    local->answered(local->arg, answer.status == HAPPN_OK ? str_make(answer.ptr + LWS_PRE, answer.len - LWS_PRE) : STR_NONE);
    buf_fini(&answer);
    return 0;
}

/* Writes the answer, or the next part of a long one, and ends the transaction; what it returns, the callback of lws returns. */
static int send_answer(happn_http *http)
{
    struct lws *wsi = http->wsi;
    if (http->local != NULL) {
        return http_give_locally(http);
    }
    enum http_written written = http->answer.status == HAPPN_OK ? http_write_part(http, true) : HTTP_BROKEN;
    if (written == HTTP_WAITING) {
        return 0;
    }
    if (written == HTTP_WRITTEN && http->close_after) {
        return http_leave(http);
    }
    http_free(http);
    if (written == HTTP_BROKEN) {
        return -1;
    }
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static void not_found(happn_http *http)
{
    char text[512];
    int len = snprintf(text, sizeof text, "Cannot %s %.*s\n", http->method,
                       (int)(http->path.len > 400 ? 400 : http->path.len), http->path.ptr);
    for (int i = 0; i < len; i++) { /* what comes back as a page must not be one */
        text[i] = text[i] == '<' || text[i] == '>' || text[i] == '&' || text[i] == '"' ? '_' : text[i];
    }
    (void)!happn_http_add_header(http, "X-Content-Type-Options", "nosniff");
    happn_http_respond(http, 404, "text/html; charset=utf-8", text, (size_t)len);
}

/* The first who knows the path. What has been checked before the body came is not asked again: a token may have a limited number of uses. */
static void find_answer(happn_http *http)
{
    struct str path = http->path;
    bool is_new = !http->is_checked;
    if (is_new && cors_route(http)) {
        return;
    }
    if (!builtin_route(http, path) && !auth_route(http, path) && !admin_route(http, path) && (!is_new || secured_pass(http, path)) &&
        !core_route(http->core, http, http->method, path) && !static_route(http, path)) {
        not_found(http);
    }
}

static bool has_reader(happn_http *http)
{
    struct str path = http->path;
    if (cors_route(http) || builtin_has(path)) {
        return false;
    }
    if (auth_has(http, path)) {
        return true;
    }
    if (admin_has(http, path)) {
        return admin_admits(http);
    }
    return secured_pass(http, path) && core_has_route(http->core, http, http->method, path);
}

bool http_wants_body(happn_http *http)
{
    http->is_checked = http->is_routing = true;
    bool is_wanted = has_reader(http);
    http->is_routing = false;
    return is_wanted;
}

int http_route(happn_http *http)
{
    http->is_routing = http->is_routed = true;
    http->core->answers_due++;
    if (http->wsi != NULL) {
        lws_set_timeout(http->wsi, NO_PENDING_TIMEOUT, 0); /* how long an answer takes is the route's affair */
    }
    if (!http->is_answered) {
        find_answer(http);
    }
    http->is_routing = false;
    return http->is_answered && !http->is_streaming ? send_answer(http) : 0;
}

int http_refuse(happn_http *http, int status, const char *text)
{
    http->is_routing = true;
    http->close_after = true;
    happn_http_respond(http, status, "text/plain", text, strlen(text));
    return send_answer(http);
}

int http_writeable(struct connection *connection)
{
    happn_http *http = connection->http;
    if (http != NULL && http->is_streaming) {
        return http_stream_writeable(http);
    }
    return http != NULL && http->is_answered && !http->is_leaving ? send_answer(http) : 0;
}

void http_gone(struct connection *connection)
{
    happn_http *http = connection->http;
    if (http == NULL) {
        return;
    }
    http_body_end(http);
    connection->http = NULL;
    http->connection = NULL;
    http->listener = NULL;
    http->wsi = NULL;
    if (http->is_streaming) {
        http_stream_gone(http);
    } else if (http->is_answered || !http->is_routed) {
        http_free(http);
    }
}

struct listener *http_listener(const happn_http *http)
{
    return http->listener;
}

struct core *http_core(const happn_http *http)
{
    return http->core;
}

struct str http_query(const happn_http *http)
{
    return http->query;
}

struct str http_sent_body(const happn_http *http)
{
    return http->body.len != 0 ? buf_str(&http->body) : STR_NONE;
}

struct arena *http_arena(happn_http *http)
{
    return &http->arena;
}

struct identity **http_identity_slot(happn_http *http)
{
    return &http->identity;
}

struct identity *core_http_identity(const happn_http *http)
{
    return http->identity;
}

bool http_is_encrypted(const happn_http *http)
{
    return http->is_encrypted;
}

bool http_lacks_memory(const happn_http *http)
{
    return http->lacks_memory;
}

bool http_is_checked(const happn_http *http)
{
    return http->is_checked;
}

void http_begin_work(happn_http *http)
{
    http->core->request_count++;
}

void http_end_work(happn_http *http)
{
    http->core->request_count--;
}

void http_set_reason(happn_http *http, const char *reason)
{
    http->reason = reason;
}

const char *happn_http_method(const happn_http *http)
{
    return http->method;
}

static const char *give(struct str text, size_t *len)
{
    if (len != NULL) {
        *len = text.len;
    }
    return text.ptr;
}

const char *happn_http_path(const happn_http *http, size_t *len)
{
    return give(http->path, len);
}

const char *happn_http_query(const happn_http *http, size_t *len)
{
    return give(http->query, len);
}

const char *happn_http_body(const happn_http *http, size_t *len)
{
    return give(http_sent_body(http), len);
}

const char *happn_http_address(const happn_http *http)
{
    return http->address;
}

const char *happn_http_header(const happn_http *http, const char *name, size_t *len)
{
    return give(http_header(http, name), len);
}

/* How long an answer is, is ours to say: two headers about it would be read differently by different clients. */
static bool is_framing(const char *name)
{
    return strcasecmp(name, "content-length") == 0 || strcasecmp(name, "transfer-encoding") == 0;
}

happn_status happn_http_add_header(happn_http *http, const char *name, const char *value)
{
    if (!header_is_name(str_of(name)) || is_framing(name) || strpbrk(value, "\r\n") != NULL) {
        return HAPPN_E_ARGUMENT;
    }
    buf_add_format(&http->headers, "%s: %s\r\n", name, value);
    return http->headers.status;
}

void happn_http_respond(happn_http *http, int status, const char *content_type, const void *body, size_t len)
{
    if (http->is_answered) {
        return;
    }
    http->is_answered = true;
    if (http->wsi == NULL && http->local == NULL) {
        http_free(http);
        return;
    }
    status = http_is_status(status) ? status : 500;
    if (content_type != NULL && strpbrk(content_type, "\r\n") != NULL) {
        content_type = "application/octet-stream";
    }
    compose(http, status, content_type, body, len);
    if (!http->is_routing && http->local != NULL) {
        http_give_locally(http);
    } else if (!http->is_routing) {
        lws_callback_on_writable(http->wsi);
    }
}

/* -- from within the process -- */

happn_status local_open(struct core *core, const struct listener_options *options, struct listener **out)
{
    struct listener *listener = memory_zalloc(core->allocator, sizeof *listener);
    if (listener == NULL) {
        return HAPPN_E_MEMORY;
    }
    listener->core = core;
    listener->options = *options;
    *out = listener;
    return HAPPN_OK;
}

happn_status local_send(struct listener *listener, const struct local_request *request)
{
    happn_error error;
    if (http_path_check(request->path, &error) != HAPPN_OK) {
        return HAPPN_E_PATH;
    }
    happn_http *http = http_new(listener, request->path);
    if (http == NULL) {
        return HAPPN_E_MEMORY;
    }
    http->local = request;
    http->method = request->method;
    http->query = str_is_set(request->query) ? arena_str(&http->arena, request->query) : STR_NONE;
    strcpy(http->address, "127.0.0.1");
    buf_add_str(&http->body, request->body);
    happn_status status = http->path.ptr == NULL ? HAPPN_E_MEMORY : http->body.status;
    if (status != HAPPN_OK) {
        http_free(http);
        return status;
    }
    http_route(http);
    return HAPPN_OK;
}
