/* What is different in our Lua (cmake/patches/lua5.4.patch): work that no hook can interrupt has a bound. It is counted, or seen in what comes out. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static lua_State *L;

/* Lua's comparisons of texts would call it once for each part between two zeros. */
static size_t strcoll_calls;

int strcoll(const char *a, const char *b)
{
    strcoll_calls++;
    return strcmp(a, b);
}

static int open_lua(void **state)
{
    (void)state;
    strcoll_calls = 0;
    L = luaL_newstate();
    luaL_openlibs(L);
    return 0;
}

static int close_lua(void **state)
{
    (void)state;
    lua_close(L);
    return 0;
}

static void run(const char *code)
{
    if (luaL_dostring(L, code) != LUA_OK) {
        fail_msg("%s", lua_tostring(L, -1));
    }
}

static void it_is_ours(void **state)
{
    (void)state;
#ifndef LUA_HAPPN
    fail_msg("the Lua in build/deps is an older one: run tools/deps release");
#endif
}

static void texts_of_zeros_are_compared_in_one_step(void **state)
{
    (void)state;
    run("local a, b = ('\\0'):rep(8 << 20), ('\\0'):rep(8 << 20)\n"
        "assert(not (a < b) and a <= b and not (a < b:sub(2)) and b:sub(2) < a)\n"
        "local t = { a, b } table.sort(t)");
    assert_int_equal(strcoll_calls, 0);
}

static int by_bytes(const char *a, size_t len_a, const char *b, size_t len_b)
{
    int order = memcmp(a, b, len_a < len_b ? len_a : len_b);
    return order != 0 ? order : (len_a > len_b) - (len_a < len_b);
}

/* As before: by bytes, zeros among them. */
static void texts_have_the_order_of_their_bytes(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        char a[6], b[6];
        size_t len_a = (size_t)(rand_r(&seed) % 6), len_b = (size_t)(rand_r(&seed) % 6);
        for (size_t i = 0; i < sizeof a; i++) {
            a[i] = "\0\1a\xff"[rand_r(&seed) % 4];
            b[i] = "\0\1a\xff"[rand_r(&seed) % 4];
        }
        lua_pushlstring(L, a, len_a);
        lua_pushlstring(L, b, len_b);
        int order = by_bytes(a, len_a, b, len_b);
        assert_int_equal(lua_compare(L, -2, -1, LUA_OPLT), order < 0);
        assert_int_equal(lua_compare(L, -2, -1, LUA_OPLE), order <= 0);
        lua_settop(L, 0);
    }
}

static void a_giant_text_is_no_number(void **state)
{
    (void)state;
    run("local hex = '0x' .. ('f'):rep(998)\n" /* as long as it may be */
        "assert(hex + 0 == -1 and tonumber(hex) == -1)\n"
        "local longer = hex .. 'f'\n"
        "assert(not pcall(function() return longer + 1 end) and tonumber(longer) == nil)\n"
        "assert(not pcall(function() for i = 1, longer do end end) and not pcall(string.rep, 'x', longer) and not pcall(math.floor, longer))\n"
        "assert(tonumber((' '):rep(2000) .. '1') == nil and tonumber('1e' .. ('0'):rep(2000)) == nil)\n"
        "assert(load('return ' .. longer) == nil and load('return ' .. hex)() == -1)\n"
        "assert(12 .. '' == '12' and '10' + 5 == 15 and tonumber('0x1p4') == 16.0 and tonumber('1e308') == 1e308)");
}

/* A chain of weak keys, in a table's own order, which is that of their addresses: each look at the table goes on for a few of them only. `dead` is a key that nobody
 * has; its value can be seen in `seen` for as long as it lives. */
static const char chain[] = "local count = ...\n"
                            "local keys = {}\n"
                            "for i = 1, count do keys[i] = {} end\n"
                            "for i = count, 2, -1 do local j = math.random(i) keys[i], keys[j] = keys[j], keys[i] end\n"
                            "weak = setmetatable({}, { __mode = 'k' })\n"
                            "for i = 1, count - 1 do weak[keys[i]] = keys[i + 1] end\n"
                            "first = keys[1]\n"
                            "seen = setmetatable({}, { __mode = 'v' })\n"
                            "local value = {}\n"
                            "seen[1] = value\n"
                            "weak[{}] = { value }\n";

static void make_chain(int count)
{
    assert_int_equal(luaL_loadstring(L, chain), LUA_OK);
    lua_pushinteger(L, count);
    lua_call(L, 1, 0);
}

static lua_Integer chain_length(void)
{
    run("length = 0 local key = first while key do length = length + 1 key = weak[key] end\n"
        "size = 0 for _ in pairs(weak) do size = size + 1 end");
    lua_getglobal(L, "length");
    lua_getglobal(L, "size");
    assert_int_equal(lua_tointeger(L, -1), lua_tointeger(L, -2) - 1); /* what nobody reaches is gone */
    return lua_tointeger(L, -2);
}

static int is_seen(void)
{
    run("return seen[1] ~= nil");
    return lua_toboolean(L, -1);
}

/* Four looks are enough for short ones: then all is as in any Lua. */
static void short_chains_of_weak_keys_are_followed(void **state)
{
    (void)state;
    make_chain(3);
    lua_gc(L, LUA_GCCOLLECT);
    assert_false(is_seen());
    assert_int_equal(chain_length(), 3);
}

/* For longer ones the collector gives up: it keeps what dead keys have led to, for one collection. Were it looking on, that would be gone. */
static void long_chains_of_weak_keys_are_not_followed_for_ever(void **state)
{
    (void)state;
    make_chain(20000);
    lua_gc(L, LUA_GCCOLLECT);
    assert_true(is_seen());
    assert_int_equal(chain_length(), 20000);
    run("first = nil");
    for (int i = 0; i < 2; i++) {
        lua_gc(L, LUA_GCCOLLECT);
    }
    assert_false(is_seen());
    run("assert(next(weak) == nil)");
}

/* Tables that only values of others lead to are found while it gives up. */
static void chains_through_many_tables_too(void **state)
{
    (void)state;
    run("local list = {}\n"
        "for i = 1, 5000 do list[i] = { key = {}, weak = setmetatable({}, { __mode = 'k' }) } end\n"
        "for i = 1, 4999 do list[i].weak[list[i].key] = list[i + 1] end\n"
        "first = list[1]");
    for (int i = 0; i < 3; i++) {
        lua_gc(L, LUA_GCCOLLECT);
    }
    run("local count, each = 0, first\n"
        "while each do count = count + 1 each = each.weak[each.key] end\n"
        "assert(count == 5000)\n"
        "seen = setmetatable({ first }, { __mode = 'v' }) first = nil");
    for (int i = 0; i < 3; i++) {
        lua_gc(L, LUA_GCCOLLECT);
    }
    assert_false(is_seen());
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_lua, close_lua)
    const struct CMUnitTest tests[] = {
        T(it_is_ours),
        T(texts_of_zeros_are_compared_in_one_step),
        T(texts_have_the_order_of_their_bytes),
        T(a_giant_text_is_no_number),
        T(short_chains_of_weak_keys_are_followed),
        T(long_chains_of_weak_keys_are_not_followed_for_ever),
        T(chains_through_many_tables_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
