/* The scripts that the configuration names. */

#include "base/error.h"
#include "service/service.h"

static void fill(struct script_entry *entries, const struct config_scripts *scripts)
{
    for (size_t i = 0; i < scripts->count; i++) {
        const struct config_script *item = &scripts->items[i];
        entries[i] = (struct script_entry){.file = item->file.ptr,
                                           .config_json = item->config.ptr,
                                           .config_len = item->config.len,
                                           .mount = item->mount.ptr,
                                           .user = item->user.ptr,
                                           .is_trusted = item->is_trusted,
                                           .sees_secrets = item->sees_secrets,
                                           .skips_errors = str_is(item->on_error, "skip")};
    }
}

happn_status service_open_scripts(happn_service *service, happn_error *error)
{
    struct config *config = &service->config;
    size_t count = config->inbound.count + config->outbound.count + config->routes.count + config->scripts.count;
    if (count == 0) {
        return HAPPN_OK;
    }
    struct script_entry *entries = arena_alloc(&config->arena, count * sizeof *entries);
    if (entries == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    struct scripts_options options = {.root = config->script_root.len != 0 ? config->script_root.ptr : config->base_dir.ptr,
                                      .memory = (size_t)config->script_memory,
                                      .layer_cpu = (unsigned)config->layer_cpu_ms,
                                      .route_cpu = (unsigned)config->route_cpu_ms,
                                      .layer_wall = (unsigned)config->layer_wall_ms,
                                      .route_wall = (unsigned)config->route_wall_ms,
                                      .inbound = entries,
                                      .inbound_count = config->inbound.count,
                                      .outbound = entries + config->inbound.count,
                                      .outbound_count = config->outbound.count,
                                      .routes = entries + config->inbound.count + config->outbound.count,
                                      .route_count = config->routes.count,
                                      .others = entries + (count - config->scripts.count),
                                      .other_count = config->scripts.count,
                                      .watches = config->script_watch,
                                      .debug = config->script_debug,
                                      .shared = (size_t)config->script_shared,
                                      .on_line = service->on_line,
                                      .on_line_arg = service->on_line_arg,
                                      .outside = service->outside};
    fill(entries, &config->inbound);
    fill(entries + config->inbound.count, &config->outbound);
    fill(entries + config->inbound.count + config->outbound.count, &config->routes);
    fill(entries + (count - config->scripts.count), &config->scripts);
    return scripts_open(&service->core, &options, &service->scripts, error);
}

happn_status happn_reload(happn_service *service, happn_error *error)
{
    if (service->state != SERVICE_OPEN) {
        return error_set(error, HAPPN_E_CLOSED, "the service is not open");
    }
    if (service->listener != NULL) {
        listener_renew(service->listener);
    }
    if (service->audit != NULL) {
        audit_reopen(service->audit);
    }
    if (service->scripts == NULL) {
        log_write(service->core.log, LOG_INFO, "script", "no scripts are configured: nothing to load");
        return HAPPN_OK;
    }
    happn_status status = scripts_reload(service->scripts, error);
    if (status == HAPPN_OK) {
        log_write(service->core.log, LOG_INFO, "script", "the scripts were loaded anew");
    }
    return status;
}

void service_close_scripts(happn_service *service, void (*closed)(void *service))
{
    struct scripts *scripts = service->scripts;
    service->scripts = NULL;
    if (scripts == NULL) {
        closed(service);
        return;
    }
    scripts_close(scripts, closed, service);
}
