/* What every provider promises: one suite, run on each of them. */
#include "store_fixture.h"

#include <string.h>

#include "json/scan.h"
#include "store/host.h"
#include "store/memory.h"

#ifndef HAPPN_SOURCE_DIR
#define HAPPN_SOURCE_DIR "."
#endif

static struct store_fixture fixture;
/* examples/provider.c, which is outside of the library. */
extern const happn_provider_ops example_provider;
static bool is_host;
static bool persists; /* is the provider under test sqlite? */

static void open_provider(void)
{
    happn_error error = {.status = HAPPN_OK};
    if (is_host) {
        assert_int_equal(store_host_open(&fixture.loop, &memory_default, &example_provider, NULL, STR_LIT("{}"), &fixture.provider, &error), HAPPN_OK);
        return;
    }
    happn_status status = persists ? fixture_open_sqlite(&fixture, &(struct sqlite_options){.sync = false}, &error)
                                   : store_memory_open(&fixture.loop, NULL, &fixture.provider);
    if (status != HAPPN_OK) {
        fail_msg("cannot open: %s", error.message);
    }
}

static int set_up_host(void **state)
{
    (void)state;
    persists = false;
    is_host = true;
    fixture_init(&fixture);
    open_provider();
    return 0;
}

static int set_up_memory(void **state)
{
    (void)state;
    persists = false;
    is_host = false;
    fixture_init(&fixture);
    open_provider();
    return 0;
}

static int set_up_sqlite(void **state)
{
    (void)state;
    persists = true;
    is_host = false;
    fixture_init(&fixture);
    open_provider();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

static void reopen(void)
{
    fixture_close(&fixture);
    open_provider();
}

/* Without waiting. */
static struct store_op *start(enum store_kind kind, const char *path, const char *data, int64_t now)
{
    struct store_op *op = arena_alloc(&fixture.arena, sizeof *op);
    *op = fixture_op(&fixture, kind, path, data);
    op->now = now;
    fixture_submit(&fixture, op);
    return op;
}

static struct store_op run(enum store_kind kind, const char *path, const char *data, int64_t now)
{
    struct store_op *op = start(kind, path, data, now);
    fixture_wait(&fixture, op);
    assert_int_equal(op->status, HAPPN_OK);
    return *op;
}

static void overwrites_keep_created(void **state)
{
    (void)state;
    struct store_op first = run(STORE_SET, "/a", "{\"x\":1}", 1000);
    assert_true(first.was_created);
    assert_true(str_is(first.document.path, "/a"));
    assert_true(str_is(first.document.data, "{\"x\":1}"));
    struct store_op second = run(STORE_SET, "/a", "{\"y\":2.50}", 2000);
    assert_false(second.was_created);
    assert_int_equal(second.document.created, 1000);
    assert_int_equal(second.document.modified, 2000);
    assert_true(second.document.rev > first.document.rev);
    struct store_op got = run(STORE_GET, "/a", NULL, 0);
    assert_int_equal(got.count, 1);
    assert_true(str_is(got.documents[0].path, "/a"));
    assert_int_equal(got.documents[0].created, 1000);
    assert_int_equal(got.documents[0].modified, 2000);
    assert_int_equal(got.documents[0].rev, second.document.rev);
    assert_true(got.snapshot_rev >= second.document.rev);
    assert_true(str_is(got.documents[0].data, "{\"y\":2.50}"));
    assert_int_equal(run(STORE_GET, "/b", NULL, 0).count, 0);
}

static void knows_who_changed_it(void **state)
{
    (void)state;
    struct store_op op = fixture_op(&fixture, STORE_SET, "/who", "{}");
    op.modified_by = STR_LIT("anna");
    fixture_run(&fixture, &op);
    assert_int_equal(op.status, HAPPN_OK);
    assert_true(str_is(op.document.modified_by, "anna"));
    assert_true(str_is(run(STORE_GET, "/who", NULL, 0).documents[0].modified_by, "anna"));
    assert_true(str_is(run(STORE_FIND, "/w*", NULL, 0).documents[0].modified_by, "anna"));
    run(STORE_SET, "/who", "{}", 2);
    assert_false(str_is_set(run(STORE_GET, "/who", NULL, 0).documents[0].modified_by));
}

static void gives_paths_only(void **state)
{
    (void)state;
    run(STORE_SET, "/only/a", "{\"x\":1}", 1);
    const char *asked[] = {"/only/a", "/only/*"};
    for (int i = 0; i < 2; i++) {
        struct store_op op = fixture_op(&fixture, i == 0 ? STORE_GET : STORE_FIND, asked[i], NULL);
        op.paths_only = true;
        fixture_run(&fixture, &op);
        assert_int_equal(op.count, 1);
        assert_true(str_is(op.documents[0].path, "/only/a"));
        assert_false(str_is_set(op.documents[0].data));
        assert_int_equal(op.documents[0].created, 1);
    }
}

static void merges_lay_over(void **state)
{
    (void)state;
    assert_true(run(STORE_MERGE, "/m", "{\"a\":1,\"n\":{\"x\":1}}", 1).was_created);
    struct store_op merged = run(STORE_MERGE, "/m", "{\"n\":{\"z\":3},\"b\":null}", 2);
    assert_false(merged.was_created);
    assert_true(str_is(merged.document.data, "{\"a\":1,\"n\":{\"z\":3},\"b\":null}"));
    struct store_op got = run(STORE_GET, "/m", NULL, 0);
    assert_true(str_is(got.documents[0].data, "{\"a\":1,\"n\":{\"z\":3},\"b\":null}"));
    assert_int_equal(got.documents[0].created, 1);
}

static void merges_of_one_turn_add_up(void **state)
{
    (void)state;
    struct store_op *last = NULL;
    for (int i = 0; i < 500; i++) {
        char patch[32];
        snprintf(patch, sizeof patch, "{\"k%d\":%d}", i, i);
        last = start(STORE_MERGE, "/many", patch, 1);
    }
    fixture_wait(&fixture, last);
    size_t members = 0;
    for (struct json_iter it = json_iter(run(STORE_GET, "/many", NULL, 0).documents[0].data); json_next(&it);) {
        members++;
    }
    assert_int_equal(members, 500);
}

static struct store_op *make(enum store_kind kind, const char *path, const char *data)
{
    struct store_op *op = arena_alloc(&fixture.arena, sizeof *op);
    *op = fixture_op(&fixture, kind, path, data);
    return op;
}

static happn_status finish(struct store_op *op)
{
    fixture_run(&fixture, op);
    return op->status;
}

static struct store_op *increment(const char *path, const char *field, const char *by)
{
    struct store_op *op = make(STORE_INCREMENT, path, NULL);
    op->field = str_of(field);
    op->by = str_of(by);
    finish(op);
    return op;
}

static void counters_count(void **state)
{
    (void)state;
    run(STORE_SET, "/n", "{\"name\":\"x\",\"bad\":3,\"worse\":{\"value\":\"1\"}}", 1);
    assert_true(str_is(increment("/n", "counter", "1")->number, "1"));
    assert_true(str_is(increment("/n", "counter", "5")->number, "6"));
    assert_true(str_is(increment("/n", "counter", "-0.5")->number, "5.5"));
    assert_true(str_is(increment("/new", "a \"b\"", "2")->document.data, "{\"a \\\"b\\\"\":{\"value\":2}}"));
    assert_int_equal(increment("/n", "bad", "1")->status, HAPPN_E_REFUSED);
    assert_int_equal(increment("/n", "worse", "1")->status, HAPPN_E_REFUSED);
    assert_int_equal(increment("/big", "c", "1e308")->status, HAPPN_OK);
    assert_int_equal(increment("/big", "c", "1e308")->status, HAPPN_E_NUMBER);
    struct store_op got = run(STORE_GET, "/n", NULL, 0);
    assert_true(str_is(got.documents[0].data,
                       "{\"name\":\"x\",\"bad\":3,\"worse\":{\"value\":\"1\"},\"counter\":{\"value\":5.5}}"));
}

static void tags_keep_snapshots(void **state)
{
    (void)state;
    run(STORE_SET, "/doc", "{\"p\":1}", 1000);
    struct store_op *op = make(STORE_TAG, "/doc", NULL);
    op->target = STR_LIT("/_TAGS/doc/x");
    op->tag = STR_LIT("T1");
    op->now = 2000;
    assert_int_equal(finish(op), HAPPN_OK);
    run(STORE_SET, "/doc", "{\"p\":2}", 3000);
    struct store_op got = run(STORE_GET, "/_TAGS/doc/x", NULL, 0);
    assert_int_equal(got.count, 1);
    assert_true(str_is(got.documents[0].data, "{\"data\":{\"p\":1},\"created\":1000,\"modified\":1000,\"_id\":\"/doc\"}"));
    assert_true(str_is(got.documents[0].tag, "T1"));
    assert_int_equal(got.documents[0].created, 2000);
    assert_false(str_is_set(run(STORE_GET, "/doc", NULL, 0).documents[0].tag));
    struct store_op *missing = make(STORE_TAG, "/nothing", NULL);
    missing->target = STR_LIT("/_TAGS/nothing/x");
    missing->tag = STR_LIT("T1");
    assert_int_equal(finish(missing), HAPPN_E_NOT_FOUND);
    assert_int_equal(run(STORE_FIND, "/*nothing*", NULL, 0).count, 0);
}

static void restored_documents_are_as_they_were(void **state)
{
    (void)state;
    run(STORE_SET, "/old", "{\"new\":1}", 9000);
    for (int i = 0; i < 2; i++) {
        struct store_op *op = make(STORE_RESTORE, "/old", "{\"a\":1.50}");
        op->restored = (struct document){.created = 10, .modified = 20, .modified_by = STR_LIT("anna"), .tag = STR_LIT("t")};
        assert_int_equal(finish(op), HAPPN_OK);
    }
    struct document got = run(STORE_GET, "/old", NULL, 0).documents[0];
    assert_int_equal(got.created, 10);
    assert_int_equal(got.modified, 20);
    assert_true(str_is(got.modified_by, "anna"));
    assert_true(str_is(got.tag, "t"));
    assert_true(str_is(got.data, "{\"a\":1.50}"));
}

static struct store_op *write_if(enum store_kind kind, const char *path, const char *data, int64_t rev)
{
    struct store_op *op = make(kind, path, data);
    op->has_if_rev = true;
    op->if_rev = rev;
    finish(op);
    return op;
}

static void writes_refuse_when_somebody_was_faster(void **state)
{
    (void)state;
    int64_t first = write_if(STORE_SET, "/r", "{\"n\":1}", 0)->document.rev;
    assert_true(first > 0);
    struct store_op *late = write_if(STORE_SET, "/r", "{\"n\":2}", 0);
    assert_int_equal(late->status, HAPPN_E_CONFLICT);
    assert_int_equal(late->document.rev, first);
    int64_t second = write_if(STORE_MERGE, "/r", "{\"m\":2}", first)->document.rev;
    assert_true(second > first);
    late = write_if(STORE_REMOVE, "/r", NULL, first);
    assert_int_equal(late->status, HAPPN_E_CONFLICT);
    assert_int_equal(late->document.rev, second);
    assert_int_equal(write_if(STORE_REMOVE, "/r", NULL, second)->removed, 1);
    assert_int_equal(write_if(STORE_MERGE, "/r", "{}", second)->status, HAPPN_E_CONFLICT);
    assert_int_equal(run(STORE_FIND, "/r", NULL, 0).count, 0);
}

static void removals_can_be_listed(void **state)
{
    (void)state;
    for (int i = 0; i < 2500; i++) {
        char path[32];
        snprintf(path, sizeof path, "/%s/%04d", i % 2 == 0 ? "go" : "stay", i);
        start(STORE_SET, path, "{}", 1);
    }
    struct store_op *op = make(STORE_REMOVE, "/g*", NULL);
    op->lists_removed = true;
    assert_int_equal(finish(op), HAPPN_OK);
    assert_int_equal(op->removed, 1250);
    assert_int_equal(op->count, 1250);
    for (size_t i = 1; i < op->count; i++) {
        assert_true(str_compare(op->documents[i - 1].path, op->documents[i].path) < 0);
        assert_true(op->documents[i - 1].rev < op->documents[i].rev);
    }
    assert_int_equal(run(STORE_FIND, "*", NULL, 0).count, 1250);
}

/* A long walk leaves room for others: what is set behind its place meanwhile is found, nothing is found twice. */
static void long_walks_go_on_by_path(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++) {
        char path[32];
        snprintf(path, sizeof path, "/w/%05d", i);
        start(STORE_SET, path, "{}", 1);
    }
    run(STORE_GET, "/w/09999", NULL, 0);
    struct store_op *walk = start(STORE_FIND, "/w/*", NULL, 0);
    run(STORE_SET, "/w/0", "{}", 2);
    fixture_wait(&fixture, walk);
    assert_true(walk->count == 10000 || walk->count == 10001);
    for (size_t i = 1; i < walk->count; i++) {
        assert_true(str_compare(walk->documents[i - 1].path, walk->documents[i].path) < 0);
    }
}

static void patterns_find_in_order(void **state)
{
    (void)state;
    char path[32];
    for (int i = 999; i >= 0; i--) {
        snprintf(path, sizeof path, "/p/%03d", i);
        start(STORE_SET, path, "{}", 1);
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

static void system_paths_hide_from_patterns(void **state)
{
    (void)state;
    run(STORE_SET, "/_SYSTEM/a", "{}", 1);
    run(STORE_SET, "_SYSTEM/b", "{}", 1);
    run(STORE_SET, "/_SYSTEMATIC", "{}", 1);
    assert_int_equal(run(STORE_FIND, "*", NULL, 0).count, 1);
    assert_int_equal(run(STORE_FIND, "/_SYSTEM/*", NULL, 0).count, 0);
    assert_int_equal(run(STORE_FIND, "/_SYSTEM/a", NULL, 0).count, 0);
    assert_int_equal(run(STORE_REMOVE, "/_SYSTEM/*", NULL, 0).removed, 0);
    struct store_op all = fixture_op(&fixture, STORE_FIND, "*", NULL);
    all.include_system = true;
    fixture_run(&fixture, &all);
    assert_int_equal(all.count, 3);
    struct store_op remove = fixture_op(&fixture, STORE_REMOVE, "/_SYSTEM/*", NULL);
    remove.include_system = true;
    fixture_run(&fixture, &remove);
    assert_int_equal(remove.removed, 1);
    assert_int_equal(run(STORE_REMOVE, "_SYSTEM/b", NULL, 0).removed, 1); /* by its path */
}

/* Odd ends of ranges: the empty prefix, bytes at the top, names that begin with another name. */
static void ranges_are_exact(void **state)
{
    (void)state;
    const char *paths[] = {"/r", "/r/", "/r/\xff", "/r/\xff\xff/x", "/r0", "/rr", "/s", "\xff\xff", "q"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        run(STORE_SET, paths[i], "{}", 1);
    }
    assert_int_equal(run(STORE_FIND, "/r*", NULL, 0).count, 6);
    assert_int_equal(run(STORE_FIND, "/r/*", NULL, 0).count, 3);
    assert_int_equal(run(STORE_FIND, "/r/\xff*", NULL, 0).count, 2);
    assert_int_equal(run(STORE_FIND, "\xff*", NULL, 0).count, 1);
    assert_int_equal(run(STORE_FIND, "\xff\xff*", NULL, 0).count, 1);
    assert_int_equal(run(STORE_FIND, "/r", NULL, 0).count, 1);
    assert_int_equal(run(STORE_FIND, "*r", NULL, 0).count, 2);
    assert_int_equal(run(STORE_FIND, "*", NULL, 0).count, 9);
    assert_int_equal(run(STORE_REMOVE, "/R*", NULL, 0).removed, 0);
    assert_int_equal(run(STORE_REMOVE, "*/*", NULL, 0).removed, 7);
}

struct order {
    int next;
    int failures;
};

struct numbered {
    struct store_op op;
    struct order *order;
    int number;
};

static void check_number(struct store_op *op)
{
    struct numbered *numbered = (struct numbered *)op;
    numbered->order->failures += op->status != HAPPN_OK || numbered->number != numbered->order->next;
    numbered->order->next = numbered->number + 1;
}

/* Five kinds mixed, one path overwritten and removed again and again: each sees what came before it, and no more. */
static void everything_happens_in_order(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static const enum store_kind kinds[] = {STORE_SET, STORE_MERGE, STORE_GET, STORE_FIND, STORE_REMOVE};
    struct order order = {0, 0};
    struct numbered *all = arena_alloc(&fixture.arena, COUNT * sizeof *all);
    for (int i = 0; i < COUNT; i++) {
        char data[32];
        snprintf(data, sizeof data, "{\"n%d\":%d}", i % 5, i / 5);
        all[i] = (struct numbered){fixture_op(&fixture, kinds[i % 5], i % 5 == 3 ? "/or*" : "/order", data), &order, i};
        all[i].op.done = check_number;
        happn_status status = provider_submit(fixture.provider, &all[i].op);
        if (status != HAPPN_PENDING) {
            all[i].op.status = status;
            check_number(&all[i].op);
        }
    }
    while (order.next != COUNT) {
        uv_run(&fixture.loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(order.failures, 0);
    for (int i = 0; i < COUNT; i += 5) {
        char expected[64];
        snprintf(expected, sizeof expected, "{\"n0\":%d,\"n1\":%d}", i / 5, i / 5);
        assert_true(all[i].op.was_created);
        assert_false(all[i + 1].op.was_created);
        assert_true(str_is(all[i + 2].op.documents[0].data, expected));
        assert_true(str_is(all[i + 3].op.documents[0].data, expected));
        assert_int_equal(all[i + 3].op.count, 1);
        assert_int_equal(all[i + 4].op.removed, 1);
        assert_true(i == 0 || all[i].op.document.rev > all[i - 4].op.document.rev);
    }
}

static void reads_see_unanswered_writes(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        char data[32];
        snprintf(data, sizeof data, "{\"i\":%d}", i);
        start(STORE_SET, "/same", data, 1);
        struct store_op *got = start(STORE_GET, "/same", NULL, 0);
        if (i % 7 == 0) {
            start(STORE_REMOVE, "/s*", NULL, 0);
            struct store_op *gone = start(STORE_GET, "/same", NULL, 0);
            fixture_wait(&fixture, gone);
            assert_int_equal(gone->count, 0);
        }
        fixture_wait(&fixture, got);
        assert_int_equal(got->count, 1);
        assert_true(str_is(got->documents[0].data, data));
    }
}

static void holds_big_documents(void **state)
{
    (void)state;
    size_t len = 1 << 20;
    char *data = malloc(len + 1);
    memset(data, 'x', len);
    memcpy(data, "{\"big\":\"", 8);
    memcpy(data + len - 2, "\"}", 3);
    run(STORE_SET, "/big", data, 1);
    run(STORE_SET, "/bigger", "{}", 1);
    assert_true(str_is(run(STORE_GET, "/big", NULL, 0).documents[0].data, data));
    struct store_op found = run(STORE_FIND, "/big*", NULL, 0);
    assert_int_equal(found.count, 2);
    assert_true(str_is(found.documents[0].data, data));
    struct store_op merged = run(STORE_MERGE, "/big", "{\"small\":1}", 2);
    assert_int_equal(merged.document.data.len, len + 10);
    free(data);
}

static void lists_ten_thousand(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    struct store_op *last = NULL;
    for (int i = 0; i < COUNT; i++) {
        char path[32];
        snprintf(path, sizeof path, "/list/%05d", i * 7919 % COUNT);
        last = start(STORE_SET, path, "{\"a\":1}", 1);
    }
    fixture_wait(&fixture, last);
    struct store_op found = run(STORE_FIND, "/list/*", NULL, 0);
    assert_int_equal(found.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        char path[32];
        snprintf(path, sizeof path, "/list/%05d", i);
        assert_true(str_is(found.documents[i].path, path));
        assert_true(found.documents[i].rev <= found.snapshot_rev);
    }
    assert_int_equal(run(STORE_REMOVE, "/list/*5", NULL, 0).removed, COUNT / 10);
    assert_int_equal(run(STORE_REMOVE, "/list/*", NULL, 0).removed, COUNT / 10 * 9);
    assert_int_equal(run(STORE_FIND, "*", NULL, 0).count, 0);
}

static void rev_never_goes_back(void **state)
{
    (void)state;
    int64_t rev = 0;
    for (int i = 0; i < 5; i++) {
        struct store_op set = run(STORE_SET, i % 2 == 0 ? "/x" : "/y", "{}", 1);
        assert_true(set.document.rev > rev);
        rev = set.document.rev;
        run(STORE_REMOVE, i % 2 == 0 ? "/x" : "*", NULL, 0); /* the newest */
        reopen();
    }
}

static void closes_when_all_is_done(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    struct store_op *ops[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char path[32];
        snprintf(path, sizeof path, "/q/%04d", i);
        ops[i] = start(STORE_SET, path, "{}", 1);
    }
    fixture_close(&fixture);
    for (int i = 0; i < COUNT; i++) {
        assert_non_null(ops[i]->context);
        assert_int_equal(ops[i]->status, HAPPN_OK);
    }
    open_provider();
    assert_int_equal(run(STORE_FIND, "*", NULL, 0).count, persists ? COUNT : 0);
}

static struct str read_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size_t len = (size_t)ftell(file);
    rewind(file);
    char *text = arena_alloc(&fixture.arena, len);
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
    struct arena *arena = &fixture.arena;
    struct str text = read_file(HAPPN_SOURCE_DIR "/tests/vectors/wildcards.json");
    for (struct json_iter it = json_iter(json_get(text, "paths")); json_next(&it);) {
        struct store_op op = {.kind = STORE_SET, .path = json_string(arena, it.value), .data = STR_LIT("{}"), .arena = arena};
        fixture_run(&fixture, &op);
        assert_int_equal(op.status, HAPPN_OK);
    }
    for (struct json_iter it = json_iter(json_get(text, "rows")); json_next(&it);) {
        struct store_op op = {.kind = STORE_FIND, .path = json_string(arena, json_get(it.value, "pattern")), .arena = arena};
        fixture_run(&fixture, &op);
        assert_int_equal(op.status, HAPPN_OK);
        struct str path = json_string(arena, json_get(it.value, "path"));
        assert_int_equal(is_among(&op, path), json_true(json_get(it.value, "get")));
    }
}

/* What a host or a file gives us is looked at before it is passed on. */
static void texts_from_outside_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "nonsense", "[1]", "{\"a\":}", "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        static const enum store_kind kinds[] = {STORE_GET, STORE_FIND, STORE_MERGE};
        struct store_op set = fixture_op(&fixture, STORE_SET, "/bad", bad[i]);
        fixture_run(&fixture, &set);
        assert_int_equal(set.status, HAPPN_OK);
        for (size_t k = 0; k < 3; k++) {
            struct store_op op = fixture_op(&fixture, kinds[k], kinds[k] == STORE_FIND ? "/b*" : "/bad", "{\"n\":1}");
            fixture_run(&fixture, &op);
            assert_int_equal(op.status, HAPPN_E_STORE);
            assert_non_null(strstr(op.error.message, "/bad is damaged"));
            assert_int_equal(op.count, 0);
        }
        struct store_op paths = fixture_op(&fixture, STORE_FIND, "/b*", NULL);
        paths.paths_only = true;
        fixture_run(&fixture, &paths);
        assert_int_equal(paths.count, 1);
    }
    struct store_op set = fixture_op(&fixture, STORE_SET, "/bad", "{\"n\":1}"), get = fixture_op(&fixture, STORE_GET, "/bad", NULL);
    fixture_run(&fixture, &set);
    fixture_run(&fixture, &get);
    assert_int_equal(get.count, 1);
}

static int erasures_left; /* then the host's disk is broken */

static happn_status erase_some(void *store, happn_text path, happn_error *error)
{
    if (erasures_left-- > 0) {
        return example_provider.erase(store, path, error);
    }
    error->status = HAPPN_E_STORE;
    snprintf(error->message, sizeof error->message, "the host's disk is broken");
    return HAPPN_E_STORE;
}

/* A host's store cannot take back: what it has removed before it failed is gone, and that is said. */
static void a_host_that_fails_in_the_middle_of_a_removal(void **state)
{
    (void)state;
    happn_provider_ops ops = example_provider;
    happn_error error;
    ops.erase = erase_some;
    fixture_init(&fixture);
    assert_int_equal(store_host_open(&fixture.loop, &memory_default, &ops, NULL, STR_LIT("{}"), &fixture.provider, &error), HAPPN_OK);
    for (int i = 0; i < 3; i++) {
        char path[16];
        snprintf(path, sizeof path, "/r/%d", i);
        struct store_op set = fixture_op(&fixture, STORE_SET, path, "{}");
        fixture_run(&fixture, &set);
    }
    erasures_left = 2;
    struct store_op removal = fixture_op(&fixture, STORE_REMOVE, "/r/*", NULL), find = fixture_op(&fixture, STORE_FIND, "/r/*", NULL);
    removal.lists_removed = true;
    fixture_run(&fixture, &removal);
    assert_int_equal(removal.status, HAPPN_E_STORE);
    assert_non_null(strstr(removal.error.message, "disk is broken (2 documents had been removed before)"));
    assert_int_equal(removal.removed, 2);
    assert_int_equal(removal.count, 2);
    assert_true(str_is(removal.documents[1].path, "/r/1"));
    assert_int_equal(removal.snapshot_rev, removal.documents[1].rev);
    fixture_run(&fixture, &find);
    assert_int_equal(find.count, 1);
    erasures_left = 0;
    removal = fixture_op(&fixture, STORE_REMOVE, "/r/*", NULL);
    fixture_run(&fixture, &removal);
    assert_int_equal(removal.removed, 0);
    assert_true(strcmp(removal.error.message, "the host's disk is broken") == 0);
    fixture_fini(&fixture);
}

/* Each twice: the first half on memory, the second on sqlite. */
#define ON(provider)                                                                                      \
    cmocka_unit_test_setup_teardown(overwrites_keep_created, set_up_##provider, tear_down),               \
        cmocka_unit_test_setup_teardown(knows_who_changed_it, set_up_##provider, tear_down),              \
        cmocka_unit_test_setup_teardown(gives_paths_only, set_up_##provider, tear_down),                  \
        cmocka_unit_test_setup_teardown(merges_lay_over, set_up_##provider, tear_down),                   \
        cmocka_unit_test_setup_teardown(merges_of_one_turn_add_up, set_up_##provider, tear_down),         \
        cmocka_unit_test_setup_teardown(counters_count, set_up_##provider, tear_down),                    \
        cmocka_unit_test_setup_teardown(tags_keep_snapshots, set_up_##provider, tear_down),               \
        cmocka_unit_test_setup_teardown(restored_documents_are_as_they_were, set_up_##provider, tear_down), \
        cmocka_unit_test_setup_teardown(writes_refuse_when_somebody_was_faster, set_up_##provider, tear_down), \
        cmocka_unit_test_setup_teardown(removals_can_be_listed, set_up_##provider, tear_down),            \
        cmocka_unit_test_setup_teardown(long_walks_go_on_by_path, set_up_##provider, tear_down),          \
        cmocka_unit_test_setup_teardown(patterns_find_in_order, set_up_##provider, tear_down),            \
        cmocka_unit_test_setup_teardown(system_paths_hide_from_patterns, set_up_##provider, tear_down),   \
        cmocka_unit_test_setup_teardown(ranges_are_exact, set_up_##provider, tear_down),                  \
        cmocka_unit_test_setup_teardown(everything_happens_in_order, set_up_##provider, tear_down),       \
        cmocka_unit_test_setup_teardown(reads_see_unanswered_writes, set_up_##provider, tear_down),       \
        cmocka_unit_test_setup_teardown(holds_big_documents, set_up_##provider, tear_down),               \
        cmocka_unit_test_setup_teardown(lists_ten_thousand, set_up_##provider, tear_down),                \
        cmocka_unit_test_setup_teardown(rev_never_goes_back, set_up_##provider, tear_down),               \
        cmocka_unit_test_setup_teardown(closes_when_all_is_done, set_up_##provider, tear_down),           \
        cmocka_unit_test_setup_teardown(observed_wildcards, set_up_##provider, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {ON(memory), ON(sqlite), ON(host),
                                       cmocka_unit_test_setup_teardown(texts_from_outside_are_checked, set_up_sqlite, tear_down),
                                       cmocka_unit_test_setup_teardown(texts_from_outside_are_checked, set_up_host, tear_down),
                                       cmocka_unit_test(a_host_that_fails_in_the_middle_of_a_removal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
