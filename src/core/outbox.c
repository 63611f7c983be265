/* While a list is being encoded, the session's link is replaced by one of ours, which keeps what it is given: an event that came after the
 * list must not be seen before it, or a client that follows documents by `get` and `on` would keep an old value. Other sessions notice
 * nothing. When the list is done, or too much waits behind it, everything leaves by the true link and that one is put back. */

#include "core/outbox.h"

#include "core/dispatch.h"

enum {
    LONG_BYTES = 512 << 10,  /* a shorter list is encoded at once, in about two milliseconds */
    SLICE_BYTES = 256 << 10, /* about a millisecond */
    OVERHEAD = 150,          /* of one document: its path, its dates, their names */
    MOST_LIST = 1 << 30,     /* links end much earlier */
    MOST_WAITING = 16 << 20
};

/* One message that waits, or one list that is still to be encoded. */
struct entry {
    struct entry *next;
    struct payload *payload;
    struct request *request;
};

struct outbox {
    struct link link; /* first; stands in place of the true one */
    struct link *true_link;
    struct session *session;
    struct entry *first, **last;
    size_t waiting;   /* bytes of messages */
    struct buf list;  /* of the first entry: the payload that it becomes */
    size_t next;      /* document */
    struct buf message; /* between begin and commit */
    bool is_over;     /* nothing waits any more: only the turn that was asked for is still to come */
};

static bool add_entry(struct outbox *outbox, struct payload *payload, struct request *request)
{
    struct entry *entry = memory_zalloc(outbox->session->core->allocator, sizeof *entry);
    if (entry == NULL) {
        return false;
    }
    *entry = (struct entry){.payload = payload, .request = request};
    *outbox->last = entry;
    outbox->last = &entry->next;
    outbox->waiting += payload != NULL ? payload->len : 0;
    return true;
}

static struct entry take_entry(struct outbox *outbox)
{
    struct entry *entry = outbox->first, copy = *entry;
    outbox->first = entry->next;
    outbox->last = outbox->first == NULL ? &outbox->first : outbox->last;
    outbox->waiting -= copy.payload != NULL ? copy.payload->len : 0;
    memory_free(outbox->session->core->allocator, entry);
    return copy;
}

/* The list could not be encoded: the link says that a message was too large, and closes. */
static void give_up(struct outbox *outbox)
{
    struct buf *out = outbox->true_link->ops->begin(outbox->true_link);
    if (out != NULL) {
        out->status = HAPPN_E_LIMIT;
        outbox->true_link->ops->commit(outbox->true_link);
    }
}

static void send_list(struct outbox *outbox)
{
    struct payload *payload = payload_end(&outbox->list);
    outbox->next = 0;
    if (payload == NULL) {
        give_up(outbox);
        return;
    }
    outbox->true_link->ops->send(outbox->true_link, payload);
    payload_unref(payload);
}

/* Some of the first list; true: it has left. */
static bool encode_some(struct outbox *outbox, size_t bytes)
{
    struct request *request = outbox->first->request;
    struct buf *list = &outbox->list;
    if (outbox->next == 0) {
        payload_begin(list, outbox->session->core->allocator, MOST_LIST);
    }
    bool is_whole = outbox->session->protocol->encode_list(request, &outbox->next, bytes, list);
    if (!is_whole && list->status == HAPPN_OK) {
        return false;
    }
    send_list(outbox);
    take_entry(outbox);
    core_request_free(request);
    return true;
}

/* The messages up to the next list. */
static void send_messages(struct outbox *outbox)
{
    while (outbox->first != NULL && outbox->first->payload != NULL) {
        struct payload *payload = take_entry(outbox).payload;
        outbox->true_link->ops->send(outbox->true_link, payload);
        payload_unref(payload);
    }
}

static void end(struct outbox *outbox)
{
    outbox->is_over = true;
    outbox->session->link = outbox->true_link;
    outbox->session->outbox = NULL;
}

/* All that waits leaves now. */
static void finish(struct outbox *outbox)
{
    while (outbox->first != NULL) {
        encode_some(outbox, SIZE_MAX);
        send_messages(outbox);
    }
    end(outbox);
}

/* ---- the link in between; after the end somebody may still have it for the rest of a turn */

static struct link *past(const struct link *link)
{
    const struct outbox *outbox = (const struct outbox *)link;
    return outbox->is_over ? outbox->true_link : NULL;
}

static void send_through(struct link *link, struct payload *payload)
{
    struct outbox *outbox = (struct outbox *)link;
    if (!outbox->is_over && outbox->waiting + payload->len <= MOST_WAITING && add_entry(outbox, payload, NULL)) {
        payload_ref(payload);
        return;
    }
    if (!outbox->is_over) {
        finish(outbox);
    }
    outbox->true_link->ops->send(outbox->true_link, payload);
}

static struct buf *begin_message(struct link *link)
{
    struct outbox *outbox = (struct outbox *)link;
    if (past(link) != NULL) {
        return past(link)->ops->begin(past(link));
    }
    payload_begin(&outbox->message, outbox->session->core->allocator, outbox->session->core->limits.message_bytes * 2 + 65536);
    return &outbox->message;
}

static void commit_message(struct link *link)
{
    struct outbox *outbox = (struct outbox *)link;
    if (past(link) != NULL) {
        past(link)->ops->commit(past(link));
        return;
    }
    struct payload *payload = payload_end(&outbox->message);
    if (payload == NULL) {
        finish(outbox);
        give_up(outbox);
        return;
    }
    send_through(link, payload);
    payload_unref(payload);
}

static void close_through(struct link *link, const char *reason)
{
    struct outbox *outbox = (struct outbox *)link;
    if (!outbox->is_over) {
        finish(outbox);
    }
    outbox->true_link->ops->close(outbox->true_link, reason);
}

static size_t queued(struct link *link)
{
    struct outbox *outbox = (struct outbox *)link;
    size_t before = outbox->true_link->ops->queued != NULL ? outbox->true_link->ops->queued(outbox->true_link) : 0;
    return before + outbox->waiting + outbox->list.len;
}

static const struct link_ops ops = {begin_message, commit_message, send_through, close_through, queued};

/* ---- turns */

static void free_outbox(struct outbox *outbox)
{
    struct session *session = outbox->session;
    buf_fini(&outbox->list);
    buf_fini(&outbox->message);
    memory_free(session->core->allocator, outbox);
    dispatch_go_on(session); /* who has waited for the list */
    session_release(session);
}

static void take_turn(void *arg)
{
    struct outbox *outbox = arg;
    if (!outbox->is_over && encode_some(outbox, SLICE_BYTES)) {
        send_messages(outbox);
    }
    if (!outbox->is_over && outbox->first == NULL) {
        end(outbox);
    }
    if (!outbox->is_over && loop_post(outbox->session->core->loop, take_turn, outbox) == HAPPN_OK) {
        return;
    }
    if (!outbox->is_over) { /* there will be no other turn */
        finish(outbox);
    }
    free_outbox(outbox);
}

static bool is_long(const struct reply *reply)
{
    size_t bytes = 0;
    for (size_t i = 0; i < reply->count && bytes < LONG_BYTES; i++) {
        bytes += reply->documents[i].data.len + OVERHEAD;
    }
    return bytes >= LONG_BYTES;
}

static struct outbox *new_outbox(struct session *session)
{
    struct outbox *outbox = memory_zalloc(session->core->allocator, sizeof *outbox);
    if (outbox == NULL || loop_post(session->core->loop, take_turn, outbox) != HAPPN_OK) {
        memory_free(session->core->allocator, outbox);
        return NULL;
    }
    outbox->link.ops = &ops;
    outbox->true_link = session->link;
    outbox->session = session;
    outbox->last = &outbox->first;
    session->link = &outbox->link;
    session->outbox = outbox;
    session->holds++;
    return outbox;
}

bool outbox_takes(struct request *request)
{
    struct session *session = request->session;
    bool has_parts = session->protocol->encode_list != NULL && session->secret[0] == '\0';
    if (!has_parts || session->link == NULL || request->reply.kind != REPLY_LIST || !is_long(&request->reply)) {
        return false;
    }
    struct outbox *outbox = session->outbox != NULL ? session->outbox : new_outbox(session);
    if (outbox == NULL) {
        return false;
    }
    if (!add_entry(outbox, NULL, request)) { /* in one piece, then, behind what waits already */
        finish(outbox);
        return false;
    }
    return true;
}

void outbox_session_closed(struct session *session)
{
    struct outbox *outbox = session->outbox;
    if (outbox == NULL) {
        return;
    }
    end(outbox);
    session->link = NULL;
    while (outbox->first != NULL) {
        struct entry entry = take_entry(outbox);
        if (entry.payload != NULL) {
            payload_unref(entry.payload);
        } else {
            core_request_free(entry.request);
        }
    }
}
