#include "core/publication.h"

#include "core/layers.h"

/* Recipients mostly share a few channels: what was encoded last is kept and sent again. */
enum { KEPT = 4 };

struct kept {
    const struct protocol *protocol;
    struct str channel;
    bool merge;
    struct payload *payload;
};

struct delivery {
    struct publication *publication;
    struct kept kept[KEPT];
    size_t next;
    struct buf text;
};

static bool wants_posted(const struct publication *publication, const struct channel *channel)
{
    return publication->event == EVENT_SET && channel->references != NULL && channel->references->merge;
}

static struct kept *find_kept(struct delivery *delivery, const struct channel *channel, bool merge)
{
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *kept = &delivery->kept[i];
        if (kept->payload != NULL && kept->protocol == channel->session->protocol && kept->merge == merge &&
            str_equal(kept->channel, channel->text)) {
            return kept;
        }
    }
    return NULL;
}

static struct payload *encode(struct delivery *delivery, const struct channel *channel, struct str data)
{
    struct publication copy = *delivery->publication;
    copy.data = data;
    buf_clear(&delivery->text);
    channel->session->protocol->encode_publication(&copy, channel, &delivery->text);
    if (delivery->text.status != HAPPN_OK) {
        return NULL;
    }
    return payload_new(copy.core->allocator, buf_str(&delivery->text));
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
    *kept = (struct kept){channel->session->protocol, channel->text, merge, payload};
    return payload;
}

/* With outbound layers every recipient may see something else, so nothing is shared. */
static bool send_layered(struct delivery *delivery, struct channel *channel)
{
    struct publication *publication = delivery->publication;
    struct str data = wants_posted(publication, channel) ? publication->posted : publication->data;
    if (!layers_publication(publication, channel->session, &data)) {
        return true;
    }
    struct payload *payload = encode(delivery, channel, data);
    if (payload == NULL) {
        return false;
    }
    channel->session->link->ops->send(channel->session->link, payload);
    payload_unref(payload);
    return true;
}

static bool send_shared(struct delivery *delivery, struct channel *channel)
{
    struct payload *payload = payload_for(delivery, channel);
    if (payload == NULL) {
        return false;
    }
    channel->session->link->ops->send(channel->session->link, payload);
    return true;
}

static void deliver_to(struct subscription *subscription, void *arg)
{
    struct delivery *delivery = arg;
    struct channel *channel = subscription->owner;
    struct publication *publication = delivery->publication;
    for (struct reference *entry = channel->references; entry != NULL; entry = entry->next) {
        publication->queued++;
    }
    if (channel->session->link == NULL) {
        return;
    }
    bool layered = publication->core->outbound != NULL;
    if (layered ? send_layered(delivery, channel) : send_shared(delivery, channel)) {
        publication->successful++;
    } else {
        publication->failed++;
    }
}

void publication_deliver(struct publication *publication)
{
    struct core *core = publication->core;
    struct delivery delivery = {.publication = publication};
    buf_init(&delivery.text, core->allocator, core->limits.message_bytes + 65536);
    subscriptions_match(core->subscriptions, publication->path, publication->event, deliver_to, &delivery);
    for (size_t i = 0; i < KEPT; i++) {
        if (delivery.kept[i].payload != NULL) {
            payload_unref(delivery.kept[i].payload);
        }
    }
    buf_fini(&delivery.text);
    core->stats.publications++;
    core->stats.deliveries += publication->successful;
}
