/* HTTP requests from within the process: routed, secured and answered like any other, over no socket. */
#ifndef HAPPN_NET_LOCAL_H
#define HAPPN_NET_LOCAL_H

#include "net/listener.h"

struct local_header {
    const char *name; /* in lower case */
    struct str value;
};

/* All of it lives until the answer. */
struct local_request {
    const char *method;
    struct str path, query, body;
    const struct local_header *headers;
    size_t header_count;
    /* Once, maybe before local_send returns. text is the whole answer, head and body, borrowed. */
    void (*answered)(void *arg, struct str text);
    void *arg;
};

/* What stands in for a listener; freed with memory_free. The options' lists live as long as it does. */
happn_status local_open(struct core *core, const struct listener_options *options, struct listener **out);

/* E_PATH: the path is none of HTTP; E_LIMIT: the body is too large; E_MEMORY. Then there is no answer. */
happn_status local_send(struct listener *listener, const struct local_request *request);

#endif
