#include "core/session.h"

#include "base/id.h"
#include "core/acknowledgement.h"
#include "core/events.h"
#include "core/finding.h"
#include "core/gate.h"
#include "core/opening.h"
#include "core/outbox.h"

enum { FIRST_SLOTS = 8 };

struct session *core_session_open(struct core *core, struct link *link)
{
    struct session *session = memory_zalloc(core->allocator, sizeof *session);
    if (session == NULL) {
        return NULL;
    }
    session->core = core;
    session->link = link;
    session->protocol = core->wire->first;
    session->waiting_tail = &session->waiting;
    session->holds = 1;
    id_uuid(session->id);
    session->opened = loop_now_ms(core->loop);
    session->next = core->sessions;
    if (core->sessions != NULL) {
        core->sessions->previous = session;
    }
    core->sessions = session;
    core->session_count++;
    return session;
}

static void unlink_session(struct session *session)
{
    struct core *core = session->core;
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        core->sessions = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
    core->session_count--;
}

void session_release(struct session *session)
{
    if (--session->holds == 0) {
        memory_free(session->core->allocator, (char *)session->info.ptr);
        memory_free(session->core->allocator, (char *)session->kept.ptr);
        memory_free(session->core->allocator, session->channels);
        memory_free(session->core->allocator, session);
    }
}

void core_session_closed(struct session *session)
{
    session->is_closed = true;
    outbox_session_closed(session);
    finding_session_closed(session);
    session->link = NULL;
    if (session->is_announced) {
        events_session(session->core, "disconnect", session, NULL);
    }
    session_unsubscribe_all(session);
    acknowledgement_session_closed(session);
    gate_identify(session, NULL);
    unlink_session(session);
    while (session->waiting != NULL) {
        struct request *request = session->waiting;
        session->waiting = request->next;
        core_request_free(request);
    }
    session->waiting_tail = &session->waiting;
    session->waiting_count = 0;
    session_release(session);
}

static size_t hash_text(struct str text)
{
    uint64_t hash = str_hash(text);
    return (size_t)(hash ^ hash >> 29);
}

static struct channel **find_channel(struct session *session, struct str text)
{
    struct channel **at = &session->channels[hash_text(text) & (session->channel_slots - 1)];
    while (*at != NULL && !str_equal(channel_text(*at), text)) {
        at = &(*at)->next;
    }
    return at;
}

struct channel *session_channel(struct session *session, struct str text)
{
    return session->channel_slots != 0 ? *find_channel(session, text) : NULL;
}

static bool grow_channels(struct session *session)
{
    size_t slots = session->channel_slots == 0 ? FIRST_SLOTS : session->channel_slots * 2;
    struct channel **table = memory_zalloc(session->core->allocator, slots * sizeof *table);
    if (table == NULL) {
        return false;
    }
    for (size_t i = 0; i < session->channel_slots; i++) {
        while (session->channels[i] != NULL) {
            struct channel *channel = session->channels[i];
            session->channels[i] = channel->next;
            struct channel **at = &table[hash_text(channel_text(channel)) & (slots - 1)];
            channel->next = *at;
            *at = channel;
        }
    }
    memory_free(session->core->allocator, session->channels);
    session->channels = table;
    session->channel_slots = slots;
    return true;
}

/* "/SET@/a/b" ends with its pattern "/a/b"; texts that were written otherwise have theirs behind them. */
static struct channel *new_channel(struct session *session, struct str text, struct str pattern)
{
    bool has_pattern = str_ends(text, pattern);
    size_t len = text.len + (has_pattern ? 0 : pattern.len);
    struct channel *channel = memory_zalloc(session->core->allocator, sizeof *channel + len);
    if (channel == NULL) {
        return NULL;
    }
    memcpy(channel->bytes, text.ptr, text.len);
    if (!has_pattern) {
        memcpy(channel->bytes + text.len, pattern.ptr, pattern.len);
    }
    channel->session = session;
    channel->text_len = (uint32_t)text.len;
    channel->subscription.pattern = str_make(channel->bytes + len - pattern.len, pattern.len);
    return channel;
}

/* Several depths on one channel: the deepest decides who hears of it, and each message says how deep it really is, for the
 * client to choose. The index may have kept the depth, so the subscription is entered anew. */
static void widen(struct channel *channel, int depth)
{
    struct subscription *subscription = &channel->subscription;
    channel->has_depths = channel->has_depths || subscription->depth != depth;
    if (depth <= subscription->depth) {
        return;
    }
    struct subscriptions *index = channel->session->core->subscriptions;
    int before = subscription->depth;
    subscriptions_remove(index, subscription);
    subscription->depth = (unsigned char)depth;
    if (subscriptions_add(index, subscription) != HAPPN_OK) {
        subscription->depth = (unsigned char)before;
        (void)!subscriptions_add(index, subscription);
    }
}

static struct channel *join_channel(struct session *session, struct str text, struct str pattern, int events,
                                    int language, int depth)
{
    if (session->channel_count >= session->channel_slots && !grow_channels(session)) {
        return NULL;
    }
    struct channel **at = find_channel(session, text);
    if (*at != NULL) {
        widen(*at, depth);
        return *at;
    }
    struct channel *channel = new_channel(session, text, pattern);
    if (channel == NULL) {
        return NULL;
    }
    channel->subscription.events = (unsigned)events & EVENT_ALL;
    channel->subscription.language = language == WILDCARD_SEGMENT;
    channel->subscription.depth = (unsigned char)depth;
    if (subscriptions_add(session->core->subscriptions, &channel->subscription) != HAPPN_OK) {
        memory_free(session->core->allocator, channel);
        return NULL;
    }
    *at = channel;
    session->channel_count++;
    gate_look_at(channel);
    return channel;
}

/* Later ones stand behind the oldest, because that one decides the channel's form. NULL: no memory. */
static struct reference *add_reference(struct channel *channel)
{
    struct reference *last = &channel->reference;
    if (last->number != 0) {
        while (last->next != NULL) {
            last = last->next;
        }
        last = last->next = memory_zalloc(channel->session->core->allocator, sizeof *last);
    }
    channel->session->reference_count += last != NULL;
    return last;
}

happn_status session_subscribe(struct session *session, struct str text, struct str pattern, const struct subscribing *how,
                               uint64_t *reference)
{
    if (session->reference_count >= session->core->limits.subscriptions) {
        return HAPPN_E_LIMIT;
    }
    struct channel *channel = join_channel(session, text, pattern, how->events, how->language, how->depth);
    struct reference *entry = channel != NULL ? add_reference(channel) : NULL;
    if (entry == NULL) {
        return HAPPN_E_MEMORY;
    }
    entry->number = ++session->core->last_reference;
    entry->merge = how->merge;
    entry->listener = how->listener;
    *reference = entry->number;
    return HAPPN_OK;
}

/* Which references an `off` means: number 0 is all, or all of one listener. */
struct dropped {
    uint64_t number;
    bool by_listener;
    int64_t listener;
};

static bool is_dropped(const struct reference *entry, const struct dropped *which)
{
    if (which->by_listener) {
        return entry->listener == which->listener;
    }
    return which->number == 0 || entry->number == which->number;
}

/* The next one takes the oldest's place. */
static void drop_oldest(struct channel *channel)
{
    struct reference *next = channel->reference.next;
    channel->reference = next != NULL ? *next : (struct reference){.number = 0};
    memory_free(channel->session->core->allocator, next);
}

static size_t drop_references(struct channel *channel, const struct dropped *which)
{
    size_t dropped = 0;
    struct reference **at = &channel->reference.next;
    while (*at != NULL) {
        struct reference *entry = *at;
        if (!is_dropped(entry, which)) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        memory_free(channel->session->core->allocator, entry);
        dropped++;
    }
    if (is_dropped(&channel->reference, which)) {
        drop_oldest(channel);
        dropped++;
    }
    channel->session->reference_count -= dropped;
    return dropped;
}

static void free_channel(struct channel *channel)
{
    subscriptions_remove(channel->session->core->subscriptions, &channel->subscription);
    opening_drop(channel);
    channel->session->channel_count--;
    memory_free(channel->session->core->allocator, channel);
}

static size_t unsubscribe(struct session *session, struct str text, const struct dropped *which)
{
    if (session->channel_slots == 0) {
        return 0;
    }
    struct channel **at = find_channel(session, text);
    struct channel *channel = *at;
    if (channel == NULL) {
        return 0;
    }
    size_t dropped = drop_references(channel, which);
    if (channel->reference.number == 0) {
        *at = channel->next;
        free_channel(channel);
    }
    return dropped;
}

size_t session_unsubscribe(struct session *session, struct str text, uint64_t reference)
{
    return unsubscribe(session, text, &(struct dropped){.number = reference});
}

size_t session_unsubscribe_listener(struct session *session, struct str text, int64_t listener)
{
    return unsubscribe(session, text, &(struct dropped){.by_listener = true, .listener = listener});
}

size_t session_unsubscribe_all(struct session *session)
{
    size_t dropped = 0;
    for (size_t i = 0; i < session->channel_slots; i++) {
        while (session->channels[i] != NULL) {
            struct channel *channel = session->channels[i];
            session->channels[i] = channel->next;
            dropped += drop_references(channel, &(struct dropped){.number = 0});
            free_channel(channel);
        }
    }
    return dropped;
}

void core_disconnect_all(struct core *core, bool reconnect, const char *reason)
{
    for (struct session *session = core->sessions, *next; session != NULL; session = next) {
        next = session->next;
        bool has_own_word = !reconnect && session->protocol->returns_in_silence;
        session_disconnect(session, reconnect, has_own_word ? "reconnect-false" : reason);
    }
}

void session_disconnect(struct session *session, bool reconnect, const char *reason)
{
    struct link *link = session->link;
    if (link == NULL) {
        return;
    }
    bool is_told = !reconnect || !session->protocol->returns_in_silence;
    struct buf *out = is_told ? link->ops->begin(link) : NULL;
    if (out != NULL) {
        session->protocol->encode_disconnect(session, str_of(reason), out);
        link->ops->commit(link);
    }
    if (!reconnect && (out = link->ops->begin(link)) != NULL) {
        buf_add_lit(out, "\"primus::server::close\"");
        link->ops->commit(link);
    }
    link->ops->close(link, reason);
}
