/* The n-th allocation fails, for every n: while datastores come and patterns change at run time, and while a search over several stores is
 * compiled and carried out. The answer is an error, and everything is as it was before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/loop.h"
#include "search/search.h"
#include "store/datastores.h"
#include "store/memory.h"
#include "test_memory.h"

enum { DOCUMENTS = 40 };

static struct loop loop;
static struct datastores *stores;
static struct test_memory memory = TEST_MEMORY(memory);
static bool is_closed;

static struct provider *memory_store(void)
{
    struct provider *provider;
    int before = memory.left;
    memory.left = -1;
    assert_int_equal(store_memory_open(&loop, &memory.allocator, &provider), HAPPN_OK);
    memory.left = before;
    return provider;
}

static int set_up(void **state)
{
    (void)state;
    memory.left = -1;
    assert_int_equal(loop_init(&loop, &memory_default), HAPPN_OK);
    stores = datastores_new(&loop, &memory.allocator);
    assert_non_null(stores);
    happn_error error;
    assert_int_equal(datastores_add(stores, "main", memory_store(), true, &error), HAPPN_OK);
    return 0;
}

static void note(void *arg)
{
    *(bool *)arg = true;
}

static int tear_down(void **state)
{
    (void)state;
    memory.left = -1;
    is_closed = false;
    datastores_close(stores, note, &is_closed);
    while (!is_closed) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    for (int i = 0; i < 20; i++) {
        uv_run(&loop.uv, UV_RUN_NOWAIT); /* stores that could not be added close by themselves */
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
    happn_status status = datastores_submit(stores, datastores_target(stores, op), op);
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

static const char *owner(const char *path)
{
    struct store_op op = {.kind = STORE_GET, .path = str_of(path)};
    return datastores_target(stores, &op)->name;
}

static void a_store_is_added_or_not(void **state)
{
    (void)state;
    happn_error error;
    happn_status status = HAPPN_E_MEMORY;
    for (int n = 0; status != HAPPN_OK; n++) {
        struct provider *provider = memory_store();
        memory.left = n;
        status = datastores_add(stores, "other", provider, true, &error);
        memory.left = -1;
        if (status != HAPPN_OK) {
            assert_int_equal(status, HAPPN_E_MEMORY);
            assert_null(datastores_find(stores, "other"));
            assert_string_equal(owner("/a"), "main");
            assert_ptr_equal(datastores_first(stores), datastores_find(stores, "main"));
        }
        assert_true(n < 100);
    }
    assert_non_null(datastores_find(stores, "other"));
    put("/a", "{}");
}

static void a_pattern_is_added_or_not_and_removed_or_not(void **state)
{
    (void)state;
    happn_error error;
    assert_int_equal(datastores_add(stores, "one", memory_store(), false, &error), HAPPN_OK);
    assert_int_equal(datastores_add(stores, "two", memory_store(), false, &error), HAPPN_OK);
    static const struct {
        const char *store, *before, *after;
    } steps[] = {{"one", "main", "one"}, {"two", "one", "two"}, {NULL, "two", "main"}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        happn_status status = HAPPN_E_MEMORY;
        for (int n = 0; status != HAPPN_OK; n++) {
            assert_string_equal(owner("/part/x"), steps[i].before);
            memory.left = n;
            status = steps[i].store != NULL ? datastores_add_pattern(stores, STR_LIT("/part/*"), steps[i].store, &error)
                                            : datastores_remove_pattern(stores, STR_LIT("/part/*"), &error);
            memory.left = -1;
            assert_true(status == HAPPN_OK || status == HAPPN_E_MEMORY);
            if (status != HAPPN_OK) { /* what failed does not come true by the next change */
                assert_int_equal(datastores_add_pattern(stores, STR_LIT("/elsewhere/*"), "one", &error), HAPPN_OK);
                assert_int_equal(datastores_remove_pattern(stores, STR_LIT("/elsewhere/*"), &error), HAPPN_OK);
            }
            assert_true(n < 100);
        }
        assert_string_equal(owner("/part/x"), steps[i].after);
    }
}

static void fill(void)
{
    happn_error error;
    char path[40], data[80];
    assert_int_equal(datastores_add(stores, "one", memory_store(), false, &error), HAPPN_OK);
    assert_int_equal(datastores_add_pattern(stores, STR_LIT("/many/1*"), "one", &error), HAPPN_OK);
    for (int i = 0; i < DOCUMENTS; i++) {
        snprintf(path, sizeof path, "/many/%02d", i);
        snprintf(data, sizeof data, "{\"n\":%d,\"name\":\"a%db\",\"list\":[%d,{\"deep\":%d}]}", i, i, i, i);
        put(path, data);
    }
}

static const struct search_text asked = {
    .criteria = STR_LIT("{\"$or\":[{\"n\":{\"$gt\":20}},{\"list.deep\":{\"$in\":[1,2,3]}},{\"name\":{\"$regex\":\"^a1.*b$\"}}],\"list\":{\"$elemMatch\":{\"deep\":{\"$gte\":0}}}}"),
    .fields = STR_LIT("{\"name\":1,\"list.deep\":1}"),
    .sort = STR_LIT("{\"n\":-1,\"_meta.path\":1}"),
    .skip = 1,
    .limit = 3};

/* Compiling and finding in one go, so that every allocation of both has its turn. */
static happn_status find(struct arena *arena, struct store_op *op)
{
    struct search *search = NULL;
    happn_status status = search_compile(arena, &asked, &search, &op->error);
    if (status != HAPPN_OK) {
        return status;
    }
    op->search = search;
    run(op);
    return op->status;
}

static void a_search_over_several_stores(void **state)
{
    (void)state;
    fill();
    static const enum store_kind kinds[] = {STORE_FIND, STORE_COUNT};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        happn_status status = HAPPN_E_MEMORY;
        int n = 0;
        for (; status != HAPPN_OK; n++) {
            struct arena arena;
            arena_init(&arena, &memory.allocator);
            struct store_op op = {.kind = kinds[i], .path = STR_LIT("/many/*"), .arena = &arena};
            memory.left = n;
            status = find(&arena, &op);
            memory.left = -1;
            if (status != HAPPN_OK && status != HAPPN_E_MEMORY) {
                fail_msg("after %d allocations: %s", n, op.error.message);
            }
            if (status == HAPPN_OK && kinds[i] == STORE_FIND) {
                assert_int_equal(op.count, 3);
                assert_true(str_is(op.documents[0].path, "/many/38"));
                assert_null(memmem(op.documents[0].data.ptr, op.documents[0].data.len, "\"n\"", 3));
            }
            arena_fini(&arena);
            assert_true(n < 100000);
        }
        assert_true(n > 3); /* something could fail */
    }
}

static void new_stores(void **state)
{
    (void)state;
    struct datastores *made = NULL;
    for (memory.left = 0; made == NULL;) {
        int n = memory.left;
        made = datastores_new(&loop, &memory.allocator);
        memory.left = n + 1;
        assert_true(n < 10);
    }
    memory.left = -1;
    happn_error error;
    assert_int_equal(datastores_add(made, "main", memory_store(), true, &error), HAPPN_OK);
    bool is_gone = false;
    datastores_close(made, note, &is_gone);
    while (!is_gone) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_stores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_is_added_or_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pattern_is_added_or_not_and_removed_or_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_search_over_several_stores, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
