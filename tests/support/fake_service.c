/* Stands in for src/service where that is not in the tree yet: a core with documents in memory and no port. */
#include <stdio.h>

#include "base/error.h"
#include "base/runtime.h"
#include "core/layers.h"
#include "core/session.h"
#include "json/scan.h"
#include "store/memory.h"
#include "wire/message.h"

struct happn_service {
    struct runtime_part part;
    happn_runtime *runtime;
    struct core core;
    uv_idle_t idle;
    happn_done_fn started;
    void *started_arg;
    void (*closed)(void *arg);
    void *closed_arg;
    bool is_closing, is_provider_closed;
};

static void on_store_closed(void *arg)
{
    ((happn_service *)arg)->is_provider_closed = true;
}

static void on_gone(uv_handle_t *handle)
{
    happn_service *service = handle->data;
    void (*closed)(void *arg) = service->closed;
    void *arg = service->closed_arg;
    core_fini(&service->core);
    runtime_remove(service->runtime, &service->part);
    memory_free(NULL, service);
    if (closed != NULL) {
        closed(arg);
    }
}

static void on_turn(uv_idle_t *idle)
{
    happn_service *service = idle->data;
    happn_done_fn started = service->started;
    service->started = NULL;
    if (started != NULL) {
        started(HAPPN_OK, NULL, service->started_arg);
    }
    if (!service->is_closing) {
        uv_idle_stop(idle);
        return;
    }
    if (service->core.session_count == 0 && service->core.request_count == 0) {
        service->core.provider->ops->close(service->core.provider, on_store_closed, service);
        uv_close((uv_handle_t *)idle, on_gone);
    }
}

static void close_part(struct runtime_part *part)
{
    happn_service *service = (happn_service *)part;
    if (!service->is_closing) {
        happn_service_close(service, 0, NULL, NULL);
    }
}

happn_status happn_service_new(happn_runtime *runtime, const char *config, size_t len, const char *base_dir, happn_service **out,
                               happn_error *error)
{
    (void)base_dir;
    if (json_check(str_make(config, len), NULL) != HAPPN_OK) {
        return error_set(error, HAPPN_E_CONFIG, "the configuration is not JSON");
    }
    happn_service *service = memory_zalloc(NULL, sizeof *service);
    struct loop *loop = runtime_loop(runtime);
    service->runtime = runtime;
    core_init(&service->core, loop, NULL);
    service->core.service = service;
    service->core.wire = &wire_ops;
    snprintf(service->core.name, sizeof service->core.name, "fake");
    happn_status status = store_memory_open(loop, NULL, &service->core.provider);
    uv_idle_init(&loop->uv, &service->idle);
    service->idle.data = service;
    service->part.close = close_part;
    runtime_add(runtime, &service->part);
    *out = service;
    return status;
}

happn_status happn_service_add_layer(happn_service *service, int outbound, happn_layer_fn fn, void *arg)
{
    return layers_add(&service->core, outbound != 0, fn, arg);
}

void happn_service_start(happn_service *service, happn_done_fn done, void *arg)
{
    service->started = done;
    service->started_arg = arg;
    uv_idle_start(&service->idle, on_turn);
}

int happn_service_port(const happn_service *service)
{
    (void)service;
    return 0;
}

happn_status happn_reload(happn_service *service, happn_error *error)
{
    (void)service, (void)error;
    return HAPPN_OK;
}

void happn_service_close(happn_service *service, int reconnect, void (*closed)(void *arg), void *arg)
{
    service->is_closing = true;
    service->closed = closed;
    service->closed_arg = arg;
    core_disconnect_all(&service->core, reconnect != 0, "server-side-disconnect");
    uv_idle_start(&service->idle, on_turn);
}

struct core *happn_service_core(happn_service *service)
{
    return &service->core;
}

happn_runtime *happn_service_runtime(happn_service *service)
{
    return service->runtime;
}
