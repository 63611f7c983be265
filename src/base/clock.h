/* The clocks of a loop, and the timers that follow them.
 *
 * A loop's time is the machine's until it is frozen. From then on time passes only when clock_step is called: a test lets an hour pass
 * in no time, and nothing that it does not wait for happens behind its back. Timers that are started here follow the frozen clock;
 * those started with libuv itself (sockets, closing) go on by the machine's. */
#ifndef HAPPN_BASE_CLOCK_H
#define HAPPN_BASE_CLOCK_H

#include "base/loop.h"

/* Milliseconds that only ever grow: what deadlines are reckoned with. */
uint64_t loop_ticks(const struct loop *loop);

/* Like uv_timer_start, _stop and uv_timer_get_due_in for an initialized timer. Stop it with uv_timer_stop, close it with uv_close. */
void loop_timer_start(struct loop *loop, uv_timer_t *timer, uv_timer_cb fn, uint64_t ms, uint64_t repeat);
uint64_t loop_timer_due_in(const struct loop *loop, const uv_timer_t *timer);

/* Stops the clocks: it is now_ms milliseconds since 1970, until clock_step. Before anything is started on the loop. */
void clock_freeze(struct loop *loop, int64_t now_ms);

/* Goes on to the next timer that is due until `ticks` and runs it: true. Without one it is `ticks` o'clock: false. Between two steps
 * the caller lets the loop do what the timer has caused. On the loop's thread, outside of uv_run. */
bool clock_step(struct loop *loop, uint64_t ticks);

#endif
