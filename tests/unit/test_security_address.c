/* Addresses, networks, and who is behind a proxy. */
#include "vectors.h"

#include "security/address.h"

static bool same(const char *a, const char *b)
{
    struct address left, right;
    assert_true(address_read(str_of(a), false, &left));
    assert_true(address_read(str_of(b), false, &right));
    return address_equal(&left, &right);
}

static void one_address_many_texts(void **state)
{
    (void)state;
    assert_true(same("127.0.0.1", "::ffff:127.0.0.1"));
    assert_true(same("::1", "0:0:0:0:0:0:0:1"));
    assert_true(same("fe80::1%eth0", "fe80::1"));
    assert_true(same("2001:DB8::1", "2001:db8:0::1"));
    assert_false(same("127.0.0.1", "::1"));
    assert_false(same("127.0.0.1", "::127.0.0.1"));
}

static void what_is_no_address(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", " ", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "010.0.0.1", "1.2.3.4 ", " 1.2.3.4",
                                        "0x7f.0.0.1", "2130706433", ":::1", "::1%", "1.2.3.4%eth0", "[::1]", "1.2.3.4:80", "unknown",
                                        "1.2.3.4,5.6.7.8", "1111:2222:3333:4444:5555:6666:7777:8888:9999",
                                        "1.2.3.41.2.3.41.2.3.41.2.3.41.2.3.41.2.3.41.2.3.41.2.3.41.2.3.41.2.3.4"};
    struct address address;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (address_read(str_of(wrong[i]), false, &address)) {
            fail_msg("%s was taken for an address", wrong[i]);
        }
    }
    assert_false(address_read(STR_LIT("1.2.3.4\0x"), false, &address));
    assert_true(address_read(STR_LIT("1.2.3.4:80"), true, &address));
    assert_true(address_read(STR_LIT("[::1]:80"), true, &address));
    assert_true(address_read(STR_LIT("[::1]"), true, &address));
    assert_true(address_read(STR_LIT("::1"), true, &address));
    assert_false(address_read(STR_LIT("[::1]x"), true, &address));
    assert_false(address_read(STR_LIT("[::1"), true, &address));
    assert_false(address_read(STR_LIT("1.2.3.4:port"), true, &address));
}

static void loopback(void **state)
{
    (void)state;
    assert_true(address_is_loopback(STR_LIT("127.0.0.1")));
    assert_true(address_is_loopback(STR_LIT("127.9.8.7")));
    assert_true(address_is_loopback(STR_LIT("::1")));
    assert_true(address_is_loopback(STR_LIT("::ffff:127.0.0.1")));
    assert_false(address_is_loopback(STR_LIT("128.0.0.1")));
    assert_false(address_is_loopback(STR_LIT("::2")));
    assert_false(address_is_loopback(STR_LIT("10.0.0.1")));
    assert_false(address_is_loopback(STR_LIT("localhost")));
    assert_false(address_is_loopback(STR_LIT("")));
}

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool has;
    } rows[] = {
        {"10.0.0.0/8", "10.255.1.2", true},     {"10.0.0.0/8", "11.0.0.0", false},         {"10.1.2.3/8", "10.9.9.9", true},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true}, {"192.168.1.128/25", "192.168.1.128", true}, {"192.168.1.128/25", "192.168.1.127", false},
        {"0.0.0.0/0", "8.8.8.8", true},         {"0.0.0.0/0", "::1", false},               {"::/0", "::1", true},
        {"::/0", "1.2.3.4", true},              {"fd00::/8", "fdff::1", true},             {"fd00::/8", "fe00::1", false},
        {"::1", "::1", true},                   {"::1", "::2", false},                     {"1.2.3.4", "1.2.3.4", true},
        {"1.2.3.4/32", "1.2.3.5", false},       {"::ffff:127.0.0.1", "127.0.0.1", true},   {"::ffff:10.0.0.0/104", "10.3.3.3", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true}, {"2001:db8::/33", "2001:db8:8000::1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct network network;
        struct address address;
        assert_true(network_read(str_of(rows[i].network), &network));
        assert_true(address_read(str_of(rows[i].address), false, &address));
        if (network_has(&network, &address) != rows[i].has) {
            fail_msg("%s in %s: not %d", rows[i].address, rows[i].network, rows[i].has);
        }
    }
    static const char *const wrong[] = {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08", "/8", "10.0.0.0/8/8", "x/8", "10.0.0.0/8 "};
    struct network network;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(network_read(str_of(wrong[i]), &network));
    }
}

static void lists(void **state)
{
    (void)state;
    struct str readme = STR_LIT("[\"127.0.0.1\",\n \"::ffff:127.0.0.1\"]"), wrong;
    assert_true(address_list_check(readme, &wrong));
    assert_true(address_is_listed(readme, STR_LIT("127.0.0.1")));
    assert_true(address_is_listed(readme, STR_LIT("::ffff:127.0.0.1")));
    assert_false(address_is_listed(readme, STR_LIT("::1")));
    assert_false(address_is_listed(readme, STR_LIT("not an address")));
    assert_false(address_is_listed(STR_LIT("[]"), STR_LIT("127.0.0.1")));
    assert_false(address_is_listed(STR_LIT("\"127.0.0.1\""), STR_LIT("127.0.0.1")));
    assert_false(address_list_check(STR_LIT("[\"127.0.0.1\",\"home\"]"), &wrong));
    assert_true(str_is(wrong, "\"home\""));
    assert_false(address_list_check(STR_LIT("[7]"), &wrong));
    assert_false(address_list_check(STR_LIT("{}"), &wrong));
    assert_false(address_list_check(STR_LIT("[\"\\u0031.2.3.4\"]"), &wrong));
}

static void proxies(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *forwarded, *client;
    } rows[] = {
        {"8.8.8.8", "1.1.1.1", "8.8.8.8"},                       /* a stranger may say what it likes */
        {"10.0.0.1", NULL, "10.0.0.1"},
        {"10.0.0.1", "", "10.0.0.1"},
        {"10.0.0.1", "8.8.8.8", "8.8.8.8"},
        {"::ffff:10.0.0.1", "8.8.8.8", "8.8.8.8"},
        {"10.0.0.1", "127.0.0.1, 8.8.8.8", "8.8.8.8"},           /* the left part was sent by 8.8.8.8 itself */
        {"10.0.0.1", "8.8.8.8, 10.0.0.2", "8.8.8.8"},            /* two proxies of ours */
        {"10.0.0.1", "7.7.7.7,8.8.8.8 ,\t10.0.0.2", "8.8.8.8"},
        {"10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},          /* nobody but ourselves */
        {"10.0.0.1", "unknown", "10.0.0.1"},
        {"10.0.0.1", "8.8.8.8, unknown", "10.0.0.1"},
        {"10.0.0.1", "8.8.8.8, unknown, 10.0.0.2", "10.0.0.2"},
        {"10.0.0.1", "8.8.8.8:443", "8.8.8.8"},
        {"10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"},
        {"10.0.0.1", ",", "10.0.0.1"},
        {"10.0.0.1", "8.8.8.8,", "10.0.0.1"},
        {"", "8.8.8.8", ""},
    };
    struct arena arena;
    arena_init(&arena, NULL);
    struct networks trusted;
    struct str wrong;
    assert_true(networks_read(&arena, STR_LIT("[\"10.0.0.0/8\"]"), &trusted, &wrong));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str client = address_of_client(str_of(rows[i].peer), str_of(rows[i].forwarded), &trusted);
        if (!str_is(client, rows[i].client)) {
            fail_msg("row %zu: %.*s", i, (int)client.len, client.ptr);
        }
    }
    struct networks nobody;
    assert_true(networks_read(&arena, STR_NONE, &nobody, &wrong));
    assert_true(str_is(address_of_client(STR_LIT("10.0.0.1"), STR_LIT("8.8.8.8"), &nobody), "10.0.0.1"));
    char many[4000] = "";
    for (int i = 0; i < 300; i++) {
        strcat(many, "10.0.0.9,");
    }
    strcat(many, "10.0.0.9");
    assert_true(str_is(address_of_client(STR_LIT("10.0.0.1"), str_of(many), &trusted), "10.0.0.9"));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_many_texts), cmocka_unit_test(what_is_no_address), cmocka_unit_test(loopback),
        cmocka_unit_test(networks),               cmocka_unit_test(lists),              cmocka_unit_test(proxies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
