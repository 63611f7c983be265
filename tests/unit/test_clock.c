/* A frozen clock: hours pass when a test says so, timers run in order, and the machine's time does not matter. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static struct loop loop;
static char order[32];

static int open_loop(void **state)
{
    (void)state;
    order[0] = '\0';
    return loop_init(&loop, NULL) == HAPPN_OK ? 0 : -1;
}

static int close_loop(void **state)
{
    (void)state;
    loop_fini(&loop);
    return 0;
}

static void note(uv_timer_t *timer)
{
    strcat(order, timer->data);
}

static void add(uv_timer_t *timer, const char *name, uint64_t ms, uint64_t repeat)
{
    uv_timer_init(&loop.uv, timer);
    timer->data = (void *)name;
    loop_timer_start(&loop, timer, note, ms, repeat);
}

static void close_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

static void advance(uint64_t ms)
{
    uint64_t end = loop_ticks(&loop) + ms;
    while (clock_step(&loop, end)) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
}

static void the_frozen_clock_stands_until_it_is_stepped(void **state)
{
    (void)state;
    clock_freeze(&loop, 1000);
    assert_int_equal(loop_now_ms(&loop), 1000);
    advance(3600000);
    assert_int_equal(loop_now_ms(&loop), 3601000);
    assert_int_equal(loop_ticks(&loop), 3600000);
}

static void timers_run_in_the_order_in_which_they_are_due(void **state)
{
    (void)state;
    static uv_timer_t a, b, c;
    clock_freeze(&loop, 0);
    add(&a, "a", 300, 0);
    add(&b, "b", 100, 100);
    add(&c, "c", 300, 0);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    assert_string_equal(order, "");
    assert_int_equal(loop_timer_due_in(&loop, &a), 300);
    advance(99);
    assert_string_equal(order, "");
    advance(301);
    assert_string_equal(order, "bbacbb");
    uv_timer_stop(&b);
    advance(1000);
    assert_string_equal(order, "bbacbb");
    close_timer(&a);
    close_timer(&b);
    close_timer(&c);
}

static uint64_t seen_at;

static void note_time(uv_timer_t *timer)
{
    (void)timer;
    seen_at = loop_ticks(&loop);
}

static void a_timer_sees_the_time_at_which_it_was_due(void **state)
{
    (void)state;
    static uv_timer_t timer;
    clock_freeze(&loop, 0);
    uv_timer_init(&loop.uv, &timer);
    loop_timer_start(&loop, &timer, note_time, 5000, 0);
    assert_true(clock_step(&loop, 60000));
    assert_int_equal(seen_at, 5000);
    assert_false(clock_step(&loop, 60000));
    assert_int_equal(loop_ticks(&loop), 60000);
    close_timer(&timer);
}

static void without_freezing_the_machines_time_counts(void **state)
{
    (void)state;
    static uv_timer_t timer;
    assert_true(loop_now_ms(&loop) > 1500000000000);
    assert_int_equal(loop_ticks(&loop), uv_now(&loop.uv));
    add(&timer, "x", 0, 0);
    uv_run(&loop.uv, UV_RUN_ONCE);
    assert_string_equal(order, "x");
    close_timer(&timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_frozen_clock_stands_until_it_is_stepped, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(timers_run_in_the_order_in_which_they_are_due, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(a_timer_sees_the_time_at_which_it_was_due, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(without_freezing_the_machines_time_counts, open_loop, close_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
