#include "core/publication.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "core/acknowledgement.h"
#include "core/finding.h"
#include "core/gate.h"
#include "core/layers.h"
#include "core/opening.h"
#include "json/scan.h"

/* Recipients mostly share a few channels: what was encoded last is kept and sent again. */
enum { KEPT = 4 };

struct kept {
    const struct protocol *protocol;
    struct str channel;
    bool merge, rev;
    int depth;
    struct payload *payload;
};

struct delivery {
    struct publication *publication;
    struct kept kept[KEPT];
    size_t next;
    struct buf text;
    bool is_layered;     /* recipients may get different things */
    struct str *targets; /* sorted; only these sessions */
    size_t target_count;
};

static bool wants_posted(const struct publication *publication, const struct channel *channel)
{
    return publication->event == EVENT_SET && channel->reference.merge;
}

static struct kept *find_kept(struct delivery *delivery, const struct channel *channel, bool merge)
{
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *kept = &delivery->kept[i];
        if (kept->payload != NULL && kept->protocol == channel->session->protocol && kept->merge == merge &&
            kept->rev == channel->session->shows_rev && kept->depth == channel->subscription.depth &&
            str_equal(kept->channel, channel_text(channel))) {
            return kept;
        }
    }
    return NULL;
}

static struct payload *encode(struct delivery *delivery, const struct channel *channel, struct str data)
{
    struct publication copy = *delivery->publication;
    copy.data = data;
    copy.rev = channel->session->shows_rev ? copy.rev : 0;
    struct lending lending;
    const struct protocol *protocol = channel->session->protocol;
    copy.lending = protocol->lends && lending_begin(&lending, copy.arena, data) ? &lending : NULL;
    buf_clear(&delivery->text);
    protocol->encode_publication(&copy, channel, &delivery->text);
    if (copy.lending != NULL) {
        return lending_end(&lending, &delivery->text);
    }
    return delivery->text.status == HAPPN_OK ? payload_new(copy.core->allocator, buf_str(&delivery->text)) : NULL;
}

static struct payload *payload_for(struct delivery *delivery, const struct channel *channel)
{
    bool merge = wants_posted(delivery->publication, channel);
    struct kept *kept = find_kept(delivery, channel, merge);
    if (kept != NULL) {
        return kept->payload;
    }
    struct str data = merge ? delivery->publication->posted : delivery->publication->data;
    struct payload *payload = encode(delivery, channel, data);
    if (payload == NULL) {
        return NULL;
    }
    kept = &delivery->kept[delivery->next++ % KEPT];
    if (kept->payload != NULL) {
        payload_unref(kept->payload);
    }
    *kept = (struct kept){channel->session->protocol, channel_text(channel), merge, channel->session->shows_rev,
                          channel->subscription.depth, payload};
    return payload;
}

static bool hand_over(struct delivery *delivery, struct channel *channel, struct payload *payload)
{
    struct session *session = channel->session;
    if (channel->opening != NULL) {
        return opening_hold(channel, delivery->publication, payload);
    }
    if (session->finding != NULL && finding_holds(session, delivery->publication)) {
        return finding_keep(session, delivery->publication, payload);
    }
    session->link->ops->send(session->link, payload);
    return true;
}

/* Why a message could not be made, or, where there is one, be kept. */
static happn_status cause(const struct delivery *delivery, const struct payload *payload)
{
    return payload == NULL && delivery->text.status != HAPPN_E_LIMIT ? HAPPN_E_MEMORY : HAPPN_E_LIMIT;
}

/* With outbound layers every recipient may get something else, so nothing is shared. */
static happn_status send_layered(struct delivery *delivery, struct channel *channel)
{
    struct publication *publication = delivery->publication;
    struct str data = wants_posted(publication, channel) ? publication->posted : publication->data;
    happn_error error = {.status = HAPPN_OK};
    switch (layers_publication(publication, channel->session, &data, &error)) {
    case HAPPN_NEXT:
        break;
    case HAPPN_FAIL:
        utf8_copy(publication->results.error, sizeof publication->results.error, str_of(error.message));
        return HAPPN_E_REFUSED;
    default:
        return HAPPN_OK; /* it was not meant for this one */
    }
    struct payload *payload = encode(delivery, channel, data);
    bool is_sent = payload != NULL && hand_over(delivery, channel, payload);
    if (payload != NULL) {
        payload_unref(payload);
    }
    return is_sent ? HAPPN_OK : cause(delivery, payload);
}

static happn_status send_shared(struct delivery *delivery, struct channel *channel)
{
    struct payload *payload = payload_for(delivery, channel);
    return payload != NULL && hand_over(delivery, channel, payload) ? HAPPN_OK : cause(delivery, payload);
}

static int by_text(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static bool is_meant(const struct delivery *delivery, const struct session *session)
{
    struct str id = str_of(session->id);
    return delivery->targets == NULL ||
           bsearch(&id, delivery->targets, delivery->target_count, sizeof id, by_text) != NULL;
}

static size_t references_of(const struct channel *channel)
{
    size_t count = 0;
    for (const struct reference *entry = &channel->reference; entry != NULL; entry = entry->next) {
        count++;
    }
    return count;
}

static void deliver_to(struct subscription *subscription, void *arg)
{
    struct delivery *delivery = arg;
    struct channel *channel = (struct channel *)subscription;
    struct publication *publication = delivery->publication;
    struct session *session = channel->session;
    if (session->link == NULL || !is_meant(delivery, session)) {
        return;
    }
    if (publication->core->security != NULL && !gate_hears(channel, publication->path)) {
        return;
    }
    size_t references = references_of(channel);
    publication->results.queued += references;
    happn_status status = delivery->is_layered ? send_layered(delivery, channel) : send_shared(delivery, channel);
    if (status != HAPPN_OK) {
        publication->results.failed++;
        if (publication->results.error[0] == '\0') {
            snprintf(publication->results.error, sizeof publication->results.error, "%s", happn_status_text(status));
        }
        return;
    }
    publication->results.successful++;
    if (publication->waiting != NULL) { /* older clients acknowledge for each of their listeners, newer ones each message */
        acknowledgement_expect(publication->waiting, session, session->protocol->number <= 2 ? references : 1);
    }
}

/* Who matches the path a sibling was asked for has been served already. */
static void deliver_unless_asked(struct subscription *subscription, void *arg)
{
    const struct delivery *delivery = arg;
    if (!wildcard_matches(subscription->language, subscription->pattern, delivery->publication->asked_path, subscription->depth)) {
        deliver_to(subscription, arg);
    }
}

static bool read_targets(struct delivery *delivery)
{
    struct publication *publication = delivery->publication;
    if (!str_is_set(publication->targets)) {
        return true;
    }
    bool is_list = json_type_of(publication->targets) == JSON_ARRAY;
    size_t count = is_list ? 0 : 1;
    for (struct json_iter it = json_iter(publication->targets); is_list && json_next(&it);) {
        count++;
    }
    delivery->targets = arena_alloc(publication->arena, (count + 1) * sizeof *delivery->targets);
    if (delivery->targets == NULL) {
        return false;
    }
    if (!is_list) {
        delivery->targets[delivery->target_count++] = json_string(publication->arena, publication->targets);
    }
    for (struct json_iter it = json_iter(publication->targets); is_list && json_next(&it);) {
        delivery->targets[delivery->target_count++] = json_string(publication->arena, it.value);
    }
    qsort(delivery->targets, delivery->target_count, sizeof *delivery->targets, by_text);
    return true;
}

static void deliver(struct delivery *delivery)
{
    struct publication *publication = delivery->publication;
    struct subscriptions *index = publication->core->subscriptions;
    if (!str_is_set(publication->asked_path)) {
        subscriptions_match(index, publication->path, publication->event, deliver_to, delivery);
        return;
    }
    subscriptions_match(index, publication->asked_path, publication->event, deliver_to, delivery);
    subscriptions_match(index, publication->path, publication->event, deliver_unless_asked, delivery);
}

void publication_deliver(struct publication *publication)
{
    struct core *core = publication->core;
    struct delivery delivery = {.publication = publication, .is_layered = layers_wanted(core, LAYERS_OUTBOUND)};
    buf_init(&delivery.text, core->allocator, core->limits.message_bytes + 65536);
    bool is_wanted = !layers_wanted(core, LAYERS_PUBLISHED) || layers_published(publication);
    if (is_wanted && read_targets(&delivery)) {
        deliver(&delivery);
    }
    for (size_t i = 0; i < KEPT; i++) {
        if (delivery.kept[i].payload != NULL) {
            payload_unref(delivery.kept[i].payload);
        }
    }
    buf_fini(&delivery.text);
    core->stats.publications++;
    core->stats.deliveries += publication->results.successful;
    core->stats.failed_deliveries += publication->results.failed;
}
