/* The stores of a service, each for the paths that its patterns mean. */
#ifndef HAPPN_STORE_DATASTORES_H
#define HAPPN_STORE_DATASTORES_H

#include "base/loop.h"
#include "store/provider.h"
#include "store/routing.h"

struct datastore {
    struct datastore *next;
    struct provider *provider;
    bool is_default;
    char name[64];
};

struct datastores;

struct datastores *datastores_new(struct loop *loop, const struct allocator *allocator); /* NULL: out of memory */

/* Takes the provider over, also when it fails: E_ARGUMENT for a name that is taken. The first one, or the one that is said to
 * be, is the default: it has every path that no pattern means. */
happn_status datastores_add(struct datastores *stores, const char *name, struct provider *provider, bool is_default,
                            happn_error *error);

/* From now on paths that the pattern (string language) means belong to the store; the longest pattern counts. Documents that
 * are somewhere else stay there, out of sight until the pattern is removed. At any time. */
happn_status datastores_add_pattern(struct datastores *stores, struct str pattern, const char *name, happn_error *error);
happn_status datastores_remove_pattern(struct datastores *stores, struct str pattern, happn_error *error);

struct datastore *datastores_first(const struct datastores *stores);
struct datastore *datastores_find(const struct datastores *stores, const char *name); /* NULL: none */

/* The one store that the operation concerns; NULL: several. */
const struct datastore *datastores_target(const struct datastores *stores, const struct store_op *op);

/* False when a later operation may be done before an earlier one that is pending. */
bool datastore_keeps_order(const struct datastore *store);

/* As provider_submit. target NULL: asks all that may know something, and puts what they say together in the order asked for. */
happn_status datastores_submit(struct datastores *stores, const struct datastore *target, struct store_op *op);

/* Of a pending FIND: whether it has looked already at what is at this path. If so, what others write there now is not in its result; else it is, or
 * something newer. */
bool datastores_has_passed(const struct datastore *target, const struct store_op *op, struct str path);

/* Closes all, frees, calls closed in a later turn. */
void datastores_close(struct datastores *stores, void (*closed)(void *arg), void *arg);

#endif
