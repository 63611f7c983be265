/* Where a session's bytes go: a WebSocket, a client in this process, a test. */
#ifndef HAPPN_CORE_LINK_H
#define HAPPN_CORE_LINK_H

#include "base/arena.h"
#include "base/str.h"

/* A document of many megabytes is in memory once, where it was received or read, and not once more in each message that has it in it:
 * these lend it. The encoder leaves it out of its text and notes the place. */
struct lending {
    struct arena_block *block; /* counted; NULL: nothing is lent */
    struct str text;           /* within the block */
    size_t at;                 /* bytes of the message in front of it */
    bool is_used;              /* the encoder has left it out */
};

enum { LENT_BYTES = 65536 }; /* a shorter text is copied */

struct payload;

/* False when this JSON text cannot be lent, then it is encoded like any other. What has begun must end. */
bool lending_begin(struct lending *lending, const struct arena *arena, struct str json);
/* Makes a payload of what was encoded meanwhile, with the lent text or without. NULL: that failed, or no memory. */
struct payload *lending_end(struct lending *lending, const struct buf *encoded);

/* An encoded text that several links send; counted. Only on the loop's thread. */
struct payload {
    size_t refs;
    const struct allocator *allocator;
    size_t len;          /* of everything */
    struct lending lent; /* stands between the bytes, at lent.at */
    char *whole;         /* both together, when somebody had to have it so */
    char bytes[];
};

struct payload *payload_new(const struct allocator *allocator, struct str text); /* NULL: no memory */
/* A payload that is encoded in its place: what is appended to the buffer between the two is its text. NULL: that failed, or no memory. The
 * buffer is empty afterwards. */
void payload_begin(struct buf *buf, const struct allocator *allocator, size_t max);
struct payload *payload_end(struct buf *buf);
/* The message in one piece; ptr is NULL when memory is out. It lives as long as the payload. */
struct str payload_text(struct payload *payload);
/* Copies `len` bytes from `at` on, which must be there. */
void payload_copy(const struct payload *payload, size_t at, char *to, size_t len);
void payload_ref(struct payload *payload);
void payload_unref(struct payload *payload);

struct link;

struct link_ops {
    /* Returns the buffer behind whose end the caller appends exactly one message; NULL when the link is closed. */
    struct buf *(*begin)(struct link *link);
    /* Ends that message: the link sends buf content from where begin returned it. When buf->status is a failure the message is discarded
     * and the link closes itself with the limit as reason. */
    void (*commit)(struct link *link);
    /* Sends a shared message, which may have parts: see payload_text and payload_copy. */
    void (*send)(struct link *link, struct payload *payload);
    /* Closes after what was sent has left. The session is told through session_closed, later. */
    void (*close)(struct link *link, const char *reason);
    /* Bytes that wait to be sent; NULL: it keeps none. */
    size_t (*queued)(struct link *link);
    /* So much waits that nothing new should begin until there is room again (dispatch_go_on); NULL: never. */
    bool (*is_full)(struct link *link);
};

struct link {
    const struct link_ops *ops;
};

#endif
