/* The verbs, and the life of a client.
 *
 * Open: the link connects, configure-session and login go over it, the answer to the login is the answer to the open. What is
 * called before that waits in the link, in order. End: the peer or the network closed; what is pending is answered, only
 * close is left, unless the connection is made again (reconnect.c). Close: the link closes, what is pending is answered, the handles close, the
 * memory goes; each step in a later turn than the one before, so callbacks of the caller may close at any time. */

#include "client/client.h"

#include <stdio.h>

#include "base/error.h"
#include "base/utf8.h"
#include "client/connect.h"
#include "core/session.h"
#include "json/scan.h"
#include "json/write.h"
#include "paths/path.h"

happn_status client_check(const happn_client *client)
{
    if (client->is_closing || client->is_ended || client->is_down || client->link == NULL) {
        return HAPPN_E_CLOSED;
    }
    return client->is_signing ? HAPPN_E_BUSY : HAPPN_OK;
}

struct str client_options(struct str options, const char *name)
{
    return json_type_of(options) == JSON_OBJECT ? json_get(options, name) : STR_NONE;
}

/* --- life */

static void on_handle_closed(uv_handle_t *handle)
{
    happn_client *client = handle->data;
    if (--client->handles != 0) {
        return;
    }
    void (*closed)(void *arg) = client->closed;
    void *arg = client->closed_arg;
    channels_fini(client);
    idmap_fini(&client->pending);
    idmap_fini(&client->reports);
    connect_fini(&client->options);
    memory_free(client->allocator, client->introduction);
    memory_free(client->allocator, client->session);
    arena_fini(&client->arena);
    buf_fini(&client->out);
    buf_fini(&client->in);
    runtime_remove(client->runtime, &client->part);
    memory_free(client->allocator, client);
    if (closed != NULL) {
        closed(arg);
    }
}

void client_tell_connected(happn_client *client, happn_status status, const happn_error *error)
{
    happn_done_fn connected = client->connected;
    client->connected = NULL;
    client->was_connected = client->was_connected || status == HAPPN_OK;
    if (connected != NULL) {
        connected(status, error, client->connected_arg);
    }
}

void client_link_closed(happn_client *client)
{
    happn_error error;
    error_set(&error, HAPPN_E_CLOSED, "the client was closed");
    client->link = NULL;
    client_tell_connected(client, HAPPN_E_CLOSED, &error);
    requests_fail_all(client, &error);
    uv_close((uv_handle_t *)&client->timer, on_handle_closed);
    uv_close((uv_handle_t *)&client->later, on_handle_closed);
    uv_close((uv_handle_t *)&client->again, on_handle_closed);
}

static void on_link_closed(void *owner)
{
    client_link_closed(owner);
}

static void on_received(void *owner, struct str text)
{
    reply_received(owner, text);
}

static void say_how_many(const happn_client *client, happn_error *error)
{
    if (!client->was_connected && client->tries > 1 && error->status != HAPPN_E_DENIED) {
        char text[sizeof error->message];
        snprintf(text, sizeof text, "no server of the pool answered; the last: %.300s", error->message);
        utf8_mend(text); /* the message may have been cut */
        snprintf(error->message, sizeof error->message, "%s", text);
    }
}

void client_lost(happn_client *client, happn_status status, const char *reason)
{
    if (client->is_losing || client->is_ended) {
        return;
    }
    happn_error error;
    char why[sizeof client->farewell];
    bool again = reconnect_is_wanted(client, status);
    snprintf(why, sizeof why, "%s", client->farewell[0] != '\0' ? client->farewell : reason);
    utf8_mend(why);
    client->is_down = again;
    client->is_ended = !again;
    client->is_losing = true;
    error_set(&error, status, "%s", reason);
    if (!again) {
        say_how_many(client, &error);
        client_tell_connected(client, status, &error);
    }
    error_set(&error, HAPPN_E_CLOSED, "the connection ended: %s", why);
    requests_fail_all(client, &error);
    client->is_losing = false;
    if (client->is_closing) {
        return;
    }
    if (again) {
        reconnect_begin(client, why);
    } else if (client->ended != NULL) {
        client->ended(why, client->ended_arg);
    }
}

static void on_ended(void *owner, happn_status status, const char *reason)
{
    client_lost(owner, status, reason);
}

static const struct client_link_events link_events = {on_received, on_ended};

static void close_part(struct runtime_part *part)
{
    happn_client *client = (happn_client *)part;
    if (!client->is_closing) {
        happn_client_close(client, NULL, NULL);
    }
}

static happn_client *client_new(happn_runtime *runtime, happn_done_fn done, void *arg)
{
    const struct allocator *allocator = runtime_allocator(runtime);
    happn_client *client = memory_zalloc(allocator, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->runtime = runtime;
    client->loop = runtime_loop(runtime);
    client->allocator = allocator;
    client->connected = done;
    client->connected_arg = arg;
    client->timeout_ms = CLIENT_TIMEOUT_MS;
    idmap_init(&client->pending, allocator);
    idmap_init(&client->reports, allocator);
    idmap_init(&client->channels, allocator);
    idmap_init(&client->subscriptions, allocator);
    arena_init(&client->arena, allocator);
    buf_init(&client->out, allocator, CLIENT_MAX_MESSAGE);
    buf_init(&client->in, allocator, CLIENT_MAX_MESSAGE);
    uv_timer_init(&client->loop->uv, &client->timer);
    uv_idle_init(&client->loop->uv, &client->later);
    uv_timer_init(&client->loop->uv, &client->again);
    client->timer.data = client->later.data = client->again.data = client;
    client->handles = 3;
    client->part.close = close_part;
    runtime_add(runtime, &client->part);
    return client;
}

/* Nothing has been promised yet: no callback comes. */
static void client_drop(happn_client *client)
{
    client->connected = NULL;
    happn_client_close(client, NULL, NULL);
}

void happn_client_close(happn_client *client, void (*closed)(void *arg), void *arg)
{
    if (client == NULL) {
        return;
    }
    if (closed != NULL) {
        client->closed = closed;
        client->closed_arg = arg;
    }
    if (client->is_closing) {
        return;
    }
    client->is_closing = true;
    uv_timer_stop(&client->again);
    if (client->is_leaving) {
        return; /* goes on when the link that was lost is closed */
    }
    if (client->link != NULL) {
        client->link->ops->close(client->link, on_link_closed);
    } else {
        on_link_closed(client);
    }
}

void happn_client_on_end(happn_client *client, void (*ended)(const char *reason, void *arg), void *arg)
{
    client->ended = ended;
    client->ended_arg = arg;
}

void happn_client_on_connection(happn_client *client, happn_connection_fn changed, void *arg)
{
    client->watch = changed;
    client->watch_arg = arg;
}

void happn_client_on_values(happn_client *client, happn_values_fn told, void *arg)
{
    client->again_values = told;
    client->again_values_arg = arg;
}

const char *happn_client_session(const happn_client *client)
{
    return client->session != NULL ? client->session : "null";
}

/* --- opening */

/* login not set: the host itself, who may do everything. */
static happn_status open_inside(happn_service *service, struct str login, happn_done_fn done, void *arg, happn_client **out)
{
    if (service == NULL || out == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    *out = NULL;
    happn_client *client = client_new(happn_service_runtime(service), done, arg);
    if (client == NULL) {
        return HAPPN_E_MEMORY;
    }
    happn_status status = link_inprocess_open(service, &link_events, client, &client->link);
    if (status == HAPPN_OK && str_is_set(login)) {
        struct session *session = link_inprocess_session(client->link);
        session->is_trusted = session->may_see_system = false;
        client->introduction = memory_strdup(client->allocator, login.ptr, login.len);
        status = client->introduction != NULL ? HAPPN_OK : HAPPN_E_MEMORY;
    }
    status = status == HAPPN_OK ? login_introduce(client, login, 0) : status;
    if (status != HAPPN_OK) {
        client_drop(client);
        return status;
    }
    *out = client;
    return HAPPN_OK;
}

happn_status happn_client_open(happn_service *service, happn_done_fn done, void *arg, happn_client **out)
{
    return open_inside(service, STR_NONE, done, arg, out);
}

happn_status happn_client_open_as(happn_service *service, const char *login, size_t len, happn_done_fn done, void *arg, happn_client **out)
{
    struct str text = str_make(login, len);
    if (client_check_json(text) != HAPPN_OK || json_type_of(text) != JSON_OBJECT) {
        return HAPPN_E_JSON;
    }
    return open_inside(service, text, done, arg, out);
}

happn_status client_open_link(happn_client *client)
{
    pool_choose(client);
    happn_status status = link_websocket_open(client->loop, client->allocator, &client->options.link, &link_events, client, &client->link);
    return status == HAPPN_OK ? login_introduce(client, str_of(client->introduction), client->options.connect_ms) : status;
}

happn_status happn_client_connect(happn_runtime *runtime, const char *options, size_t len, happn_done_fn done, void *arg,
                                  happn_client **out)
{
    if (runtime == NULL || out == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    *out = NULL;
    struct str text = options != NULL ? str_make(options, len) : STR_LIT("{}");
    struct connect_options connect;
    happn_status status = connect_read(text, runtime_allocator(runtime), &connect, NULL);
    if (status != HAPPN_OK) {
        return status;
    }
    happn_client *client = client_new(runtime, done, arg);
    if (client == NULL) {
        connect_fini(&connect);
        return HAPPN_E_MEMORY;
    }
    client->timeout_ms = connect.timeout_ms;
    client->options = connect;
    client->introduction = memory_strdup(client->allocator, text.ptr, text.len);
    status = client->introduction != NULL ? client_open_link(client) : HAPPN_E_MEMORY;
    if (status != HAPPN_OK) {
        client_drop(client);
        return status;
    }
    *out = client;
    return HAPPN_OK;
}

/* --- the verbs */

struct call {
    const char *action;
    const char *path;
    enum path_use use;
    struct str data;    /* JSON */
    struct str options; /* JSON, or unset */
    happn_result_fn done;
    void *arg;
    bool is_reported;
    happn_result_fn published; /* gets the report */
};

happn_status client_check_json(struct str text)
{
    if (text.ptr == NULL || !utf8_is_valid(text)) {
        return HAPPN_E_JSON;
    }
    return json_check(text, NULL);
}

happn_status happn_client_check_path(const char *path, const char *action, happn_error *error)
{
    static const struct {
        const char *action;
        enum path_use use;
    } uses[] = {{"set", PATH_FOR_SET}, {"get", PATH_FOR_GET}, {"remove", PATH_FOR_REMOVE}, {"on", PATH_FOR_ON}};
    struct str text = str_of(path);
    size_t i = 0;
    while (i < sizeof uses / sizeof uses[0] && (action == NULL || strcmp(action, uses[i].action) != 0)) {
        i++;
    }
    if (path == NULL || i == sizeof uses / sizeof uses[0]) {
        return error_set(error, HAPPN_E_ARGUMENT, "%s", happn_status_text(HAPPN_E_ARGUMENT));
    }
    happn_status status = path_check(text, uses[i].use, error);
    return status == HAPPN_OK && !utf8_is_valid(text) ? error_set(error, HAPPN_E_PATH, "Bad path: it is not UTF-8") : status;
}

static happn_status check_call(const happn_client *client, const struct call *call)
{
    happn_status status = client_check(client);
    if (status == HAPPN_OK) {
        status = path_check(str_of(call->path), call->use, NULL);
    }
    if (status == HAPPN_OK && !utf8_is_valid(str_of(call->path))) {
        status = HAPPN_E_PATH;
    }
    if (status == HAPPN_OK) {
        status = client_check_json(call->data);
    }
    if (status == HAPPN_OK && str_is_set(call->options)) {
        status = client_check_json(call->options);
    }
    if (status == HAPPN_OK && str_is_set(call->options) && json_type_of(call->options) != JSON_OBJECT) {
        status = HAPPN_E_JSON;
    }
    return status;
}

/* Only these levels have a report that comes by itself. */
static bool has_report(struct str options)
{
    int64_t level = str_is_set(options) ? json_int(client_options(options, "consistency"), 2) : 2;
    return (level == 1 || level == 3) && !json_true(client_options(options, "noPublish"));
}

static happn_status send_call(happn_client *client, struct pending *pending, const struct call *call)
{
    int64_t given = json_int(client_options(call->options, "timeout"), 0);
    uint64_t timeout_ms = given > 0 ? (uint64_t)given : 0;
    if (!call->is_reported) {
        return request_send(client, pending, timeout_ms);
    }
    struct pending *report = request_new(client, "the report of the publication", call->published, call->arg);
    happn_status status = report != NULL ? request_send_reported(client, pending, report, timeout_ms) : HAPPN_E_MEMORY;
    if (status != HAPPN_OK && report != NULL) {
        request_free(client, report);
    }
    return status;
}

static happn_status carry_out(happn_client *client, const struct call *call)
{
    if (client == NULL || call->path == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    happn_status status = check_call(client, call);
    if (status != HAPPN_OK) {
        return status;
    }
    if (call->is_reported && (call->published == NULL || !has_report(call->options))) {
        return HAPPN_E_ARGUMENT;
    }
    struct pending *pending = request_new(client, call->action, call->done, call->arg);
    if (pending == NULL) {
        return HAPPN_E_MEMORY;
    }
    request_begin(client, pending);
    request_add_string(client, "path", str_of(call->path));
    request_add(client, "data", call->data);
    request_add(client, "options", call->options);
    status = send_call(client, pending, call);
    if (status != HAPPN_OK) {
        request_free(client, pending);
    }
    return status;
}

happn_status happn_client_set(happn_client *client, const char *path, const char *json, size_t len, const char *options,
                              happn_result_fn done, void *arg)
{
    struct call call = {"set", path, PATH_FOR_SET, str_make(json, len), str_of(options), done, arg, false, NULL};
    return carry_out(client, &call);
}

happn_status happn_client_get(happn_client *client, const char *path, const char *options, happn_result_fn done, void *arg)
{
    struct call call = {"get", path, PATH_FOR_GET, STR_LIT("null"), str_of(options), done, arg, false, NULL};
    return carry_out(client, &call);
}

happn_status happn_client_get_paths(happn_client *client, const char *path, happn_result_fn done, void *arg)
{
    struct str options = STR_LIT("{\"options\":{\"path_only\":true}}");
    struct call call = {"get", path, PATH_FOR_GET, STR_LIT("null"), options, done, arg, false, NULL};
    return carry_out(client, &call);
}

happn_status happn_client_count(happn_client *client, const char *path, const char *options, happn_result_fn done, void *arg)
{
    struct call call = {"count", path, PATH_FOR_GET, STR_LIT("null"), str_of(options), done, arg, false, NULL};
    return carry_out(client, &call);
}

happn_status happn_client_remove(happn_client *client, const char *path, const char *options, happn_result_fn done, void *arg)
{
    struct call call = {"remove", path, PATH_FOR_REMOVE, STR_LIT("null"), str_of(options), done, arg, false, NULL};
    return carry_out(client, &call);
}

happn_status happn_client_set_reported(happn_client *client, const char *path, const char *json, size_t len, const char *options,
                                       happn_result_fn done, happn_result_fn published, void *arg)
{
    struct call call = {"set", path, PATH_FOR_SET, str_make(json, len), str_of(options), done, arg, true, published};
    return carry_out(client, &call);
}

happn_status happn_client_remove_reported(happn_client *client, const char *path, const char *options, happn_result_fn done,
                                          happn_result_fn published, void *arg)
{
    struct call call = {"remove", path, PATH_FOR_REMOVE, STR_LIT("null"), str_of(options), done, arg, true, published};
    return carry_out(client, &call);
}
