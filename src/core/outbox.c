/* While a list is being encoded, the session's link is replaced by one of ours, which keeps what it is given: an event that came after the
 * list must not be seen before it, or a client that follows documents by `get` and `on` would keep an old value. Other sessions notice
 * nothing. When the list is done, or too much waits behind it, everything leaves by the true link and that one is put back. */

#include "core/outbox.h"

#include "core/answer.h"
#include "core/dispatch.h"

enum { SLICE_BYTES = 256 << 10 /* about a millisecond */, MOST_WAITING = 16 << 20 };

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
    struct request *listed; /* is not among the entries any more */
    struct answer_parts parts; /* of it */
    bool is_encoding; /* it is being looked at */
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

static void drop_listed(struct outbox *outbox)
{
    struct request *request = outbox->listed;
    answer_parts_fini(&outbox->parts);
    outbox->listed = NULL;
    core_request_free(request);
}

/* Some of the first list; true: it has left, or the session has ended meanwhile. */
static bool encode_some(struct outbox *outbox, size_t bytes)
{
    outbox->is_encoding = true;
    bool is_done = answer_encode_some(outbox->listed, &outbox->parts, bytes, outbox->true_link);
    outbox->is_encoding = false;
    if (is_done) {
        drop_listed(outbox);
    }
    return is_done;
}

/* What stands in front of the next list, which becomes the one that is encoded. */
static void send_messages(struct outbox *outbox)
{
    while (outbox->first != NULL && outbox->listed == NULL) {
        struct entry entry = take_entry(outbox);
        outbox->listed = entry.request;
        if (entry.payload != NULL) {
            outbox->true_link->ops->send(outbox->true_link, entry.payload);
            payload_unref(entry.payload);
        }
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
    while (!outbox->is_over && outbox->listed != NULL) {
        encode_some(outbox, SIZE_MAX);
        send_messages(outbox);
    }
    if (!outbox->is_over) {
        end(outbox);
    }
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
        answer_give_up(outbox->true_link);
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
    return before + outbox->waiting + outbox->parts.text.len;
}

static bool is_full(struct link *link)
{
    struct link *true_link = ((struct outbox *)link)->true_link;
    return true_link->ops->is_full != NULL && true_link->ops->is_full(true_link);
}

static const struct link_ops ops = {begin_message, commit_message, send_through, close_through, queued, is_full};

/* ---- turns */

static void free_outbox(struct outbox *outbox)
{
    struct session *session = outbox->session;
    buf_fini(&outbox->message);
    memory_free(session->core->allocator, outbox);
    dispatch_go_on(session); /* who has waited for the list */
    session_release(session);
}

static void take_turn(void *arg)
{
    struct outbox *outbox = arg;
    struct whereabouts *at = &outbox->session->core->loop->whereabouts;
    const char *before = whereabouts_set(&at->part, "a long list for a client");
    if (!outbox->is_over && encode_some(outbox, SLICE_BYTES)) {
        send_messages(outbox);
    }
    whereabouts_set(&at->part, before);
    if (!outbox->is_over && outbox->listed == NULL) {
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
    if (session->link == NULL || !answer_is_long(request)) {
        return false;
    }
    struct outbox *outbox = session->outbox != NULL ? session->outbox : new_outbox(session);
    if (outbox == NULL) {
        return false;
    }
    if (outbox->listed == NULL) {
        outbox->listed = request;
    } else if (!add_entry(outbox, NULL, request)) { /* in one piece, then, behind what waits already */
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
    if (outbox->listed != NULL && !outbox->is_encoding) {
        drop_listed(outbox);
    }
    while (outbox->first != NULL) {
        struct entry entry = take_entry(outbox);
        if (entry.payload != NULL) {
            payload_unref(entry.payload);
        } else {
            core_request_free(entry.request);
        }
    }
}
