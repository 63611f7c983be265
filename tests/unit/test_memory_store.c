/* Removals by pattern in memory: in slices, between other work, and all the same at one moment. */
#include "store_fixture.h"

#include <string.h>

#include "search/search.h"
#include "store/memory.h"
#include "test_memory.h"

enum { MANY = 10000 }; /* several slices */

static struct store_fixture fixture;
static struct test_memory memory = TEST_MEMORY(memory); /* the loop's */

static struct store_op *start(enum store_kind kind, const char *path, const char *data)
{
    struct store_op *op = arena_alloc(&fixture.arena, sizeof *op);
    *op = fixture_op(&fixture, kind, path, data);
    fixture_submit(&fixture, op);
    return op;
}

static struct store_op run(enum store_kind kind, const char *path, const char *data)
{
    struct store_op op = fixture_op(&fixture, kind, path, data);
    fixture_run(&fixture, &op);
    assert_int_equal(op.status, HAPPN_OK);
    return op;
}

static int set_up(void **state)
{
    (void)state;
    memory.left = -1;
    fixture_init(&fixture);
    loop_fini(&fixture.loop);
    assert_int_equal(loop_init(&fixture.loop, &memory.allocator), HAPPN_OK);
    assert_int_equal(store_memory_open(&fixture.loop, NULL, &fixture.provider), HAPPN_OK);
    for (int i = 0; i < MANY; i++) {
        char path[32], data[32];
        snprintf(path, sizeof path, "/w/%05d", i);
        snprintf(data, sizeof data, "{\"n\":%d}", i % 10);
        run(STORE_SET, path, data);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

static struct store_op *start_removal(const char *criteria, bool lists)
{
    struct store_op *op = arena_alloc(&fixture.arena, sizeof *op);
    *op = fixture_op(&fixture, STORE_REMOVE, "/w/*", NULL);
    struct search *search = NULL;
    struct search_text text = {.criteria = criteria != NULL ? str_of(criteria) : STR_NONE};
    assert_int_equal(search_compile(&fixture.arena, &text, &search, &op->error), HAPPN_OK);
    op->search = search;
    op->lists_removed = lists;
    fixture_submit(&fixture, op);
    assert_int_equal(op->status, HAPPN_PENDING); /* else the tests below show nothing */
    return op;
}

static struct store_op *start_search(const char *fields, const char *sort)
{
    struct store_op *op = arena_alloc(&fixture.arena, sizeof *op);
    *op = fixture_op(&fixture, STORE_FIND, "/w/*", NULL);
    struct search *search = NULL;
    struct search_text text = {.fields = fields != NULL ? str_of(fields) : STR_NONE, .sort = sort != NULL ? str_of(sort) : STR_NONE};
    assert_int_equal(search_compile(&fixture.arena, &text, &search, &op->error), HAPPN_OK);
    op->search = search;
    fixture_submit(&fixture, op);
    assert_int_equal(op->status, HAPPN_PENDING);
    return op;
}

static int turns_of(const struct store_op *op)
{
    int turns = 0;
    for (; op->context == NULL; turns++) {
        uv_run(&fixture.loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(op->status, HAPPN_OK);
    assert_int_equal(op->count, MANY);
    return turns;
}

/* Putting them in order, and leaving out members, takes longer than finding them: others have their turn then, too. */
static void long_lists_are_sorted_in_slices(void **state)
{
    (void)state;
    struct store_op *plain = start_search(NULL, NULL);
    int found = turns_of(plain);
    struct store_op *sorted = start_search(NULL, "{\"n\":-1}");
    assert_true(turns_of(sorted) > found + 5);
    for (size_t i = 0; i < MANY; i++) {
        char data[32], path[32];
        snprintf(data, sizeof data, "{\"n\":%d}", 9 - (int)i / (MANY / 10));
        snprintf(path, sizeof path, "/w/%05d", (int)i % (MANY / 10) * 10 + 9 - (int)i / (MANY / 10));
        assert_true(str_is(sorted->documents[i].data, data));
        assert_true(str_is(sorted->documents[i].path, path));
    }
    struct store_op *cut = start_search("{\"none\":1}", "{\"n\":1}");
    assert_true(turns_of(cut) > found + 10);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(str_is(cut->documents[i].data, "{}"));
    }
}

static bool is_there(const char *path)
{
    return run(STORE_GET, path, NULL).count == 1;
}

static void others_have_their_turn(void **state)
{
    (void)state;
    struct store_op *removal = start_removal(NULL, false);
    struct store_op *get = start(STORE_GET, "/w/00000", NULL);
    assert_int_equal(get->status, HAPPN_OK); /* at once, and before the removal */
    assert_int_equal(get->count, 1);
    assert_int_equal(run(STORE_COUNT, "/w/000*", NULL).count, 100);
    assert_int_equal(removal->status, HAPPN_PENDING);
    fixture_wait(&fixture, removal);
    assert_int_equal(removal->removed, MANY);
    assert_int_equal(run(STORE_COUNT, "*", NULL).count, 0);
}

static void all_are_gone_at_the_same_moment(void **state)
{
    (void)state;
    struct store_op *removal = start_removal(NULL, false);
    fixture_wait(&fixture, removal); /* what is gone is not freed yet */
    assert_false(is_there("/w/00000"));
    assert_false(is_there("/w/09999"));
    struct store_op set = run(STORE_MERGE, "/w/09999", "{\"new\":1}");
    assert_true(set.was_created);
    assert_true(set.document.rev > removal->snapshot_rev);
    struct store_op find = run(STORE_FIND, "/w/*", NULL);
    assert_int_equal(find.count, 1);
    assert_true(str_is(find.documents[0].data, "{\"new\":1}"));
    for (int i = 0; i < 100; i++) {
        uv_run(&fixture.loop.uv, UV_RUN_NOWAIT);
    }
    assert_true(is_there("/w/09999"));
    assert_int_equal(run(STORE_COUNT, "*", NULL).count, 1);
}

static void what_is_written_meanwhile_comes_before(void **state)
{
    (void)state;
    struct store_op *removal = start_removal(NULL, true);
    run(STORE_SET, "/w/00000", "{\"n\":100}");
    run(STORE_SET, "/w/0000new", "{}");
    run(STORE_SET, "/w/99999", "{}");
    run(STORE_SET, "/x", "{}");
    run(STORE_REMOVE, "/w/00001", NULL);
    run(STORE_REMOVE, "/w/00002", NULL);
    run(STORE_SET, "/w/00002", "{}");
    fixture_wait(&fixture, removal);
    assert_int_equal(removal->removed, MANY + 1);
    assert_int_equal(removal->count, MANY + 1);
    for (size_t i = 1; i < removal->count; i++) {
        assert_true(str_compare(removal->documents[i - 1].path, removal->documents[i].path) < 0);
        assert_true(removal->documents[i - 1].rev < removal->documents[i].rev);
    }
    assert_int_equal(removal->documents[removal->count - 1].rev, removal->snapshot_rev);
    assert_int_equal(run(STORE_COUNT, "/w/*", NULL).count, 0);
    assert_true(is_there("/x"));
}

static void criteria_are_asked_again_after_a_write(void **state)
{
    (void)state;
    struct store_op *removal = start_removal("{\"n\":{\"$lt\":5}}", false);
    run(STORE_SET, "/w/00001", "{\"n\":7}"); /* was meant */
    run(STORE_SET, "/w/00007", "{\"n\":1}"); /* was not */
    fixture_wait(&fixture, removal);
    assert_int_equal(removal->removed, MANY / 2);
    assert_true(is_there("/w/00001"));
    assert_false(is_there("/w/00007"));
    assert_int_equal(run(STORE_COUNT, "/w/*", NULL).count, MANY / 2);
}

static void removals_happen_one_after_the_other(void **state)
{
    (void)state;
    struct store_op *first = start_removal("{\"n\":{\"$lt\":5}}", false);
    struct store_op *second = start_removal(NULL, false);
    struct store_op *third = start_removal(NULL, false);
    fixture_wait(&fixture, third);
    assert_int_equal(first->removed, MANY / 2);
    assert_int_equal(second->removed, MANY / 2);
    assert_int_equal(third->removed, 0);
    assert_true(first->snapshot_rev < second->snapshot_rev);
}

static void a_search_that_fails_removes_nothing(void **state)
{
    (void)state;
    struct buf data;
    buf_init(&data, NULL, 1 << 20);
    buf_add_lit(&data, "{\"text\":\"");
    for (int i = 0; i < 200; i++) {
        buf_add_lit(&data, "aaaaaaaaaa");
    }
    buf_add_lit(&data, "!\"}");
    buf_add_char(&data, '\0');
    run(STORE_SET, "/w/09990", data.ptr); /* the expression needs too many steps for this one, after others were doomed */
    buf_fini(&data);
    struct store_op *removal = start_removal("{\"$or\":[{\"n\":1},{\"text\":{\"$regex\":\"^(a+)+$\"}}]}", false);
    fixture_wait(&fixture, removal);
    assert_int_not_equal(removal->status, HAPPN_OK);
    assert_int_equal(removal->removed, 0);
    assert_int_equal(run(STORE_COUNT, "/w/*", NULL).count, MANY);
    struct store_op *other = start_removal(NULL, false); /* nobody has them any more */
    fixture_wait(&fixture, other);
    assert_int_equal(other->removed, MANY);
}

static void closing_finishes_what_was_begun(void **state)
{
    (void)state;
    struct store_op *removals[] = {start_removal("{\"n\":1}", false), start_removal(NULL, true)};
    struct store_op *walk = start(STORE_FIND, "/w/*", NULL);
    fixture_close(&fixture);
    assert_int_equal(removals[0]->removed, MANY / 10);
    assert_int_equal(removals[1]->count, MANY / 10 * 9);
    assert_int_equal(walk->status, HAPPN_OK);
}

static void without_a_later_turn_it_ends_at_once(void **state)
{
    (void)state;
    memory.left = 0; /* the loop has no memory for a post */
    struct store_op *walk = start(STORE_FIND, "/w/*", NULL);
    assert_int_equal(walk->status, HAPPN_OK);
    assert_int_equal(walk->count, MANY);
    struct store_op *removal = start(STORE_REMOVE, "/w/*", NULL);
    assert_int_equal(removal->status, HAPPN_OK);
    assert_int_equal(removal->removed, MANY);
    memory.left = -1;
    assert_int_equal(run(STORE_COUNT, "*", NULL).count, 0);
}

/* Ten thousand small documents are one slice's worth and more; so is one of ten megabytes. */
static void long_documents_count_as_several(void **state)
{
    (void)state;
    struct buf data;
    buf_init(&data, NULL, 16 << 20);
    buf_add_lit(&data, "{\"text\":\"");
    for (int i = 0; i < 10 << 10; i++) {
        for (int j = 0; j < 64; j++) {
            buf_add_lit(&data, "sixteen letters.");
        }
    }
    buf_add_lit(&data, "\"}");
    buf_add_char(&data, '\0');
    run(STORE_SET, "/big/1", data.ptr);
    run(STORE_SET, "/big/2", data.ptr);
    buf_fini(&data);
    struct store_op *walk = start(STORE_COUNT, "/big/*", NULL);
    assert_int_equal(walk->status, HAPPN_PENDING);
    fixture_wait(&fixture, walk);
    assert_int_equal(walk->count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(others_have_their_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_lists_are_sorted_in_slices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_are_gone_at_the_same_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_written_meanwhile_comes_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(criteria_are_asked_again_after_a_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removals_happen_one_after_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_search_that_fails_removes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closing_finishes_what_was_begun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_later_turn_it_ends_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_documents_count_as_several, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
