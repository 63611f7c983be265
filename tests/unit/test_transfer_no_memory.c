/* The n-th allocation fails, for every n, while documents are imported, exported and backed up: an error, or everything is there; never
 * half of a file under its name. These functions take no allocator, so the linker puts ours in place of realloc (tests/CMakeLists.txt);
 * SQLite's own growing buffers fail with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "happn/transfer.h"

enum { LINES = 12, MOST = 20000 };

static atomic_int left = -1; /* allocations that succeed; -1: all. The storage thread counts, too */
static char folder[] = "/tmp/happn-no-memory-XXXXXX";
static char source[64], database[64], target[64];

void *__real_realloc(void *ptr, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

void *__wrap_realloc(void *ptr, size_t size)
{
    int now = atomic_load(&left);
    while (now > 0 && !atomic_compare_exchange_weak(&left, &now, now - 1)) {
    }
    return now == 0 ? NULL : __real_realloc(ptr, size);
}

static void write_source(void)
{
    FILE *file = fopen(source, "w");
    assert_non_null(file);
    for (int i = 0; i < LINES; i++) {
        fprintf(file, "{\"_id\":\"/doc/%d\",\"path\":\"/doc/%d\",\"data\":{\"n\":%d,\"text\":\"some text\"},\"created\":1,\"modified\":2}\n", i, i, i);
    }
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(source, sizeof source, "%s/source", folder);
    snprintf(database, sizeof database, "%s/db", folder);
    snprintf(target, sizeof target, "%s/target", folder);
    write_source();
    return 0;
}

static void remove_database(const char *name)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-lock", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char file[80];
        snprintf(file, sizeof file, "%s%s", name, ends[i]);
        unlink(file);
    }
}

static int tear_down(void **state)
{
    (void)state;
    atomic_store(&left, -1);
    remove_database(database);
    remove_database(target);
    unlink(source);
    assert_int_equal(rmdir(folder), 0); /* nothing was left behind */
    return 0;
}

static happn_status import_into(const char *name, happn_transfer_report *report, happn_error *error)
{
    happn_transfer_options options = {.size = sizeof options, .database = name};
    return happn_import(&options, source, report, error);
}

static void documents_are_there(void)
{
    happn_error error;
    happn_transfer_report report = {.size = sizeof report};
    happn_transfer_options options = {.size = sizeof options, .database = database, .force = 1};
    char list[64];
    snprintf(list, sizeof list, "%s/list", folder);
    assert_int_equal(happn_export(&options, list, &report, &error), HAPPN_OK);
    assert_int_equal(report.stored, LINES);
    unlink(list);
}

/* A failure names itself. It may be any of these: SQLite says its own way that it has no memory. */
static void check_failure(happn_status status, const happn_error *error, int n)
{
    if (status != HAPPN_E_MEMORY && status != HAPPN_E_STORE && status != HAPPN_E_IO && status != HAPPN_E_UNSUPPORTED) {
        fail_msg("after %d allocations: %d %s", n, status, error->message);
    }
}

static void an_import_is_complete_or_not_there(void **state)
{
    (void)state;
    happn_status status = HAPPN_E_MEMORY;
    for (int n = 0; status != HAPPN_OK; n++) {
        happn_error error = {.status = HAPPN_OK};
        happn_transfer_report report = {.size = sizeof report};
        atomic_store(&left, n);
        status = import_into(database, &report, &error);
        atomic_store(&left, -1);
        if (status != HAPPN_OK) {
            check_failure(status, &error, n);
            assert_int_not_equal(access(database, F_OK), 0);
        } else {
            assert_int_equal(report.rejected, 0);
            assert_int_equal(report.documents, LINES);
            assert_true(n > 10); /* something could fail */
        }
        assert_true(n < MOST);
    }
    documents_are_there();
}

static void whole_or_not_there(happn_status (*run)(const happn_transfer_options *, const char *, happn_transfer_report *, happn_error *))
{
    happn_error error;
    happn_transfer_report report = {.size = sizeof report};
    assert_int_equal(import_into(database, &report, &error), HAPPN_OK);
    happn_transfer_options options = {.size = sizeof options, .database = database};
    happn_status status = HAPPN_E_MEMORY;
    for (int n = 0; status != HAPPN_OK; n++) {
        error = (happn_error){.status = HAPPN_OK};
        report = (happn_transfer_report){.size = sizeof report};
        atomic_store(&left, n);
        status = run(&options, target, &report, &error);
        atomic_store(&left, -1);
        if (status != HAPPN_OK) {
            check_failure(status, &error, n);
            assert_int_not_equal(access(target, F_OK), 0);
        }
        assert_true(n < MOST);
    }
    assert_int_equal(report.stored, LINES);
    documents_are_there();
}

static void an_export_is_complete_or_not_there(void **state)
{
    (void)state;
    whole_or_not_there(happn_export);
}

static void a_backup_is_complete_or_not_there(void **state)
{
    (void)state;
    whole_or_not_there(happn_backup);
}

/* libuv ends the program when it has no memory for its own tables: that is not what is tested here. */
static int keep_libuv_out(void **state)
{
    (void)state;
    return uv_replace_allocator(malloc, __real_realloc, calloc, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_import_is_complete_or_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_export_is_complete_or_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_backup_is_complete_or_not_there, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, keep_libuv_out, NULL);
}
