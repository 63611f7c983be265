/* Which store a path belongs to, and which stores a pattern may find something in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "paths/wildcard.h"
#include "store/routing.h"

static const char memory[] = "memory", file[] = "file", deep[] = "deep", other[] = "other";

static struct routing *make(void)
{
    struct route_entry entries[] = {
        {STR_LIT("/ds/mem/*"), memory}, {STR_LIT("/ds/per/*"), file}, {STR_LIT("/ds/*/deeply"), deep}, {STR_LIT("odd*"), file}};
    struct routing *routing;
    assert_int_equal(routing_new(&memory_default, entries, 4, other, &routing), HAPPN_OK);
    return routing;
}

static void the_longest_pattern_decides(void **state)
{
    (void)state;
    struct routing *routing = make();
    assert_ptr_equal(routing_find(routing, STR_LIT("/ds/mem/1")), memory);
    assert_ptr_equal(routing_find(routing, STR_LIT("/ds/mem/deeply")), deep);
    assert_ptr_equal(routing_find(routing, STR_LIT("/ds/PER/1")), other); /* case counts */
    assert_ptr_equal(routing_find(routing, STR_LIT("/ds/per/1")), file);
    assert_ptr_equal(routing_find(routing, STR_LIT("/nowhere")), other);
    routing_unref(routing);
}

static void snapshots_live_beside_their_originals(void **state)
{
    (void)state;
    struct routing *routing = make();
    assert_ptr_equal(routing_find(routing, STR_LIT("/_TAGS/ds/per/1/x-0")), file);
    assert_ptr_equal(routing_find(routing, STR_LIT("/_TAGS/oddly")), file);
    assert_ptr_equal(routing_find(routing, STR_LIT("/_TAGS/nowhere")), other);
    routing_unref(routing);
}

static void a_pattern_asks_only_who_can_answer(void **state)
{
    (void)state;
    struct routing *routing = make();
    assert_true(routing_may_match(routing, STR_LIT("*"), memory));
    assert_true(routing_may_match(routing, STR_LIT("/ds/*"), file));
    assert_true(routing_may_match(routing, STR_LIT("/ds/m*"), memory));
    assert_false(routing_may_match(routing, STR_LIT("/ds/m*"), file));
    assert_true(routing_may_match(routing, STR_LIT("/ds/m*"), deep));
    assert_true(routing_may_match(routing, STR_LIT("/ds/m*"), other));
    assert_true(routing_may_match(routing, STR_LIT("/_TAGS/ds/p*"), file));
    assert_true(routing_may_match(routing, STR_LIT("/ds/mem/*"), memory)); /* all of it is there, or deeper */
    assert_true(routing_may_match(routing, STR_LIT("/ds/mem/*"), deep));
    assert_false(routing_may_match(routing, STR_LIT("/ds/mem/*"), other));
    assert_false(routing_may_match(routing, STR_LIT("/ds/mem/a*b"), other));
    assert_true(routing_may_match(routing, STR_LIT("/ds/mem*"), other));
    routing_unref(routing);
}

/* Every pair of patterns over a small alphabet against all short paths. */
static void overlap_is_exact(void **state)
{
    (void)state;
    static const char *const patterns[] = {"", "*", "a", "b*", "*b", "a*b", "a*a", "*ab*", "ab", "a**b", "*a", "ba*", "b*a*b", "aab"};
    enum { COUNT = sizeof patterns / sizeof patterns[0] };
    char paths[256][8];
    int count = 0;
    for (int len = 0; len <= 7; len++) {
        for (int bits = 0; bits < 1 << len; bits++) {
            for (int i = 0; i < len; i++) {
                paths[count][i] = bits >> i & 1 ? 'b' : 'a';
            }
            paths[count++][len] = '\0';
        }
    }
    for (int i = 0; i < COUNT * COUNT; i++) {
        struct str a = str_of(patterns[i / COUNT]), b = str_of(patterns[i % COUNT]);
        bool expected = false;
        for (int p = 0; p < count && !expected; p++) {
            struct str path = str_of(paths[p]);
            expected = wildcard_matches(WILDCARD_STRING, a, path, 0) && wildcard_matches(WILDCARD_STRING, b, path, 0);
        }
        if (wildcard_overlaps(a, b) != expected) {
            fail_msg("%s and %s: expected %d", a.ptr, b.ptr, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_pattern_decides),
        cmocka_unit_test(snapshots_live_beside_their_originals),
        cmocka_unit_test(a_pattern_asks_only_who_can_answer),
        cmocka_unit_test(overlap_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
