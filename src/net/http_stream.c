/* How answers leave. A long one goes to libwebsockets a part at a time, each when the one before it is in the socket, and a client that takes
 * nothing for some time is cut off.
 *
 * Answers in parts: what is written goes into the connection's buffer and leaves when the socket takes it. Who writes waits when more than a
 * little lies there, so a slow reader costs no memory. Parts are chunks of HTTP/1.1; to older clients the end of the connection is the end. */

#include <stdio.h>

#include "net/http_request.h"

enum { MOST_WAITING = 65536, PART = 256 << 10, PATIENCE = 3 };

/* Nobody keeps an answer in our memory by not reading it. A slow line has three times as long for a part as for a request. */
static void watch_reader(happn_http *http, bool is_waiting)
{
    bool is_watched = is_waiting || lws_partial_buffered(http->wsi);
    lws_set_timeout(http->wsi, is_watched ? PENDING_TIMEOUT_HTTP_CONTENT : NO_PENDING_TIMEOUT,
                    is_watched ? PATIENCE * http->listener->options.handshake_seconds : 0);
}

enum http_written http_write_part(happn_http *http, bool is_end)
{
    http->sent = http->sent < LWS_PRE ? LWS_PRE : http->sent;
    size_t left = http->answer.len > http->sent ? http->answer.len - http->sent : 0;
    size_t len = left < PART ? left : PART;
    enum lws_write_protocol how = is_end && len == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
    if (len != 0 && lws_write(http->wsi, (unsigned char *)http->answer.ptr + http->sent, len, how) < (int)len) {
        return HTTP_BROKEN;
    }
    http->sent += len;
    bool is_waiting = len != left || (!is_end && lws_partial_buffered(http->wsi));
    watch_reader(http, is_waiting);
    if (is_waiting) {
        lws_callback_on_writable(http->wsi);
    }
    return is_waiting ? HTTP_WAITING : HTTP_WRITTEN;
}

bool http_is_old(const happn_http *http)
{
    char version[16];
    int len = lws_hdr_copy(http->wsi, version, sizeof version, WSI_TOKEN_HTTP);
    return len > 0 && strcmp(version, "HTTP/1.0") == 0;
}

static happn_status begin(happn_http *http, int status, const char *content_type, int64_t length)
{
    if (http->is_answered || !http_is_status(status)) {
        return HAPPN_E_ARGUMENT;
    }
    if (http->wsi == NULL && http->local == NULL) {
        return HAPPN_E_CLOSED;
    }
    if (content_type != NULL && strpbrk(content_type, "\r\n") != NULL) {
        return HAPPN_E_ARGUMENT;
    }
    if (http->headers.status != HAPPN_OK) {
        return http->headers.status;
    }
    http->is_bodiless = !http_has_body(http, status);
    http->is_chunked = length == HTTP_IN_CHUNKS;
    http->close_after = http->close_after || (length == HTTP_TO_THE_END && http->local == NULL);
    http_compose_head(http, status, content_type, length);
    if (http->answer.status != HAPPN_OK) { /* it has not begun: another answer may be tried */
        happn_status failed = http->answer.status;
        buf_clear(&http->answer);
        return failed;
    }
    http->is_answered = http->is_streaming = true;
    if (http->wsi != NULL) {
        lws_callback_on_writable(http->wsi);
    }
    return HAPPN_OK;
}

happn_status happn_http_begin(happn_http *http, int status, const char *content_type)
{
    bool is_chunked = http->wsi != NULL && !http_is_old(http);
    return begin(http, status, content_type, is_chunked ? HTTP_IN_CHUNKS : HTTP_TO_THE_END);
}

happn_status http_begin_sized(happn_http *http, int status, const char *type, uint64_t length)
{
    return begin(http, status, type, (int64_t)length);
}

char *http_part_room(happn_http *http, size_t len)
{
    return buf_reserve(&http->answer, len) ? http->answer.ptr + http->answer.len : NULL;
}

void http_part_take(happn_http *http, size_t len)
{
    http->answer.len += len;
    http->is_written = true;
    if (http->wsi != NULL) {
        lws_callback_on_writable(http->wsi);
    }
}

static void add_part(happn_http *http, struct str part)
{
    if (part.len == 0 || http->is_bodiless) {
        return;
    }
    if (http->is_chunked) {
        buf_add_format(&http->answer, "%zx\r\n", part.len);
    }
    buf_add_str(&http->answer, part);
    if (http->is_chunked) {
        buf_add_lit(&http->answer, "\r\n");
    }
}

static size_t waiting_bytes(const happn_http *http)
{
    return http->answer.len - (http->sent < LWS_PRE ? LWS_PRE : http->sent);
}

happn_status happn_http_write(happn_http *http, const void *bytes, size_t len)
{
    if (!http->is_streaming || http->is_ended) {
        return HAPPN_E_ARGUMENT;
    }
    if (http->wsi == NULL && http->local == NULL) {
        return HAPPN_E_CLOSED;
    }
    if (waiting_bytes(http) > http->listener->options.queue_bytes && http->local == NULL) {
        return HAPPN_E_LIMIT;
    }
    add_part(http, str_make(bytes, len));
    http->is_written = true;
    if (http->answer.status != HAPPN_OK) {
        return http->answer.status;
    }
    if (http->local != NULL) {
        return HAPPN_OK;
    }
    lws_callback_on_writable(http->wsi);
    return waiting_bytes(http) > MOST_WAITING ? HAPPN_PENDING : HAPPN_OK;
}

void happn_http_on_progress(happn_http *http, void (*progress)(happn_http *http, happn_status status, void *arg), void *arg)
{
    http->progress = progress;
    http->progress_arg = arg;
}

void happn_http_end(happn_http *http, int failed)
{
    http->progress = NULL;
    http->is_ended = true;
    http->is_failed = failed != 0;
    if (http->wsi == NULL && http->local == NULL) {
        http_free(http);
        return;
    }
    if (http->local != NULL) {
        if (!http->is_routing) {
            http_give_locally(http);
        } else {
            http->is_streaming = false; /* given when routing has ended */
        }
        return;
    }
    if (http->is_chunked && !http->is_bodiless && !http->is_failed) {
        buf_add_lit(&http->answer, "0\r\n\r\n");
    }
    lws_callback_on_writable(http->wsi);
}

/* All is out: the connection goes on with the next request, unless the answer broke off or nothing else says that it has ended. */
static int finish(happn_http *http)
{
    struct lws *wsi = http->wsi;
    bool closes = http->close_after || http->is_failed;
    http_free(http);
    return closes || lws_http_transaction_completed(wsi) ? -1 : 0;
}

int http_stream_writeable(happn_http *http)
{
    enum http_written written = http->answer.status == HAPPN_OK ? http_write_part(http, http->is_ended) : HTTP_BROKEN;
    if (written != HTTP_WRITTEN) {
        return written == HTTP_BROKEN ? -1 : 0;
    }
    if (http->is_ended) {
        return finish(http);
    }
    http->answer.len = http->sent = LWS_PRE;
    bool is_news = http->is_written;
    http->is_written = false;
    if (http->progress != NULL && is_news) {
        http->progress(http, HAPPN_OK, http->progress_arg);
    }
    return 0;
}

void http_stream_gone(happn_http *http)
{
    if (http->is_ended) {
        http_free(http);
    } else if (http->progress != NULL) {
        http->progress(http, HAPPN_E_CLOSED, http->progress_arg);
    }
}
