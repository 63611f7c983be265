/* Who wants which events. The server names the channel of every event, "/SET@/a/b" exactly as it was subscribed, and sends
 * one message for it however many subscriptions it has: so here every channel has a list, found by the hash of its text.
 *
 * A callback may end any subscription, its own too, or close the client. So ending only marks; what is marked is freed
 * when no event is being handed out and the server has answered. */

#include "client/channels.h"

#include "json/scan.h"

static struct client_channel *find_channel(happn_client *client, struct str text)
{
    struct idmap_node *node = idmap_find(&client->channels, str_hash(text));
    while (node != NULL && !str_equal(((struct client_channel *)node)->text, text)) {
        node = idmap_find_next(node);
    }
    return (struct client_channel *)node;
}

static struct client_channel *join_channel(happn_client *client, struct str text)
{
    struct client_channel *channel = find_channel(client, text);
    if (channel != NULL) {
        return channel;
    }
    channel = memory_zalloc(client->allocator, sizeof *channel + text.len);
    if (channel == NULL) {
        return NULL;
    }
    memcpy(channel->bytes, text.ptr, text.len);
    channel->text = str_make(channel->bytes, text.len);
    if (idmap_add(&client->channels, &channel->node, str_hash(text)) != HAPPN_OK) {
        memory_free(client->allocator, channel);
        return NULL;
    }
    return channel;
}

static void free_subscription(happn_client *client, struct client_subscription *subscription)
{
    memory_free(client->allocator, subscription->reference);
    memory_free(client->allocator, subscription->options);
    memory_free(client->allocator, subscription);
}

static void leave_channel(happn_client *client, struct client_subscription *subscription)
{
    struct client_channel *channel = subscription->channel;
    struct client_subscription **at = &channel->first, *before = NULL;
    while (*at != subscription) {
        before = *at;
        at = &before->next;
    }
    *at = subscription->next;
    if (channel->last == subscription) {
        channel->last = before;
    }
    if (channel->first == NULL) {
        idmap_remove(&client->channels, &channel->node);
        memory_free(client->allocator, channel);
    }
}

void channels_release(happn_client *client, struct client_subscription *subscription)
{
    if (!subscription->is_dead || !subscription->is_answered || client->delivering != 0) {
        return;
    }
    leave_channel(client, subscription);
    free_subscription(client, subscription);
}

void channels_sweep(happn_client *client)
{
    while (client->delivering == 0 && client->dead != NULL) {
        struct client_subscription *subscription = client->dead;
        client->dead = subscription->dead_next;
        channels_release(client, subscription);
    }
}

void channels_end(happn_client *client, struct client_subscription *subscription)
{
    if (subscription->is_dead) {
        return;
    }
    subscription->is_dead = true;
    idmap_remove(&client->subscriptions, &subscription->node);
    if (client->delivering != 0) {
        subscription->dead_next = client->dead;
        client->dead = subscription;
    }
}

struct client_subscription *channels_add(happn_client *client, struct str channel, struct str options)
{
    struct client_subscription *subscription = memory_zalloc(client->allocator, sizeof *subscription);
    if (subscription == NULL) {
        return NULL;
    }
    subscription->channel = join_channel(client, channel);
    if (subscription->channel == NULL) {
        memory_free(client->allocator, subscription);
        return NULL;
    }
    struct client_channel *joined = subscription->channel;
    *(joined->last != NULL ? &joined->last->next : &joined->first) = subscription;
    joined->last = subscription;
    if (idmap_add(&client->subscriptions, &subscription->node, (uint64_t)++client->last_handle) != HAPPN_OK) {
        leave_channel(client, subscription);
        memory_free(client->allocator, subscription);
        return NULL;
    }
    int64_t count = json_int(client_options(options, "count"), 0);
    subscription->left = count > 0 ? count : 0;
    subscription->emits_initial = json_true(client_options(options, "initialEmit"));
    subscription->calls_initial = json_true(client_options(options, "initialCallback"));
    subscription->wants_initial = subscription->emits_initial || subscription->calls_initial;
    return subscription;
}

/* --- events */

size_t channels_count(happn_client *client, struct str text)
{
    struct client_channel *channel = find_channel(client, text);
    size_t count = 0;
    for (struct client_subscription *at = channel != NULL ? channel->first : NULL; at != NULL; at = at->next) {
        count += !at->is_dead;
    }
    return count;
}

static void count_down(happn_client *client, struct client_subscription *subscription)
{
    if (subscription->left != 0 && --subscription->left == 0 && happn_client_off(client, (int64_t)subscription->node.id, NULL, NULL) != HAPPN_OK) {
        channels_end(client, subscription); /* the server counts as well */
    }
}

bool channels_may_hear(const happn_client *client, const struct client_subscription *subscription)
{
    bool too_early = !subscription->is_answered && subscription->wants_initial;
    return !subscription->is_dead && !too_early && !client->is_closing;
}

static void deliver_one(happn_client *client, struct client_subscription *subscription, struct str data, struct str meta)
{
    if (channels_may_hear(client, subscription)) {
        count_down(client, subscription);
        subscription->event(data.ptr, data.len, meta.ptr, meta.len, subscription->arg);
    }
}

void channels_deliver(happn_client *client, struct str text, struct str data, struct str meta)
{
    struct client_channel *channel = find_channel(client, text);
    if (channel == NULL) {
        return;
    }
    client->delivering++;
    struct client_subscription *last = channel->last; /* one that is added by a callback waits for the next event */
    for (struct client_subscription *at = channel->first; at != NULL; at = at != last ? at->next : NULL) {
        deliver_one(client, at, data, meta);
    }
    client->delivering--;
    channels_sweep(client);
}

void channels_fini(happn_client *client)
{
    struct idmap_node *node;
    while ((node = idmap_any(&client->channels)) != NULL) {
        struct client_channel *channel = (struct client_channel *)node;
        while (channel->first != NULL) {
            struct client_subscription *next = channel->first->next;
            free_subscription(client, channel->first);
            channel->first = next;
        }
        idmap_remove(&client->channels, node);
        memory_free(client->allocator, channel);
    }
    idmap_fini(&client->channels);
    idmap_fini(&client->subscriptions);
}
