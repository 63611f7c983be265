/* Disks and files with faults: whoever is not concerned notices nothing, whoever is gets told, and nothing that was acknowledged is lost. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>

#include "base/utf8.h"
#include "json/scan.h"
#include "search/search.h"
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
    struct store_op *sets[PATHS], *removal, *found, *brief = run(STORE_FIND, "/p/1*", NULL); /* by the loop's own connection */
    assert_true(brief->status == HAPPN_OK ? brief->count == (acknowledged[1] != 0) : brief->status == HAPPN_E_STORE);
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

/* ---- each allocation of SQLite fails once; with an index one write is several statements */

static sqlite3_mem_methods system_memory;
static atomic_int allocations_left; /* 0: all succeed; down from the number that is set to it the last `streak` fail */
static int streak = 1;

static bool is_refused(void)
{
    int left = atomic_load(&allocations_left);
    while (left > 0 && !atomic_compare_exchange_weak(&allocations_left, &left, left - 1)) {
    }
    return left > 0 && left <= streak;
}

static void *allocate(int size)
{
    return is_refused() ? NULL : system_memory.xMalloc(size);
}

static void *reallocate(void *ptr, int size)
{
    return is_refused() ? NULL : system_memory.xRealloc(ptr, size);
}

static void refuse_memory_sometimes(void)
{
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory), SQLITE_OK);
    sqlite3_mem_methods mine = system_memory;
    mine.xMalloc = allocate;
    mine.xRealloc = reallocate;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &mine), SQLITE_OK);
}

static struct store_op *ask(const char *criteria)
{
    struct store_op *op = arena_alloc(&fixture.arena, sizeof *op);
    *op = fixture_op(&fixture, STORE_FIND, "/i/*", NULL);
    struct search_text text = {.criteria = str_of(criteria)};
    struct search *search;
    assert_int_equal(search_compile(&fixture.arena, &text, &search, &op->error), HAPPN_OK);
    op->search = search;
    fixture_run(&fixture, op);
    return op;
}

/* By the index, and along all documents, the same is found. */
static void check_index(int n)
{
    char by_index[64], by_hand[96];
    snprintf(by_index, sizeof by_index, "{\"n\":%d}", n);
    snprintf(by_hand, sizeof by_hand, "{\"$or\":[{\"n\":%d},{\"none\":1}]}", n);
    struct store_op *indexed = ask(by_index), *walked = ask(by_hand);
    assert_int_equal(indexed->status, HAPPN_OK);
    assert_true(str_is(indexed->index, "n"));
    assert_int_equal(walked->status, HAPPN_OK);
    assert_false(str_is_set(walked->index));
    assert_int_equal(indexed->count, walked->count);
}

enum { INDEXED = 4 };
static int numbers[INDEXED]; /* what is acknowledged; 0: nothing is there */

static void change_indexed(int n)
{
    static const enum store_kind kinds[INDEXED] = {STORE_SET, STORE_MERGE, STORE_SET, STORE_MERGE};
    struct store_op *ops[INDEXED];
    char data[64];
    struct store_op *brief = ask("{\"n\":1}"); /* on the loop's own connection, which must not stay where it was */
    assert_true(brief->status == HAPPN_OK || brief->status == HAPPN_E_STORE || brief->status == HAPPN_E_MEMORY);
    snprintf(data, sizeof data, "{\"n\":%d,\"m\":[%d,%d,3]}", n, n, n + 1);
    for (int i = 0; i < INDEXED; i++) {
        char path[16];
        snprintf(path, sizeof path, "/i/%d", i);
        ops[i] = start(kinds[i], path, data);
    }
    struct store_op *removal = start(STORE_REMOVE, n % 2 == 0 ? "/i/*" : "/i/1", NULL);
    fixture_wait(&fixture, removal);
    for (int i = 0; i < INDEXED; i++) {
        assert_true(ops[i]->status == HAPPN_OK || ops[i]->status == HAPPN_E_STORE || ops[i]->status == HAPPN_E_MEMORY);
        numbers[i] = ops[i]->status == HAPPN_OK ? n : numbers[i];
        bool is_meant = n % 2 == 0 || i == 1;
        numbers[i] = removal->status == HAPPN_OK && is_meant ? 0 : numbers[i];
    }
}

static void check_indexed(void)
{
    struct store_op *all = run(STORE_FIND, "/i/*", NULL);
    size_t count = 0;
    assert_int_equal(all->status, HAPPN_OK);
    for (int i = 0; i < INDEXED; i++) {
        char data[32];
        if (numbers[i] == 0) {
            continue;
        }
        snprintf(data, sizeof data, "{\"n\":%d,", numbers[i]);
        assert_true(count < all->count);
        if (!str_starts(all->documents[count].data, str_of(data))) {
            fail_msg("/i/%d is %.*s, acknowledged was %s", i, (int)all->documents[count].data.len, all->documents[count].data.ptr, data);
        }
        count++;
    }
    assert_int_equal(all->count, count);
}

static void run_out_of_memory(int refusals)
{
    static const struct str names[] = {{"n", 1}, {"m", 1}};
    struct sqlite_options options = {.sync = false, .indexes = names, .index_count = 2, .cache_bytes = 64 << 10, .checkpoint_pages = 10};
    happn_error error;
    int failures = 0;
    bool has_failed = true;
    streak = refusals;
    assert_int_equal(fixture_open_sqlite(&fixture, &options, &error), HAPPN_OK);
    for (int n = 1; has_failed; n++) {
        atomic_store(&allocations_left, n + refusals - 1);
        for (int i = 0; i < 4; i++) {
            change_indexed(n * 10 + i);
        }
        has_failed = atomic_load(&allocations_left) < refusals;
        failures += has_failed;
        atomic_store(&allocations_left, 0);
        check_indexed();
        for (int i = 0; i < 4; i++) {
            check_index(n * 10 + i);
        }
    }
    streak = 1;
    assert_true(failures > 20);
    fixture_close(&fixture);
    assert_int_equal(fixture_open_sqlite(&fixture, &options, &error), HAPPN_OK);
    check_indexed();
    fixture_close(&fixture);
    assert_true(fixture_is_intact(fixture.file));
}

static void sqlites_memory_may_run_out_anywhere(void **state)
{
    (void)state;
    memset(numbers, 0, sizeof numbers);
    run_out_of_memory(1);
    run_out_of_memory(4);
    run_out_of_memory(40);
}

/* What fails to open says so, and opens the next time. */
static void sqlites_memory_may_run_out_in_opening(void **state)
{
    (void)state;
    static const struct str names[] = {{"n", 1}};
    struct sqlite_options options = {.indexes = names, .index_count = 1};
    happn_error error;
    bool is_open = false;
    int failures = 0;
    for (int n = 1; !is_open; n++) {
        atomic_store(&allocations_left, n);
        is_open = fixture_open_sqlite(&fixture, &options, &error) == HAPPN_OK && atomic_load(&allocations_left) != 0;
        atomic_store(&allocations_left, 0);
        if (fixture.provider != NULL && !is_open) {
            fixture_close(&fixture); /* it could do without */
        }
        failures += !is_open;
        assert_true(is_open || fixture.provider == NULL);
    }
    assert_true(failures > 20);
    assert_int_equal(run(STORE_SET, "/i/1", "{\"n\":1}")->status, HAPPN_OK);
    check_index(1);
}

/* ---- texts that nobody has checked: a broken disk, or somebody with a tool, may leave anything */

static uint64_t seed = 88172645463325252u;

static size_t draw(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed >> 20) % below;
}

/* Some JSON with its bytes changed, cut or doubled. */
static size_t garble(char *out, size_t size)
{
    static const char *const texts[] = {"{\"n\":1,\"text\":\"a\\u00e9b\\n\",\"list\":[1,{\"x\":[true,null]},\"z\"],\"deep\":{\"a\":{\"b\":-1.5e3}}}",
                                        "{\"$counters\":1}", "[1,2,3]", "\"text\"", "{}", "{\"value\":12}", "{\"n\":{\"value\":1,\"gauge\":\"n\"}}", ""};
    static const char bytes[] = "{}[]\",:\\u0\"e-. \n\x01\xc3\xff";
    size_t len = (size_t)snprintf(out, size, "%s", texts[draw(sizeof texts / sizeof texts[0])]);
    for (size_t changes = 1 + draw(3); changes > 0 && len > 0; changes--) {
        size_t at = draw(len);
        switch (draw(4)) {
        case 0:
            len = at;
            break;
        case 1:
            memmove(out + at, out + at + 1, len - at - 1);
            len--;
            break;
        default:
            out[at] = bytes[draw(sizeof bytes - 1)];
        }
    }
    return len;
}

static void put_garbage(sqlite3 *db, const char *path)
{
    char text[256];
    size_t len = garble(text, sizeof text);
    char *exact = malloc(len + 1); /* so that the sanitizer sees who reads beyond it */
    memcpy(exact, text, len);
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, "UPDATE documents SET data = ?2 WHERE path = ?1", -1, &statement, NULL), SQLITE_OK);
    sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, exact, (int)len, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    free(exact);
}

/* Whatever is answered is JSON, or a clear word. */
static void expect_sound(const struct store_op *op)
{
    if (op->status != HAPPN_OK) {
        assert_int_equal(op->status, op->kind == STORE_INCREMENT && op->status != HAPPN_E_STORE ? HAPPN_E_REFUSED : HAPPN_E_STORE);
        assert_true(op->status == HAPPN_E_REFUSED || strstr(op->error.message, "is damaged") != NULL);
        return;
    }
    for (size_t i = 0; i < op->count; i++) {
        assert_int_equal(json_check(op->documents[i].data, NULL), HAPPN_OK);
        assert_true(utf8_is_valid(op->documents[i].data));
    }
}

static void search_garbage(void)
{
    static const struct {
        const char *criteria, *fields, *sort;
    } searches[] = {{"{\"n\":1}", NULL, NULL},
                    {"{\"deep.a.b\":{\"$lt\":0}}", "{\"deep.a\":1}", "{\"n\":1}"},
                    {"{\"text\":{\"$regex\":\"a.*b\"}}", "{\"list\":0}", NULL},
                    {"{\"list.x\":{\"$exists\":true}}", NULL, "{\"deep.a.b\":-1,\"text\":1}"},
                    {"{\"list\":{\"$in\":[1,\"z\",null]}}", NULL, NULL},
                    {NULL, "{\"text\":1}", "{\"list\":1}"}};
    for (size_t i = 0; i < sizeof searches / sizeof searches[0]; i++) {
        struct store_op *op = arena_alloc(&fixture.arena, sizeof *op);
        *op = fixture_op(&fixture, i % 2 == 0 ? STORE_FIND : STORE_COUNT, "/g/*", NULL);
        struct search_text text = {.criteria = searches[i].criteria != NULL ? str_of(searches[i].criteria) : STR_NONE,
                                   .fields = searches[i].fields != NULL ? str_of(searches[i].fields) : STR_NONE,
                                   .sort = searches[i].sort != NULL ? str_of(searches[i].sort) : STR_NONE};
        struct search *search;
        assert_int_equal(search_compile(&fixture.arena, &text, &search, &op->error), HAPPN_OK);
        op->search = search;
        op->kind = STORE_FIND;
        fixture_run(&fixture, op);
        expect_sound(op);
    }
}

static void work_on_garbage(const char *path)
{
    struct store_op *get = run(STORE_GET, path, NULL);
    expect_sound(get);
    assert_true(get->status == HAPPN_OK || strstr(get->error.message, path) != NULL);
    assert_int_equal(run(STORE_COUNT, path, NULL)->status, HAPPN_OK);
    struct store_op count = fixture_op(&fixture, STORE_INCREMENT, path, NULL);
    count.field = STR_LIT("n"), count.by = STR_LIT("1");
    struct store_op tag = fixture_op(&fixture, STORE_TAG, path, NULL);
    tag.target = STR_LIT("/tags/1"), tag.tag = STR_LIT("t");
    fixture_run(&fixture, &tag);
    switch (draw(4)) {
    case 0:
        fixture_run(&fixture, &count);
        expect_sound(&count);
        break;
    case 1:
        expect_sound(run(STORE_MERGE, path, "{\"n\":2,\"more\":[1]}"));
        break;
    case 2:
        assert_int_equal(run(STORE_REMOVE, path, NULL)->removed, 1);
        break;
    default:
        assert_int_equal(run(STORE_SET, path, "{\"n\":1}")->status, HAPPN_OK);
    }
}

static void texts_that_are_no_json_do_no_harm(void **state)
{
    (void)state;
    static const struct str names[] = {{"n", 1}, {"list.x", 6}, {"deep.a.b", 8}};
    happn_error error;
    for (int round = 0; round < 60; round++) {
        struct sqlite_options options = {.indexes = names, .index_count = round % 3 == 0 ? 0 : 1 + (size_t)round % 3};
        assert_int_equal(fixture_open_sqlite(&fixture, &options, &error), HAPPN_OK);
        search_garbage();
        for (int i = 0; i < 20; i++) {
            char path[16];
            snprintf(path, sizeof path, "/g/%d", i);
            run(STORE_SET, path, "{}");
        }
        sqlite3 *db;
        assert_int_equal(sqlite3_open(fixture.file, &db), SQLITE_OK);
        for (int i = 0; i < 20; i++) {
            char path[16];
            snprintf(path, sizeof path, "/g/%d", i);
            put_garbage(db, path);
        }
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        search_garbage();
        for (int i = 0; i < 10; i++) {
            char path[16];
            snprintf(path, sizeof path, "/g/%d", i);
            work_on_garbage(path);
        }
        search_garbage();
        fixture_close(&fixture);
    }
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
        TEST(sqlites_memory_may_run_out_anywhere),
        TEST(sqlites_memory_may_run_out_in_opening),
        TEST(texts_that_are_no_json_do_no_harm),
    };
    refuse_memory_sometimes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
