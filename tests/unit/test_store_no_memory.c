/* The n-th allocation of an operation fails, for every n: the answer is an error and nothing has changed, or all of it is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/loop.h"
#include "json/scan.h"
#include "search/search.h"
#include "store/memory.h"
#include "test_memory.h"

enum { MANY = 2500 }; /* more than a remove looks at in one piece */

static struct loop loop;
static struct test_memory memory = TEST_MEMORY(memory);

static struct provider *provider;

static int set_up(void **state)
{
    (void)state;
    memory.left = -1;
    assert_int_equal(loop_init(&loop, &memory_default), HAPPN_OK);
    assert_int_equal(store_memory_open(&loop, &memory.allocator, &provider), HAPPN_OK);
    return 0;
}

static int set_up_indexed(void **state)
{
    (void)state;
    static const struct str names[] = {STR_LIT("n"), STR_LIT("fresh"), STR_LIT("list")};
    happn_error error;
    assert_int_equal(loop_init(&loop, &memory_default), HAPPN_OK);
    happn_status status = HAPPN_E_MEMORY;
    for (memory.left = 0; status != HAPPN_OK; memory.left++) {
        int before = memory.left;
        status = store_memory_open_indexed(&loop, &memory.allocator, names, 3, &provider, &error);
        memory.left = before;
        assert_true(status == HAPPN_OK || status == HAPPN_E_MEMORY);
    }
    memory.left = -1;
    return 0;
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

static int tear_down(void **state)
{
    (void)state;
    bool is_closed = false;
    memory.left = -1;
    provider->ops->close(provider, note_closed, &is_closed);
    while (!is_closed) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    loop_fini(&loop);
    return 0;
}

static void done(struct store_op *op)
{
    *(bool *)op->context = true;
}

static void run(struct store_op *op)
{
    bool is_done = false;
    op->done = done;
    op->context = &is_done;
    happn_status status = provider->ops->submit(provider, op);
    if (status != HAPPN_PENDING) {
        op->status = status;
        return;
    }
    while (!is_done) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
}

static void put(const char *path, const char *data)
{
    struct arena arena;
    arena_init(&arena, &memory_default);
    struct store_op op = {.kind = STORE_SET, .path = str_of(path), .data = str_of(data), .arena = &arena};
    run(&op);
    assert_int_equal(op.status, HAPPN_OK);
    arena_fini(&arena);
}

static void fill(void)
{
    char path[40], data[40];
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "/many/%05d", i);
        snprintf(data, sizeof data, "{\"n\":%d}", i);
        put(path, data);
    }
}

static size_t count(const char *pattern)
{
    struct arena arena;
    arena_init(&arena, &memory_default);
    struct store_op op = {.kind = STORE_COUNT, .path = str_of(pattern), .arena = &arena};
    int before = memory.left;
    memory.left = -1;
    run(&op);
    memory.left = before;
    assert_int_equal(op.status, HAPPN_OK);
    size_t found = op.count;
    arena_fini(&arena);
    return found;
}

/* Runs the operation with ever more memory until it succeeds; check looks at what is there after each try. */
static void try_all(struct store_op like, void (*check)(const struct store_op *op))
{
    happn_status status = HAPPN_E_MEMORY;
    for (int n = 0; status != HAPPN_OK; n++) {
        struct arena arena;
        arena_init(&arena, &memory.allocator);
        struct store_op op = like;
        op.arena = &arena;
        memory.left = n;
        run(&op);
        memory.left = -1;
        status = op.status;
        if (status != HAPPN_OK && status != HAPPN_E_MEMORY) {
            fail_msg("after %d allocations: %s", n, op.error.message);
        }
        check(&op);
        arena_fini(&arena);
        assert_true(n < 100000);
    }
}

static void all_or_nothing_is_gone(const struct store_op *op)
{
    assert_int_equal(count("/many/*"), op->status == HAPPN_OK ? 0 : MANY);
    assert_int_equal(op->removed, op->status == HAPPN_OK ? MANY : 0);
    assert_int_equal(op->count, op->status == HAPPN_OK && op->lists_removed ? MANY : 0);
}

static void a_remove_by_pattern_is_all_or_nothing(void **state)
{
    (void)state;
    for (int lists = 0; lists < 2; lists++) {
        fill();
        try_all((struct store_op){.kind = STORE_REMOVE, .path = STR_LIT("/many/*"), .lists_removed = lists == 1}, all_or_nothing_is_gone);
    }
}

static void nothing_has_changed(const struct store_op *op)
{
    (void)op;
    assert_int_equal(count("/many/*"), MANY);
}

static void a_search_reads_only(void **state)
{
    (void)state;
    fill();
    struct arena arena;
    happn_error error;
    struct search *search = NULL;
    arena_init(&arena, &memory_default);
    struct search_text text = {.criteria = STR_LIT("{\"$or\":[{\"n\":{\"$gt\":2400}},{\"n\":{\"$in\":[1,2,3]}},{\"name\":{\"$regex\":\"^a.*b$\"}}]}"), .sort = STR_LIT("{\"n\":-1}"), .limit = 3};
    assert_int_equal(search_compile(&arena, &text, &search, &error), HAPPN_OK);
    struct store_op op = {.kind = STORE_FIND, .path = STR_LIT("/many/*"), .search = search};
    try_all(op, nothing_has_changed);
    op.kind = STORE_COUNT;
    try_all(op, nothing_has_changed);
    arena_fini(&arena);
}

static void the_document_is_old_or_new(const struct store_op *op)
{
    struct arena arena;
    arena_init(&arena, &memory_default);
    struct store_op get = {.kind = STORE_GET, .path = STR_LIT("/one"), .arena = &arena};
    run(&get);
    assert_int_equal(get.status, HAPPN_OK);
    assert_int_equal(get.count, 1);
    struct str data = get.documents[0].data;
    if (op->status != HAPPN_OK) {
        assert_true(str_is(data, "{\"old\":1}"));
    } else {
        assert_true(str_is(json_get(data, "fresh"), "2"));
    }
    arena_fini(&arena);
}

static void a_write_is_all_or_nothing(void **state)
{
    (void)state;
    static const enum store_kind kinds[] = {STORE_SET, STORE_MERGE};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        put("/one", "{\"old\":1}");
        try_all((struct store_op){.kind = kinds[i], .path = STR_LIT("/one"), .data = STR_LIT("{\"fresh\":2,\"list\":[1,2,3],\"text\":\"longer than what was there before\"}")},
                the_document_is_old_or_new);
    }
}

static size_t count_fresh(struct str criteria)
{
    struct arena arena;
    happn_error error;
    struct search *search = NULL;
    arena_init(&arena, &memory_default);
    struct search_text text = {.criteria = criteria};
    assert_int_equal(search_compile(&arena, &text, &search, &error), HAPPN_OK);
    struct store_op op = {.kind = STORE_COUNT, .path = STR_LIT("*"), .search = search, .arena = &arena};
    run(&op);
    assert_int_equal(op.status, HAPPN_OK);
    assert_true(str_is_set(op.index));
    arena_fini(&arena);
    return op.count;
}

static void the_index_fits_the_document(const struct store_op *op)
{
    the_document_is_old_or_new(op);
    assert_int_equal(count_fresh(STR_LIT("{\"fresh\":2}")), op->status == HAPPN_OK ? 1 : 0);
    assert_int_equal(count_fresh(STR_LIT("{\"list\":{\"$in\":[3]}}")), op->status == HAPPN_OK ? 1 : 0);
}

static void an_index_changes_with_its_document_or_not_at_all(void **state)
{
    (void)state;
    put("/one", "{\"old\":1}");
    try_all((struct store_op){.kind = STORE_SET, .path = STR_LIT("/one"), .data = STR_LIT("{\"fresh\":2,\"list\":[1,2,3],\"text\":\"longer than what was there before\"}")},
            the_index_fits_the_document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_remove_by_pattern_is_all_or_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_search_reads_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_write_is_all_or_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_remove_by_pattern_is_all_or_nothing, set_up_indexed, tear_down),
        cmocka_unit_test_setup_teardown(a_search_reads_only, set_up_indexed, tear_down),
        cmocka_unit_test_setup_teardown(a_write_is_all_or_nothing, set_up_indexed, tear_down),
        cmocka_unit_test_setup_teardown(an_index_changes_with_its_document_or_not_at_all, set_up_indexed, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
