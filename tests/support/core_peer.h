/* Sessions on one core, without sockets: frames in, frames out. */
#ifndef TESTS_CORE_PEER_H
#define TESTS_CORE_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/session.h"

enum { MAX_FRAMES = 64 };

struct peer {
    struct link link;
    struct session *session;
    struct buf out;
    struct str frames[MAX_FRAMES];
    struct payload *lent[MAX_FRAMES]; /* messages with a lent text are held until they are heard, as a slow reader would */
    size_t count, read;
    bool closed;
    bool failed; /* a message could not be encoded; a test that expects it sets it back */
};

extern struct loop loop;
extern struct core core;

/* cmocka's set-up and tear-down: a core with one store in memory. */
int open_core(void **state);
int close_core(void **state);
void open_core_with(const struct allocator *allocator); /* of the core and the store */

/* A session that has named its protocol; and its end. */
void enter(struct peer *peer, const char *protocol);
void leave(struct peer *peer);

void say(struct peer *peer, const char *text);
struct str hear(struct peer *peer); /* the next frame, which must be there */
void expect_silence(struct peer *peer);
void forget_frames(struct peer *peer); /* all of them: there is room again */
void expect_part(struct str frame, const char *part);
void expect_reply(struct peer *peer, const char *event_id, const char *data);

#endif
