/* Who wants which events. The server names the channel of every event, "/SET@/a/b" exactly as it was subscribed, and sends
 * one message for it however many subscriptions it has: so here every channel has a list, found by the hash of its text.
 *
 * A callback may end any subscription, its own too, or close the client. So ending only marks; what is marked is freed
 * when no event is being handed out and the server has answered. */

#include <stdio.h>

#include "base/error.h"
#include "client/client.h"
#include "json/scan.h"
#include "json/write.h"
#include "paths/path.h"
#include "paths/wildcard.h"

/* Several offs that answer as one. */
struct off_group {
    size_t waiting;
    happn_status status;
    happn_error error;
};

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

/* Frees a subscription that has ended, now or when it may. */
static void release(happn_client *client, struct client_subscription *subscription)
{
    if (!subscription->is_dead || !subscription->is_answered || client->delivering != 0) {
        return;
    }
    leave_channel(client, subscription);
    free_subscription(client, subscription);
}

/* Frees what ended while events were handed out. One whose `on` is still unanswered stays until then. */
static void sweep(happn_client *client)
{
    while (client->delivering == 0 && client->dead != NULL) {
        struct client_subscription *subscription = client->dead;
        client->dead = subscription->dead_next;
        release(client, subscription);
    }
}

/* No event any more, the handle is unknown; the memory stays until it may go. */
static void end(happn_client *client, struct client_subscription *subscription)
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
        end(client, subscription); /* the server counts as well */
    }
}

static bool may_hear(const happn_client *client, const struct client_subscription *subscription)
{
    bool too_early = !subscription->is_answered && subscription->wants_initial;
    return !subscription->is_dead && !too_early && !client->is_closing;
}

static void deliver_one(happn_client *client, struct client_subscription *subscription, struct str data, struct str meta)
{
    if (may_hear(client, subscription)) {
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
    sweep(client);
}

/* --- on */

/* Initial values use up nothing of a count, as in the original. */
static void emit_initial(happn_client *client, struct client_subscription *subscription, struct str list)
{
    struct json_iter it = json_iter(list);
    struct buf item;
    buf_init(&item, client->allocator, CLIENT_MAX_MESSAGE);
    while (json_type_of(list) == JSON_ARRAY && json_next(&it)) {
        if (json_type_of(it.value) != JSON_OBJECT) {
            continue;
        }
        bool has_members;
        buf_clear(&item);
        json_add_open_object(&item, it.value, "_meta", &has_members);
        buf_add_char(&item, '}');
        struct str meta = json_get(it.value, "_meta");
        meta = str_is_set(meta) ? meta : STR_LIT("{}");
        if (item.status == HAPPN_OK && may_hear(client, subscription)) {
            subscription->event(item.ptr, item.len, meta.ptr, meta.len, subscription->arg);
        }
    }
    buf_fini(&item);
}

static void keep_reference(happn_client *client, struct client_subscription *subscription, const happn_result *result)
{
    struct str data = str_make(result->data, result->data_len), meta = str_make(result->meta, result->meta_len);
    struct str id = json_get(data, "id");
    if (!str_is_set(id)) {
        id = json_get(meta, "referenceId");
    }
    if (str_is_set(id)) {
        subscription->reference = memory_strdup(client->allocator, id.ptr, id.len);
    }
}

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

/* An off that was waiting for the server's answer to on. */
static void go_on_with_off(happn_client *client, struct client_subscription *subscription, happn_status on_status)
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

static bool on_answered(happn_client *client, struct pending *pending, const happn_result *result)
{
    struct client_subscription *subscription = pending->context;
    bool was_dead = subscription->is_dead;
    client->delivering++; /* the callbacks below may end it */
    subscription->is_answered = true;
    if (result->status == HAPPN_OK) {
        keep_reference(client, subscription, result);
        if (subscription->emits_initial && !was_dead) {
            emit_initial(client, subscription, str_make(result->data, result->data_len));
        }
    } else {
        end(client, subscription);
    }
    go_on_with_off(client, subscription, result->status);
    if (pending->done != NULL) {
        pending->done(result, pending->arg);
    }
    client->delivering--;
    if (was_dead) {
        release(client, subscription);
    }
    sweep(client);
    return false;
}

static const char *event_prefix(happn_client *client, struct str options)
{
    struct str type = json_string(&client->arena, client_options(options, "event_type"));
    if (!str_is_set(type) || str_is(type, "all")) {
        return "/ALL@";
    }
    return str_is(type, "set") ? "/SET@" : str_is(type, "remove") ? "/REMOVE@" : NULL;
}

static struct client_subscription *new_subscription(happn_client *client, struct str channel, struct str options)
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

static happn_status send_on(happn_client *client, struct client_subscription *subscription, struct str options,
                            happn_result_fn done, void *arg)
{
    struct pending *pending = request_new(client, "on", done, arg);
    if (pending == NULL) {
        return HAPPN_E_MEMORY;
    }
    pending->hook = on_answered;
    pending->context = subscription;
    request_begin(client, pending);
    request_add_string(client, "path", subscription->channel->text);
    request_add(client, "data", STR_LIT("null"));
    request_add(client, "options", options);
    happn_status status = request_send(client, pending, (uint64_t)json_int(client_options(options, "timeout"), 0));
    if (status != HAPPN_OK) {
        request_free(client, pending);
    }
    return status;
}

happn_status happn_client_on(happn_client *client, const char *path, const char *options, happn_event_fn event, void *event_arg,
                             happn_result_fn done, void *arg, int64_t *handle)
{
    if (client == NULL || path == NULL || event == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    struct str text = str_of(path), given = str_of(options);
    happn_status status = client_check(client);
    status = status == HAPPN_OK ? path_check(text, PATH_FOR_ON, NULL) : status;
    status = status == HAPPN_OK && options != NULL ? client_check_json(given) : status;
    if (status != HAPPN_OK) {
        return status;
    }
    if (options != NULL && json_type_of(given) != JSON_OBJECT) {
        return HAPPN_E_JSON;
    }
    const char *prefix = event_prefix(client, given);
    if (prefix == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    char channel[PATH_MAX_LENGTH + 16];
    int len = snprintf(channel, sizeof channel, "%s%s", prefix, path);
    struct client_subscription *subscription = new_subscription(client, str_make(channel, (size_t)len), given);
    if (subscription == NULL) {
        return HAPPN_E_MEMORY;
    }
    subscription->event = event;
    subscription->arg = event_arg;
    if (client->options.reconnect && options != NULL) {
        subscription->options = memory_strdup(client->allocator, given.ptr, given.len);
    }
    bool is_kept = subscription->options != NULL || !client->options.reconnect || options == NULL;
    status = !is_kept ? HAPPN_E_MEMORY : send_on(client, subscription, given, done, arg);
    if (status != HAPPN_OK) {
        subscription->is_answered = true;
        end(client, subscription);
        release(client, subscription);
        return status;
    }
    if (handle != NULL) {
        *handle = (int64_t)subscription->node.id;
    }
    return HAPPN_OK;
}

/* --- a connection that is made again */

/* A subscription that cannot be made again must not be silent: then that was the end, unless another attempt may help. */
static void refused_again(happn_client *client, struct client_subscription *subscription, const happn_result *result)
{
    char why[200];
    happn_status status = result->status;
    client->is_final = status != HAPPN_E_TIMEOUT && status != HAPPN_E_BUSY && status != HAPPN_E_MEMORY && status != HAPPN_E_CLOSED;
    snprintf(why, sizeof why, "%.*s could not be subscribed again: %.80s", (int)(subscription->channel->text.len < 80 ? subscription->channel->text.len : 80),
             subscription->channel->text.ptr, result->error->message);
    client_lost(client, status, why);
}

/* What is there now: nobody knows what changed while the connection was away. */
static void tell_values_again(happn_client *client, struct client_subscription *subscription, const happn_result *result)
{
    if (subscription->emits_initial) {
        emit_initial(client, subscription, str_make(result->data, result->data_len));
    }
    bool wants_list = subscription->calls_initial && client->again_values != NULL && may_hear(client, subscription);
    if (wants_list) {
        client->again_values((int64_t)subscription->node.id, result->data, result->data_len, subscription->arg, client->again_values_arg);
    }
}

static bool answered_again(happn_client *client, struct pending *pending, const happn_result *result)
{
    struct client_subscription *subscription = pending->context;
    bool was_dead = subscription->is_dead;
    client->delivering++; /* the callbacks below may end it */
    subscription->is_answered = true;
    if (result->status == HAPPN_OK) {
        keep_reference(client, subscription, result);
        tell_values_again(client, subscription, result);
    }
    go_on_with_off(client, subscription, result->status);
    client->delivering--;
    client->resubscribing--;
    if (result->status != HAPPN_OK && !was_dead && !client->is_losing && !client->is_closing) {
        refused_again(client, subscription, result);
    } else if (client->resubscribing == 0 && !client->is_losing && !client->is_closing) {
        reconnect_done(client);
    }
    if (was_dead) {
        release(client, subscription);
    }
    sweep(client);
    return false;
}

/* The options as they were, but for the count, of which some may be used up. */
static void write_options(struct buf *out, const struct client_subscription *subscription)
{
    struct json_iter it = json_iter(str_of(subscription->options));
    bool has_members = false;
    buf_add_char(out, '{');
    while (subscription->options != NULL && json_next(&it)) {
        if (!json_text_is(it.key, STR_LIT("count"))) {
            buf_add_text(out, has_members ? ",\"" : "\"");
            buf_add_str(out, it.key);
            buf_add_lit(out, "\":");
            buf_add_str(out, it.value);
            has_members = true;
        }
    }
    if (subscription->left != 0) {
        buf_add_format(out, "%s\"count\":%lld", has_members ? "," : "", (long long)subscription->left);
    }
    buf_add_char(out, '}');
}

static happn_status subscribe_again(happn_client *client, struct client_subscription *subscription)
{
    struct buf options;
    buf_init(&options, client->allocator, CLIENT_MAX_MESSAGE);
    write_options(&options, subscription);
    struct pending *pending = options.status == HAPPN_OK ? request_new(client, "on", NULL, NULL) : NULL;
    happn_status status = HAPPN_E_MEMORY;
    if (pending != NULL) {
        pending->hook = answered_again;
        pending->context = subscription;
        request_begin(client, pending);
        request_add_string(client, "path", subscription->channel->text);
        request_add(client, "data", STR_LIT("null"));
        request_add(client, "options", buf_str(&options));
        status = request_send(client, pending, 0);
    }
    if (status != HAPPN_OK && pending != NULL) {
        request_free(client, pending);
    }
    buf_fini(&options);
    return status;
}

struct again {
    happn_client *client;
    happn_status status;
};

static void visit_again(struct idmap_node *node, void *arg)
{
    struct again *again = arg;
    struct client_subscription *subscription = (struct client_subscription *)node;
    if (again->status != HAPPN_OK) {
        return;
    }
    again->status = subscribe_again(again->client, subscription);
    if (again->status == HAPPN_OK) {
        memory_free(again->client->allocator, subscription->reference);
        subscription->reference = NULL;
        subscription->is_answered = false;
        again->client->resubscribing++;
    }
}

happn_status channels_subscribe_again(happn_client *client)
{
    struct again again = {client, HAPPN_OK};
    client->resubscribing = 0;
    idmap_each(&client->subscriptions, visit_again, &again);
    return again.status;
}

/* --- off */

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
    end(client, subscription);
    release(client, subscription);
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
        end(client, at);
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
    sweep(client);
    return status;
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
