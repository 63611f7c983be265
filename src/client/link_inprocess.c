/* A link into a core of this process. Both directions have a queue, emptied by an idle handle in the next turn of the loop: so
 * nothing recurses, neither from a verb into the core nor from the core into a callback, whatever layers and callbacks do. */

#include <stddef.h>
#include <stdio.h>

#include "client/link.h"
#include "core/events.h"

enum { FIRST_SLOTS = 16, MAX_QUEUED_BYTES = 256 << 20 };

/* A ring of messages. */
struct queue {
    struct payload **slots;
    size_t slot_count, first, count, bytes;
};

struct link_inprocess {
    struct client_link base;
    struct link core_side;
    const struct allocator *allocator;
    struct core *core;
    struct session *session;
    struct queue to_core, to_client;
    struct buf text; /* what the core is writing */
    uv_idle_t idle;
    bool is_finished; /* the core wants to close: after what is queued */
    bool is_ended, is_closing;
    void (*closed)(void *owner);
    char reason[256];
};

static bool queue_grow(struct queue *queue, const struct allocator *allocator)
{
    size_t slot_count = queue->slot_count == 0 ? FIRST_SLOTS : queue->slot_count * 2;
    struct payload **slots = memory_alloc(allocator, slot_count * sizeof(struct payload *));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < queue->count; i++) {
        slots[i] = queue->slots[(queue->first + i) & (queue->slot_count - 1)];
    }
    memory_free(allocator, queue->slots);
    queue->slots = slots;
    queue->slot_count = slot_count;
    queue->first = 0;
    return true;
}

static bool queue_push(struct queue *queue, const struct allocator *allocator, struct payload *payload)
{
    if (queue->count == queue->slot_count && !queue_grow(queue, allocator)) {
        return false;
    }
    queue->slots[(queue->first + queue->count++) & (queue->slot_count - 1)] = payload;
    queue->bytes += payload->len;
    return true;
}

static struct payload *queue_pop(struct queue *queue)
{
    struct payload *payload = queue->slots[queue->first];
    queue->first = (queue->first + 1) & (queue->slot_count - 1);
    queue->count--;
    queue->bytes -= payload->len;
    return payload;
}

static void queue_fini(struct queue *queue, const struct allocator *allocator)
{
    while (queue->count != 0) {
        payload_unref(queue_pop(queue));
    }
    memory_free(allocator, queue->slots);
}

static void on_turn(uv_idle_t *idle);

static void wake(struct link_inprocess *link)
{
    if (!uv_is_closing((uv_handle_t *)&link->idle)) {
        uv_idle_start(&link->idle, on_turn);
    }
}

/* --- what the core calls */

static struct link_inprocess *of_core(struct link *link)
{
    return (struct link_inprocess *)((char *)link - offsetof(struct link_inprocess, core_side));
}

static void finish(struct link_inprocess *link, const char *reason)
{
    if (!link->is_finished) {
        link->is_finished = true;
        snprintf(link->reason, sizeof link->reason, "%s", reason);
    }
    wake(link);
}

static struct buf *core_begin(struct link *link)
{
    struct link_inprocess *self = of_core(link);
    if (self->is_finished) {
        return NULL;
    }
    buf_clear(&self->text);
    return &self->text;
}

/* Takes the reference over. */
static void to_client(struct link_inprocess *link, struct payload *payload)
{
    if (payload == NULL || !queue_push(&link->to_client, link->allocator, payload)) {
        if (payload != NULL) {
            payload_unref(payload);
        }
        finish(link, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    wake(link);
}

static void core_commit(struct link *link)
{
    struct link_inprocess *self = of_core(link);
    if (self->text.status != HAPPN_OK) {
        finish(self, happn_status_text(self->text.status));
        return;
    }
    to_client(self, payload_new(self->allocator, buf_str(&self->text)));
    if (self->text.capacity > 1 << 20) {
        buf_fini(&self->text);
    }
}

static void core_send(struct link *link, struct payload *payload)
{
    struct link_inprocess *self = of_core(link);
    if (!self->is_finished) {
        payload_ref(payload);
        to_client(self, payload);
    }
}

static void core_close(struct link *link, const char *reason)
{
    finish(of_core(link), reason);
}

static const struct link_ops core_side_ops = {core_begin, core_commit, core_send, core_close, NULL, NULL};

/* --- one turn */

/* The core parks requests of a session that waits; beyond its limit they stay here. Each answer wakes this link again. */
static bool core_is_full(const struct link_inprocess *link)
{
    return link->session->waiting_count >= link->core->limits.pending_requests && !link->is_closing;
}

static void deliver_to_core(struct link_inprocess *link)
{
    for (size_t left = link->to_core.count; left > 0 && link->session != NULL && !core_is_full(link); left--) {
        struct payload *payload = queue_pop(&link->to_core);
        core_receive(link->session, str_make(payload->bytes, payload->len));
        payload_unref(payload);
    }
}

static void deliver_to_client(struct link_inprocess *link)
{
    for (size_t left = link->to_client.count; left > 0 && !link->is_closing; left--) {
        struct payload *payload = queue_pop(&link->to_client);
        struct str text = payload_text(payload);
        if (text.ptr != NULL) {
            link->base.events->received(link->base.owner, text);
        } else {
            finish(link, happn_status_text(HAPPN_E_MEMORY));
        }
        payload_unref(payload);
    }
}

static void leave_core(struct link_inprocess *link)
{
    struct session *session = link->session;
    link->session = NULL;
    if (session != NULL) {
        core_session_closed(session);
    }
}

static void on_idle_closed(uv_handle_t *handle)
{
    struct link_inprocess *link = handle->data;
    void (*closed)(void *owner) = link->closed;
    void *owner = link->base.owner;
    queue_fini(&link->to_core, link->allocator);
    queue_fini(&link->to_client, link->allocator);
    buf_fini(&link->text);
    memory_free(link->allocator, link);
    closed(owner);
}

static void end(struct link_inprocess *link)
{
    leave_core(link);
    if (!link->is_ended) {
        link->is_ended = true;
        link->base.events->ended(link->base.owner, HAPPN_E_CLOSED, link->reason);
    }
}

static void on_turn(uv_idle_t *idle)
{
    struct link_inprocess *link = idle->data;
    deliver_to_core(link);
    deliver_to_client(link);
    if (link->is_closing) {
        leave_core(link);
        uv_close((uv_handle_t *)idle, on_idle_closed);
        return;
    }
    if (link->is_finished && link->to_client.count == 0) {
        uv_idle_stop(idle);
        end(link);
    } else if (link->to_client.count == 0 && (link->to_core.count == 0 || core_is_full(link))) {
        uv_idle_stop(idle);
    }
}

/* --- what the client calls */

static happn_status send_text(struct client_link *base, struct str text)
{
    struct link_inprocess *link = (struct link_inprocess *)base;
    if (link->session == NULL || link->is_finished) {
        return HAPPN_E_CLOSED;
    }
    if (text.len > link->core->limits.message_bytes) {
        return HAPPN_E_LIMIT;
    }
    if (link->to_core.bytes > MAX_QUEUED_BYTES) {
        return HAPPN_E_BUSY;
    }
    struct payload *payload = payload_new(link->allocator, text);
    if (payload == NULL || !queue_push(&link->to_core, link->allocator, payload)) {
        if (payload != NULL) {
            payload_unref(payload);
        }
        return HAPPN_E_MEMORY;
    }
    wake(link);
    return HAPPN_OK;
}

static void close_link(struct client_link *base, void (*closed)(void *owner))
{
    struct link_inprocess *link = (struct link_inprocess *)base;
    link->is_closing = true;
    link->closed = closed;
    wake(link);
}

static const struct client_link_ops client_side_ops = {send_text, close_link};

happn_status link_inprocess_open(happn_service *service, const struct client_link_events *events, void *owner,
                                 struct client_link **out)
{
    struct core *core = happn_service_core(service);
    const struct allocator *allocator = core->allocator;
    struct link_inprocess *link = memory_zalloc(allocator, sizeof *link);
    if (link == NULL) {
        return HAPPN_E_MEMORY;
    }
    link->base = (struct client_link){&client_side_ops, events, owner};
    link->core_side.ops = &core_side_ops;
    link->allocator = allocator;
    link->core = core;
    buf_init(&link->text, allocator, core->limits.message_bytes * 2 + 65536);
    link->session = core_session_open(core, &link->core_side);
    if (link->session == NULL) {
        memory_free(allocator, link);
        return HAPPN_E_MEMORY;
    }
    link->session->is_local = true;
    link->session->may_see_system = true;
    link->session->is_trusted = true;
    events_connected(link->session);
    uv_idle_init(&core->loop->uv, &link->idle);
    link->idle.data = link;
    *out = &link->base;
    return HAPPN_OK;
}

struct session *link_inprocess_session(const struct client_link *link)
{
    return ((const struct link_inprocess *)link)->session;
}
