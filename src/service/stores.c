/* The stores of a service, as the configuration names them. */

#include "base/error.h"
#include "service/service.h"
#include "store/datastores.h"
#include "store/memory.h"
#include "store/sqlite.h"

static happn_status open_one(happn_service *service, const struct config_store *store, happn_error *error)
{
    const struct config *config = &service->config;
    struct core *core = &service->core;
    struct provider *provider;
    happn_status status;
    if (store->file.len == 0) {
        status = store_memory_open(core->loop, core->allocator, &provider);
        if (status != HAPPN_OK) {
            return error_set(error, status, "%s", happn_status_text(status));
        }
    } else {
        struct str durability = store->durability.len != 0 ? store->durability : config->durability;
        struct sqlite_options options = {.file = store->file.ptr,
                                         .sync = str_is(durability, "fsync"),
                                         .cache_bytes = (size_t)(store->cache_bytes != 0 ? store->cache_bytes : config->cache_bytes)};
        status = store_sqlite_open(core->loop, core->allocator, &options, &provider, error);
        if (status != HAPPN_OK) {
            return status;
        }
    }
    status = datastores_add(core->stores, store->name.ptr, provider, store->is_default, error);
    for (size_t i = 0; i < store->pattern_count && status == HAPPN_OK; i++) {
        status = datastores_add_pattern(core->stores, store->patterns[i], store->name.ptr, error);
    }
    return status;
}

happn_status service_open_stores(happn_service *service, happn_error *error)
{
    const struct config *config = &service->config;
    struct core *core = &service->core;
    core->stores = datastores_new(core->loop, core->allocator);
    if (core->stores == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    if (config->datastores.count == 0) {
        struct config_store only = {.name = STR_LIT("default"), .file = config->data_file, .is_default = true};
        return open_one(service, &only, error);
    }
    if (config->data_file.len != 0) {
        return error_set(error, HAPPN_E_CONFIG, "services.data.config has both filename and datastores: give the file to one of the datastores, as settings.filename");
    }
    happn_status status = HAPPN_OK;
    for (size_t i = 0; i < config->datastores.count && status == HAPPN_OK; i++) {
        status = open_one(service, &config->datastores.items[i], error);
    }
    return status;
}

happn_status happn_service_add_datastore_pattern(happn_service *service, const char *pattern, const char *datastore,
                                                 happn_error *error)
{
    if (service->state != SERVICE_OPEN) {
        return error_set(error, HAPPN_E_CLOSED, "the service does not run");
    }
    return datastores_add_pattern(service->core.stores, str_of(pattern), datastore, error);
}

happn_status happn_service_remove_datastore_pattern(happn_service *service, const char *pattern, happn_error *error)
{
    if (service->state != SERVICE_OPEN) {
        return error_set(error, HAPPN_E_CLOSED, "the service does not run");
    }
    return datastores_remove_pattern(service->core.stores, str_of(pattern), error);
}
