/* A timer that follows the frozen clock is a timer of libuv that is due in an age: FAR milliseconds and the ticks at which it is to run.
 * So it needs no memory of its own, counts as active, and is stopped and closed like any other. */

#include "base/clock.h"

#include <time.h>

#define FAR ((uint64_t)1 << 60)

static int64_t machine_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->clock.is_frozen ? loop->clock.began + (int64_t)loop->clock.ticks : machine_now();
}

uint64_t loop_ticks(const struct loop *loop)
{
    return loop->clock.is_frozen ? loop->clock.ticks : uv_now(&loop->uv);
}

void loop_timer_start(struct loop *loop, uv_timer_t *timer, uv_timer_cb fn, uint64_t ms, uint64_t repeat)
{
    if (loop->clock.is_frozen) {
        uint64_t at = loop->clock.ticks + (ms < FAR ? ms : FAR);
        ms = FAR + at - uv_now(&loop->uv);
    }
    uv_timer_start(timer, fn, ms, repeat);
}

/* The ticks at which it is to run; UINT64_MAX for a timer of the machine's clock. */
static uint64_t due_at(const struct loop *loop, const uv_timer_t *timer)
{
    uint64_t at = uv_timer_get_due_in(timer) + uv_now(&loop->uv);
    return at >= FAR ? at - FAR : UINT64_MAX;
}

uint64_t loop_timer_due_in(const struct loop *loop, const uv_timer_t *timer)
{
    if (!loop->clock.is_frozen) {
        return uv_timer_get_due_in(timer);
    }
    uint64_t at = due_at(loop, timer);
    return at > loop->clock.ticks ? at - loop->clock.ticks : 0;
}

void clock_freeze(struct loop *loop, int64_t now_ms)
{
    loop->clock.is_frozen = true;
    loop->clock.began = now_ms;
    loop->clock.ticks = 0;
}

struct search {
    const struct loop *loop;
    uv_timer_t *first;
    uint64_t due;
};

/* Of two that are due together the one that was started first goes first, as libuv has it. */
static void look_at(uv_handle_t *handle, void *arg)
{
    struct search *search = arg;
    uv_timer_t *timer = (uv_timer_t *)handle;
    if (handle->type != UV_TIMER || !uv_is_active(handle) || uv_is_closing(handle)) {
        return;
    }
    uint64_t due = due_at(search->loop, timer);
    if (due < search->due || (due == search->due && search->first != NULL && timer->start_id < search->first->start_id)) {
        search->first = timer;
        search->due = due;
    }
}

static void run_timer(struct loop *loop, uv_timer_t *timer)
{
    uv_timer_cb fn = timer->timer_cb;
    uint64_t repeat = uv_timer_get_repeat(timer);
    uv_timer_stop(timer);
    if (repeat != 0) {
        loop_timer_start(loop, timer, fn, repeat, repeat);
    }
    fn(timer);
}

bool clock_step(struct loop *loop, uint64_t ticks)
{
    struct search search = {loop, NULL, UINT64_MAX};
    uv_walk(&loop->uv, look_at, &search);
    if (search.first == NULL || search.due > ticks) {
        loop->clock.ticks = ticks > loop->clock.ticks ? ticks : loop->clock.ticks;
        return false;
    }
    if (search.due > loop->clock.ticks) {
        loop->clock.ticks = search.due;
    }
    run_timer(loop, search.first);
    return true;
}
