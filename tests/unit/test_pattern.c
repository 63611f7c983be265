/* Our pattern functions against Lua's own, on random patterns and subjects: the same results, errors for the same patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "script/pattern.h"
#include "script/vm.h"

static const char script[] =
    "local ours, seed = ...\n"
    "math.randomseed(seed)\n"
    "local pieces = {'a', 'b', 'x', '.', '*', '+', '-', '?', '(', ')', '()', '[ab]', '[^a]', '[a-c%d]', '%a', '%W', '%d', '%s', '$', '^',"
    " '%1', '%2', '%b()', '%f[%w]', '%%', '[', ']', '%', '1', ' ', '[]x]', '[%]a]', '(a*)', '(.-)', 'b?'}\n"
    "local letters = {'a', 'b', 'c', 'x', '1', '2', ' ', '(', ')', '.', '%', '\\0', ']'}\n"
    "local function make(list, most)\n"
    "  local out = {}\n"
    "  for i = 1, math.random(0, most) do out[i] = list[math.random(#list)] end\n"
    "  return table.concat(out)\n"
    "end\n"
    "local function same(name, ...)\n"
    "  local a, b = table.pack(pcall(string[name], ...)), table.pack(pcall(ours[name], ...))\n"
    "  local text = name .. ' ' .. string.format('%q %q', ...)\n"
    "  if a[1] and not b[1] then return end\n" /* we refuse a bad pattern before we look at the subject, Lua when it gets there */
    "  if a[1] ~= b[1] then error(text .. ': ' .. tostring(a[2]) .. ' / ' .. tostring(b[2]), 0) end\n"
    "  if not a[1] then return end\n"
    "  if a.n ~= b.n then error(text .. ': ' .. a.n .. ' results, not ' .. b.n, 0) end\n"
    "  for i = 2, a.n do if a[i] ~= b[i] then error(text .. ': ' .. tostring(a[i]) .. ' / ' .. tostring(b[i]), 0) end end\n"
    "end\n"
    "local function collect(f, s, p)\n"
    "  local out = {}\n"
    "  for a, b in f(s, p) do out[#out + 1] = tostring(a) .. '/' .. tostring(b) if #out > 50 then break end end\n"
    "  return table.concat(out, ' ')\n"
    "end\n"
    "for round = 1, 30000 do\n"
    "  local s, p, n = make(letters, 12), make(pieces, 6), math.random(-3, 5)\n"
    "  same('find', s, p) same('find', s, p, n) same('find', s, p, n, true) same('match', s, p, n)\n"
    "  same('gsub', s, p, '<%0>') same('gsub', s, p, {a = 'A', b = false}) same('gsub', s, p, function(c) return c == 'b' and 7 end, 2)\n"
    "  if not p:find('^', 1, true) then\n"
    "    local a, b = table.pack(pcall(collect, string.gmatch, s, p)), table.pack(pcall(collect, ours.gmatch, s, p))\n"
    "    if b[1] and a[1] ~= b[1] or (a[1] and b[1] and a[2] ~= b[2]) then error(string.format('gmatch %q %q: %s / %s', s, p, a[2], b[2]), 0) end\n"
    "  end\n"
    "end\n"
    "return true\n";

static void random_patterns_do_what_lua_does(void **state)
{
    (void)state;
    struct vm vm;
    assert_int_equal(vm_open(&vm, NULL, (size_t)256 << 20, 1 << 20), HAPPN_OK);
    luaL_openlibs(vm.L);
    assert_int_equal(luaL_loadstring(vm.L, script), LUA_OK);
    lua_newtable(vm.L);
    pattern_add(vm.L);
    lua_Integer seed = (lua_Integer)time(NULL);
    printf("seed %lld\n", (long long)seed);
    lua_pushinteger(vm.L, seed);
    vm.budget = (struct budget){.steps = INT64_MAX / 2, .cpu_ns = INT64_MAX / 2};
    vm.is_alone = true;
    if (lua_pcall(vm.L, 2, 1, 0) != LUA_OK) {
        fail_msg("%s", lua_tostring(vm.L, -1));
    }
    vm_close(&vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_patterns_do_what_lua_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
