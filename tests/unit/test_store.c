/* What every provider promises, on the memory store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/scan.h"
#include "store/memory.h"

#ifndef HAPPN_SOURCE_DIR
#define HAPPN_SOURCE_DIR "."
#endif

static struct loop loop;
static struct provider *provider;
static struct arena arena;

static int open_store(void **state)
{
    (void)state;
    arena_init(&arena, NULL);
    return loop_init(&loop, NULL) != HAPPN_OK || store_memory_open(&loop, NULL, &provider) != HAPPN_OK;
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

static int close_store(void **state)
{
    (void)state;
    bool closed = false;
    provider->ops->close(provider, note_closed, &closed);
    assert_false(closed); /* never before it returns */
    loop_fini(&loop);
    assert_true(closed);
    arena_fini(&arena);
    return 0;
}

static struct store_op run(enum store_kind kind, const char *path, const char *data, int64_t now)
{
    struct store_op op = {.kind = kind, .path = str_of(path), .data = str_of(data), .now = now, .arena = &arena};
    assert_int_equal(provider_submit(provider, &op), HAPPN_OK);
    return op;
}

static void overwrites_keep_created(void **state)
{
    (void)state;
    struct store_op first = run(STORE_SET, "/a", "{\"x\":1}", 1000);
    assert_true(first.was_created);
    struct store_op second = run(STORE_SET, "/a", "{\"y\":2.50}", 2000);
    assert_false(second.was_created);
    assert_true(second.document.rev > first.document.rev);
    struct store_op got = run(STORE_GET, "/a", NULL, 0);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.documents[0].created, 1000);
    assert_int_equal(got.documents[0].modified, 2000);
    assert_true(str_is(got.documents[0].data, "{\"y\":2.50}"));
    assert_int_equal(run(STORE_GET, "/b", NULL, 0).count, 0);
}

static void merges_lay_over(void **state)
{
    (void)state;
    run(STORE_MERGE, "/m", "{\"a\":1,\"n\":{\"x\":1}}", 1);
    struct store_op merged = run(STORE_MERGE, "/m", "{\"n\":{\"z\":3},\"b\":null}", 2);
    assert_true(str_is(merged.document.data, "{\"a\":1,\"n\":{\"z\":3},\"b\":null}"));
    struct store_op got = run(STORE_GET, "/m", NULL, 0);
    assert_true(str_is(got.documents[0].data, "{\"a\":1,\"n\":{\"z\":3},\"b\":null}"));
    assert_int_equal(got.documents[0].created, 1);
}

static void patterns_find_in_order(void **state)
{
    (void)state;
    char path[32];
    for (int i = 999; i >= 0; i--) {
        snprintf(path, sizeof path, "/p/%03d", i);
        run(STORE_SET, path, "{}", 1);
    }
    run(STORE_SET, "/_SYSTEM/x", "{}", 1);
    struct store_op found = run(STORE_FIND, "/p/1*", NULL, 0);
    assert_int_equal(found.count, 100);
    for (size_t i = 1; i < found.count; i++) {
        assert_true(str_compare(found.documents[i - 1].path, found.documents[i].path) < 0);
    }
    assert_int_equal(run(STORE_FIND, "*", NULL, 0).count, 1000);
    assert_int_equal(run(STORE_REMOVE, "/p/1*", NULL, 0).removed, 100);
    assert_int_equal(run(STORE_REMOVE, "/p/200", NULL, 0).removed, 1);
    assert_int_equal(run(STORE_REMOVE, "/p/200", NULL, 0).removed, 0);
    assert_int_equal(run(STORE_REMOVE, "*", NULL, 0).removed, 899);
    assert_int_equal(run(STORE_GET, "/_SYSTEM/x", NULL, 0).count, 1);
}

static struct str read_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size_t len = (size_t)ftell(file);
    rewind(file);
    char *text = arena_alloc(&arena, len);
    assert_int_equal(fread(text, 1, len, file), len);
    fclose(file);
    return str_make(text, len);
}

static bool is_among(const struct store_op *op, struct str path)
{
    for (size_t i = 0; i < op->count; i++) {
        if (str_equal(op->documents[i].path, path)) {
            return true;
        }
    }
    return false;
}

static void observed_wildcards(void **state)
{
    (void)state;
    struct str text = read_file(HAPPN_SOURCE_DIR "/tests/vectors/wildcards.json");
    for (struct json_iter it = json_iter(json_get(text, "paths")); json_next(&it);) {
        struct store_op op = {.kind = STORE_SET, .path = json_string(&arena, it.value), .data = STR_LIT("{}"), .arena = &arena};
        assert_int_equal(provider_submit(provider, &op), HAPPN_OK);
    }
    for (struct json_iter it = json_iter(json_get(text, "rows")); json_next(&it);) {
        struct store_op op = {.kind = STORE_FIND, .path = json_string(&arena, json_get(it.value, "pattern")), .arena = &arena};
        assert_int_equal(provider_submit(provider, &op), HAPPN_OK);
        struct str path = json_string(&arena, json_get(it.value, "path"));
        assert_int_equal(is_among(&op, path), json_true(json_get(it.value, "get")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(overwrites_keep_created, open_store, close_store),
        cmocka_unit_test_setup_teardown(merges_lay_over, open_store, close_store),
        cmocka_unit_test_setup_teardown(patterns_find_in_order, open_store, close_store),
        cmocka_unit_test_setup_teardown(observed_wildcards, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
