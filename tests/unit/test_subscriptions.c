/* Both wildcard languages, the matcher and the index, against what the original's servers did and against each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/scan.h"
#include "paths/path.h"
#include "paths/subscriptions.h"

#ifndef HAPPN_SOURCE_DIR
#define HAPPN_SOURCE_DIR "."
#endif

static struct str read_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long len = ftell(file);
    rewind(file);
    char *text = malloc((size_t)len);
    assert_int_equal(fread(text, 1, (size_t)len, file), len);
    fclose(file);
    return str_make(text, (size_t)len);
}

static void count_visit(struct subscription *subscription, void *arg)
{
    (void)subscription;
    ++*(int *)arg;
}

static int index_hits(enum wildcard_language language, struct str pattern, struct str path)
{
    struct subscriptions *index = subscriptions_new(NULL);
    struct subscription subscription = {.pattern = pattern, .events = EVENT_ALL, .language = (unsigned)language & 1,
                                        .depth = WILDCARD_DEFAULT_DEPTH};
    assert_int_equal(subscriptions_add(index, &subscription), HAPPN_OK);
    int hits = 0;
    subscriptions_match(index, path, EVENT_SET, count_visit, &hits);
    subscriptions_remove(index, &subscription);
    assert_int_equal(subscriptions_count(index), 0);
    subscriptions_free(index);
    return hits;
}

static void expect(enum wildcard_language language, struct str pattern, struct str path, bool wanted)
{
    bool matched = wildcard_matches(language, pattern, path, WILDCARD_DEFAULT_DEPTH);
    int hits = index_hits(language, pattern, path);
    if (matched != wanted || hits != wanted) {
        fail_msg("language %d, %.*s on %.*s: wanted %d, matcher %d, index %d", language, (int)pattern.len, pattern.ptr,
                 (int)path.len, path.ptr, wanted, matched, hits);
    }
}

/* The 6.3.2 client refuses these before it sends anything, so no server ever sees them from it. */
static bool client_refuses(const char *version, struct str pattern)
{
    return strcmp(version, "6.3.2") == 0 && (str_has(pattern, '+') || str_has(pattern, '('));
}

static bool we_refuse(enum wildcard_language language, struct str pattern)
{
    happn_error error;
    if (path_check(pattern, PATH_FOR_ON, &error) != HAPPN_OK) {
        assert_non_null(strstr(error.message, "Bad path, can only contain characters a-z A-Z 0-9"));
        return true;
    }
    if (wildcard_check_subscription(language, pattern, &error) == HAPPN_OK) {
        return false;
    }
    assert_string_equal(error.message, "subscribe failed");
    assert_string_equal(error.name, "SystemError");
    assert_int_equal(error.code, 500);
    return true;
}

static void expect_subscription(struct str row, const char *version, enum wildcard_language language, struct str pattern,
                                struct str path)
{
    struct str wanted = json_get(json_get(row, "on"), version);
    bool refused = json_type_of(wanted) == JSON_NULL;
    if (client_refuses(version, pattern)) {
        assert_true(refused);
        return;
    }
    assert_int_equal(we_refuse(language, pattern), refused);
    if (!refused) {
        expect(language, pattern, path, json_true(wanted));
    }
}

static void observed_rows(void **state)
{
    (void)state;
    struct str text = read_file(HAPPN_SOURCE_DIR "/tests/vectors/wildcards.json");
    assert_int_equal(json_check(text, NULL), HAPPN_OK);
    struct arena arena;
    arena_init(&arena, NULL);
    int rows = 0;
    for (struct json_iter it = json_iter(json_get(text, "rows")); json_next(&it); rows++) {
        struct str pattern = json_string(&arena, json_get(it.value, "pattern"));
        struct str path = json_string(&arena, json_get(it.value, "path"));
        expect(WILDCARD_STRING, pattern, path, json_true(json_get(it.value, "get")));
        expect_subscription(it.value, "6.3.2", WILDCARD_STRING, pattern, path);
        expect_subscription(it.value, "8.2.7", WILDCARD_SEGMENT, pattern, path);
        expect_subscription(it.value, "13.12.1", WILDCARD_SEGMENT, pattern, path);
    }
    arena_fini(&arena);
    free((char *)text.ptr);
    assert_int_equal(rows, 3420);
}

enum { MANY = 400, ROUNDS = 4000 };

static unsigned seed = 1;

static unsigned draw(unsigned limit)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % limit;
}

static struct str draw_text(char *out, const char *alphabet)
{
    size_t len = 1 + draw(7);
    for (size_t i = 0; i < len; i++) {
        out[i] = alphabet[draw((unsigned)strlen(alphabet))];
    }
    return str_make(out, len);
}

static struct subscription many[MANY];
static char texts[MANY][8];
static bool subscribed[MANY];
static int visits[MANY];

static void note_visit(struct subscription *subscription, void *arg)
{
    (void)arg;
    visits[subscription - many]++;
}

static void compare_with_scan(struct subscriptions *index, struct str path, int event)
{
    memset(visits, 0, sizeof visits);
    subscriptions_match(index, path, event, note_visit, NULL);
    for (int i = 0; i < MANY; i++) {
        bool wanted = subscribed[i] && (many[i].events & event) != 0 &&
                      wildcard_matches((enum wildcard_language)many[i].language, many[i].pattern, path, many[i].depth);
        assert_int_equal(visits[i], wanted);
    }
}

static void index_equals_linear_scan(void **state)
{
    (void)state;
    struct subscriptions *index = subscriptions_new(NULL);
    for (int round = 0; round < ROUNDS; round++) {
        unsigned i = draw(MANY);
        if (subscribed[i]) {
            subscriptions_remove(index, &many[i]);
        } else {
            many[i] = (struct subscription){.pattern = draw_text(texts[i], "ab/*"), .events = (1 + draw(3)) & EVENT_ALL,
                                            .language = draw(2) & 1, .depth = (unsigned char)(1 + draw(4))};
            assert_int_equal(subscriptions_add(index, &many[i]), HAPPN_OK);
        }
        subscribed[i] = !subscribed[i];
        char text[8];
        compare_with_scan(index, draw_text(text, "ab/"), 1 + (int)draw(2));
    }
    for (int i = 0; i < MANY; i++) {
        if (subscribed[i]) {
            subscriptions_remove(index, &many[i]);
        }
    }
    assert_int_equal(subscriptions_count(index), 0);
    subscriptions_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(observed_rows),
        cmocka_unit_test(index_equals_linear_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
