/* The audit log when the disk refuses: what is in the file are whole lines, and what is missing is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"
#include "core/events.h"
#include "json/scan.h"
#include "service/audit.h"

static struct loop loop;
static struct core core;
static struct audit *audit;
static char file[64], text[1 << 16];
static bool is_closed;

static int set_up(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error, as a full disk is */
    assert_int_equal(loop_init(&loop, NULL), HAPPN_OK);
    assert_int_equal(core_init(&core, &loop, NULL), HAPPN_OK);
    snprintf(file, sizeof file, "/tmp/happn-audit-XXXXXX");
    close(mkstemp(file));
    is_closed = false;
    happn_error error;
    assert_int_equal(audit_open(&core, file, &audit, &error), HAPPN_OK);
    return 0;
}

static void closed(void *arg)
{
    (void)arg;
    is_closed = true;
}

static int tear_down(void **state)
{
    (void)state;
    core_close_timer(&core);
    events_forget_all(&core);
    loop_fini(&loop);
    core_fini(&core);
    unlink(file);
    return 0;
}

static void let_grow_to(rlim_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void happens(int number)
{
    char detail[64];
    snprintf(detail, sizeof detail, "{\"number\":%d}", number);
    events_emit(&core, "happened", str_of(detail));
}

/* One write may be followed by another: the last callback that starts none ends this. */
static void until_written(void)
{
    while (loop.uv.active_reqs.count != 0) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
}

static void end(void)
{
    audit_close(audit, closed, NULL);
    until_written();
    assert_true(is_closed);
}

static struct str read_file(void)
{
    FILE *in = fopen(file, "r");
    assert_non_null(in);
    size_t len = fread(text, 1, sizeof text, in);
    fclose(in);
    return str_make(text, len);
}

/* How many whole lines there are, how many pieces of lines, and how many lines are said to be missing. */
struct found {
    int lines, torn;
    int64_t dropped;
};

static struct found look(void)
{
    struct found found = {0};
    struct str rest = read_file();
    while (rest.len != 0) {
        const char *end_of_line = memchr(rest.ptr, '\n', rest.len);
        assert_non_null(end_of_line);
        struct str line = str_make(rest.ptr, (size_t)(end_of_line - rest.ptr));
        rest = str_skip(rest, line.len + 1);
        if (json_check(line, NULL) != HAPPN_OK) {
            found.torn++;
            continue;
        }
        bool is_count = str_is(json_get(line, "event"), "\"dropped\"");
        found.lines += !is_count;
        found.dropped += is_count ? json_int(json_get(json_get(line, "detail"), "lines"), 0) : 0;
    }
    return found;
}

static void what_happens_is_written(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        happens(i);
    }
    end();
    struct found found = look();
    assert_int_equal(found.lines, 100);
    assert_int_equal(found.torn + found.dropped, 0);
}

static void a_full_disk_tears_one_line_and_the_missing_ones_are_counted(void **state)
{
    (void)state;
    happens(0);
    until_written();
    size_t one = read_file().len;
    let_grow_to(one * 3 + one / 2);
    for (int i = 1; i <= 10; i++) {
        happens(i);
    }
    until_written();
    happens(100); /* a count that is lost itself is not forgotten */
    until_written();
    let_grow_to(RLIM_INFINITY);
    happens(11);
    happens(12);
    end();
    struct found found = look();
    assert_int_equal(found.torn, 1);
    assert_true(found.lines >= 5); /* 0 to 2, then 11 and 12 */
    assert_int_equal(found.lines + found.dropped, 14);
}

static void it_ends_when_nothing_can_be_written(void **state)
{
    (void)state;
    let_grow_to(0);
    for (int i = 0; i < 10; i++) {
        happens(i);
    }
    end();
    let_grow_to(RLIM_INFINITY);
    assert_int_equal(read_file().len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_happens_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_tears_one_line_and_the_missing_ones_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_ends_when_nothing_can_be_written, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
