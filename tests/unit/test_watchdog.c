/* The watchdog of a loop: when it barks, what it says, and that it does not when nothing is wrong. Its clock is the test's; where it has a thread, both
 * sides wait for each other and not for a time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/watchdog.h"

static struct loop loop;
static struct watchdog *watchdog;
static uint64_t now;
static char told[1000];

static uint64_t now_of_test(void *arg)
{
    (void)arg;
    return now;
}

static void tell(void *arg, const struct stall *stall)
{
    size_t at = strlen(told);
    (void)arg;
    snprintf(told + at, sizeof told - at, "%s %llu: %s%s%s\n", stall->is_over ? "over" : "stuck", (unsigned long long)stall->ms, stall->place,
             stall->note[0] != '\0' ? "; " : "", stall->note);
}

static void expect_told(const char *text)
{
    assert_string_equal(told, text);
    told[0] = '\0';
}

static int open_loop(void **state)
{
    (void)state;
    const struct watchdog_options options = {.limit_ms = 1000, .now = now_of_test, .tell = tell, .has_no_thread = true};
    now = 5000;
    told[0] = '\0';
    if (loop_init(&loop, NULL) != HAPPN_OK || watchdog_open(&loop, &options, &watchdog) != HAPPN_OK) {
        return -1;
    }
    watchdog_loop_runs(&loop, true);
    return 0;
}

static int close_loop(void **state)
{
    (void)state;
    watchdog_close(watchdog);
    loop_fini(&loop);
    return 0;
}

static void look_after(uint64_t ms)
{
    now += ms;
    watchdog_look(watchdog);
}

static void turn(void)
{
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static void a_loop_that_moves_is_left_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        look_after(500);
        turn();
    }
    for (int i = 0; i < 20; i++) { /* turns that take long, but not too long */
        look_after(500);
        look_after(499);
        turn();
    }
    expect_told("");
    assert_int_equal(watchdog_totals(&loop).count, 0);
}

static void one_that_stands_still_is_told_once_and_when_it_is_over(void **state)
{
    (void)state;
    for (int i = 1; i <= 2; i++) {
        whereabouts_set(&loop.whereabouts.action, "set");
        look_after(500);
        for (int j = 0; j < 2; j++) {
            expect_told("");
            look_after(500);
        }
        expect_told("stuck 1000: in C: set\n");
        watchdog_note(&loop, "a set", "/a/b", 4);
        watchdog_note(&loop, "another one", "/a/c", 4);
        look_after(500);
        look_after(500);
        now += 7;
        turn();
        expect_told("over 2007: in C: set; a set of /a/b\n");
        turn();
        expect_told("");
        watchdog_note(&loop, "too late", NULL, 0);
        struct stall_totals totals = watchdog_totals(&loop);
        assert_int_equal(totals.count, i);
        assert_int_equal(totals.longest.ms, 2007);
        assert_string_equal(totals.longest.note, "a set of /a/b");
        assert_true(totals.last.is_over);
        assert_string_equal(totals.last.note, "a set of /a/b");
    }
}

/* A short one that comes later is not what people look for. */
static void the_longest_is_kept(void **state)
{
    (void)state;
    for (int i = 3; i > 0; i--) {
        whereabouts_set(&loop.whereabouts.action, i == 2 ? "get" : "set");
        turn();
        for (int j = 0; j < (i == 2 ? 9 : 3); j++) {
            look_after(500);
        }
        turn();
    }
    struct stall_totals totals = watchdog_totals(&loop);
    assert_int_equal(totals.count, 3);
    assert_int_equal(totals.longest.ms, 4000);
    assert_string_equal(totals.longest.place, "in C: get");
    assert_string_equal(totals.last.place, "in C: set");
}

static void stand_still(void)
{
    turn();
    look_after(500);
    look_after(500);
    look_after(500);
    turn();
}

static void it_says_where(void **state)
{
    (void)state;
    struct whereabouts *at = &loop.whereabouts;
    stand_still();
    expect_told("stuck 1000: in C, at nothing that has a name; or the machine has no time for it\n"
                "over 1000: in C, at nothing that has a name; or the machine has no time for it\n");
    whereabouts_set(&at->action, "get");
    whereabouts_set(&at->part, "a search in the store");
    stand_still();
    expect_told("stuck 1000: in C: get, a search in the store\nover 1000: in C: get, a search in the store\n");
    whereabouts_set(&at->action, NULL);
    stand_still();
    expect_told("stuck 1000: in C: a search in the store\nover 1000: in C: a search in the store\n");
    whereabouts_set(&at->script, "layers/a.lua");
    assert_null(whereabouts_set(&at->hook, "inbound"));
    stand_still();
    expect_told("stuck 1000: layers/a.lua, inbound\nover 1000: layers/a.lua, inbound\n");
    atomic_store(&at->line, 7);
    assert_string_equal(whereabouts_set(&at->hook, "GET /\xff"), "inbound");
    stand_still();
    expect_told("stuck 1000: layers/a.lua, GET /?, line 7 or after\nover 1000: layers/a.lua, GET /?, line 7 or after\n");
}

/* A host that steps the loop itself may do something else for as long as it likes. */
static void a_loop_that_is_not_run_is_left_alone(void **state)
{
    (void)state;
    look_after(500);
    watchdog_loop_runs(&loop, false);
    for (int i = 0; i < 10; i++) {
        look_after(500);
    }
    watchdog_loop_runs(&loop, true);
    look_after(500);
    expect_told("");
    look_after(500);
    expect_told("stuck 1000: in C, at nothing that has a name; or the machine has no time for it\n");
    watchdog_loop_runs(&loop, false);
    expect_told("over 1000: in C, at nothing that has a name; or the machine has no time for it\n");
}

/* Everything was stopped, the watchdog too. */
static void a_process_that_was_stopped_is_no_stall(void **state)
{
    (void)state;
    look_after(500);
    look_after(60000);
    expect_told("");
    look_after(500);
    expect_told("");
    turn();
    look_after(500);
    expect_told("");
}

/* -- with its thread -- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void signal_test(void *arg, const struct stall *stall)
{
    (void)arg, (void)stall;
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Until the other thread has noticed. */
static void be_stuck(void *arg)
{
    const char *action = whereabouts_set(&loop.whereabouts.action, "something long");
    pthread_mutex_lock(&lock);
    while (!atomic_load(&loop.whereabouts.is_stuck)) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    watchdog_note(&loop, "it", "/a", 2);
    whereabouts_set(&loop.whereabouts.action, action);
    *(bool *)arg = true;
}

/* On a busy machine it may bark at more than that. */
static void its_thread_notices(void **state)
{
    (void)state;
    const struct watchdog_options options = {.limit_ms = 20, .tell = signal_test};
    assert_int_equal(loop_init(&loop, NULL), HAPPN_OK);
    watchdog_loop_runs(&loop, true);
    assert_int_equal(watchdog_open(&loop, &options, &watchdog), HAPPN_OK);
    struct stall_totals totals = {.count = 0};
    while (!totals.last.is_over || strcmp(totals.last.note, "it of /a") != 0 || strcmp(totals.last.place, "in C: something long") != 0) {
        bool was_stuck = false;
        assert_int_equal(loop_post(&loop, be_stuck, &was_stuck), HAPPN_OK);
        while (!was_stuck || atomic_load(&loop.whereabouts.is_stuck)) {
            turn();
        }
        totals = watchdog_totals(&loop);
    }
    assert_true(totals.count > 0 && totals.longest.ms >= 20);
    watchdog_close(watchdog);
    assert_null(loop.watchdog);
    loop_fini(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_loop_that_moves_is_left_alone, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(one_that_stands_still_is_told_once_and_when_it_is_over, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(the_longest_is_kept, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(it_says_where, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(a_loop_that_is_not_run_is_left_alone, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(a_process_that_was_stopped_is_no_stall, open_loop, close_loop),
        cmocka_unit_test(its_thread_notices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
