/* Where a session's bytes go: a WebSocket, a client in this process, a test. */
#ifndef HAPPN_CORE_LINK_H
#define HAPPN_CORE_LINK_H

#include "base/buf.h"
#include "base/str.h"

/* An encoded text that several links send; counted. Only on the loop's thread. */
struct payload {
    size_t refs;
    const struct allocator *allocator;
    size_t len;
    char bytes[];
};

struct payload *payload_new(const struct allocator *allocator, struct str text); /* NULL: no memory */
void payload_ref(struct payload *payload);
void payload_unref(struct payload *payload);

struct link;

struct link_ops {
    /* Returns the buffer behind whose end the caller appends exactly one message; NULL when the link is closed. */
    struct buf *(*begin)(struct link *link);
    /* Ends that message: the link sends buf content from where begin returned it. When buf->status is a failure the message is discarded
     * and the link closes itself with the limit as reason. */
    void (*commit)(struct link *link);
    /* Sends a shared message. */
    void (*send)(struct link *link, struct payload *payload);
    /* Closes after what was sent has left. The session is told through session_closed, later. */
    void (*close)(struct link *link, const char *reason);
    /* Bytes that wait to be sent; NULL: it keeps none. */
    size_t (*queued)(struct link *link);
};

struct link {
    const struct link_ops *ops;
};

#endif
