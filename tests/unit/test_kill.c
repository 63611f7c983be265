/* The process is killed while it writes, a hundred times: what it was told is stored is there.
 * The child is this program with an argument; it reports each acknowledged number through a pipe. */
#include "store_fixture.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 100, AT_ONCE = 16 };

/* The child: keeps AT_ONCE writes under way for ever. */

struct writer {
    struct provider *provider;
    struct store_op op;
    struct arena arena;
    char path[32];
    int64_t *next;
};

static void report(struct store_op *op);

static void write_next(struct writer *writer)
{
    int64_t number = (*writer->next)++;
    arena_reset(&writer->arena);
    int len = snprintf(writer->path, sizeof writer->path, "/n/%lld", (long long)number);
    writer->op = (struct store_op){.kind = STORE_SET, .path = str_make(writer->path, (size_t)len), .now = number,
                                   .data = STR_LIT("{\"what\":\"is acknowledged stays\"}"), .arena = &writer->arena,
                                   .done = report, .context = writer};
    if (provider_submit(writer->provider, &writer->op) != HAPPN_PENDING) {
        _exit(3);
    }
}

static void report(struct store_op *op)
{
    if (op->status != HAPPN_OK || write(STDOUT_FILENO, &op->now, sizeof op->now) != sizeof op->now) {
        _exit(4);
    }
    write_next(op->context);
}

static int run_child(const char *file, bool sync, int64_t first)
{
    struct loop loop;
    struct provider *provider;
    struct writer writers[AT_ONCE];
    happn_error error;
    struct sqlite_options options = {.file = file, .sync = sync, .checkpoint_pages = 20};
    if (loop_init(&loop, NULL) != HAPPN_OK ||
        store_sqlite_open(&loop, NULL, &options, &provider, &error) != HAPPN_OK) {
        return 2;
    }
    for (int i = 0; i < AT_ONCE; i++) {
        writers[i].provider = provider;
        writers[i].next = &first;
        arena_init(&writers[i].arena, NULL);
        write_next(&writers[i]);
    }
    return uv_run(&loop.uv, UV_RUN_DEFAULT);
}

/* The parent. */

static pid_t start_child(const char *file, bool sync, int64_t first, int *reports)
{
    int ends[2];
    char number[32], self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(len > 0 && pipe(ends) == 0);
    self[len] = '\0';
    snprintf(number, sizeof number, "%lld", (long long)first);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(self, self, file, sync ? "fsync" : "file", number, (char *)NULL);
        _exit(5);
    }
    close(ends[1]);
    *reports = ends[0];
    return child;
}

/* The next acknowledged number, or -1 when the child is gone. */
static int64_t next_report(int reports)
{
    int64_t number;
    ssize_t len;
    do {
        len = read(reports, &number, sizeof number); /* so short a write is never split */
    } while (len < 0 && errno == EINTR);
    return len == sizeof number ? number : -1;
}

/* Lets the child live for a random number of reports; what is still in the pipe counts as well. The numbers come in
 * order, so the last one stands for all. */
static int64_t kill_after(pid_t child, int reports, unsigned count)
{
    int64_t last = -1, number;
    while (count-- > 0 && (number = next_report(reports)) >= 0) {
        last = number;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    while ((number = next_report(reports)) >= 0) {
        last = number;
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(reports);
    return last;
}

static int64_t count_documents(const char *file, int64_t last, int64_t *highest)
{
    sqlite3 *db;
    sqlite3_stmt *row = NULL;
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FILTER (WHERE created <= %lld), max(created) FROM documents",
             (long long)last);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(row, 0);
    *highest = sqlite3_column_int64(row, 1);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return count;
}

/* Numbers go on where the last child stopped: all of them from 0 on must be there in every round. */
static void killed_while_writing(void **state)
{
    (void)state;
    struct store_fixture fixture;
    fixture_init(&fixture);
    unsigned seed = getenv("HAPPN_SEED") != NULL ? (unsigned)atoi(getenv("HAPPN_SEED")) : (unsigned)time(NULL);
    print_message("HAPPN_SEED=%u\n", seed);
    int64_t next = 0, acknowledged = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int reports;
        pid_t child = start_child(fixture.file, i % 2 == 0, next, &reports);
        int64_t last = kill_after(child, reports, 1 + (unsigned)rand_r(&seed) % 300);
        assert_true(last >= next);
        acknowledged += last - next + 1;
        /* Every other time the next child itself finds what the killed one has left. */
        if (i % 2 == 0) {
            assert_true(fixture_is_intact(fixture.file));
        }
        int64_t highest;
        assert_int_equal(count_documents(fixture.file, last, &highest), last + 1);
        next = highest + 1;
    }
    assert_true(fixture_is_intact(fixture.file));
    print_message("%d rounds, %lld acknowledged writes\n", ROUNDS, (long long)acknowledged);
    fixture_fini(&fixture);
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        return run_child(argv[1], strcmp(argv[2], "fsync") == 0, strtoll(argv[3], NULL, 10));
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_while_writing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
