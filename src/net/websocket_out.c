/* Gathered bytes out.
 *
 * Every message gets its frame header here and is appended to the connection's buffer; what was gathered in a turn of the loop leaves in one write at its
 * end. Large shared payloads are not copied: they queue by reference and leave as a fragmented message of parts, so that a slow reader costs one part
 * of memory and libwebsockets' own pongs may come in between. Buffers belong to a connection only while it has something to say, so an idle one
 * is small.
 *
 * Nothing is written while libwebsockets still holds bytes of an earlier write: it calls WRITEABLE when they have left. */

#include "core/session.h"
#include "net/websocket.h"

enum {
    HEADER_ROOM = 4,        /* reserved before a message; the common header length */
    COPIED = 16384,         /* payloads up to this are copied into the gather buffer */
    PART = 65536,           /* of a larger one */
    SPARE_BUFFERS = 1024,   /* a thousand clients may hear of one event in the same turn */
    SPARE_BYTES = 262144,   /* a larger buffer is not kept */
    SPARE_TOTAL = 4 << 20,
    CLOSE_SECONDS = 5       /* the peer has to answer our close frame */
};

struct piece {
    struct piece *next;
    struct payload *payload; /* or NULL: the run */
    size_t sent;
    struct buf run;
};

void websocket_take_buffer(struct listener *listener, struct buf *buf)
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

void websocket_give_buffer(struct listener *listener, struct buf *buf)
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

void websocket_mark_dirty(struct websocket *websocket)
{
    if (!websocket->is_dirty) {
        websocket->is_dirty = true;
        websocket->next_dirty = websocket->listener->dirty;
        websocket->listener->dirty = websocket;
    }
}

void websocket_kill(struct websocket *websocket, const char *why)
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
        websocket_take_buffer(websocket->listener, &websocket->out);
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
        websocket_kill(websocket, "it does not read what it asked for: services.transport.config.queueBytes was reached");
    }
}

static void commit(struct link *link)
{
    struct websocket *websocket = (struct websocket *)link;
    struct buf *out = &websocket->out;
    if (out->status != HAPPN_OK) {
        out->status = HAPPN_OK;
        out->len = websocket->message_start;
        websocket_kill(websocket, "a message to it was too large");
        return;
    }
    size_t len = out->len - websocket->message_start - HEADER_ROOM;
    unsigned char header[16];
    size_t header_len = put_header(header, 0x81, len);
    if (header_len > HEADER_ROOM && !buf_reserve(out, header_len - HEADER_ROOM)) {
        out->status = HAPPN_OK;
        out->len = websocket->message_start;
        websocket_kill(websocket, "memory is out");
        return;
    }
    char *start = out->ptr + websocket->message_start;
    if (header_len != HEADER_ROOM) {
        memmove(start + header_len, start + HEADER_ROOM, len);
    }
    memcpy(start, header, header_len);
    out->len = websocket->message_start + header_len + len;
    websocket_mark_dirty(websocket);
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
        websocket_kill(websocket, "memory is out");
        return;
    }
    websocket_mark_dirty(websocket);
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
        websocket_kill(websocket, "it does not read what it asked for");
        return;
    }
    struct buf *out = &websocket->out;
    out->len += put_header((unsigned char *)out->ptr + out->len, 0x81, payload->len);
    memcpy(out->ptr + out->len, payload->bytes, payload->len);
    out->len += payload->len;
    websocket_mark_dirty(websocket);
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
    websocket_mark_dirty(websocket);
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

const struct link_ops websocket_link_ops = {begin, commit, send_payload, close_link, queued_bytes, is_full};

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
        websocket_give_buffer(websocket->listener, &piece->run);
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
    websocket_take_buffer(websocket->listener, &scratch);
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
    websocket_give_buffer(websocket->listener, &scratch);
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
    websocket_give_buffer(websocket->listener, &websocket->out);
    return is_written;
}

bool websocket_write(struct websocket *websocket)
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
            websocket_kill(websocket, "writing failed");
            return false;
        }
    }
    lws_callback_on_writable(websocket->wsi);
    return true;
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

void websocket_drop_output(struct websocket *websocket)
{
    remove_dirty(websocket);
    while (websocket->pieces != NULL) {
        drop_piece(websocket);
    }
    websocket_give_buffer(websocket->listener, &websocket->out);
}
