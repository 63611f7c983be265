/* What a set and a get cost in each store, in microseconds, by the number of operations under way at once.
 * usage: store_bench [folder] [operations] [bytes of a document] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "store/memory.h"
#include "store/sqlite.h"

enum { PATHS = 100000 };

static size_t outstanding, failures, filled;

static void note_done(struct store_op *op)
{
    outstanding--;
    failures += op->status != HAPPN_OK;
}

static double seconds(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct job {
    struct store_op op;
    struct arena arena;
    char path[48];
};

/* Submits `batch`, waits until they are done, and again. */
static void run(struct loop *loop, struct provider *provider, const char *name, enum store_kind kind, size_t batch,
                size_t count, struct str data)
{
    static uint64_t random = 88172645463325252u; /* goes on: no two runs take the same paths */
    bool fills = filled < PATHS;
    struct job *jobs = calloc(batch, sizeof *jobs);
    for (size_t i = 0; i < batch; i++) {
        arena_init(&jobs[i].arena, NULL);
    }
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t done = 0; done < count; done += batch) {
        for (size_t i = 0; i < batch; i++) {
            struct job *job = &jobs[i];
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            /* A full store first, in no order; then any of what is there. */
            int number = fills ? (int)(filled++ * 7919 % PATHS) : (int)((random >> 16) % PATHS);
            int len = snprintf(job->path, sizeof job->path, "/factory/line-%02d/machine-%05d/state", number % 16, number);
            arena_reset(&job->arena);
            job->op = (struct store_op){.kind = kind, .path = str_make(job->path, (size_t)len), .data = data,
                                        .modified_by = STR_LIT("anna"), .now = 1700000000000, .arena = &job->arena,
                                        .done = note_done};
            happn_status status = provider_submit(provider, &job->op);
            outstanding += status == HAPPN_PENDING;
            failures += status < 0;
        }
        while (outstanding != 0) {
            uv_run(&loop->uv, UV_RUN_ONCE);
        }
    }
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%-14s %-4s %5zu at once  %8.2f us  cpu %7.2f us  %10.0f /s\n", name, kind == STORE_SET ? "set" : "get", batch,
           wall / (double)count * 1e6, cpu / (double)count * 1e6, (double)count / wall);
    for (size_t i = 0; i < batch; i++) {
        arena_fini(&jobs[i].arena);
    }
    free(jobs);
}

/* Lists a range of many documents, again and again: the cost of one of them. */
static void list(struct loop *loop, struct provider *provider, const char *name)
{
    size_t found = 0;
    double wall = seconds(CLOCK_MONOTONIC);
    for (int i = 0; i < 20; i++) {
        char pattern[48];
        struct arena arena;
        arena_init(&arena, NULL);
        int len = snprintf(pattern, sizeof pattern, "/factory/line-%02d/machine-%d*", i % 16, i % 10);
        struct store_op op = {.kind = STORE_FIND, .path = str_make(pattern, (size_t)len), .arena = &arena,
                              .done = note_done};
        outstanding += provider_submit(provider, &op) == HAPPN_PENDING;
        while (outstanding != 0) {
            uv_run(&loop->uv, UV_RUN_ONCE);
        }
        found += op.count;
        arena_fini(&arena);
    }
    wall = seconds(CLOCK_MONOTONIC) - wall;
    printf("%-14s find %5zu at once  %8.2f us a document\n", name, found / 20, wall / (double)(found + !found) * 1e6);
}

static void note_closed(void *arg)
{
    *(int *)arg = 1;
}

static void measure(struct loop *loop, struct provider *provider, const char *name, size_t count, struct str data)
{
    static const size_t batches[] = {1, 16, 256, 1024};
    filled = 0;
    run(loop, provider, name, STORE_SET, 1000, PATHS, data); /* inserts; all that follow overwrite */
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        run(loop, provider, name, STORE_SET, batches[i], batches[i] == 1 ? count / 10 : count, data);
    }
    run(loop, provider, name, STORE_GET, 1, count, data);
    list(loop, provider, name);
    int is_closed = 0;
    provider->ops->close(provider, note_closed, &is_closed);
    while (!is_closed) {
        uv_run(&loop->uv, UV_RUN_ONCE);
    }
    if (failures != 0) {
        printf("%zu operations failed\n", failures);
    }
}

int main(int argc, char **argv)
{
    char file[256];
    const char *folder = argc > 1 ? argv[1] : ".";
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000, bytes = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
    char *text = malloc(bytes + 16);
    int len = sprintf(text, "{\"value\":\"%0*d\"}", bytes > 12 ? (int)bytes - 12 : 1, 7);
    struct loop loop;
    struct provider *provider;
    happn_error error;
    if (loop_init(&loop, NULL) != HAPPN_OK || store_memory_open(&loop, NULL, &provider) != HAPPN_OK) {
        return 1;
    }
    measure(&loop, provider, "memory", count, str_make(text, (size_t)len));
    for (int sync = 0; sync < 2; sync++) {
        snprintf(file, sizeof file, "%s/store_bench-%ld-%d.db", folder, (long)getpid(), sync);
        if (store_sqlite_open(&loop, NULL, &(struct sqlite_options){.file = file, .sync = sync}, &provider, &error) !=
            HAPPN_OK) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
        measure(&loop, provider, sync ? "sqlite fsync" : "sqlite file", count, str_make(text, (size_t)len));
        unlink(file);
        strcat(file, "-lock");
        unlink(file);
    }
    loop_fini(&loop);
    free(text);
    return 0;
}
