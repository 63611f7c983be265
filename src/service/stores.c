/* The stores of a service, as the configuration names them. */

#include <stdio.h>

#include "base/error.h"
#include "service/service.h"
#include "store/datastores.h"
#include "store/host.h"
#include "store/memory.h"
#include "store/sqlite.h"

static struct host_provider *find_provider(const happn_service *service, const char *name)
{
    struct host_provider *provider = service->providers;
    while (provider != NULL && strcmp(provider->name, name) != 0) {
        provider = provider->next;
    }
    return provider;
}

happn_status happn_service_add_provider(happn_service *service, const char *name, const happn_provider_ops *ops, void *host,
                                        happn_error *error)
{
    if (service->state != SERVICE_NEW) {
        return error_set(error, HAPPN_E_ARGUMENT, "the service has been started: the provider %s comes too late", name);
    }
    if (ops == NULL || ops->size < sizeof *ops || ops->open == NULL || ops->read == NULL || ops->write == NULL || ops->erase == NULL ||
        ops->walk == NULL || ops->last_rev == NULL || ops->close == NULL || (ops->begin == NULL) != (ops->end == NULL)) {
        return error_set(error, HAPPN_E_ARGUMENT, "the provider %s lacks a function: only begin and end, together, may be NULL", name);
    }
    if (name[0] == '\0' || strlen(name) >= sizeof service->providers->name || find_provider(service, name) != NULL) {
        return error_set(error, HAPPN_E_ARGUMENT, "a provider's name must be new and have 1 to 63 bytes: %.100s", name);
    }
    struct host_provider *provider = memory_zalloc(service->core.allocator, sizeof *provider);
    if (provider == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    *provider = (struct host_provider){.next = service->providers, .ops = ops, .host = host};
    snprintf(provider->name, sizeof provider->name, "%s", name);
    service->providers = provider;
    return HAPPN_OK;
}

void service_forget_providers(happn_service *service)
{
    while (service->providers != NULL) {
        struct host_provider *next = service->providers->next;
        memory_free(service->core.allocator, service->providers);
        service->providers = next;
    }
}

static happn_status open_host_store(happn_service *service, const struct config_store *store, struct provider **out, happn_error *error)
{
    const struct host_provider *provider = find_provider(service, store->provider.ptr);
    if (provider == NULL) {
        return error_set(error, HAPPN_E_CONFIG, "the provider %s of the datastore %s is not known, there are memory and sqlite, and what the program adds",
                         store->provider.ptr, store->name.ptr);
    }
    struct str settings = str_is_set(store->settings) ? store->settings : STR_LIT("{}");
    return store_host_open(service->core.loop, service->core.allocator, provider->ops, provider->host, settings, out, error);
}

static happn_status open_one(happn_service *service, const struct config_store *store, happn_error *error)
{
    const struct config *config = &service->config;
    struct core *core = &service->core;
    struct provider *provider;
    happn_status status;
    if (store->provider.len != 0) {
        status = open_host_store(service, store, &provider, error);
        if (status != HAPPN_OK) {
            return status;
        }
    } else if (store->file.len == 0) {
        status = store_memory_open_indexed(core->loop, core->allocator, store->indexes, store->index_count, &provider, error);
        if (status != HAPPN_OK) {
            return status;
        }
    } else {
        struct str durability = store->durability.len != 0 ? store->durability : config->durability;
        struct sqlite_options options = {.file = store->file.ptr,
                                         .indexes = store->indexes,
                                         .index_count = store->index_count,
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
    struct str file = config->data_file.len != 0 ? config->data_file : config->data_dbfile;
    if (config->datastores.count == 0) {
        struct config_store only = {.name = STR_LIT("default"), .file = file, .is_default = true};
        return open_one(service, &only, error);
    }
    if (file.len != 0) {
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

/* ---- compaction */

struct compaction {
    struct store_op op;
    struct arena arena;
    happn_service *service;
    happn_done_fn done;
    void *arg;
    int64_t began;
    char name[64];
};

static void end_compaction(struct compaction *compaction)
{
    struct core *core = &compaction->service->core;
    const struct store_op *op = &compaction->op;
    long long took = (long long)(loop_now_ms(core->loop) - compaction->began);
    core->request_count--;
    if (op->status == HAPPN_OK) {
        log_write(core->log, LOG_INFO, "store", "compaction-successful: %s, %lld ms", compaction->name, took);
    } else {
        log_write(core->log, LOG_ERROR, "store", "compaction of %s failed: %s", compaction->name, op->error.message);
    }
    if (compaction->done != NULL) {
        compaction->done(op->status, op->status == HAPPN_OK ? NULL : &op->error, compaction->arg);
    }
    arena_fini(&compaction->arena);
    memory_free(core->allocator, compaction);
}

static void on_compacted(struct store_op *op)
{
    end_compaction(op->context);
}

/* What is done at once is told in a later turn all the same. */
static void tell_later(void *arg)
{
    end_compaction(arg);
}

happn_status happn_service_compact(happn_service *service, const char *datastore, happn_done_fn done, void *arg, happn_error *error)
{
    struct core *core = &service->core;
    if (service->state != SERVICE_OPEN) {
        return error_set(error, HAPPN_E_CLOSED, "the service does not run");
    }
    struct datastore *store = datastores_find(core->stores, datastore);
    if (store == NULL) {
        return error_set(error, HAPPN_E_ARGUMENT, "missing datastore with the key [%.200s]", datastore);
    }
    struct compaction *compaction = memory_zalloc(core->allocator, sizeof *compaction);
    if (compaction == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    arena_init(&compaction->arena, core->allocator);
    *compaction = (struct compaction){.arena = compaction->arena, .service = service, .done = done, .arg = arg, .began = loop_now_ms(core->loop)};
    snprintf(compaction->name, sizeof compaction->name, "%s", store->name);
    compaction->op = (struct store_op){.kind = STORE_COMPACT, .path = STR_LIT("*"), .arena = &compaction->arena, .done = on_compacted, .context = compaction};
    core->request_count++; /* the service does not end before it is done */
    happn_status status = provider_submit(store->provider, &compaction->op);
    if (status == HAPPN_PENDING) {
        return HAPPN_OK;
    }
    compaction->op.status = status;
    if (loop_post(core->loop, tell_later, compaction) != HAPPN_OK) {
        core->request_count--;
        arena_fini(&compaction->arena);
        memory_free(core->allocator, compaction);
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    return HAPPN_OK;
}
