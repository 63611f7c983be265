/* The options of happn_client_connect. */
#ifndef HAPPN_CLIENT_CONNECT_H
#define HAPPN_CLIENT_CONNECT_H

#include "client/link.h"

struct connect_options {
    struct link_options link;
    uint64_t timeout_ms; /* of one request */
    uint64_t connect_ms; /* of connecting and logging in */
    bool reconnect;      /* a lost connection is made again */
    uint64_t reconnect_min_ms, reconnect_max_ms; /* before the first attempt; at most before any */
    int64_t reconnect_attempts; /* 0: without limit */
};

/* Reads and checks the JSON text. E_JSON, E_ARGUMENT: an option is not valid or unknown. */
happn_status connect_read(struct str text, const struct allocator *allocator, struct connect_options *out);

#endif
