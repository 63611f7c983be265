/* A store that the host has written (happn/provider.h), on a thread of its own. */
#ifndef HAPPN_STORE_HOST_H
#define HAPPN_STORE_HOST_H

#include "base/loop.h"
#include "happn/provider.h"
#include "store/provider.h"

/* As store_sqlite_open. */
happn_status store_host_open(struct loop *loop, const struct allocator *allocator, const happn_provider_ops *ops, void *host,
                             struct str settings, struct provider **out, happn_error *error);

#endif
