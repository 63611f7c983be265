/* Lockout and the limit of logins, by a clock of the test's. */
#include "vectors.h"

#include "security/lockout.h"
#include "test_memory.h"

static struct lockout lockout;
static const struct str bob = STR_LIT("bob"), here = STR_LIT("10.0.0.1"), there = STR_LIT("10.0.0.2");

static int set_up(void **state)
{
    (void)state;
    lockout_init(&lockout, NULL);
    lockout.attempts = 3;
    lockout.retry_ms = 1000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lockout_fini(&lockout);
    return 0;
}

static void after_so_many_failures(void **state)
{
    (void)state;
    assert_false(lockout_is_locked(&lockout, bob, here, 0));
    assert_false(lockout_failed(&lockout, bob, here, 1));
    assert_false(lockout_failed(&lockout, bob, here, 2));
    assert_false(lockout_is_locked(&lockout, bob, here, 2));
    assert_true(lockout_failed(&lockout, bob, here, 3)); /* says so once */
    assert_true(lockout_is_locked(&lockout, bob, here, 3));
    assert_true(lockout_is_locked(&lockout, bob, here, 1002));
    assert_false(lockout_is_locked(&lockout, bob, here, 1003)); /* retryInterval after the last failure */
    assert_false(lockout_failed(&lockout, bob, here, 1004));    /* and begins again */
    assert_false(lockout_is_locked(&lockout, bob, here, 1004));
}

/* Nobody locks out somebody else. */
static void only_there(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        lockout_failed(&lockout, bob, here, i);
    }
    assert_true(lockout_is_locked(&lockout, bob, here, 10));
    assert_false(lockout_is_locked(&lockout, bob, there, 10));
    assert_false(lockout_is_locked(&lockout, STR_LIT("bobby"), here, 10));
    assert_false(lockout_is_locked(&lockout, STR_LIT("bo"), here, 10));
    assert_false(lockout_is_locked(&lockout, STR_LIT(""), here, 10));
    assert_false(lockout_is_locked(&lockout, bob, STR_LIT(""), 10));
}

/* 6.3.2 counts on after a success. */
static void a_success_forgives(void **state)
{
    (void)state;
    lockout_failed(&lockout, bob, here, 1);
    lockout_failed(&lockout, bob, here, 2);
    lockout_succeeded(&lockout, bob, here);
    lockout_failed(&lockout, bob, here, 3);
    lockout_failed(&lockout, bob, here, 4);
    assert_false(lockout_is_locked(&lockout, bob, here, 4));
    lockout_succeeded(&lockout, STR_LIT("nobody"), here);
    assert_true(lockout_failed(&lockout, bob, here, 5));
}

static void names_that_do_not_exist_too(void **state)
{
    (void)state;
    char longest[2000];
    memset(longest, 'x', sizeof longest);
    for (int i = 0; i < 3; i++) {
        lockout_failed(&lockout, str_make(longest, sizeof longest), here, i);
        lockout_failed(&lockout, STR_LIT("a\n10.0.0.1"), here, i);
    }
    assert_true(lockout_is_locked(&lockout, str_make(longest, sizeof longest), here, 3));
    assert_true(lockout_is_locked(&lockout, STR_LIT("a\n10.0.0.1"), here, 3));
    assert_false(lockout_is_locked(&lockout, STR_LIT("a"), here, 3));
}

static void switched_off(void **state)
{
    (void)state;
    lockout.is_off = true;
    for (int i = 0; i < 10; i++) {
        assert_false(lockout_failed(&lockout, bob, here, i));
    }
    assert_false(lockout_is_locked(&lockout, bob, here, 10));
}

static void never_too_many(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < LOCKOUT_MOST + 1000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        lockout_failed(&lockout, str_of(name), here, i);
    }
    assert_true(lockout.entries.count <= LOCKOUT_MOST);
}

static void logins_a_minute(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(lockout_may_try(&lockout, here, 0)); /* no limit: any number */
    }
    lockout.per_minute = 5;
    int admitted = 0;
    for (int i = 0; i < 100; i++) {
        admitted += lockout_may_try(&lockout, here, 100 + i);
    }
    assert_int_equal(admitted, 5);
    assert_true(lockout_may_try(&lockout, there, 100));
    assert_true(lockout_may_try(&lockout, here, 100 + 60000));
    lockout_succeeded(&lockout, STR_LIT(""), here); /* a login without a name forgives nothing */
    admitted = 0;
    for (int i = 0; i < 100; i++) {
        admitted += lockout_may_try(&lockout, here, 100 + 60001);
    }
    assert_true(admitted <= 5);
}

static void memory_runs_out(void **state)
{
    (void)state;
    for (int n = 0; n < 8; n++) {
        struct test_memory memory = TEST_MEMORY(memory);
        memory.left = n;
        memory.is_rare = true;
        struct lockout small;
        lockout_init(&small, &memory.allocator);
        small.per_minute = 1000;
        lockout_may_try(&small, here, 1);
        lockout_failed(&small, bob, here, 1);
        lockout_is_locked(&small, bob, here, 1);
        lockout_succeeded(&small, bob, here);
        memory.left = -1;
        lockout_fini(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(after_so_many_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_success_forgives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_do_not_exist_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(switched_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logins_a_minute, set_up, tear_down),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
