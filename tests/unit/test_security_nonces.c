/* Nonces: good once, for one owner and one key, not for long, and never too many. The clock is the test's. */
#include "vectors.h"

#include "security/nonces.h"

static struct nonces nonces;
static const struct str key = STR_LIT("AjN7wyfbEdI2LzWyFo6n31hvOrlYvkeHad9xGqOXTm1K");

static int set_up(void **state)
{
    (void)state;
    nonces_init(&nonces, NULL, 60000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nonces_fini(&nonces);
    return 0;
}

static void good_once(void **state)
{
    (void)state;
    unsigned char made[NONCE_LENGTH], taken[NONCE_LENGTH];
    assert_true(nonces_make(&nonces, STR_LIT("s1"), key, 1000, made));
    assert_true(nonces_take(&nonces, STR_LIT("s1"), key, 1001, taken));
    assert_memory_equal(made, taken, NONCE_LENGTH);
    assert_false(nonces_take(&nonces, STR_LIT("s1"), key, 1002, taken));
    assert_int_equal(nonces.entries.count, 0);
}

static void for_its_owner_and_key(void **state)
{
    (void)state;
    unsigned char mine[NONCE_LENGTH], taken[NONCE_LENGTH], theirs[NONCE_LENGTH];
    assert_true(nonces_make(&nonces, STR_LIT("s1"), key, 1000, mine));
    /* Somebody else who knows my public key asks for one too: mine stays. */
    assert_true(nonces_make(&nonces, STR_LIT("s2"), key, 1000, theirs));
    assert_memory_not_equal(mine, theirs, NONCE_LENGTH);
    assert_false(nonces_take(&nonces, STR_LIT("s3"), key, 1001, taken));
    assert_true(nonces_take(&nonces, STR_LIT("s1"), key, 1001, taken));
    assert_memory_equal(mine, taken, NONCE_LENGTH);
    /* With another key it is lost: a login that fails must ask again. */
    assert_false(nonces_take(&nonces, STR_LIT("s2"), STR_LIT("another key"), 1001, taken));
    assert_false(nonces_take(&nonces, STR_LIT("s2"), key, 1001, taken));
}

static void the_last_one_counts(void **state)
{
    (void)state;
    unsigned char first[NONCE_LENGTH], second[NONCE_LENGTH], taken[NONCE_LENGTH];
    assert_true(nonces_make(&nonces, STR_LIT("s1"), key, 1000, first));
    assert_true(nonces_make(&nonces, STR_LIT("s1"), key, 1001, second));
    assert_int_equal(nonces.entries.count, 1);
    assert_true(nonces_take(&nonces, STR_LIT("s1"), key, 1002, taken));
    assert_memory_equal(second, taken, NONCE_LENGTH);
}

static void not_for_long(void **state)
{
    (void)state;
    unsigned char bytes[NONCE_LENGTH];
    assert_true(nonces_make(&nonces, STR_LIT("s1"), key, 1000, bytes));
    assert_true(nonces_take(&nonces, STR_LIT("s1"), key, 61000, bytes));
    assert_true(nonces_make(&nonces, STR_LIT("s1"), key, 1000, bytes));
    assert_false(nonces_take(&nonces, STR_LIT("s1"), key, 61001, bytes));
    assert_true(nonces_make(&nonces, STR_LIT("old"), key, 1000, bytes));
    assert_true(nonces_make(&nonces, STR_LIT("new"), key, 61001, bytes)); /* those outlived go as new ones come */
    assert_int_equal(nonces.entries.count, 1);
}

static void the_owner_leaves(void **state)
{
    (void)state;
    unsigned char bytes[NONCE_LENGTH];
    assert_true(nonces_make(&nonces, STR_LIT("s1"), key, 1000, bytes));
    nonces_forget(&nonces, STR_LIT("s2"));
    nonces_forget(&nonces, STR_LIT("s1"));
    assert_false(nonces_take(&nonces, STR_LIT("s1"), key, 1001, bytes));
}

static void never_too_many(void **state)
{
    (void)state;
    unsigned char bytes[NONCE_LENGTH];
    char owner[32];
    for (int i = 0; i < NONCES_MOST + 100; i++) {
        snprintf(owner, sizeof owner, "s%d", i);
        assert_true(nonces_make(&nonces, str_of(owner), key, 1000, bytes));
    }
    assert_int_equal(nonces.entries.count, NONCES_MOST);
    assert_false(nonces_take(&nonces, STR_LIT("s99"), key, 1000, bytes)); /* the oldest were given up */
    assert_true(nonces_take(&nonces, STR_LIT("s100"), key, 1000, bytes));
}

static void odd_owners(void **state)
{
    (void)state;
    unsigned char bytes[NONCE_LENGTH];
    char *longest = malloc(1 << 20);
    memset(longest, 'k', 1 << 20);
    assert_true(nonces_make(&nonces, STR_NONE, STR_NONE, 1000, bytes));
    assert_true(nonces_take(&nonces, STR_LIT(""), STR_LIT(""), 1000, bytes));
    assert_true(nonces_make(&nonces, STR_LIT("\0a"), str_make(longest, 1 << 20), 1000, bytes));
    assert_false(nonces_take(&nonces, STR_LIT("\0b"), str_make(longest, 1 << 20), 1000, bytes));
    assert_true(nonces_take(&nonces, STR_LIT("\0a"), str_make(longest, 1 << 20), 1000, bytes));
    free(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(for_its_owner_and_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_one_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_for_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_owner_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_owners, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
