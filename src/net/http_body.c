/* How bodies arrive. One that is not wanted, for who sends it or where to, is refused before it is read when it is long or its sender asks
 * beforehand (Expect: 100-continue). One that does not come in time ends with 408.
 *
 * After a refusal what still comes is thrown away for a while: a connection that is closed with unread bytes takes its answer with it. */

#include <strings.h>
#include <sys/socket.h>

#include "net/chunked.h"
#include "net/http_request.h"

enum { SHORT = 65536, GOODBYE_MS = 5000, SECOND = 1000 };

static int64_t now_of(const struct listener *listener)
{
    return (int64_t)uv_now(&listener->core->loop->uv);
}

void http_body_begin(happn_http *http)
{
    struct listener *listener = http->listener;
    http->is_reading = true;
    http->began = http->heard = now_of(listener);
    http->next_reading = listener->reading;
    if (listener->reading != NULL) {
        listener->reading->previous_reading = http;
    }
    listener->reading = http;
}

void http_body_end(happn_http *http)
{
    if (!http->is_reading) {
        return;
    }
    http->is_reading = false;
    if (http->previous_reading != NULL) {
        http->previous_reading->next_reading = http->next_reading;
    } else {
        http->listener->reading = http->next_reading;
    }
    if (http->next_reading != NULL) {
        http->next_reading->previous_reading = http->previous_reading;
    }
    http->previous_reading = http->next_reading = NULL;
}

static bool asks_beforehand(const happn_http *http)
{
    struct str expectation = http_header(http, "expect");
    return expectation.len == 12 && strncasecmp(expectation.ptr, "100-continue", 12) == 0 && !http_is_old(http);
}

static int say_go_on(happn_http *http)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    unsigned char out[LWS_PRE + sizeof text];
    int len = (int)sizeof text - 1;
    memcpy(out + LWS_PRE, text, sizeof text);
    return lws_write(http->wsi, out + LWS_PRE, (size_t)len, LWS_WRITE_HTTP) < len ? -1 : 0;
}

int http_body_await(happn_http *http, size_t expected)
{
    bool asks = asks_beforehand(http);
    if (http->lacks_memory) {
        return -1;
    }
    if (asks || expected > SHORT) {
        http->close_after = true; /* in case it is refused */
        if (!http_wants_body(http)) {
            return http_route(http);
        }
        http->close_after = false;
    }
    lws_set_timeout(http->wsi, NO_PENDING_TIMEOUT, 0); /* http_sweep knows how long */
    return asks ? say_go_on(http) : 0;
}

/* What libwebsockets wants to know: 0, more is to come; or how much of the part lies behind the body, and 1. */
static int add_chunks(happn_http *http, struct str part)
{
    struct str bytes;
    enum chunked_found found;
    while ((found = chunked_take(http->chunks, &part, &bytes)) == CHUNKED_PART) {
        buf_add_str(&http->body, bytes);
    }
    if (http->body.status == HAPPN_E_LIMIT) {
        return http_refuse(http, 413, "the body is too large\n");
    }
    if (found == CHUNKED_BROKEN) {
        return http_refuse(http, 400, "the body's chunks are not in order\n");
    }
    return http->body.status != HAPPN_OK ? -1 : found == CHUNKED_END ? (int)part.len + 1 : 0;
}

int http_body(struct connection *connection, struct str part)
{
    happn_http *http = connection->http;
    if (http == NULL || http->is_routed || http->is_answered) {
        return 0;
    }
    http->heard = now_of(http->listener);
    if (http->chunks != NULL) {
        return add_chunks(http, part);
    }
    buf_add_str(&http->body, part);
    return http->body.status == HAPPN_OK ? 0 : -1;
}

int http_body_complete(struct connection *connection)
{
    happn_http *http = connection->http;
    if (http == NULL) {
        return 0;
    }
    bool is_leaving = http->is_leaving;
    http_body_end(http);
    if (is_leaving) {
        return -1;
    }
    return http->is_routed || http->is_answered ? 0 : http_route(http);
}

int http_leave(happn_http *http)
{
    struct lws *wsi = http->wsi;
    if (!http->is_reading) {
        http_free(http);
        return -1;
    }
    http->is_leaving = true;
    http->heard = now_of(http->listener);
    buf_fini(&http->answer);
    buf_fini(&http->body);
    if (lws_partial_buffered(wsi)) {
        return 0;
    }
    if (lws_is_ssl(wsi)) {
        SSL_shutdown(lws_get_ssl(wsi));
    } else {
        shutdown(lws_get_socket_fd(wsi), SHUT_WR);
    }
    return 0;
}

static void expire(happn_http *http, int64_t now)
{
    static const char text[] = "the body did not come in time\n";
    http->heard = now;
    http->close_after = true;
    happn_http_respond(http, 408, "text/plain", text, sizeof text - 1);
}

static void look_at(happn_http *http, int64_t now)
{
    const struct listener_options *options = &http->listener->options;
    int64_t silence = now - http->heard;
    bool is_late = silence >= (int64_t)options->handshake_seconds * SECOND || now - http->began >= (int64_t)options->body_seconds * SECOND;
    if (http->is_leaving || (http->is_answered && !http->is_routed)) {
        if (silence >= GOODBYE_MS) {
            lws_set_timeout(http->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
        }
    } else if (is_late && !http->is_routed) {
        expire(http, now);
    }
}

void http_sweep(struct listener *listener, int64_t now)
{
    for (happn_http *http = listener->reading, *next; http != NULL; http = next) {
        next = http->next_reading;
        look_at(http, now);
    }
}
