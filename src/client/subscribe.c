/* Subscriptions are asked for: the first time, and again when a connection was lost and made anew. */

#include <stdio.h>

#include "client/channels.h"
#include "json/scan.h"
#include "json/write.h"
#include "paths/path.h"

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
        if (item.status == HAPPN_OK && channels_may_hear(client, subscription)) {
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
        channels_end(client, subscription);
    }
    channels_go_on_with_off(client, subscription, result->status);
    if (pending->done != NULL) {
        pending->done(result, pending->arg);
    }
    client->delivering--;
    if (was_dead) {
        channels_release(client, subscription);
    }
    channels_sweep(client);
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
    struct client_subscription *subscription = channels_add(client, str_make(channel, (size_t)len), given);
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
        channels_end(client, subscription);
        channels_release(client, subscription);
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
    bool wants_list = subscription->calls_initial && client->again_values != NULL && channels_may_hear(client, subscription);
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
    channels_go_on_with_off(client, subscription, result->status);
    client->delivering--;
    client->resubscribing--;
    if (result->status != HAPPN_OK && !was_dead && !client->is_losing && !client->is_closing) {
        refused_again(client, subscription, result);
    } else if (client->resubscribing == 0 && !client->is_losing && !client->is_closing) {
        reconnect_done(client);
    }
    if (was_dead) {
        channels_release(client, subscription);
    }
    channels_sweep(client);
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
