/* Subscriptions end: by handle, by path, all. */

#include "base/error.h"
#include "client/channels.h"
#include "json/scan.h"
#include "paths/wildcard.h"

/* Several offs that answer as one. */
struct off_group {
    size_t waiting;
    happn_status status;
    happn_error error;
};

static happn_status send_off(happn_client *client, struct pending *pending, struct str channel, const char *reference)
{
    request_begin(client, pending);
    request_add_string(client, "path", channel);
    request_add(client, "data", STR_LIT("null"));
    if (reference != NULL) {
        buf_add_lit(&client->out, ",\"options\":{\"referenceId\":");
        buf_add_text(&client->out, reference);
        buf_add_char(&client->out, '}');
    }
    return request_send(client, pending, 0);
}

/* Without a reference (some servers give none) off would end every subscription on the channel: then it is asked for
 * only by the last one. */
static happn_status ask_off(happn_client *client, struct client_subscription *subscription, struct pending *pending)
{
    struct client_channel *channel = subscription->channel;
    if (subscription->reference == NULL && channels_count(client, channel->text) > (subscription->is_dead ? 0 : 1)) {
        request_answer_later(client, pending);
        return HAPPN_OK;
    }
    return send_off(client, pending, channel->text, subscription->reference);
}

static void fail_pending(happn_client *client, struct pending *pending, happn_status status)
{
    happn_error error;
    error_set(&error, status, "%s", happn_status_text(status));
    happn_result result = result_of(&error);
    request_finish(client, pending, &result);
}

void channels_go_on_with_off(happn_client *client, struct client_subscription *subscription, happn_status on_status)
{
    struct pending *off = subscription->off;
    if (off == NULL) {
        return;
    }
    subscription->off = NULL;
    happn_status status = on_status;
    if (client->is_closing || client->is_ended) {
        status = HAPPN_E_CLOSED;
    } else if (on_status == HAPPN_OK) {
        status = ask_off(client, subscription, off);
    } else {
        status = HAPPN_OK;
        request_answer_later(client, off);
    }
    if (status != HAPPN_OK) {
        fail_pending(client, off, status);
    }
}

/* Without a connection, and before the subscriptions are asked for again: what is taken off now just is not made again. */
static bool is_away(const happn_client *client)
{
    return client->is_down && !client->is_closing && (client->resubscribing == 0 || client->is_losing);
}

/* Subscriptions can be ended as soon as they are asked for again, before the connection counts as back. */
static happn_status check_off(const happn_client *client)
{
    bool is_over = client->is_closing || client->is_ended;
    return is_over || (client->link == NULL && !client->is_down) ? HAPPN_E_CLOSED : HAPPN_OK;
}

happn_status happn_client_off(happn_client *client, int64_t handle, happn_result_fn done, void *arg)
{
    if (client == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    happn_status status = check_off(client);
    struct idmap_node *node = status == HAPPN_OK ? idmap_find(&client->subscriptions, (uint64_t)handle) : NULL;
    if (node == NULL) {
        return status != HAPPN_OK ? status : HAPPN_E_NOT_FOUND;
    }
    struct client_subscription *subscription = (struct client_subscription *)node;
    struct pending *pending = request_new(client, "off", done, arg);
    if (pending == NULL) {
        return HAPPN_E_MEMORY;
    }
    if (!subscription->is_answered) {
        subscription->off = pending;
    } else if (is_away(client)) {
        request_answer_later(client, pending);
    } else if ((status = ask_off(client, subscription, pending)) != HAPPN_OK) {
        request_free(client, pending);
        return status;
    }
    channels_end(client, subscription);
    channels_release(client, subscription);
    return HAPPN_OK;
}

int happn_client_is_subscribed(const happn_client *client, int64_t handle)
{
    return client != NULL && idmap_find(&client->subscriptions, (uint64_t)handle) != NULL;
}

static bool off_answered(happn_client *client, struct pending *pending, const happn_result *result)
{
    struct off_group *group = pending->context;
    if (result->status != HAPPN_OK && group->status == HAPPN_OK) {
        group->status = result->status;
        group->error = *result->error;
    }
    if (--group->waiting != 0) {
        return false;
    }
    happn_result all = group->status == HAPPN_OK ? *result : result_of(&group->error);
    if (pending->done != NULL) {
        pending->done(&all, pending->arg);
    }
    memory_free(client->allocator, group);
    return false;
}

static struct client_subscription *first_alive(const struct client_channel *channel)
{
    struct client_subscription *at = channel->first;
    while (at != NULL && at->is_dead) {
        at = at->next;
    }
    return at;
}

static void end_channel(happn_client *client, struct client_channel *channel)
{
    struct client_subscription *at;
    client->delivering++; /* keeps the list together meanwhile */
    while ((at = first_alive(channel)) != NULL) {
        channels_end(client, at);
    }
    client->delivering--;
}

static struct pending *new_off(happn_client *client, struct off_group *group, happn_result_fn done, void *arg)
{
    struct pending *pending = request_new(client, "off", done, arg);
    if (pending != NULL) {
        pending->hook = off_answered;
        pending->context = group;
        group->waiting++;
    }
    return pending;
}

/* One request ends all subscriptions of a channel, also those whose `on` is still under way: requests keep their order. */
static happn_status off_channel(happn_client *client, struct off_group *group, struct str channel, happn_result_fn done, void *arg)
{
    struct pending *pending = new_off(client, group, done, arg);
    happn_status status = pending != NULL ? send_off(client, pending, channel, "0") : HAPPN_E_MEMORY;
    if (status != HAPPN_OK && pending != NULL) {
        group->waiting--;
        request_free(client, pending);
    }
    return status;
}

struct off_matching {
    happn_client *client;
    struct off_group *group;
    struct str pattern;
    happn_result_fn done;
    void *arg;
    happn_status status;
};

static void visit_channel_match(struct idmap_node *node, void *arg)
{
    struct off_matching *off = arg;
    struct client_channel *channel = (struct client_channel *)node;
    const char *at = memchr(channel->text.ptr, '@', channel->text.len);
    struct str path = str_skip(channel->text, (size_t)(at - channel->text.ptr) + 1);
    if (off->status != HAPPN_OK || first_alive(channel) == NULL ||
        !wildcard_matches(WILDCARD_STRING, off->pattern, path, 0)) {
        return;
    }
    if (is_away(off->client)) {
        end_channel(off->client, channel);
        return;
    }
    off->status = off_channel(off->client, off->group, channel->text, off->done, off->arg);
    if (off->status == HAPPN_OK) {
        end_channel(off->client, channel);
    }
}

static happn_status off_matching(happn_client *client, struct off_group *group, struct str pattern, happn_result_fn done, void *arg)
{
    struct off_matching off = {client, group, pattern, done, arg, HAPPN_OK};
    idmap_each(&client->channels, visit_channel_match, &off);
    return off.status;
}

static void visit_channel_end(struct idmap_node *node, void *arg)
{
    end_channel(arg, (struct client_channel *)node);
}

static happn_status off_all(happn_client *client, struct off_group *group, happn_result_fn done, void *arg)
{
    happn_status status = is_away(client) ? HAPPN_OK : off_channel(client, group, STR_LIT("*"), done, arg);
    if (status == HAPPN_OK) {
        idmap_each(&client->channels, visit_channel_end, client);
    }
    return status;
}

static happn_status off_nothing(happn_client *client, struct off_group *group, happn_result_fn done, void *arg)
{
    struct pending *pending = new_off(client, group, done, arg);
    if (pending == NULL) {
        return HAPPN_E_MEMORY;
    }
    request_answer_later(client, pending);
    return HAPPN_OK;
}

happn_status happn_client_off_path(happn_client *client, const char *path, happn_result_fn done, void *arg)
{
    if (client == NULL || path == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    happn_status status = check_off(client);
    struct off_group *group = status == HAPPN_OK ? memory_zalloc(client->allocator, sizeof *group) : NULL;
    if (group == NULL) {
        return status != HAPPN_OK ? status : HAPPN_E_MEMORY;
    }
    struct str pattern = str_of(path);
    bool all = str_is(pattern, "*");
    status = all ? off_all(client, group, done, arg) : off_matching(client, group, pattern, done, arg);
    if (status == HAPPN_OK && group->waiting == 0) {
        status = off_nothing(client, group, done, arg);
    }
    if (group->waiting == 0) {
        memory_free(client->allocator, group);
    } else if (status != HAPPN_OK) {
        group->status = status; /* some requests have left: their answers carry the failure */
        error_set(&group->error, status, "%s", happn_status_text(status));
        status = HAPPN_OK;
    }
    channels_sweep(client);
    return status;
}
