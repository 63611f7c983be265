/* The options of happn_client_connect. */
#ifndef HAPPN_CLIENT_CONNECT_H
#define HAPPN_CLIENT_CONNECT_H

#include "client/link.h"

enum pool_type { POOL_ORDERED = 0, POOL_RANDOM = 1 };
enum { POOL_MOST = 64 };

struct connect_options {
    struct link_options link;
    uint64_t timeout_ms; /* of one request */
    uint64_t connect_ms; /* of connecting and logging in */
    bool reconnect;      /* a lost connection is made again */
    uint64_t reconnect_min_ms, reconnect_max_ms; /* before the first attempt; at most before any */
    int64_t reconnect_attempts; /* 0: without limit */

    /* Several servers, of which one is taken at a time (pool.c). */
    const struct allocator *allocator;
    struct connect_place *pool; /* NULL: there is just one */
    size_t pool_count;
    enum pool_type pool_type;
    int64_t pool_attempts;      /* further ones, after the first; 0: without limit */
    bool limits_pool;           /* it was given: counts for lost connections, too */
};

/* Reads and checks the JSON text. E_JSON, E_ARGUMENT: an option is not valid or unknown, and error (may be NULL) says which and how. After
 * success connect_fini frees. */
happn_status connect_read(struct str text, const struct allocator *allocator, struct connect_options *out, happn_error *error);
void connect_fini(struct connect_options *options);

#endif
