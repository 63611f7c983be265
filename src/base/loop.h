/* The libuv loop behind a runtime: posting from other threads, timers, work at the end of a turn. */
#ifndef HAPPN_BASE_LOOP_H
#define HAPPN_BASE_LOOP_H

#include <pthread.h>
#include <uv.h>

#include "base/memory.h"
#include "base/whereabouts.h"
#include "happn/status.h"

typedef void (*loop_fn)(void *arg);

/* Runs at the end of every loop turn in which it was scheduled: gathered writes leave here. */
struct loop_flush {
    void (*run)(struct loop_flush *flush);
    struct loop_flush *next;
};

/* Set by clock_freeze (base/clock.h): a time that passes only when it is told to. */
struct loop_clock {
    bool is_frozen;
    int64_t began;  /* milliseconds since 1970 at tick 0 */
    uint64_t ticks;
};

struct loop {
    uv_loop_t uv;
    const struct allocator *allocator;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_check_t check;
    pthread_mutex_t lock;
    struct loop_post *posts, **posts_tail; /* under lock */
    bool stopping;                         /* under lock */
    struct loop_flush *flushes;
    struct loop_clock clock;
    struct whereabouts whereabouts;
    struct watchdog *watchdog;             /* base/watchdog.h; NULL: none */
    pthread_t thread;                      /* the thread that runs the loop */
};

/* Initializes the uv loop and the handles above. */
happn_status loop_init(struct loop *loop, const struct allocator *allocator);

/* Closes our handles, runs the loop until nothing is left, frees. Call on the loop's thread or when it is stopped. */
void loop_fini(struct loop *loop);

/* Runs fn(arg) on the loop's thread in a later turn. The only function that other threads may call.
 * E_MEMORY or E_CLOSED: fn will not run. */
happn_status loop_post(struct loop *loop, loop_fn fn, void *arg);

/* Registers flush for every turn (added once, removed with loop_flush_remove): it runs in uv_prepare (right before the loop
 * sleeps) and in uv_check (right after packets were read). */
void loop_flush_add(struct loop *loop, struct loop_flush *flush);
void loop_flush_remove(struct loop *loop, struct loop_flush *flush);

/* Milliseconds since 1970, by the loop's clock (base/clock.h). */
int64_t loop_now_ms(const struct loop *loop);

#endif
