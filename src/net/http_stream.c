/* Answers in parts: what is written goes into the connection's buffer and leaves when the socket takes it. Who writes waits when more than a
 * little lies there, so a slow reader costs no memory. Parts are chunks of HTTP/1.1; to older clients the end of the connection is the end. */

#include <stdio.h>

#include "net/http_request.h"

enum { MOST_WAITING = 65536 };

static bool is_old(const happn_http *http)
{
    char version[16];
    int len = lws_hdr_copy(http->wsi, version, sizeof version, WSI_TOKEN_HTTP);
    return len > 0 && strcmp(version, "HTTP/1.0") == 0;
}

happn_status happn_http_begin(happn_http *http, int status, const char *content_type)
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
    http->is_answered = http->is_streaming = true;
    http->is_bodiless = !http_has_body(http, status);
    http->is_chunked = http->local == NULL && !is_old(http);
    http->close_after = http->close_after || (!http->is_chunked && http->local == NULL);
    http_compose_head(http, status, content_type, http->is_chunked ? "Transfer-Encoding: chunked\r\n" : "");
    if (http->wsi != NULL) {
        lws_callback_on_writable(http->wsi);
    }
    return http->answer.status;
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

happn_status happn_http_write(happn_http *http, const void *bytes, size_t len)
{
    if (!http->is_streaming || http->is_ended) {
        return HAPPN_E_ARGUMENT;
    }
    if (http->wsi == NULL && http->local == NULL) {
        return HAPPN_E_CLOSED;
    }
    add_part(http, str_make(bytes, len));
    if (http->answer.status != HAPPN_OK) {
        return http->answer.status;
    }
    if (http->local != NULL) {
        return HAPPN_OK;
    }
    lws_callback_on_writable(http->wsi);
    return http->answer.len - LWS_PRE > MOST_WAITING ? HAPPN_PENDING : HAPPN_OK;
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
    size_t len = http->answer.len > LWS_PRE ? http->answer.len - LWS_PRE : 0;
    if (http->answer.status != HAPPN_OK) {
        return -1;
    }
    if (len != 0) {
        bool is_last = http->is_ended;
        int written = lws_write(http->wsi, (unsigned char *)http->answer.ptr + LWS_PRE, len, is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP);
        http->answer.len = LWS_PRE;
        if (written < (int)len) {
            return -1;
        }
    }
    if (http->is_ended) {
        return finish(http);
    }
    if (lws_partial_buffered(http->wsi)) {
        lws_callback_on_writable(http->wsi);
    } else if (http->progress != NULL && len != 0) {
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
