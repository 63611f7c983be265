/* All wait equally long, so they stand in the order of their deadlines, and one timer is set for the first. They are found by their id: a client that
 * uses the same one again gives the first up, as in the original. */

#include "core/acknowledgement.h"

#include <stdio.h>

#include "base/clock.h"
#include "core/publisher.h"
#include "core/session.h"

struct expected {
    struct session *session;
    size_t times;
};

struct acknowledgement {
    struct idmap_node node; /* first: by the hash of the id */
    struct acknowledgement *previous, *next;
    struct core *core;
    struct session *publisher; /* NULL: gone */
    const struct protocol *protocol;
    struct expected *expected;
    size_t count, room;
    size_t likely;             /* where the next one to acknowledge probably is: they do in the order in which they got it */
    size_t outstanding;        /* acknowledgements still to come */
    bool is_short;             /* somebody went away, or was not noted */
    uint64_t deadline;         /* of loop_ticks */
    struct publication_results results;
    struct str event_id;       /* raw; in bytes */
    struct str id;             /* "<session>-<event id>"; in bytes */
    char bytes[];
};

static void set_timer(struct core *core);

static void unlink_one(struct acknowledgement *one)
{
    struct core *core = one->core;
    *(one->previous != NULL ? &one->previous->next : &core->acknowledgements) = one->next;
    *(one->next != NULL ? &one->next->previous : &core->last_acknowledgement) = one->previous;
    idmap_remove(&core->acknowledgement_ids, &one->node);
    if (one->publisher != NULL) {
        one->publisher->unacknowledged--;
    }
}

static void free_one(struct acknowledgement *one)
{
    memory_free(one->core->allocator, one->expected);
    memory_free(one->core->allocator, one);
}

struct acknowledgement *acknowledgement_open(struct request *request)
{
    struct core *core = request->core;
    if (request->session->unacknowledged >= ACKNOWLEDGEMENTS_MOST) {
        return NULL;
    }
    struct str id = publisher_id(&request->arena, request->session, request->event_id);
    struct acknowledgement *one = memory_zalloc(core->allocator, sizeof *one + id.len + request->event_id.len);
    if (one == NULL || id.ptr == NULL) {
        memory_free(core->allocator, one);
        return NULL;
    }
    memcpy(one->bytes, id.ptr, id.len);
    if (request->event_id.len != 0) {
        memcpy(one->bytes + id.len, request->event_id.ptr, request->event_id.len);
    }
    one->id = str_make(one->bytes, id.len);
    one->event_id = str_make(one->bytes + id.len, request->event_id.len);
    one->core = core;
    one->publisher = request->session;
    return one;
}

static struct expected *find_expected(struct acknowledgement *one, const struct session *session)
{
    for (size_t i = 0, at = one->likely; i < one->count; i++, at++) {
        at = at < one->count ? at : 0;
        if (one->expected[at].session == session) {
            one->likely = at + 1;
            return &one->expected[at];
        }
    }
    return NULL;
}

static struct expected *add_expected(struct acknowledgement *one, struct session *session)
{
    if (one->count == one->room) {
        size_t room = one->room == 0 ? 8 : one->room * 2;
        struct expected *more = memory_resize(one->core->allocator, one->expected, room * sizeof *more);
        if (more == NULL) {
            return NULL;
        }
        one->expected = more;
        one->room = room;
    }
    one->expected[one->count] = (struct expected){session, 0};
    return &one->expected[one->count++];
}

void acknowledgement_expect(struct acknowledgement *one, struct session *session, size_t times)
{
    /* A session's messages come one after the other, so it is the last one noted or not there. */
    struct expected *last = one->count != 0 ? &one->expected[one->count - 1] : NULL;
    struct expected *place = last != NULL && last->session == session ? last : find_expected(one, session);
    place = place != NULL ? place : add_expected(one, session);
    if (place == NULL) {
        one->is_short = true;
        return;
    }
    place->times += times;
    one->outstanding += times;
    session->has_acknowledged = true;
}

/* Tells the publisher and frees. */
static void finish(struct acknowledgement *one)
{
    bool is_complete = one->outstanding == 0 && !one->is_short;
    if (!is_complete && one->results.error[0] == '\0') {
        snprintf(one->results.error, sizeof one->results.error, "unacknowledged publication");
        one->core->stats.unacknowledged++;
    }
    if (one->publisher != NULL) {
        publisher_report(one->publisher, one->id, one->event_id, &one->results, true);
    }
    free_one(one);
}

static void on_time(uv_timer_t *timer)
{
    struct core *core = timer->data;
    uint64_t now = loop_ticks(core->loop);
    while (core->acknowledgements != NULL && core->acknowledgements->deadline <= now) {
        struct acknowledgement *one = core->acknowledgements;
        unlink_one(one);
        finish(one);
    }
    set_timer(core);
}

static void set_timer(struct core *core)
{
    if (core->acknowledgements == NULL) {
        uv_timer_stop(&core->timer);
        return;
    }
    uint64_t now = loop_ticks(core->loop), deadline = core->acknowledgements->deadline;
    core->timer.data = core;
    loop_timer_start(core->loop, &core->timer, on_time, deadline > now ? deadline - now : 0, 0);
}

static struct acknowledgement *find(const struct core *core, struct str id)
{
    struct idmap_node *node = idmap_find(&core->acknowledgement_ids, str_hash(id));
    while (node != NULL && !str_equal(((struct acknowledgement *)node)->id, id)) {
        node = idmap_find_next(node);
    }
    return (struct acknowledgement *)node;
}

static void give_up(struct acknowledgement *one)
{
    if (one != NULL) {
        unlink_one(one);
        finish(one);
    }
}

void acknowledgement_wait(struct acknowledgement *one, const struct publication_results *results)
{
    struct core *core = one->core;
    one->results = *results;
    give_up(find(core, one->id));
    if (one->outstanding == 0) {
        finish(one);
        return;
    }
    if (idmap_add(&core->acknowledgement_ids, &one->node, str_hash(one->id)) != HAPPN_OK) {
        one->is_short = true;
        finish(one);
        return;
    }
    if (one->publisher->is_closed) { /* while it was written to */
        one->publisher = NULL;
    } else {
        one->publisher->unacknowledged++;
    }
    one->deadline = loop_ticks(core->loop) + (uint64_t)core->acknowledge_ms;
    one->previous = core->last_acknowledgement;
    *(one->previous != NULL ? &one->previous->next : &core->acknowledgements) = one;
    core->last_acknowledgement = one;
    if (core->acknowledgements == one) {
        set_timer(core);
    }
}

static bool take(struct acknowledgement *one, const struct session *session)
{
    struct expected *place = find_expected(one, session);
    if (place == NULL || place->times == 0) {
        return false;
    }
    place->times--;
    one->results.acknowledged++;
    if (--one->outstanding == 0) {
        unlink_one(one);
        finish(one);
    }
    return true;
}

bool acknowledgement_take(struct core *core, struct session *session, struct str publication_id)
{
    struct acknowledgement *one = find(core, publication_id);
    return one != NULL && take(one, session);
}

void acknowledgement_session_closed(struct session *session)
{
    bool is_concerned = session->has_acknowledged || session->unacknowledged != 0;
    for (struct acknowledgement *one = is_concerned ? session->core->acknowledgements : NULL, *next; one != NULL; one = next) {
        next = one->next;
        if (one->publisher == session) {
            one->publisher = NULL;
            session->unacknowledged--;
        }
        struct expected *place = find_expected(one, session);
        if (place == NULL || place->times == 0) {
            continue;
        }
        one->outstanding -= place->times;
        one->is_short = true;
        *place = one->expected[--one->count];
        if (one->outstanding == 0) {
            unlink_one(one);
            finish(one);
        }
    }
}

size_t acknowledgement_count(const struct core *core)
{
    size_t count = 0;
    for (const struct acknowledgement *one = core->acknowledgements; one != NULL; one = one->next) {
        count++;
    }
    return count;
}

void acknowledgement_drop_all(struct core *core)
{
    while (core->acknowledgements != NULL) {
        struct acknowledgement *one = core->acknowledgements;
        unlink_one(one);
        free_one(one);
    }
}
