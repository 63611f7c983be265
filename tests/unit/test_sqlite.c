/* What only the sqlite store promises: whose file it is, what happens when the disk refuses, and who reads when. */
#include "store_fixture.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "counting.h"
#include "json/scan.h"
#include "search/search.h"
#include "store/sqlite_file.h"
#include "store/sqlite_shelf.h"
#include "test_disk.h"

static struct store_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    fixture_init(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

static void open_store(struct sqlite_options options)
{
    happn_error error = {.status = HAPPN_OK};
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

static void refuses(happn_status expected, const char *part)
{
    happn_error error = {.status = HAPPN_OK};
    assert_int_equal(fixture_open_sqlite(&fixture, &(struct sqlite_options){.sync = true}, &error), expected);
    assert_non_null(strstr(error.message, part));
    assert_non_null(strstr(error.message, "documents.db"));
}

static void reopening_reads_everything(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = true});
    struct store_op set = fixture_op(&fixture, STORE_SET, "/a", "{\"x\":1.50}");
    set.modified_by = STR_LIT("anna");
    set.now = 1234;
    fixture_run(&fixture, &set);
    assert_int_equal(set.status, HAPPN_OK);
    run(STORE_SET, "/b", "{}");
    fixture_close(&fixture);
    open_store((struct sqlite_options){.sync = true});
    struct store_op *found = run(STORE_FIND, "*", NULL);
    assert_int_equal(found->count, 2);
    assert_true(str_is(found->documents[0].data, "{\"x\":1.50}"));
    assert_true(str_is(found->documents[0].modified_by, "anna"));
    assert_int_equal(found->documents[0].created, 1234);
    assert_int_equal(found->documents[0].rev, set.document.rev);
    assert_int_equal(run(STORE_SET, "/c", "{}")->document.rev, found->snapshot_rev + 1); /* no gap: it was closed well */
}

static void a_foreign_database_is_left_alone(void **state)
{
    (void)state;
    fixture_sql(fixture.file, "CREATE TABLE documents(x)");
    refuses(HAPPN_E_STORE, "another program");
    fixture_sql(fixture.file, "SELECT x FROM documents; DROP TABLE documents; PRAGMA application_id=7");
    refuses(HAPPN_E_STORE, "another program");
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    (void)state;
    FILE *file = fopen(fixture.file, "wb");
    for (int i = 0; i < 1000; i++) {
        fputs("this is a letter to my bank\n", file);
    }
    fclose(file);
    refuses(HAPPN_E_STORE, "not a database of happn");
}

static void a_newer_format_is_refused(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = true});
    fixture_close(&fixture);
    fixture_sql(fixture.file, "PRAGMA user_version=3");
    refuses(HAPPN_E_STORE, "newer happn (format 3");
}

static void the_first_format_is_brought_up_to_date(void **state)
{
    (void)state;
    fixture_sql(fixture.file,
                "CREATE TABLE documents(path TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, modified INTEGER NOT NULL,"
                " modified_by TEXT, rev INTEGER NOT NULL, data TEXT NOT NULL) STRICT;"
                "CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
                "INSERT INTO meta VALUES('rev', 7); INSERT INTO documents VALUES('/old', 1, 2, 'anna', 7, '{\"a\":1}');"
                "PRAGMA application_id=1751216240; PRAGMA user_version=1");
    open_store((struct sqlite_options){.sync = true});
    struct store_op *old = run(STORE_GET, "/old", NULL);
    assert_int_equal(old->count, 1);
    assert_true(str_is(old->documents[0].data, "{\"a\":1}"));
    assert_true(str_is(old->documents[0].modified_by, "anna"));
    assert_int_equal(old->documents[0].rev, 7);
    assert_false(str_is_set(old->documents[0].tag));
    assert_int_equal(run(STORE_SET, "/new", "{}")->document.rev, 8);
}

/* Between writes of one turn, in their order. */
static void compaction_gives_room_back(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = false});
    static char text[4096];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 500; i++) {
        char path[32], data[5000];
        snprintf(path, sizeof path, "/big/%03d", i);
        snprintf(data, sizeof data, "{\"text\":\"%s\"}", text);
        run(STORE_SET, path, data);
    }
    struct stat before, after;
    run(STORE_COMPACT, "*", NULL);
    assert_int_equal(stat(fixture.file, &before), 0);
    struct store_op *removal = start(STORE_REMOVE, "/big/*", NULL);
    struct store_op *compaction = start(STORE_COMPACT, "*", NULL);
    struct store_op *set = start(STORE_SET, "/after", "{}");
    struct store_op *again = start(STORE_COMPACT, "*", NULL);
    fixture_wait(&fixture, again);
    assert_int_equal(removal->removed, 500);
    assert_int_equal(compaction->status, HAPPN_OK);
    assert_int_equal(set->status, HAPPN_OK);
    assert_int_equal(again->status, HAPPN_OK);
    assert_int_equal(stat(fixture.file, &after), 0);
    assert_true(before.st_size > 2000000);
    assert_true(after.st_size < 200000);
    assert_int_equal(run(STORE_COUNT, "*", NULL)->count, 1);
}

/* The new database is put together on the disk, not in memory. */
static void compaction_of_a_large_file_needs_little_memory(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = false, .cache_bytes = 2 << 20});
    char data[20000];
    memset(data, 'x', sizeof data);
    memcpy(data, "{\"text\":\"", 9);
    memcpy(data + sizeof data - 3, "\"}", 3);
    for (int i = 0; i < 1500; i++) {
        char path[32];
        snprintf(path, sizeof path, "/large/%d", i);
        run(STORE_SET, path, data);
    }
    sqlite3_int64 before = sqlite3_memory_used();
    sqlite3_memory_highwater(1);
    assert_int_equal(run(STORE_COMPACT, "*", NULL)->status, HAPPN_OK);
    struct stat file;
    assert_int_equal(stat(fixture.file, &file), 0);
    assert_true(file.st_size > 30000000);
    assert_true(sqlite3_memory_highwater(0) < before + (6 << 20));
    assert_int_equal(run(STORE_COUNT, "*", NULL)->count, 1500);
}

static void a_missing_folder_is_named(void **state)
{
    (void)state;
    happn_error error;
    struct sqlite_options options = {.file = "/does/not/exist.db"};
    assert_int_equal(fixture_open_sqlite(&fixture, &options, &error), HAPPN_E_IO);
    assert_non_null(strstr(error.message, "/does/not/exist.db"));
    options.file = "";
    assert_int_equal(fixture_open_sqlite(&fixture, &options, &error), HAPPN_E_ARGUMENT);
}

static void a_second_opener_is_refused(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = true});
    struct provider *second = fixture.provider;
    refuses(HAPPN_E_BUSY, "is open in another program");
    /* Also under another name. */
    char link_name[128];
    snprintf(link_name, sizeof link_name, "%s/./link.db", fixture.folder);
    assert_int_equal(symlink(fixture.file, link_name), 0);
    happn_error error;
    assert_int_equal(store_sqlite_open(&fixture.loop, NULL, &(struct sqlite_options){.file = link_name}, &second, &error),
                     HAPPN_E_BUSY);
    fixture_close(&fixture);
    open_store((struct sqlite_options){.sync = true});
}

static void one_failure_leaves_the_batch_alone(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = true});
    fixture_close(&fixture);
    fixture_sql(fixture.file,
                "CREATE TRIGGER a BEFORE INSERT ON documents WHEN new.path = '/no' BEGIN SELECT RAISE(ABORT, 'not this'); END;"
                "CREATE TRIGGER b BEFORE DELETE ON documents WHEN old.path = '/keep/2' BEGIN SELECT RAISE(ABORT, 'not that'); END;");
    open_store((struct sqlite_options){.sync = true});
    struct store_op *before = start(STORE_SET, "/keep/1", "{}");
    struct store_op *refused = start(STORE_SET, "/no", "{}");
    start(STORE_SET, "/keep/2", "{}");
    start(STORE_SET, "/keep/3", "{}");
    struct store_op *merge = start(STORE_MERGE, "/no", "{}");
    struct store_op *removal = start(STORE_REMOVE, "/keep/*", NULL);
    struct store_op *after = start(STORE_SET, "/after", "{}");
    fixture_wait(&fixture, after);
    assert_int_equal(before->status, HAPPN_OK);
    assert_int_equal(after->status, HAPPN_OK);
    assert_int_equal(refused->status, HAPPN_E_STORE);
    assert_non_null(strstr(refused->error.message, "not this"));
    assert_int_equal(merge->status, HAPPN_E_STORE);
    assert_int_equal(removal->status, HAPPN_E_STORE);
    assert_int_equal(removal->removed, 0);
    assert_int_equal(run(STORE_FIND, "/keep/*", NULL)->count, 3); /* /keep/1 came back */
    assert_int_equal(run(STORE_GET, "/no", NULL)->count, 0);
}

/* The disk refuses for a while: every write of that time fails with SQLite's words, nothing of it is there, then it works. */
static void survives_a_refusing_disk(int write_code, int sync_code, const char *words)
{
    struct test_disk *disk = test_disk_new(1);
    open_store((struct sqlite_options){.sync = true, .vfs = test_disk_vfs(disk)});
    assert_int_equal(run(STORE_SET, "/before", "{\"n\":1}")->status, HAPPN_OK);
    test_disk_refuse(disk, write_code, sync_code);
    struct store_op *ops[20];
    for (int i = 0; i < 20; i++) {
        char path[16];
        snprintf(path, sizeof path, "/fails/%d", i);
        ops[i] = start(i % 2 == 0 ? STORE_SET : STORE_MERGE, path, "{}");
    }
    struct store_op *overwrite = start(STORE_SET, "/before", "{\"n\":2}");
    struct store_op *reads = start(STORE_FIND, "*", NULL);
    fixture_wait(&fixture, reads);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ops[i]->status, HAPPN_E_STORE);
        assert_non_null(strstr(ops[i]->error.message, words));
        assert_false(ops[i]->was_created);
        assert_null(ops[i]->document.path.ptr);
    }
    assert_int_equal(overwrite->status, HAPPN_E_STORE);
    assert_int_equal(reads->status, HAPPN_OK); /* nobody has to write to answer it */
    assert_int_equal(reads->count, 1);
    assert_true(str_is(reads->documents[0].data, "{\"n\":1}")); /* not what is not there */
    assert_true(str_is(run(STORE_GET, "/before", NULL)->documents[0].data, "{\"n\":1}"));
    test_disk_refuse(disk, SQLITE_OK, SQLITE_OK);
    assert_int_equal(run(STORE_FIND, "*", NULL)->count, 1);
    struct store_op *again = run(STORE_SET, "/after", "{}");
    assert_int_equal(again->status, HAPPN_OK);
    assert_int_equal(run(STORE_GET, "/after", NULL)->count, 1);
    fixture_close(&fixture);
    test_disk_settle(disk);
    assert_true(fixture_is_intact(fixture.file));
    open_store((struct sqlite_options){.sync = true});
    assert_int_equal(run(STORE_FIND, "*", NULL)->count, 2);
    assert_true(run(STORE_SET, "/last", "{}")->document.rev > again->document.rev);
    fixture_close(&fixture);
    test_disk_free(disk);
}

static void a_full_disk_is_survived(void **state)
{
    (void)state;
    survives_a_refusing_disk(SQLITE_FULL, SQLITE_OK, "full");
}

static void a_broken_disk_is_survived(void **state)
{
    (void)state;
    survives_a_refusing_disk(SQLITE_IOERR_WRITE, SQLITE_OK, "disk I/O error");
}

static void a_failed_sync_fails_the_whole_batch(void **state)
{
    (void)state;
    survives_a_refusing_disk(SQLITE_OK, SQLITE_IOERR_FSYNC, "disk I/O error");
}

/* A cache of a few pages: large transactions write to the log before they commit, and fail there. */
static void a_disk_that_fills_in_the_middle(void **state)
{
    (void)state;
    struct test_disk *disk = test_disk_new(1);
    open_store((struct sqlite_options){.sync = true, .vfs = test_disk_vfs(disk), .cache_bytes = 64 << 10});
    test_disk_refuse(disk, SQLITE_FULL, SQLITE_OK);
    char data[2000];
    memset(data, 'x', sizeof data);
    memcpy(data, "{\"x\":\"", 6);
    memcpy(data + sizeof data - 3, "\"}", 3);
    struct store_op *ops[500];
    for (int i = 0; i < 500; i++) {
        char path[16];
        snprintf(path, sizeof path, "/fills/%d", i);
        ops[i] = start(STORE_SET, path, data);
    }
    for (int i = 0; i < 500; i++) {
        fixture_wait(&fixture, ops[i]);
        assert_int_equal(ops[i]->status, HAPPN_E_STORE);
        assert_non_null(strstr(ops[i]->error.message, "full"));
    }
    test_disk_refuse(disk, SQLITE_OK, SQLITE_OK);
    assert_int_equal(run(STORE_FIND, "*", NULL)->count, 0);
    assert_int_equal(run(STORE_SET, "/after", data)->status, HAPPN_OK);
    fixture_close(&fixture);
    test_disk_free(disk);
}

static void explicit_reads_are_answered_at_once(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = true});
    run(STORE_SET, "/a", "{\"n\":1}");
    struct store_op *other = start(STORE_SET, "/b", "{}");
    struct store_op get = fixture_op(&fixture, STORE_GET, "/a", NULL);
    assert_int_equal(provider_submit(fixture.provider, &get), HAPPN_OK); /* though /b is under way */
    assert_int_equal(get.count, 1);
    struct store_op *same = start(STORE_GET, "/b", NULL);
    assert_null(same->context); /* has to wait for the set */
    fixture_wait(&fixture, same);
    assert_non_null(other->context);
    assert_int_equal(same->count, 1);
    struct store_op *removal = start(STORE_REMOVE, "/x*", NULL);
    struct store_op *behind = start(STORE_GET, "/a", NULL);
    assert_null(behind->context); /* a pattern could concern any path */
    fixture_wait(&fixture, behind);
    assert_non_null(removal->context);
}

/* What a document of ten megabytes costs here is one copy of it, while it is read or written; its pages do not fill the cache. */
static void a_long_document_does_not_stay(void **state)
{
    (void)state;
    enum { LENGTH = 10 << 20, SLACK = 3 << 20 };
    char *data = malloc(LENGTH + 1);
    memset(data, 'x', LENGTH);
    memcpy(data, "{\"text\":\"", 9);
    memcpy(data + LENGTH - 2, "\"}", 3);
    open_store((struct sqlite_options){.sync = false});
    run(STORE_SET, "/small", "{}");
    run(STORE_GET, "/small", NULL);
    sqlite3_int64 before = sqlite3_memory_used();
    assert_true(before > 0); /* else nothing is counted */
    static const enum store_kind kinds[] = {STORE_SET, STORE_GET, STORE_SET, STORE_GET};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        sqlite3_memory_highwater(1);
        struct store_op *op = run(kinds[i], "/long", data);
        assert_int_equal(op->status, HAPPN_OK);
        assert_true(kinds[i] == STORE_SET || str_is(op->documents[0].data, data));
        assert_true(sqlite3_memory_highwater(0) < before + LENGTH + SLACK);
        assert_true(sqlite3_memory_used() < before + SLACK);
    }
    free(data);
}

/* SQLite reads the pages of what it removes. Nobody looks at them again, whether a path, a pattern or criteria meant them. */
static void a_removal_of_long_documents_fills_no_cache(void **state)
{
    (void)state;
    enum { LENGTH = 10 << 20, SLACK = 3 << 20 };
    static const struct {
        enum store_kind kind;
        const char *path;
        bool is_read; /* its text is looked at: there is one of it at a time */
    } cases[] = {{STORE_REMOVE, "/long/*", false}, {STORE_REMOVE, "/long/1", false}, {STORE_REMOVE, "/long/*", true}};
    char *data = malloc(LENGTH + 1);
    memset(data, 'x', LENGTH);
    memcpy(data, "{\"text\":\"", 9);
    memcpy(data + LENGTH - 2, "\"}", 3);
    open_store((struct sqlite_options){.sync = false});
    happn_error error;
    struct search *search = NULL;
    struct search_text text = {.criteria = STR_LIT("{\"text\":{\"$exists\":true}}")};
    assert_int_equal(search_compile(&fixture.arena, &text, &search, &error), HAPPN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int n = 0; n < 3; n++) {
            char path[16];
            snprintf(path, sizeof path, "/long/%d", n);
            assert_int_equal(run(STORE_SET, path, data)->status, HAPPN_OK);
        }
        sqlite3_int64 before = sqlite3_memory_used();
        sqlite3_memory_highwater(1);
        struct store_op op = fixture_op(&fixture, cases[i].kind, cases[i].path, NULL);
        op.search = cases[i].is_read ? search : NULL;
        fixture_run(&fixture, &op);
        assert_int_equal(op.removed, strchr(cases[i].path, '*') != NULL ? 3 : 1);
        assert_true(sqlite3_memory_highwater(0) < before + SLACK);
    }
    free(data);
}

static void the_queue_has_an_end(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = true, .max_operations = 10, .max_bytes = 1000});
    struct store_op *last = NULL;
    for (int i = 0; i < 10; i++) {
        last = start(STORE_SET, "/a", "{}");
        assert_int_equal(last->status, HAPPN_PENDING);
    }
    assert_int_equal(start(STORE_SET, "/a", "{}")->status, HAPPN_E_BUSY);
    fixture_wait(&fixture, last);
    char data[2000];
    memset(data, ' ', sizeof data);
    memcpy(data, "{}", 2);
    data[sizeof data - 1] = '\0';
    struct store_op *large = start(STORE_SET, "/large", data);
    assert_int_equal(large->status, HAPPN_PENDING); /* nothing else waits: then it may be large */
    assert_int_equal(start(STORE_SET, "/a", "{}")->status, HAPPN_E_BUSY);
    fixture_wait(&fixture, large);
    assert_int_equal(large->status, HAPPN_OK);
    assert_int_equal(run(STORE_SET, "/a", "{}")->status, HAPPN_OK);
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

static void a_closed_store_takes_nothing(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = true});
    struct store_op *before = start(STORE_SET, "/a", "{}");
    bool is_closed = false;
    fixture.provider->ops->close(fixture.provider, note_closed, &is_closed);
    assert_int_equal(start(STORE_SET, "/a", "{}")->status, HAPPN_E_CLOSED);
    assert_int_equal(start(STORE_GET, "/a", NULL)->status, HAPPN_E_CLOSED);
    while (!is_closed) {
        uv_run(&fixture.loop.uv, UV_RUN_ONCE);
    }
    fixture.provider = NULL;
    assert_int_equal(before->status, HAPPN_OK);
}

/* The n-th allocation fails: whatever happens, every operation ends, and what it says is true. */
struct failing {
    pthread_mutex_t mutex;
    int left;
};

static void *resize(void *context, void *ptr, size_t size)
{
    struct failing *failing = context;
    pthread_mutex_lock(&failing->mutex);
    bool fails = size != 0 && failing->left > 0 && --failing->left == 0;
    pthread_mutex_unlock(&failing->mutex);
    return fails ? NULL : memory_default.resize(NULL, ptr, size);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    open_store((struct sqlite_options){.sync = false});
    run(STORE_SET, "/m/a", "{\"a\":1}");
    run(STORE_SET, "/m/b", "{\"b\":1}");
    static const enum store_kind kinds[] = {STORE_MERGE, STORE_GET, STORE_FIND, STORE_REMOVE};
    for (int n = 1; n < 12; n++) {
        for (int kind = 0; kind < 4; kind++) {
            struct failing failing = {PTHREAD_MUTEX_INITIALIZER, n};
            struct allocator allocator = {resize, &failing};
            struct arena arena;
            arena_init(&arena, &allocator);
            struct store_op op = fixture_op(&fixture, kinds[kind], kind < 2 ? "/m/a" : "/m*", "{\"a\":2}");
            op.arena = &arena;
            fixture_run(&fixture, &op);
            assert_true(op.status == HAPPN_OK || op.status == HAPPN_E_MEMORY);
            if (op.status == HAPPN_OK && kinds[kind] == STORE_FIND) {
                assert_int_equal(op.count, 2);
            }
            if (kinds[kind] == STORE_REMOVE) {
                assert_int_equal(run(STORE_FIND, "/m*", NULL)->count, op.status == HAPPN_OK ? 0 : 2);
                run(STORE_SET, "/m/a", "{\"a\":1}");
                run(STORE_SET, "/m/b", "{\"b\":1}");
            }
            arena_fini(&arena);
        }
    }
}

static char *large_text(size_t len)
{
    char *data = malloc(len + 1);
    memset(data, 'x', len);
    memcpy(data, "{\"big\":\"", 8);
    memcpy(data + len - 2, "\"}", 3);
    return data;
}

static void open_with(const struct allocator *allocator)
{
    happn_error error;
    struct sqlite_options options = {.file = fixture.file};
    assert_int_equal(store_sqlite_open(&fixture.loop, allocator, &options, &fixture.provider, &error), HAPPN_OK);
}

/* What was read for a result becomes the result: at no time is there a second one of it. */
static void large_texts_are_read_once(void **state)
{
    (void)state;
    enum { LEN = 13000000 };
    char *data = large_text(LEN);
    struct counting counting;
    counting_init(&counting);
    open_with(&counting.allocator);
    run(STORE_SET, "/l/1", data), run(STORE_SET, "/l/2", "{}"), run(STORE_SET, "/l/3", data);
    sqlite3_int64 theirs = sqlite3_memory_used();
    assert_true(theirs > 0); /* else nothing is counted */
    static const struct {
        enum store_kind kind;
        const char *path;
        size_t count, at;
    } reads[] = {{STORE_GET, "/l/3", 1, 0}, {STORE_FIND, "/l/*", 3, 2}};
    for (size_t i = 0; i < 2; i++) {
        struct arena arena;
        arena_init(&arena, &counting.allocator);
        struct store_op op = fixture_op(&fixture, reads[i].kind, reads[i].path, NULL);
        op.arena = &arena;
        size_t before = counting_mark(&counting);
        sqlite3_memory_highwater(1);
        fixture_run(&fixture, &op);
        assert_int_equal(op.count, reads[i].count);
        assert_true(str_is(op.documents[reads[i].at].data, data));
        assert_true(counting.most - before < (i + 1) * LEN + LEN / 10);
        assert_true(sqlite3_memory_highwater(0) < theirs + LEN / 2);
        arena_fini(&arena);
        assert_true(counting.now <= before + 4096); /* nothing is kept */
    }
    fixture_close(&fixture);
    free(data);
}

static int cache_used(struct sqlite_file *file)
{
    int now = 0, most = 0;
    assert_int_equal(sqlite3_db_status(file->db, SQLITE_DBSTATUS_CACHE_USED, &now, &most, 0), SQLITE_OK);
    return now;
}

/* Its thousands of pages would drive out those of everything else, and none of them is looked at twice. */
static void large_texts_leave_no_pages_behind(void **state)
{
    (void)state;
    enum { LEN = 8 << 20 };
    char *data = large_text(LEN);
    struct sqlite_file file;
    happn_error error;
    assert_int_equal(sqlite_file_open(&file, &(struct sqlite_options){.file = fixture.file}, &error), HAPPN_OK);
    struct document document = {.path = STR_LIT("/l"), .data = str_make(data, LEN)}, found;
    for (int i = 0; i < 3; i++) { /* new, over itself, and again with what that has left */
        assert_int_equal(sqlite_shelf.write(&file.shelf, &document, &error), HAPPN_OK);
        assert_true(cache_used(&file) < 2 << 20);
        assert_int_equal(sqlite_shelf.read(&file.shelf, document.path, false, &found, &error), HAPPN_OK);
        assert_true(str_equal(found.data, document.data));
        assert_true(cache_used(&file) < 2 << 20);
        sqlite_shelf.rest(&file.shelf);
    }
    struct document small = {.path = STR_LIT("/l"), .data = STR_LIT("{}")};
    assert_int_equal(sqlite_shelf.write(&file.shelf, &small, &error), HAPPN_OK);
    assert_true(cache_used(&file) < 2 << 20);
    assert_int_equal(sqlite_shelf.write(&file.shelf, &document, &error), HAPPN_OK);
    assert_int_equal(sqlite_shelf.erase(&file.shelf, document.path, &error), HAPPN_OK);
    assert_true(cache_used(&file) < 2 << 20);
    sqlite_file_close(&file);
    free(data);
}

/* A large one that was read for a change, a snapshot, a search or a removal. */
static void large_texts_are_worked_on(void **state)
{
    (void)state;
    char *data = large_text(1300000), *other = large_text(1400000);
    open_store((struct sqlite_options){.sync = false});
    run(STORE_SET, "/l/1", data);
    assert_int_equal(run(STORE_MERGE, "/l/1", "{\"n\":1}")->status, HAPPN_OK);
    struct store_op tag = fixture_op(&fixture, STORE_TAG, "/l/1", NULL);
    tag.target = STR_LIT("/tags/1"), tag.tag = STR_LIT("t");
    fixture_run(&fixture, &tag);
    assert_int_equal(tag.status, HAPPN_OK);
    run(STORE_SET, "/l/1", other);
    assert_true(str_is(run(STORE_GET, "/l/1", NULL)->documents[0].data, other));
    struct store_op *kept = run(STORE_GET, "/tags/1", NULL);
    assert_true(str_is(json_get(json_get(kept->documents[0].data, "data"), "n"), "1"));
    run(STORE_SET, "/l/1", "{\"small\":1}"); /* over a large one */
    assert_true(str_is(run(STORE_GET, "/l/1", NULL)->documents[0].data, "{\"small\":1}"));
    assert_int_equal(run(STORE_REMOVE, "/*", NULL)->removed, 2);
    fixture_close(&fixture);
    assert_true(fixture_is_intact(fixture.file));
    free(data), free(other);
}

static void memory_may_run_out_in_large_texts(void **state)
{
    (void)state;
    char *data = large_text(1300000);
    struct failing failing = {PTHREAD_MUTEX_INITIALIZER, 0};
    struct allocator allocator = {resize, &failing};
    open_with(&allocator);
    run(STORE_SET, "/l/1", data);
    static const enum store_kind kinds[] = {STORE_GET, STORE_FIND, STORE_MERGE};
    for (int kind = 0; kind < 3; kind++) {
        happn_status status = HAPPN_E_MEMORY;
        int n = 1, failures = 0;
        for (bool has_failed = true; has_failed; n++) {
            struct arena arena;
            arena_init(&arena, &allocator);
            struct store_op op = fixture_op(&fixture, kinds[kind], kinds[kind] == STORE_FIND ? "/l/*" : "/l/1", "{\"n\":1}");
            op.arena = &arena;
            failing.left = n;
            fixture_run(&fixture, &op);
            has_failed = failing.left == 0;
            failing.left = 0;
            status = op.status;
            failures += status != HAPPN_OK;
            assert_true(status == HAPPN_OK || status == HAPPN_E_MEMORY);
            assert_int_equal(op.count, status == HAPPN_OK && kinds[kind] != STORE_MERGE ? 1 : 0);
            arena_fini(&arena);
            struct store_op *there = run(STORE_GET, "/l/1", NULL);
            assert_true(status == HAPPN_OK ? there->documents[0].data.len >= 1300000 : str_is(there->documents[0].data, data));
        }
        assert_int_equal(status, HAPPN_OK);
        assert_true(kinds[kind] == STORE_GET || failures > 0); /* a get that fails on the loop goes to the thread */
    }
    fixture_close(&fixture);
    free(data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reopening_reads_everything),
        TEST(a_foreign_database_is_left_alone),
        TEST(a_file_that_is_no_database_is_refused),
        TEST(a_newer_format_is_refused),
        TEST(compaction_gives_room_back),
        TEST(compaction_of_a_large_file_needs_little_memory),
        TEST(the_first_format_is_brought_up_to_date),
        TEST(a_missing_folder_is_named),
        TEST(a_second_opener_is_refused),
        TEST(one_failure_leaves_the_batch_alone),
        TEST(a_full_disk_is_survived),
        TEST(a_broken_disk_is_survived),
        TEST(a_failed_sync_fails_the_whole_batch),
        TEST(a_disk_that_fills_in_the_middle),
        TEST(explicit_reads_are_answered_at_once),
        TEST(a_long_document_does_not_stay),
        TEST(a_removal_of_long_documents_fills_no_cache),
        TEST(the_queue_has_an_end),
        TEST(a_closed_store_takes_nothing),
        TEST(memory_may_run_out_anywhere),
        TEST(large_texts_are_read_once),
        TEST(large_texts_leave_no_pages_behind),
        TEST(large_texts_are_worked_on),
        TEST(memory_may_run_out_in_large_texts),
    };
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
