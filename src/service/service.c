/* A service from beginning to end: config, log, store, scripts, listener; and back in reverse. */

#include "service/service.h"

#include <stdio.h>

#include "base/error.h"
#include "base/id.h"
#include "base/watchdog.h"
#include "core/events.h"
#include "core/layers.h"
#include "core/session.h"
#include "security/address.h"
#include "security/security.h"
#include "store/datastores.h"
#include "wire/host_protocol.h"
#include "wire/message.h"

enum { MOST_PAGE = 1 << 20, POLL_MS = 5, IN_FLIGHT_MS = 5000, GRACE_MS = 2000 };

static void close_part(struct runtime_part *part);
static void begin_close(happn_service *service);

happn_status happn_service_new(happn_runtime *runtime, const char *config, size_t len, const char *base_dir,
                               happn_service **out, happn_error *error)
{
    const struct allocator *allocator = runtime_allocator(runtime);
    happn_service *service = memory_zalloc(allocator, sizeof *service);
    if (service == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    service->runtime = runtime;
    happn_status status = config_parse(&service->config, allocator, str_make(config, len), base_dir, error);
    if (status == HAPPN_OK) {
        status = core_init(&service->core, runtime_loop(runtime), allocator);
    }
    if (status != HAPPN_OK) {
        config_fini(&service->config);
        memory_free(allocator, service);
        return status;
    }
    service->core.service = service;
    service->core.wire = &wire_ops;
    service->part.close = close_part;
    runtime_add(runtime, &service->part);
    *out = service;
    return HAPPN_OK;
}

happn_status happn_service_set(happn_service *service, const char *key, const char *json, happn_error *error)
{
    if (service->state != SERVICE_NEW) {
        return error_set(error, HAPPN_E_ARGUMENT, "the service has been started: %s cannot be set any more", key);
    }
    return config_set(&service->config, key, str_of(json), error);
}

happn_status happn_service_add_layer(happn_service *service, int outbound, happn_layer_fn fn, void *arg)
{
    if (service->state == SERVICE_CLOSING || fn == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    return layers_add(&service->core, outbound != 0 ? LAYERS_OUTBOUND : LAYERS_INBOUND, fn, arg) != NULL ? HAPPN_OK : HAPPN_E_MEMORY;
}

happn_status happn_service_add_route(happn_service *service, const char *method, const char *path, happn_route_fn fn, void *arg)
{
    if (service->state == SERVICE_CLOSING || fn == NULL || path[0] != '/') {
        return HAPPN_E_ARGUMENT;
    }
    return core_add_route(&service->core, method, path, fn, arg);
}

happn_status happn_service_watch(happn_service *service, happn_system_fn fn, void *arg)
{
    if (service->state == SERVICE_CLOSING || fn == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    return events_watch(&service->core, fn, arg);
}

static void apply_config(happn_service *service)
{
    const struct config *config = &service->config;
    struct core *core = &service->core;
    core->compat = (int)config->compat;
    core->acknowledge_ms = config->acknowledge_ms;
    core->publishes_each_remove = config->publish_each_remove;
    core->limits.message_bytes = (size_t)config->message_bytes;
    core->limits.subscriptions = (size_t)config->subscriptions;
    core->limits.pending_requests = (size_t)config->pending;
    core->limits.list_bytes = (size_t)config->queue_bytes; /* its connection would be cut off */
    struct str name = config->name.len != 0 ? config->name : config->system_name;
    if (name.len != 0) {
        snprintf(core->name, sizeof core->name, "%s", name.ptr);
    } else {
        id_uuid(core->name);
    }
}

static happn_status open_log(happn_service *service, happn_error *error)
{
    const struct config *config = &service->config;
    enum log_level level = (enum log_level)log_level_of(config->log_level);
    happn_status status = log_open(level, str_is(config->log_format, "json"), config->log_file.ptr, config->log_components.ptr,
                                   &service->core.log, error);
    for (const char *p = config->warnings.ptr; status == HAPPN_OK && p != NULL && *p != '\0';) {
        size_t len = strcspn(p, "\n");
        log_write(service->core.log, LOG_WARN, "config", "%.*s", (int)len, p);
        p += len + (p[len] == '\n');
    }
    return status;
}

/* A page is read once: whoever changes it starts the service anew. */
static happn_status read_page(happn_service *service, struct str file, struct str *out, happn_error *error)
{
    if (file.len == 0) {
        return HAPPN_OK;
    }
    FILE *stream = fopen(file.ptr, "rb");
    char *bytes = stream != NULL ? arena_alloc(&service->config.arena, MOST_PAGE) : NULL;
    size_t len = bytes != NULL ? fread(bytes, 1, MOST_PAGE, stream) : 0;
    bool is_whole = bytes != NULL && len < MOST_PAGE && ferror(stream) == 0;
    if (stream != NULL) {
        fclose(stream);
    }
    *out = str_make(bytes, len);
    return is_whole ? HAPPN_OK : error_set(error, HAPPN_E_CONFIG, "the page %.300s cannot be read, or has more than %d bytes", file.ptr, MOST_PAGE);
}

static happn_status find_certificate(happn_service *service, struct certificate_source *out, happn_error *error)
{
    struct config *config = &service->config;
    char cert[512], key[512];
    *out = (struct certificate_source){.cert = str_or_none(config->tls_cert), .key = str_or_none(config->tls_key),
                                       .cert_path = config->tls_cert_path, .key_path = config->tls_key_path};
    if (str_is_set(out->cert) || str_is_set(out->key) || out->cert_path.len != 0 || out->key_path.len != 0) {
        return HAPPN_OK;
    }
    if (!certificate_default_paths(cert, key)) {
        return error_set(error, HAPPN_E_CONFIG, "there is no home directory for a certificate: set services.transport.config.certPath and keyPath");
    }
    out->cert_path = arena_str(&config->arena, str_of(cert));
    out->key_path = arena_str(&config->arena, str_of(key));
    return out->key_path.ptr != NULL ? HAPPN_OK : error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static happn_status check_proxies(const struct config *config, happn_error *error)
{
    struct network network;
    for (size_t i = 0; i < config->trusted_proxies.count; i++) {
        struct str text = config->trusted_proxies.items[i];
        if (!network_read(text, &network) || i >= LISTENER_MOST_PROXIES) {
            return error_set(error, HAPPN_E_CONFIG, "services.transport.config.trustedProxies: %.*s %s", text.len < 60 ? (int)text.len : 60, text.ptr,
                             i >= LISTENER_MOST_PROXIES ? "is one too many" : "is neither an address nor a network such as 10.0.0.0/8");
        }
    }
    return HAPPN_OK;
}

happn_status service_listener_options(happn_service *service, struct listener_options *out, happn_error *error)
{
    const struct config *config = &service->config;
    *out = (struct listener_options){.host = config->host.ptr,
                                       .port = (int)config->port,
                                       .message_bytes = (size_t)config->message_bytes,
                                       .queue_bytes = (size_t)config->queue_bytes,
                                       .body_bytes = (size_t)config->body_bytes,
                                       .connections = (size_t)config->connections,
                                       .silence_ms = config->silence_ms,
                                       .ping_ms = config->ping_ms,
                                       .keep_alive_seconds = (int)(config->keep_alive_ms / 1000),
                                       .query_tokens = config->query_tokens,
                                       .http_logout = config->http_logout,
                                       .exclusions = config->exclusions.items,
                                       .exclusion_count = config->exclusions.count,
                                       .proxies = config->trusted_proxies.items,
                                       .proxy_count = config->trusted_proxies.count,
                                       .handshake_seconds = (int)config->handshake_seconds,
                                       .body_seconds = (int)config->body_seconds};
    out->is_encrypted = str_is(config->transport, "https");
    happn_status status = check_proxies(config, error);
    if (status == HAPPN_OK && out->is_encrypted) {
        status = find_certificate(service, &out->certificate, error);
    }
    if (status == HAPPN_OK) {
        status = read_page(service, config->unauthorized_page, &out->unauthorized_page, error);
    }
    if (status == HAPPN_OK) {
        status = read_page(service, config->forbidden_page, &out->forbidden_page, error);
    }
    if (status == HAPPN_OK) {
        status = service_http_options(service, out, error);
    }
    return status;
}

static happn_status open_listener(happn_service *service, happn_error *error)
{
    struct listener_options options;
    if (service->config.defer_listen) {
        return HAPPN_OK;
    }
    happn_status status = service_listener_options(service, &options, error);
    return status == HAPPN_OK ? listener_open(&service->core, &options, &service->listener, error) : status;
}

static happn_status open_stores(happn_service *service, happn_error *error)
{
    int64_t compat = service->config.compat;
    if (compat != 6 && compat != 8 && compat != 13) {
        return error_set(error, HAPPN_E_CONFIG, "compat must be 6, 8 or 13, not %lld", (long long)compat);
    }
    apply_config(service);
    happn_status status = open_log(service, error);
    if (status == HAPPN_OK) {
        status = service_open_stores(service, error);
    }
    return status;
}

/* What needs to know who may do what. */
static happn_status open_rest(happn_service *service, happn_error *error)
{
    happn_status status = service_open_scripts(service, error);
    if (status == HAPPN_OK) {
        status = service_open_stats(service, error);
    }
    if (status == HAPPN_OK) {
        status = open_listener(service, error);
    }
    return status;
}

/* A server without it is still one: the log says why there is none. */
static void open_control(happn_service *service, happn_status status)
{
    happn_error error;
    const char *path = service->config.control.ptr;
    if (status == HAPPN_OK && service->config.control.len != 0 && control_open(service, path, &service->control, &error) != HAPPN_OK) {
        log_write(service->core.log, LOG_WARN, "service", "%s", error.message);
    }
}

/* The stores and the directory are there, or could not be had. */
static void start_rest(happn_service *service, happn_status status, const happn_error *why)
{
    happn_error error = why != NULL ? *why : (happn_error){.status = status};
    service->is_starting = false;
    if (service->state == SERVICE_CLOSING) {
        status = error_set(&error, HAPPN_E_CLOSED, "the service was closed while it started");
    } else {
        status = status == HAPPN_OK ? open_rest(service, &error) : status;
        service->state = status == HAPPN_OK ? SERVICE_OPEN : SERVICE_FAILED;
    }
    if (status == HAPPN_OK && service->scripts != NULL) {
        scripts_begin(service->scripts);
    }
    open_control(service, status);
    if (status == HAPPN_OK) {
        service_open_watchdog(service);
    }
    if (status == HAPPN_OK && service->listener != NULL) {
        log_write(service->core.log, LOG_INFO, "service", "listening on port %d", listener_port(service->listener));
    }
    if (service->done != NULL) {
        service->done(status, status == HAPPN_OK ? NULL : &error, service->done_arg);
    }
    if (service->close_waits) {
        begin_close(service);
    }
}

static void start_now(void *arg)
{
    happn_service *service = arg;
    happn_error error = {0};
    happn_status status = HAPPN_OK;
    if (service->state != SERVICE_CLOSING) {
        status = open_stores(service, &error);
    }
    if (status == HAPPN_OK && service->state != SERVICE_CLOSING) {
        status = service_open_security(service, start_rest, &error);
    }
    if (status != HAPPN_PENDING) {
        start_rest(service, status, &error);
    }
}

void happn_service_start(happn_service *service, happn_done_fn done, void *arg)
{
    service->done = done;
    service->done_arg = arg;
    service->is_starting = true;
    service->state = SERVICE_STARTING;
    while (loop_post(service->core.loop, start_now, service) == HAPPN_E_MEMORY) {
    }
}

int happn_service_port(const happn_service *service)
{
    return service->listener != NULL ? listener_port(service->listener) : 0;
}

struct core *happn_service_core(happn_service *service)
{
    return &service->core;
}

happn_runtime *happn_service_runtime(happn_service *service)
{
    return service->runtime;
}

/* ---- closing: each step waits for the one before it */

static void free_service(uv_handle_t *handle)
{
    happn_service *service = handle->data;
    const struct allocator *allocator = service->core.allocator;
    log_write(service->core.log, LOG_INFO, "service", "stopped");
    host_protocol_forget_all(&service->core);
    security_free(service->core.security);
    core_fini(&service->core);
    log_close(service->core.log);
    config_fini(&service->config);
    service_forget_providers(service);
    void (*closed)(void *) = service->closed;
    void *closed_arg = service->closed_arg;
    runtime_remove(service->runtime, &service->part);
    memory_free(allocator, service);
    if (closed != NULL) {
        closed(closed_arg);
    }
}

static void audit_closed(void *arg)
{
    happn_service *service = arg;
    service->audit = NULL;
    uv_close((uv_handle_t *)&service->poll, free_service);
}

static void store_closed(void *arg)
{
    happn_service *service = arg;
    if (service->audit != NULL) {
        audit_close(service->audit, audit_closed, service);
    } else {
        audit_closed(service);
    }
}

static void next_step(void *arg);
static void on_poll(uv_timer_t *timer);

static void close_scripts_now(happn_service *service)
{
    service->step = STEP_NEXT;
    service_close_scripts(service, next_step);
}

static void close_listener_now(happn_service *service)
{
    core_disconnect_all(&service->core, service->reconnect, "server-side-disconnect");
    service->step = STEP_NEXT;
    if (service->listener == NULL) {
        next_step(service);
        return;
    }
    struct listener *listener = service->listener;
    service->listener = NULL;
    listener_close(listener, GRACE_MS, next_step, service);
}

static void close_store_now(happn_service *service)
{
    uv_timer_stop(&service->poll);
    service->step = STEP_NEXT;
    struct datastores *stores = service->core.stores;
    service->core.stores = NULL;
    core_close_timer(&service->core);
    if (stores == NULL) {
        store_closed(service);
    } else {
        datastores_close(stores, store_closed, service);
    }
}

/* What happens in order; a step that waits is looked at every few milliseconds. */
static void on_poll(uv_timer_t *timer)
{
    happn_service *service = timer->data;
    bool in_time = (int64_t)uv_now(timer->loop) < service->deadline;
    if (service->step == STEP_IN_FLIGHT && (service->core.request_count == 0 || !in_time)) {
        close_scripts_now(service);
    } else if (service->step == STEP_SCRIPTS_CLOSED) {
        close_listener_now(service);
    } else if (service->step == STEP_LISTENER_CLOSED && service->core.sessions == NULL && service->core.request_count == 0 &&
               service->core.answers_due == 0) {
        close_store_now(service);
    }
}

/* Scripts, then the listener, have ended. */
static void next_step(void *arg)
{
    happn_service *service = arg;
    service->closed_steps++;
    service->step = service->closed_steps == 1 ? STEP_SCRIPTS_CLOSED : STEP_LISTENER_CLOSED;
    uv_timer_start(&service->poll, on_poll, 0, POLL_MS); /* the next one need not wait */
}

static void begin_close(happn_service *service)
{
    service->state = SERVICE_CLOSING;
    control_close(service->control);
    service->control = NULL;
    watchdog_close(service->watchdog);
    service->watchdog = NULL;
    if (service->listener != NULL) {
        listener_stop(service->listener);
    }
    uv_timer_init(&service->core.loop->uv, &service->poll);
    service->poll.data = service;
    service->deadline = (int64_t)uv_now(&service->core.loop->uv) + IN_FLIGHT_MS;
    service->step = STEP_IN_FLIGHT;
    uv_timer_start(&service->poll, on_poll, 0, POLL_MS);
}

void happn_service_close(happn_service *service, int reconnect, void (*closed)(void *arg), void *arg)
{
    if (service->state == SERVICE_CLOSING) {
        return;
    }
    service->reconnect = reconnect != 0;
    service->closed = closed;
    service->closed_arg = arg;
    service->state = SERVICE_CLOSING;
    service->close_waits = service->is_starting; /* a start that was asked for ends first */
    if (!service->is_starting) {
        begin_close(service);
    }
}

static void close_part(struct runtime_part *part)
{
    happn_service *service = (happn_service *)((char *)part - offsetof(happn_service, part));
    happn_service_close(service, 1, NULL, NULL);
}
