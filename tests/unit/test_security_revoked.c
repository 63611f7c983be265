/* Revoked tokens: found, forgotten when they would have ended anyway, and written in happn-3's shape. */
#include "vectors.h"

#include "security/revoked.h"
#include "test_memory.h"

static struct revoked revoked;

static int set_up(void **state)
{
    (void)state;
    revoked_init(&revoked, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    revoked_fini(&revoked);
    return 0;
}

static void known_by_its_id(void **state)
{
    (void)state;
    assert_null(revoked_find(&revoked, STR_LIT("t1")));
    assert_int_equal(revoked_add(&revoked, STR_LIT("t1"), STR_LIT("CLIENT"), 1000, 5000), HAPPN_OK);
    const struct revoked_entry *entry = revoked_find(&revoked, STR_LIT("t1"));
    assert_non_null(entry);
    assert_true(str_is(entry->reason, "CLIENT") && entry->since == 1000 && entry->until == 5000);
    assert_null(revoked_find(&revoked, STR_LIT("t")));
    assert_null(revoked_find(&revoked, STR_LIT("t11")));
    assert_int_equal(revoked_add(&revoked, STR_LIT("t1"), STR_NONE, 2000, 0), HAPPN_OK);
    assert_int_equal(revoked.entries.count, 1);
    assert_int_equal(revoked_find(&revoked, STR_LIT("t1"))->until, 0);
    revoked_drop(&revoked, STR_LIT("t1"));
    revoked_drop(&revoked, STR_LIT("t1"));
    assert_null(revoked_find(&revoked, STR_LIT("t1")));
}

static void forgotten_in_time(void **state)
{
    (void)state;
    char id[32];
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "t%d", i);
        assert_int_equal(revoked_add(&revoked, str_of(id), STR_LIT("x"), 0, i % 10 == 0 ? 0 : 100 + i), HAPPN_OK);
    }
    assert_null(revoked_outlived(&revoked, 100));
    int dropped = 0;
    for (const struct revoked_entry *entry; (entry = revoked_outlived(&revoked, 149)) != NULL; dropped++) {
        assert_true(entry->until != 0 && entry->until <= 149);
        snprintf(id, sizeof id, "%.*s", (int)entry->id.len, entry->id.ptr);
        revoked_drop(&revoked, str_of(id));
    }
    assert_int_equal(dropped, 45);
    assert_int_equal(revoked.entries.count, 55);
    assert_non_null(revoked_find(&revoked, STR_LIT("t0"))); /* without an end: for ever */
}

/* Whatever comes and goes in between: the earliest is always found first, and none too early. */
static void in_order(void **state)
{
    (void)state;
    uint64_t seed = vectors_seed();
    char id[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "t%d", (int)(vectors_draw(&seed) % 1000));
        if (vectors_draw(&seed) % 3 == 0) {
            revoked_drop(&revoked, str_of(id));
        } else {
            assert_int_equal(revoked_add(&revoked, str_of(id), STR_LIT("x"), 0, (int64_t)(vectors_draw(&seed) % 500)), HAPPN_OK);
        }
    }
    int64_t last = 0;
    for (const struct revoked_entry *entry; (entry = revoked_outlived(&revoked, 1000)) != NULL;) {
        assert_true(entry->until >= last && entry->until != 0);
        last = entry->until;
        assert_null(revoked_outlived(&revoked, last - 1));
        snprintf(id, sizeof id, "%.*s", (int)entry->id.len, entry->id.ptr);
        revoked_drop(&revoked, str_of(id));
    }
    assert_int_equal(revoked.heap_count, 0);
}

static void memory_runs_out(void **state)
{
    (void)state;
    for (int n = 0; n < 6; n++) {
        struct test_memory memory = TEST_MEMORY(memory);
        memory.left = n;
        memory.is_rare = true;
        struct revoked small;
        revoked_init(&small, &memory.allocator);
        happn_status first = revoked_add(&small, STR_LIT("a"), STR_LIT("x"), 0, 5), second = revoked_add(&small, STR_LIT("b"), STR_LIT("x"), 0, 3);
        assert_int_equal(revoked_find(&small, STR_LIT("a")) != NULL, first == HAPPN_OK);
        assert_int_equal(revoked_find(&small, STR_LIT("b")) != NULL, second == HAPPN_OK);
        assert_int_equal(small.heap_count, (first == HAPPN_OK) + (second == HAPPN_OK));
        memory.left = -1;
        revoked_fini(&small);
    }
}

static void the_originals_shape(void **state)
{
    (void)state;
    struct buf out;
    struct arena arena;
    arena_init(&arena, NULL);
    buf_init(&out, NULL, 4096);
    revoked_add_data(&out, STR_LIT("an \"id\""), STR_LIT("CLIENT"), 1000, 5000);
    assert_int_equal(json_check(buf_str(&out), NULL), HAPPN_OK);
    assert_true(vectors_same(&arena, buf_str(&out), STR_LIT("{\"data\":{\"reason\":\"CLIENT\",\"timestamp\":1000,\"ttl\":4000},\"key\":\"an \\\"id\\\"\",\"ttl\":4000}")));
    buf_clear(&out);
    revoked_add_data(&out, STR_LIT("t"), STR_LIT(""), 1000, 0);
    assert_true(vectors_same(&arena, buf_str(&out), STR_LIT("{\"data\":{\"reason\":\"\",\"timestamp\":1000,\"ttl\":0},\"key\":\"t\",\"ttl\":0}")));
    buf_fini(&out);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_by_its_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgotten_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_order, set_up, tear_down),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test_setup_teardown(the_originals_shape, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
