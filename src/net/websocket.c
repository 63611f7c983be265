/* Frames in, gathered bytes out.
 *
 * In: a message that arrives in one piece is handed on where it lies; one in parts is put together in a buffer that only exists
 * meanwhile. Out: every message gets its frame header here and is appended to the connection's buffer; what was gathered
 * in a turn of the loop leaves in one write at its end. Large shared payloads are not copied: they queue by reference and
 * leave as a fragmented message of parts, so that a slow reader costs one part of memory and libwebsockets' own
 * pongs may come in between. Buffers belong to a connection only while it has something to say, so an idle one is small.
 *
 * Nothing is written while libwebsockets still holds bytes of an earlier write: it calls WRITEABLE when they have left. */

#include "base/utf8.h"
#include "core/dispatch.h"
#include "core/events.h"
#include "net/connection.h"
#include "net/peer.h"

enum {
    HEADER_ROOM = 4,        /* reserved before a message; the common header length */
    COPIED = 16384,         /* payloads up to this are copied into the gather buffer */
    PART = 65536,           /* of a larger one */
    SPARE_BUFFERS = 1024,   /* a thousand clients may hear of one event in the same turn */
    SPARE_BYTES = 262144,   /* a larger buffer is not kept */
    SPARE_TOTAL = 4 << 20,
    CLOSE_SECONDS = 5,      /* the peer has to answer our close frame */
    TRICKLE = 256           /* fewer bytes than this do not count as a sign of life */
};

struct piece {
    struct piece *next;
    struct payload *payload; /* or NULL: the run */
    size_t sent;
    struct buf run;
};

struct websocket {
    struct link link; /* first: what the core sees */
    struct listener *listener;
    struct lws *wsi;
    struct session *session;
    struct websocket *previous, *next;
    struct websocket *next_dirty;
    struct buf out;             /* gathered; no memory when there is nothing */
    size_t message_start;       /* of the message between begin and commit */
    struct piece *pieces, **pieces_tail; /* leave before `out` */
    size_t queued;              /* bytes in pieces */
    struct buf in;              /* a message that arrives in parts */
    int64_t heard;              /* loop time */
    int64_t pinged;
    bool is_dirty, is_closing, is_killed, is_paused, is_binary;
};

static int64_t now_of(const struct websocket *websocket)
{
    return (int64_t)uv_now(&websocket->listener->core->loop->uv);
}

static void take_buffer(struct listener *listener, struct buf *buf)
{
    size_t max = listener->options.queue_bytes + listener->core->limits.message_bytes;
    if (listener->spare_count != 0) {
        *buf = listener->spare_buffers[--listener->spare_count];
        listener->spare_bytes -= buf->capacity;
        buf->max = max;
        return;
    }
    buf_init(buf, listener->core->allocator, max);
}

static void give_buffer(struct listener *listener, struct buf *buf)
{
    if (buf->capacity == 0) {
        return;
    }
    if (listener->spare_buffers == NULL) {
        listener->spare_buffers = memory_alloc(listener->core->allocator, SPARE_BUFFERS * sizeof *buf);
    }
    bool is_full = listener->spare_buffers == NULL || listener->spare_count == SPARE_BUFFERS;
    if (is_full || buf->capacity > SPARE_BYTES || buf->capacity > SPARE_TOTAL - listener->spare_bytes) {
        buf_fini(buf);
    } else {
        buf_clear(buf);
        listener->spare_bytes += buf->capacity;
        listener->spare_buffers[listener->spare_count++] = *buf;
    }
    *buf = (struct buf){.max = 0};
}

static void mark_dirty(struct websocket *websocket)
{
    if (!websocket->is_dirty) {
        websocket->is_dirty = true;
        websocket->next_dirty = websocket->listener->dirty;
        websocket->listener->dirty = websocket;
    }
}

/* The connection ends without ceremony; lws tells us by CLOSED in a later turn. */
static void kill_connection(struct websocket *websocket, const char *why)
{
    if (websocket->is_killed) {
        return;
    }
    websocket->is_killed = true;
    websocket->listener->core->stats.cut_off++;
    log_write(websocket->listener->core->log, LOG_INFO, "net", "session %s is cut off: %s", websocket->session->id, why);
    lws_set_timeout(websocket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

static bool open_out(struct websocket *websocket)
{
    if (websocket->out.capacity == 0) {
        take_buffer(websocket->listener, &websocket->out);
        if (!buf_reserve(&websocket->out, LWS_PRE)) {
            return false;
        }
        websocket->out.len = LWS_PRE;
    }
    return true;
}

static size_t gathered(const struct websocket *websocket)
{
    return websocket->out.len > LWS_PRE ? websocket->out.len - LWS_PRE : 0;
}

static struct buf *begin(struct link *link)
{
    struct websocket *websocket = (struct websocket *)link;
    if (websocket->is_killed || websocket->is_closing || !open_out(websocket) ||
        !buf_reserve(&websocket->out, HEADER_ROOM)) {
        return NULL;
    }
    websocket->message_start = websocket->out.len;
    websocket->out.len += HEADER_ROOM;
    return &websocket->out;
}

/* Writes a frame header and returns its length. */
static size_t put_header(unsigned char *to, unsigned char first, size_t len)
{
    to[0] = first;
    if (len < 126) {
        to[1] = (unsigned char)len;
        return 2;
    }
    if (len < 65536) {
        to[1] = 126;
        to[2] = (unsigned char)(len >> 8);
        to[3] = (unsigned char)len;
        return 4;
    }
    to[1] = 127;
    for (int i = 0; i < 8; i++) {
        to[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
    }
    return 10;
}

static void check_queue(struct websocket *websocket)
{
    if (websocket->queued + gathered(websocket) > websocket->listener->options.queue_bytes) {
        kill_connection(websocket, "it does not read what it asked for: services.transport.config.queueBytes was reached");
    }
}

static void commit(struct link *link)
{
    struct websocket *websocket = (struct websocket *)link;
    struct buf *out = &websocket->out;
    if (out->status != HAPPN_OK) {
        out->status = HAPPN_OK;
        out->len = websocket->message_start;
        kill_connection(websocket, "a message to it was too large");
        return;
    }
    size_t len = out->len - websocket->message_start - HEADER_ROOM;
    unsigned char header[16];
    size_t header_len = put_header(header, 0x81, len);
    if (header_len > HEADER_ROOM && !buf_reserve(out, header_len - HEADER_ROOM)) {
        out->status = HAPPN_OK;
        out->len = websocket->message_start;
        kill_connection(websocket, "memory is out");
        return;
    }
    char *start = out->ptr + websocket->message_start;
    if (header_len != HEADER_ROOM) {
        memmove(start + header_len, start + HEADER_ROOM, len);
    }
    memcpy(start, header, header_len);
    out->len = websocket->message_start + header_len + len;
    mark_dirty(websocket);
    if (websocket->pieces != NULL || out->len > COPIED) {
        check_queue(websocket);
    }
}

static bool add_piece(struct websocket *websocket, struct payload *payload)
{
    struct piece *piece = memory_zalloc(websocket->listener->core->allocator, sizeof *piece);
    if (piece == NULL) {
        return false;
    }
    piece->payload = payload;
    if (payload != NULL) {
        payload_ref(payload);
        websocket->queued += payload->len;
    } else {
        piece->run = websocket->out;
        piece->sent = LWS_PRE;
        websocket->queued += gathered(websocket);
        websocket->out = (struct buf){.max = 0};
    }
    *websocket->pieces_tail = piece;
    websocket->pieces_tail = &piece->next;
    return true;
}

static void send_large(struct websocket *websocket, struct payload *payload)
{
    if ((gathered(websocket) != 0 && !add_piece(websocket, NULL)) || !add_piece(websocket, payload)) {
        kill_connection(websocket, "memory is out");
        return;
    }
    mark_dirty(websocket);
    check_queue(websocket);
}

static void send_payload(struct link *link, struct payload *payload)
{
    struct websocket *websocket = (struct websocket *)link;
    if (websocket->is_killed || websocket->is_closing) {
        return;
    }
    if (payload->len > COPIED) { /* a lent text is longer */
        send_large(websocket, payload);
        return;
    }
    if (!open_out(websocket) || !buf_reserve(&websocket->out, payload->len + 10)) {
        websocket->out.status = HAPPN_OK;
        kill_connection(websocket, "it does not read what it asked for");
        return;
    }
    struct buf *out = &websocket->out;
    out->len += put_header((unsigned char *)out->ptr + out->len, 0x81, payload->len);
    memcpy(out->ptr + out->len, payload->bytes, payload->len);
    out->len += payload->len;
    mark_dirty(websocket);
    if (out->len > websocket->listener->options.queue_bytes / 2) {
        check_queue(websocket);
    }
}

static void close_link(struct link *link, const char *reason)
{
    struct websocket *websocket = (struct websocket *)link;
    (void)reason;
    static const char frame[] = {(char)0x88, 2, 3, (char)0xE8}; /* 1000 */
    if (websocket->is_closing || websocket->is_killed) {
        return;
    }
    websocket->is_closing = true;
    if (open_out(websocket)) {
        buf_add(&websocket->out, frame, sizeof frame); /* lws would not send one that is asked for outside RECEIVE */
    }
    mark_dirty(websocket);
    lws_set_timeout(websocket->wsi, PENDING_TIMEOUT_CLOSE_ACK, CLOSE_SECONDS);
}

static size_t queued_bytes(struct link *link)
{
    const struct websocket *websocket = (struct websocket *)link;
    return websocket->queued + gathered(websocket);
}

static bool is_full(struct link *link)
{
    return queued_bytes(link) > ((struct websocket *)link)->listener->options.queue_bytes / 4;
}

static const struct link_ops ops = {begin, commit, send_payload, close_link, queued_bytes, is_full};

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
    websocket->link.ops = &ops;
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
    bool must_pause = websocket->session->holds > core->limits.pending_requests || is_full(&websocket->link);
    if (must_pause && !websocket->is_paused) {
        websocket->is_paused = true;
        lws_rx_flow_control(websocket->wsi, 0);
        mark_dirty(websocket);
    }
}

/* Something was written: what has waited for that may begin, what has not been read may come. */
static void go_on(struct websocket *websocket)
{
    if (queued_bytes(&websocket->link) > websocket->listener->options.queue_bytes / 8) {
        return;
    }
    dispatch_go_on(websocket->session);
    bool is_free = websocket->session->holds <= websocket->listener->core->limits.pending_requests / 2 + 1 && !is_full(&websocket->link);
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
            take_buffer(websocket->listener, &websocket->in);
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
    give_buffer(websocket->listener, &message);
    return result;
}

void websocket_heard(struct connection *connection)
{
    struct websocket *websocket = connection->websocket;
    if (websocket != NULL) {
        websocket->heard = now_of(websocket);
    }
}

static void drop_piece(struct websocket *websocket)
{
    struct piece *piece = websocket->pieces;
    websocket->pieces = piece->next;
    if (websocket->pieces == NULL) {
        websocket->pieces_tail = &websocket->pieces;
    }
    if (piece->payload != NULL) {
        websocket->queued -= piece->payload->len;
        payload_unref(piece->payload);
    } else {
        websocket->queued -= piece->run.len - LWS_PRE;
        give_buffer(websocket->listener, &piece->run);
    }
    memory_free(websocket->listener->core->allocator, piece);
}

/* LWS_WRITE_HTTP lets bytes through as they are: the frames are ours. */
static bool write_raw(struct websocket *websocket, char *bytes, size_t len)
{
    return lws_write(websocket->wsi, (unsigned char *)bytes, len, LWS_WRITE_HTTP) >= (int)len;
}

/* One part of a shared payload, as a frame of its own. */
static bool write_part(struct websocket *websocket, struct piece *piece)
{
    static const size_t room = LWS_PRE + 16;
    struct buf scratch;
    take_buffer(websocket->listener, &scratch);
    size_t len = piece->payload->len - piece->sent;
    bool is_last = len <= PART;
    len = is_last ? len : PART;
    bool is_written = false;
    if (buf_reserve(&scratch, room + len)) {
        unsigned char first = (unsigned char)((piece->sent == 0 ? 0x01 : 0x00) | (is_last ? 0x80 : 0x00));
        size_t header = put_header((unsigned char *)scratch.ptr + LWS_PRE, first, len);
        payload_copy(piece->payload, piece->sent, scratch.ptr + LWS_PRE + header, len);
        is_written = write_raw(websocket, scratch.ptr + LWS_PRE, header + len);
    }
    piece->sent += len;
    give_buffer(websocket->listener, &scratch);
    if (is_last && is_written) {
        drop_piece(websocket);
    }
    return is_written;
}

/* In one write: a pong of libwebsockets' own between two halves of a frame would break it. */
static bool write_run(struct websocket *websocket, struct piece *piece)
{
    bool is_written = write_raw(websocket, piece->run.ptr + LWS_PRE, piece->run.len - LWS_PRE);
    drop_piece(websocket);
    return is_written;
}

static bool write_gathered(struct websocket *websocket)
{
    bool is_written = write_raw(websocket, websocket->out.ptr + LWS_PRE, gathered(websocket));
    give_buffer(websocket->listener, &websocket->out);
    return is_written;
}

/* Writes until everything is out or the socket takes no more. */
static bool write_all(struct websocket *websocket)
{
    while (!lws_partial_buffered(websocket->wsi)) {
        bool is_written = true;
        if (websocket->pieces != NULL) {
            struct piece *piece = websocket->pieces;
            is_written = piece->payload != NULL ? write_part(websocket, piece) : write_run(websocket, piece);
        } else if (gathered(websocket) != 0) {
            is_written = write_gathered(websocket);
        } else {
            return true;
        }
        if (!is_written) {
            kill_connection(websocket, "writing failed");
            return false;
        }
    }
    lws_callback_on_writable(websocket->wsi);
    return true;
}

/* At the end of a turn of the loop. */
void websocket_flush(struct loop_flush *flush)
{
    struct listener *listener = (struct listener *)((char *)flush - offsetof(struct listener, flush));
    while (listener->dirty != NULL) {
        struct websocket *websocket = listener->dirty;
        listener->dirty = websocket->next_dirty;
        websocket->is_dirty = false;
        if (websocket->is_killed || !write_all(websocket)) {
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
    if (!write_all(websocket)) {
        return -1;
    }
    go_on(websocket);
    return 0;
}

int websocket_peer_closes(struct connection *connection)
{
    return connection->websocket != NULL && connection->websocket->is_closing ? -1 : 0;
}

static void remove_dirty(struct websocket *websocket)
{
    for (struct websocket **at = &websocket->listener->dirty; websocket->is_dirty && *at != NULL; at = &(*at)->next_dirty) {
        if (*at == websocket) {
            *at = websocket->next_dirty;
            return;
        }
    }
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
    remove_dirty(websocket);
    while (websocket->pieces != NULL) {
        drop_piece(websocket);
    }
    give_buffer(listener, &websocket->out);
    give_buffer(listener, &websocket->in);
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
    struct buf *out = begin(&websocket->link);
    if (out == NULL) {
        return;
    }
    buf_add_lit(out, "\"primus::ping::");
    buf_add_i64(out, loop_now_ms(websocket->listener->core->loop));
    buf_add_char(out, '"');
    commit(&websocket->link);
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
        close_link(&websocket->link, "silent");
    } else if (websocket->is_closing && silence >= 2 * patience) {
        kill_connection(websocket, "it does not close");
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
            mark_dirty(websocket);
        }
    }
}

void websocket_close_all(struct listener *listener)
{
    for (struct websocket *websocket = listener->websockets; websocket != NULL; websocket = websocket->next) {
        close_link(&websocket->link, "the server stops");
    }
}
