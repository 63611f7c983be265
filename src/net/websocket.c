/* Frames in, and the life of a connection by WebSocket; what goes out is in websocket_out.c.
 *
 * A message that arrives in one piece is handed on where it lies; one in parts is put together in a buffer that only exists meanwhile. When more waits to
 * be sent, or to be answered, than is good, nothing more is read until it is less. Primus' heartbeats are looked after by a sweep over all connections. */

#include "base/utf8.h"
#include "core/dispatch.h"
#include "core/events.h"
#include "net/peer.h"
#include "net/websocket.h"

enum { TRICKLE = 256 /* fewer bytes than this do not count as a sign of life */ };

static int64_t now_of(const struct websocket *websocket)
{
    return (int64_t)uv_now(&websocket->listener->core->loop->uv);
}

static void note_peer(const struct listener *listener, struct lws *wsi, struct connection *connection, struct session_peer *peer)
{
    peer_address(listener, wsi, connection, peer->address);
    peer->is_forwarded = lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) > 0;
    peer->is_browser = lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0;
    peer->is_encrypted = peer_is_encrypted(listener, wsi, connection);
}

int websocket_open(struct listener *listener, struct lws *wsi, struct connection *connection)
{
    struct websocket *websocket = memory_zalloc(listener->core->allocator, sizeof *websocket);
    if (websocket == NULL) {
        return -1;
    }
    websocket->link.ops = &websocket_link_ops;
    websocket->listener = listener;
    websocket->wsi = wsi;
    websocket->pieces_tail = &websocket->pieces;
    websocket->session = core_session_open(listener->core, &websocket->link);
    if (websocket->session == NULL) {
        memory_free(listener->core->allocator, websocket);
        return -1;
    }
    note_peer(listener, wsi, connection, &websocket->session->peer);
    events_connected(websocket->session);
    websocket->heard = websocket->pinged = now_of(websocket);
    websocket->next = listener->websockets;
    if (listener->websockets != NULL) {
        listener->websockets->previous = websocket;
    }
    listener->websockets = websocket;
    connection->websocket = websocket;
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0); /* lws' own pings and limits end here: the sweep knows Primus' rules */
    return 0;
}

/* The peer is told why by the code; what it still sends is not looked at. */
static int refuse(struct websocket *websocket, enum lws_close_status code, const char *why)
{
    log_write(websocket->listener->core->log, LOG_INFO, "net", "session %s broke the protocol: %s", websocket->session->id, why);
    lws_close_reason(websocket->wsi, code, (unsigned char *)why, strlen(why));
    return -1;
}

static void deliver(struct websocket *websocket, struct str message, struct buf *memory)
{
    if (memory != NULL) {
        core_receive_buf(websocket->session, memory);
    } else {
        core_receive(websocket->session, message);
    }
    struct core *core = websocket->listener->core;
    bool must_pause = websocket->session->holds > core->limits.pending_requests || websocket_link_ops.is_full(&websocket->link);
    if (must_pause && !websocket->is_paused) {
        websocket->is_paused = true;
        lws_rx_flow_control(websocket->wsi, 0);
        websocket_mark_dirty(websocket);
    }
}

/* Something was written: what has waited for that may begin, what has not been read may come. */
static void go_on(struct websocket *websocket)
{
    if (websocket_link_ops.queued(&websocket->link) > websocket->listener->options.queue_bytes / 8) {
        return;
    }
    dispatch_go_on(websocket->session);
    bool is_free = websocket->session->holds <= websocket->listener->core->limits.pending_requests / 2 + 1 && !websocket_link_ops.is_full(&websocket->link);
    if (is_free && websocket->is_paused) {
        websocket->is_paused = false;
        lws_rx_flow_control(websocket->wsi, 1);
    }
}

/* `memory`: the buffer that the message was put together in, or NULL. */
static int whole_message(struct websocket *websocket, struct str message, struct buf *memory)
{
    if (websocket->is_binary) {
        websocket->listener->core->stats.ignored_text++; /* as the original from 8 on */
        return 0;
    }
    if (!utf8_is_valid(message)) {
        return refuse(websocket, LWS_CLOSE_STATUS_INVALID_PAYLOAD, "the text is not valid UTF-8");
    }
    deliver(websocket, message, memory);
    return websocket->is_killed ? -1 : 0;
}

int websocket_receive(struct connection *connection, struct lws *wsi, struct str part)
{
    struct websocket *websocket = connection->websocket;
    if (websocket == NULL || websocket->is_closing || websocket->is_killed) {
        return 0;
    }
    size_t rest = lws_remaining_packet_payload(wsi);
    bool is_last = rest == 0 && lws_is_final_fragment(wsi);
    size_t limit = websocket->listener->options.message_bytes;
    if (websocket->in.len + part.len > limit || rest > limit - websocket->in.len - part.len) {
        return refuse(websocket, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "the message is too large");
    }
    if (is_last || part.len >= TRICKLE) {
        websocket_heard(connection);
    }
    if (websocket->in.len == 0) {
        websocket->is_binary = lws_frame_is_binary(wsi);
        if (is_last) {
            return whole_message(websocket, part, NULL);
        }
        if (websocket->in.capacity == 0) {
            websocket_take_buffer(websocket->listener, &websocket->in);
        }
    }
    buf_add_str(&websocket->in, part);
    if (websocket->in.status != HAPPN_OK) {
        return -1;
    }
    if (!is_last) {
        return 0;
    }
    struct buf message = websocket->in;
    websocket->in = (struct buf){.max = 0};
    int result = whole_message(websocket, buf_str(&message), &message);
    websocket_give_buffer(websocket->listener, &message);
    return result;
}

void websocket_heard(struct connection *connection)
{
    struct websocket *websocket = connection->websocket;
    if (websocket != NULL) {
        websocket->heard = now_of(websocket);
    }
}

/* At the end of a turn of the loop. */
void websocket_flush(struct loop_flush *flush)
{
    struct listener *listener = (struct listener *)((char *)flush - offsetof(struct listener, flush));
    while (listener->dirty != NULL) {
        struct websocket *websocket = listener->dirty;
        listener->dirty = websocket->next_dirty;
        websocket->is_dirty = false;
        if (websocket->is_killed || !websocket_write(websocket)) {
            continue;
        }
        go_on(websocket);
    }
}

int websocket_writeable(struct connection *connection)
{
    struct websocket *websocket = connection->websocket;
    if (websocket == NULL || websocket->is_killed) {
        return -1;
    }
    if (!websocket_write(websocket)) {
        return -1;
    }
    go_on(websocket);
    return 0;
}

int websocket_peer_closes(struct connection *connection)
{
    return connection->websocket != NULL && connection->websocket->is_closing ? -1 : 0;
}

void websocket_gone(struct connection *connection)
{
    struct websocket *websocket = connection->websocket;
    if (websocket == NULL) {
        return;
    }
    connection->websocket = NULL;
    struct listener *listener = websocket->listener;
    core_session_closed(websocket->session);
    websocket_drop_output(websocket);
    websocket_give_buffer(listener, &websocket->in);
    if (websocket->previous != NULL) {
        websocket->previous->next = websocket->next;
    } else {
        listener->websockets = websocket->next;
    }
    if (websocket->next != NULL) {
        websocket->next->previous = websocket->previous;
    }
    memory_free(listener->core->allocator, websocket);
}

static void ping(struct websocket *websocket, int64_t now)
{
    struct buf *out = websocket_link_ops.begin(&websocket->link);
    if (out == NULL) {
        return;
    }
    buf_add_lit(out, "\"primus::ping::");
    buf_add_i64(out, loop_now_ms(websocket->listener->core->loop));
    buf_add_char(out, '"');
    websocket_link_ops.commit(&websocket->link);
    websocket->pinged = now;
}

/* Protocol 4: we ask, and close when the last question but one was not answered. Others: they ask, and are dropped when they do not. */
static void beat(struct websocket *websocket, int64_t now)
{
    const struct listener_options *options = &websocket->listener->options;
    bool we_ping = websocket->session->protocol->heartbeat == HEARTBEAT_BY_SERVER;
    int64_t silence = now - websocket->heard;
    int64_t patience = we_ping ? 2 * options->ping_ms : options->silence_ms;
    if (silence >= patience && !websocket->is_closing) {
        log_write(websocket->listener->core->log, LOG_DEBUG, "net", "session %s was silent for %lld ms", websocket->session->id,
                  (long long)silence);
        websocket_link_ops.close(&websocket->link, "silent");
    } else if (websocket->is_closing && silence >= 2 * patience) {
        websocket_kill(websocket, "it does not close");
    } else if (we_ping && now - websocket->pinged >= options->ping_ms) {
        ping(websocket, now);
    }
}

void websocket_sweep(struct listener *listener, int64_t now)
{
    for (struct websocket *websocket = listener->websockets, *next; websocket != NULL; websocket = next) {
        next = websocket->next;
        beat(websocket, now);
        if (websocket->is_paused) {
            websocket_mark_dirty(websocket);
        }
    }
}

void websocket_close_all(struct listener *listener)
{
    for (struct websocket *websocket = listener->websockets; websocket != NULL; websocket = websocket->next) {
        websocket_link_ops.close(&websocket->link, "the server stops");
    }
}
