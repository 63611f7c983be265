/* Events that wait until something else has been sent to their session. */
#ifndef HAPPN_CORE_HELD_H
#define HAPPN_CORE_HELD_H

#include "base/memory.h"
#include "base/str.h"

struct payload;
struct publication;
struct session;

struct held_event {
    struct held_event *next;
    struct payload *payload;
    int64_t rev;
    struct str path;
};

struct held {
    struct held_event *first, *last;
    size_t bytes;
    bool has_lost; /* some found no room: whoever was to hear them must not go on as if nothing had happened */
};

/* Keeps one; false: too many wait, or out of memory. */
bool held_add(struct held *held, const struct allocator *allocator, const struct publication *publication, struct payload *payload);

/* Forgets those that are not needed, up to the first removal by pattern. */
void held_filter(struct held *held, const struct allocator *allocator, bool (*is_needed)(const struct held_event *event, const void *arg),
                 const void *arg);

/* Sends all of them, when the session is still there. One that has lost some is sent away instead, to come back and ask anew. */
void held_send(struct held *held, struct session *session);

void held_drop(struct held *held, const struct allocator *allocator);

#endif
