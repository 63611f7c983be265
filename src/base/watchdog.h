/* Notices that a loop stands still, and says where.
 *
 * A thread asks the loop for a sign of life (an uv_async_send) twice as often as it may be silent. The loop answers when it has its next turn, so
 * nothing is added to its turns. When no sign comes for the limit, the thread reads what the loop's thread has told of itself (whereabouts.h)
 * and tells it, once; when the loop moves again, that is told too, with how long it took at least: it may have stood still for up to half the limit before it
 * was asked. The thread never touches a Lua state, a request or anything else of the loop's. */
#ifndef HAPPN_BASE_WATCHDOG_H
#define HAPPN_BASE_WATCHDOG_H

#include "base/loop.h"

struct watchdog;

enum { STALL_PLACE = 300, STALL_NOTE = 450 };

struct stall {
    uint64_t ms;             /* so far; when it is over, all of it */
    bool is_over;
    char place[STALL_PLACE]; /* "layers/a.lua, inbound, line 7 or after"; "in C: set, a layer" */
    char note[STALL_NOTE];   /* what the loop's own thread has said about it since: "set of /a/b"; empty: nothing */
};

struct stall_totals {
    uint64_t count;
    struct stall longest, last; /* longest: of those that are over */
};

struct watchdog_options {
    uint64_t limit_ms;
    uint64_t (*now)(void *arg); /* milliseconds that only grow; NULL: the machine's */
    void (*tell)(void *arg, const struct stall *stall); /* on the watchdog's thread when it begins, on the loop's when it is over */
    void *arg;
    bool has_no_thread;         /* somebody else calls watchdog_look, often enough */
};

/* On the loop's thread, like all but watchdog_look. */
happn_status watchdog_open(struct loop *loop, const struct watchdog_options *options, struct watchdog **out);
/* Its thread has ended when this returns; its memory goes in a later turn of the loop. NULL is fine. */
void watchdog_close(struct watchdog *watchdog);

/* Looks once. */
void watchdog_look(struct watchdog *watchdog);

/* While the loop stands still, and only then: who finds that he was the reason says what he knows. The first one counts. */
void watchdog_note(struct loop *loop, const char *what, const char *path, size_t path_len);

/* Zeros when the loop has none. */
struct stall_totals watchdog_totals(const struct loop *loop);

/* The loop's thread goes into its loop, and leaves it. */
void watchdog_loop_runs(struct loop *loop, bool runs);

#endif
