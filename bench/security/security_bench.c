/* What a permission check, a compiled set, a token and a password cost, in CPU time of this thread.
 * usage: security_bench [checks] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "security/password.h"
#include "security/permissions.h"
#include "security/token.h"

enum { PATHS = 10000 };

static char paths[PATHS][48];

static double cpu(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print(const char *what, int groups, double seconds, long count)
{
    printf("%-44s %5d groups  %10.3f us\n", what, groups, seconds / (double)count * 1e6);
}

/* A user of so many groups: each but the last permits something else, as in `tools/bench secure`. */
static struct permission_set *compile(int groups)
{
    struct permission_set *set = permission_set_new(NULL);
    char path[48];
    for (int i = 1; i < groups; i++) {
        int len = snprintf(path, sizeof path, "/other/%d/*", i);
        permission_set_add(set, str_make(path, (size_t)len), MAY_ALL, 0);
    }
    permission_set_add(set, STR_LIT("/bench/*"), MAY_ALL, 0);
    return set;
}

/* `spread` paths in turn: 1 is always remembered, 10000 never. */
static void check(int groups, long count, int spread, const char *what)
{
    struct permission_set *set = compile(groups);
    long allowed = 0;
    double start = cpu();
    for (long i = 0; i < count; i++) {
        const char *path = paths[(unsigned long)i * 7919 % (unsigned long)spread];
        allowed += permission_set_allows(set, str_make(path, 25), MAY_SET);
    }
    print(what, groups, cpu() - start, count);
    permission_set_unref(set);
    if (allowed != count) {
        fprintf(stderr, "a permitted set was refused\n");
        exit(1);
    }
}

static void compiling(int groups)
{
    enum { TIMES = 2000 };
    double start = cpu();
    for (int i = 0; i < TIMES; i++) {
        permission_set_unref(compile(groups));
    }
    print("compile", groups, cpu() - start, TIMES);
}

static void tokens(long count)
{
    struct token_secret secret = {"0011aabb", STR_LIT("a secret that is long enough for anybody")};
    struct token token = {.id = STR_LIT("2c9d6992-057b-4734-aa50-15a624151ec6"), .username = STR_LIT("u1"), .origin = STR_LIT("bench"),
                          .profiles = {STR_LIT("default-stateless"), STR_LIT("default-stateful")}, .issued = 1795444396248};
    struct arena arena;
    struct buf text;
    buf_init(&text, NULL, TOKEN_MOST);
    arena_init(&arena, NULL);
    double start = cpu();
    for (long i = 0; i < count; i++) {
        buf_clear(&text);
        token_write(&token, &secret, &text);
    }
    print("write a token", 0, cpu() - start, count);
    start = cpu();
    for (long i = 0; i < count; i++) {
        arena_reset(&arena);
        if (!token_read(&arena, buf_str(&text), &secret, 1, &token)) {
            exit(1);
        }
    }
    print("read a token", 0, cpu() - start, count);
    arena_fini(&arena);
    buf_fini(&text);
}

static void passwords(void)
{
    static const int rounds[] = {10000, 210000};
    char stored[PASSWORD_STORED], what[64];
    for (int i = 0; i < 2; i++) {
        bool is_weak;
        password_hash(STR_LIT("secret"), rounds[i], stored);
        double start = cpu();
        password_fits(STR_LIT("secret"), str_of(stored), rounds[i], &is_weak);
        snprintf(what, sizeof what, "a password, %d rounds", rounds[i]);
        print(what, 0, cpu() - start, 1);
    }
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 5000000;
    static const int groups[] = {1, 100, 1000};
    for (int i = 0; i < PATHS; i++) {
        snprintf(paths[i], sizeof paths[i], "/bench/machine-%05d/state", i);
    }
    for (int i = 0; i < 3; i++) {
        check(groups[i], count, 1, "permission_set_allows, the same path");
        check(groups[i], count, 64, "permission_set_allows, 64 paths");
        check(groups[i], count, PATHS, "permission_set_allows, 10000 paths");
        compiling(groups[i]);
    }
    tokens(count / 50);
    passwords();
    return 0;
}
