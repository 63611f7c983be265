#include "store/datastores.h"

#include <stdio.h>

#include "base/error.h"
#include "paths/path.h"
#include "store/fan_out.h"

struct pattern {
    struct pattern *next;
    struct datastore *store;
    struct str text; /* in bytes */
    char bytes[];
};

struct datastores {
    struct loop *loop;
    const struct allocator *allocator;
    struct datastore *first;
    struct datastore *fallback;
    size_t count;
    struct pattern *patterns;
    struct routing *routing; /* made of the patterns; NULL: one store has it all */
    size_t open;             /* while closing */
    void (*closed)(void *arg);
    void *closed_arg;
};

struct datastores *datastores_new(struct loop *loop, const struct allocator *allocator)
{
    struct datastores *stores = memory_zalloc(allocator, sizeof *stores);
    if (stores != NULL) {
        stores->loop = loop;
        stores->allocator = allocator;
    }
    return stores;
}

struct datastore *datastores_first(const struct datastores *stores)
{
    return stores->first;
}

struct datastore *datastores_find(const struct datastores *stores, const char *name)
{
    struct datastore *store = stores->first;
    while (store != NULL && strcmp(store->name, name) != 0) {
        store = store->next;
    }
    return store;
}

static happn_status no_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

/* The table that is in use stays for those who have it. */
static happn_status make_routing(struct datastores *stores)
{
    size_t count = 0;
    for (struct pattern *pattern = stores->patterns; pattern != NULL; pattern = pattern->next) {
        count++;
    }
    struct routing *routing = NULL;
    if (stores->count > 1) {
        struct route_entry *entries = memory_alloc(stores->allocator, (count + 1) * sizeof *entries);
        if (entries == NULL) {
            return HAPPN_E_MEMORY;
        }
        size_t at = 0;
        for (struct pattern *pattern = stores->patterns; pattern != NULL; pattern = pattern->next) {
            entries[at++] = (struct route_entry){pattern->text, pattern->store};
        }
        happn_status status = routing_new(stores->allocator, entries, count, stores->fallback, &routing);
        memory_free(stores->allocator, entries);
        if (status != HAPPN_OK) {
            return status;
        }
    }
    if (stores->routing != NULL) {
        routing_unref(stores->routing);
    }
    stores->routing = routing;
    return HAPPN_OK;
}

static void forget(void *arg)
{
    (void)arg;
}

happn_status datastores_add(struct datastores *stores, const char *name, struct provider *provider, bool is_default,
                            happn_error *error)
{
    struct datastore *store = memory_zalloc(stores->allocator, sizeof *store);
    happn_status status = store != NULL ? HAPPN_OK : no_memory(error);
    if (status == HAPPN_OK && (name[0] == '\0' || strlen(name) >= sizeof store->name)) {
        status = error_set(error, HAPPN_E_ARGUMENT, "a datastore's name must have 1 to %zu bytes", sizeof store->name - 1);
    }
    if (status == HAPPN_OK && datastores_find(stores, name) != NULL) {
        status = error_set(error, HAPPN_E_ARGUMENT, "there are two datastores with the name %s", name);
    }
    if (status != HAPPN_OK) {
        memory_free(stores->allocator, store);
        provider->ops->close(provider, forget, NULL);
        return status;
    }
    snprintf(store->name, sizeof store->name, "%s", name);
    store->provider = provider;
    store->is_default = is_default;
    struct datastore **at = &stores->first;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    struct datastore *fallback = stores->fallback;
    *at = store;
    stores->count++;
    if (fallback == NULL || (is_default && !fallback->is_default)) {
        stores->fallback = store;
    }
    if (make_routing(stores) == HAPPN_OK) {
        return HAPPN_OK;
    }
    *at = NULL; /* it never was there */
    stores->count--;
    stores->fallback = fallback;
    memory_free(stores->allocator, store);
    provider->ops->close(provider, forget, NULL);
    return no_memory(error);
}

static struct pattern **find_pattern(struct datastores *stores, struct str text)
{
    struct pattern **at = &stores->patterns;
    while (*at != NULL && !str_equal((*at)->text, text)) {
        at = &(*at)->next;
    }
    return at;
}

happn_status datastores_add_pattern(struct datastores *stores, struct str text, const char *name, happn_error *error)
{
    struct datastore *store = name != NULL && name[0] != '\0' ? datastores_find(stores, name) : NULL;
    if (name == NULL || name[0] == '\0') {
        return error_set(error, HAPPN_E_ARGUMENT, "missing datastoreKey parameter");
    }
    if (store == NULL) {
        return error_set(error, HAPPN_E_ARGUMENT, "missing datastore with the key [%.200s]", name);
    }
    if (text.len == 0 || text.len > PATH_MAX_LENGTH) {
        return error_set(error, HAPPN_E_ARGUMENT, "a datastore's pattern must have 1 to %d bytes", PATH_MAX_LENGTH);
    }
    struct pattern **at = find_pattern(stores, text), *pattern = *at;
    struct datastore *before = pattern != NULL ? pattern->store : NULL;
    if (pattern != NULL) {
        pattern->store = store;
    } else {
        pattern = memory_zalloc(stores->allocator, sizeof *pattern + text.len);
        if (pattern == NULL) {
            return no_memory(error);
        }
        memcpy(pattern->bytes, text.ptr, text.len);
        pattern->text = str_make(pattern->bytes, text.len);
        pattern->store = store;
        *at = pattern;
    }
    if (make_routing(stores) == HAPPN_OK) {
        return HAPPN_OK;
    }
    pattern->store = before;
    if (before == NULL) { /* it was the last of the list */
        *at = NULL;
        memory_free(stores->allocator, pattern);
    }
    return no_memory(error);
}

happn_status datastores_remove_pattern(struct datastores *stores, struct str text, happn_error *error)
{
    struct pattern **at = find_pattern(stores, text), *pattern = *at;
    if (pattern == NULL) {
        return error_set(error, HAPPN_E_NOT_FOUND, "no datastore has the pattern %.*s", (int)(text.len < 300 ? text.len : 300),
                         text.ptr);
    }
    *at = pattern->next;
    if (make_routing(stores) != HAPPN_OK) {
        *at = pattern;
        return no_memory(error);
    }
    memory_free(stores->allocator, pattern);
    return HAPPN_OK;
}

const struct datastore *datastores_target(const struct datastores *stores, const struct store_op *op)
{
    if (stores->routing == NULL) {
        return stores->fallback;
    }
    if (!path_has_wildcard(op->path)) {
        return routing_find(stores->routing, op->path);
    }
    const struct datastore *only = NULL;
    for (struct datastore *store = stores->first; store != NULL; store = store->next) {
        if (routing_may_match(stores->routing, op->path, store)) {
            if (only != NULL) {
                return NULL;
            }
            only = store;
        }
    }
    return only;
}

bool datastore_keeps_order(const struct datastore *store)
{
    return store->provider->ops->keeps_order;
}

happn_status datastores_submit(struct datastores *stores, const struct datastore *target, struct store_op *op)
{
    if (target != NULL) {
        return provider_submit(target->provider, op);
    }
    return fan_out(stores->first, stores->routing, op);
}

bool datastores_has_passed(const struct datastore *target, const struct store_op *op, struct str path)
{
    return target != NULL ? provider_has_passed(target->provider, op, path) : fan_out_has_passed(op, path);
}

/* ---- closing */

static void finish_close(void *arg)
{
    struct datastores *stores = arg;
    void (*closed)(void *) = stores->closed;
    void *closed_arg = stores->closed_arg;
    while (stores->first != NULL) {
        struct datastore *store = stores->first;
        stores->first = store->next;
        memory_free(stores->allocator, store);
    }
    while (stores->patterns != NULL) {
        struct pattern *pattern = stores->patterns;
        stores->patterns = pattern->next;
        memory_free(stores->allocator, pattern);
    }
    if (stores->routing != NULL) {
        routing_unref(stores->routing);
    }
    memory_free(stores->allocator, stores);
    closed(closed_arg);
}

static void one_closed(void *arg)
{
    struct datastores *stores = arg;
    if (--stores->open == 0) {
        finish_close(stores);
    }
}

void datastores_close(struct datastores *stores, void (*closed)(void *arg), void *arg)
{
    stores->closed = closed;
    stores->closed_arg = arg;
    stores->open = stores->count;
    if (stores->count == 0) {
        if (loop_post(stores->loop, finish_close, stores) != HAPPN_OK) {
            finish_close(stores);
        }
        return;
    }
    for (struct datastore *store = stores->first, *next; store != NULL; store = next) {
        next = store->next;
        store->provider->ops->close(store->provider, one_closed, stores);
    }
}
