#include "core/held.h"

#include "core/publication.h"
#include "core/session.h"
#include "paths/path.h"

enum { MOST_BYTES = 64 << 20 };

bool held_add(struct held *held, const struct allocator *allocator, const struct publication *publication, struct payload *payload)
{
    bool has_room = !held->has_lost && held->bytes + payload->len <= MOST_BYTES;
    struct held_event *event = has_room ? memory_zalloc(allocator, sizeof *event + publication->path.len) : NULL;
    if (event == NULL) {
        held->has_lost = true;
        return false;
    }
    if (publication->path.len != 0) {
        memcpy(event + 1, publication->path.ptr, publication->path.len);
    }
    event->path = str_make((char *)(event + 1), publication->path.len);
    event->rev = publication->rev;
    event->payload = payload;
    payload_ref(payload);
    held->bytes += payload->len;
    *(held->last != NULL ? &held->last->next : &held->first) = event;
    held->last = event;
    return true;
}

static void forget(struct held_event *event, const struct allocator *allocator)
{
    payload_unref(event->payload);
    memory_free(allocator, event);
}

void held_filter(struct held *held, const struct allocator *allocator, bool (*is_needed)(const struct held_event *event, const void *arg),
                 const void *arg)
{
    struct held_event **at = &held->first, *last = NULL;
    while (*at != NULL && !path_has_wildcard((*at)->path)) {
        struct held_event *event = *at;
        if (is_needed(event, arg)) {
            last = event;
            at = &event->next;
            continue;
        }
        *at = event->next;
        forget(event, allocator);
    }
    held->last = *at == NULL ? last : held->last;
}

/* Takes the first one out. */
static struct held_event *pop(struct held *held)
{
    struct held_event *event = held->first;
    if (event != NULL) {
        held->first = event->next;
    }
    return event;
}

void held_send(struct held *held, struct session *session)
{
    if (held->has_lost) {
        held_drop(held, session->core->allocator);
        session_disconnect(session, true, "more events waited for a list than there was room for");
        return;
    }
    for (struct held_event *event = pop(held); event != NULL; event = pop(held)) {
        if (session->link != NULL) {
            session->link->ops->send(session->link, event->payload);
        }
        forget(event, session->core->allocator);
    }
    *held = (struct held){NULL};
}

void held_drop(struct held *held, const struct allocator *allocator)
{
    for (struct held_event *event = pop(held); event != NULL; event = pop(held)) {
        forget(event, allocator);
    }
    *held = (struct held){NULL};
}
