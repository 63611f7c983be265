/* Disks and files with faults: whoever is not concerned notices nothing, whoever is gets told, and nothing that was acknowledged is lost. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <string.h>

#include "test_disk.h"

static struct store_fixture fixture;
static struct test_disk *disk;

static int set_up(void **state)
{
    (void)state;
    fixture_init(&fixture);
    disk = test_disk_new(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    test_disk_free(disk);
    return 0;
}

static void open_on(const char *vfs)
{
    happn_error error = {.status = HAPPN_OK};
    struct sqlite_options options = {.sync = true, .vfs = vfs};
    if (fixture_open_sqlite(&fixture, &options, &error) != HAPPN_OK) {
        fail_msg("cannot open: %s", error.message);
    }
}

static struct store_op *start(enum store_kind kind, const char *path, const char *data)
{
    struct store_op *op = arena_alloc(&fixture.arena, sizeof *op);
    *op = fixture_op(&fixture, kind, path, data);
    fixture_submit(&fixture, op);
    return op;
}

static struct store_op *run(enum store_kind kind, const char *path, const char *data)
{
    struct store_op *op = start(kind, path, data);
    fixture_wait(&fixture, op);
    return op;
}

/* {"text":"zzz..."} */
static const char *text_of(size_t len, int letter)
{
    char *data = arena_alloc(&fixture.arena, len + 1);
    memset(data, letter, len);
    memcpy(data, "{\"text\":\"", 9);
    memcpy(data + len - 2, "\"}", 3);
    return data;
}

/* The pages behind the first one of a long text begin with the number of the next. */
static void break_long_text(void)
{
    enum { PAGE = 4096 };
    FILE *file = fopen(fixture.file, "r+b");
    unsigned char page[PAGE];
    size_t broken = 0;
    for (long at = 0; fread(page, 1, PAGE, file) == PAGE; at += PAGE) {
        bool is_text = page[4] == 'z' && memcmp(page + 4, page + 5, 4000) == 0;
        if (is_text) {
            fseek(file, at, SEEK_SET);
            assert_int_equal(fwrite("\377\377\377\377", 1, 4, file), 4);
            fseek(file, at + PAGE, SEEK_SET);
            broken++;
        }
    }
    assert_int_equal(fclose(file), 0);
    assert_true(broken > 0);
}

static void one_broken_page_is_no_matter_of_others(void **state)
{
    (void)state;
    open_on(NULL);
    run(STORE_SET, "/bad", text_of(50000, 'z'));
    run(STORE_SET, "/good", "{\"n\":1}");
    fixture_close(&fixture);
    break_long_text();
    open_on(NULL);
    struct store_op *before = start(STORE_SET, "/one", "{\"n\":1}");
    struct store_op *bad = start(STORE_FIND, "/bad*", NULL);
    struct store_op *merge = start(STORE_MERGE, "/bad", "{\"n\":1}");
    struct store_op *after = start(STORE_MERGE, "/good", "{\"m\":2}");
    struct store_op *good = start(STORE_FIND, "/good*", NULL);
    struct store_op *last = start(STORE_SET, "/two", "{\"n\":2}");
    fixture_wait(&fixture, last);
    assert_int_equal(bad->status, HAPPN_E_STORE);
    assert_non_null(strstr(bad->error.message, "malformed"));
    assert_int_equal(merge->status, HAPPN_E_STORE);
    assert_non_null(strstr(merge->error.message, "malformed"));
    assert_int_equal(before->status, HAPPN_OK);
    assert_int_equal(after->status, HAPPN_OK);
    assert_int_equal(last->status, HAPPN_OK);
    assert_int_equal(good->status, HAPPN_OK);
    assert_true(str_is(good->documents[0].data, "{\"n\":1,\"m\":2}"));
    assert_true(before->document.rev < after->document.rev && after->document.rev < last->document.rev);
    assert_int_equal(run(STORE_GET, "/bad", NULL)->status, HAPPN_E_STORE);
    assert_int_equal(run(STORE_GET, "/two", NULL)->count, 1);
    fixture_close(&fixture);
    open_on(NULL);
    assert_true(str_is(run(STORE_GET, "/one", NULL)->documents[0].data, "{\"n\":1}"));
    assert_true(str_is(run(STORE_GET, "/two", NULL)->documents[0].data, "{\"n\":2}"));
}

static void what_is_too_large_for_the_disk_takes_nobody_along(void **state)
{
    (void)state;
    open_on(test_disk_vfs(disk));
    test_disk_limit(disk, 1 << 20);
    struct store_op *small[20], *large[2];
    for (int i = 0; i < 20; i++) {
        char path[16];
        snprintf(path, sizeof path, "/small/%d", i);
        small[i] = start(STORE_SET, path, "{\"n\":1}");
        if (i % 10 == 5) {
            large[i / 10] = start(STORE_SET, i < 10 ? "/large/0" : "/large/1", text_of(3 << 20, 'z'));
        }
    }
    struct store_op *found = start(STORE_COUNT, "/*", NULL);
    fixture_wait(&fixture, found);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(small[i]->status, HAPPN_OK);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(large[i]->status, HAPPN_E_STORE);
        assert_non_null(strstr(large[i]->error.message, "full"));
    }
    assert_int_equal(found->count, 20);
}

/* What is in the log moves into the database, and its place can be used anew. */
static void a_full_disk_can_still_be_written_over(void **state)
{
    (void)state;
    open_on(test_disk_vfs(disk));
    for (int i = 0; i < 10; i++) {
        char path[16];
        snprintf(path, sizeof path, "/some/%d", i);
        assert_int_equal(run(STORE_SET, path, text_of(100000, 'a'))->status, HAPPN_OK);
    }
    run(STORE_SET, "/some/0", text_of(100000, 'b')); /* SQLite makes the new one before it gives up the old one's pages: then there is room for one */
    fixture_close(&fixture);
    test_disk_limit(disk, 2 << 20); /* half of it is used */
    open_on(test_disk_vfs(disk));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(run(STORE_SET, "/some/0", text_of(100000, 'a' + i % 26))->status, HAPPN_OK);
    }
    struct store_op *op = run(STORE_SET, "/large", text_of(3 << 20, 'z'));
    assert_int_equal(op->status, HAPPN_E_STORE);
    assert_non_null(strstr(op->error.message, "full"));
    assert_int_equal(run(STORE_REMOVE, "/some/*", NULL)->removed, 10); /* who makes room is let */
    for (int i = 0; i < 9; i++) {
        char path[16];
        snprintf(path, sizeof path, "/new/%d", i);
        assert_int_equal(run(STORE_SET, path, text_of(100000, 'a'))->status, HAPPN_OK);
    }
    fixture_close(&fixture);
    test_disk_settle(disk);
    assert_true(fixture_is_intact(fixture.file));
}

/* Another program holds the lock of writers. */
static void who_only_reads_is_answered_while_nobody_can_write(void **state)
{
    (void)state;
    open_on(NULL);
    run(STORE_SET, "/a", "{\"n\":1}");
    sqlite3 *other;
    assert_int_equal(sqlite3_open(fixture.file, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct store_op *set = start(STORE_SET, "/a", "{\"n\":2}");
    struct store_op *get = start(STORE_GET, "/a", NULL);
    struct store_op *found = start(STORE_FIND, "*", NULL);
    fixture_wait(&fixture, found);
    assert_int_equal(set->status, HAPPN_E_STORE);
    assert_non_null(strstr(set->error.message, "locked"));
    assert_int_equal(get->status, HAPPN_OK);
    assert_true(str_is(get->documents[0].data, "{\"n\":1}"));
    assert_int_equal(found->count, 1);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(run(STORE_SET, "/a", "{\"n\":3}")->status, HAPPN_OK);
}

/* ---- each call of the disk fails once */

enum { PATHS = 6 };

/* What the store must say is there: the newest that it has acknowledged. */
static int acknowledged[PATHS];

static void check_path(int at)
{
    char path[16], data[32];
    snprintf(path, sizeof path, "/p/%d", at);
    struct store_op *get = run(STORE_GET, path, NULL);
    assert_int_equal(get->status, HAPPN_OK);
    assert_int_equal(get->count, acknowledged[at] != 0);
    snprintf(data, sizeof data, "{\"n\":%d,\"text\"", acknowledged[at]);
    if (get->count != 0 && !str_starts(get->documents[0].data, str_of(data))) {
        fail_msg("%s is %.60s, acknowledged was %s", path, get->documents[0].data.ptr, data);
    }
}

static void check_all(void)
{
    for (int i = 0; i < PATHS; i++) {
        check_path(i);
    }
}

/* A turn of writes and searches, some of which may fail. */
static void write_some(int number)
{
    struct store_op *sets[PATHS], *removal, *found;
    for (int i = 0; i < PATHS - 1; i++) {
        char path[16];
        char *data = arena_alloc(&fixture.arena, 4000 * (size_t)(i + 1) + 64);
        int len = sprintf(data, "{\"n\":%d,\"text\":\"", number);
        memset(data + len, 'x', 4000 * (size_t)i + 10);
        memcpy(data + len + 4000 * (size_t)i + 10, "\"}", 3);
        snprintf(path, sizeof path, "/p/%d", i);
        sets[i] = start(STORE_SET, path, data);
    }
    removal = start(STORE_REMOVE, "/p/4*", NULL);
    found = start(STORE_FIND, "/p/*", NULL);
    fixture_wait(&fixture, found);
    for (int i = 0; i < PATHS - 1; i++) {
        acknowledged[i] = sets[i]->status == HAPPN_OK ? number : acknowledged[i];
        assert_true(sets[i]->status == HAPPN_OK || sets[i]->status == HAPPN_E_STORE);
    }
    acknowledged[4] = removal->status == HAPPN_OK ? 0 : acknowledged[4];
    if (found->status == HAPPN_OK) {
        size_t count = 0;
        for (int i = 0; i < PATHS; i++) {
            count += acknowledged[i] != 0;
        }
        assert_int_equal(found->count, count);
    }
}

static void any_call_of_the_disk_may_fail(void **state)
{
    (void)state;
    happn_error error;
    size_t failures = 0;
    bool has_failed = true;
    memset(acknowledged, 0, sizeof acknowledged);
    for (int n = 1; has_failed; n++) {
        struct sqlite_options options = {.sync = true, .vfs = test_disk_vfs(disk), .cache_bytes = 64 << 10, .checkpoint_pages = 20};
        assert_int_equal(fixture_open_sqlite(&fixture, &options, &error), HAPPN_OK);
        test_disk_fail_once(disk, n);
        for (int i = 0; i < 4; i++) {
            write_some(n * 10 + i);
        }
        has_failed = test_disk_has_failed(disk);
        failures += has_failed;
        test_disk_fail_once(disk, 0);
        check_all();
        assert_int_equal(run(STORE_SET, "/after", "{}")->status, HAPPN_OK);
        fixture_close(&fixture);
        assert_int_equal(fixture_open_sqlite(&fixture, &options, &error), HAPPN_OK);
        check_all();
        fixture_close(&fixture);
    }
    assert_true(failures > 50);
    test_disk_settle(disk);
    assert_true(fixture_is_intact(fixture.file));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_broken_page_is_no_matter_of_others),
        TEST(what_is_too_large_for_the_disk_takes_nobody_along),
        TEST(a_full_disk_can_still_be_written_over),
        TEST(who_only_reads_is_answered_while_nobody_can_write),
        TEST(any_call_of_the_disk_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
