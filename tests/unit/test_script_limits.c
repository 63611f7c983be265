/* Each limit of a script, and that nobody else notices when it is met: docs/internals/scripts.md has the table. How long the loop is held
 * up is what is promised, so that is measured: in CPU time of this thread, many times as much as is promised, since sanitizers are slow. */
#include <time.h>

#include "base/clock.h"
#include "script/generation.h"
#include "script_house.h"

enum { MUCH_TOO_LONG_MS = 1000 };

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double longest;

static void note_stretch(double begun)
{
    double took = cpu_ms() - begun;
    longest = took > longest ? took : longest;
}

/* The answer, after as many turns as it takes. */
static struct str ask_layer(struct peer *peer, const char *text)
{
    double begun = cpu_ms();
    say(peer, text);
    note_stretch(begun);
    for (int i = 0; i < MOST_TURNS && peer->read == peer->count; i++) {
        begun = cpu_ms();
        turn();
        note_stretch(begun);
    }
    return hear(peer);
}

static void use_body(const char *body)
{
    char text[2048];
    snprintf(text, sizeof text, "local keep = {}\nreturn { paths = {'/bad'}, inbound = function(msg)\n%s\nend }", body);
    use_inbound("bad.lua", text);
}

/* The limits that a service has when nothing is configured. */
static void use_real_limits(void)
{
    options.instructions = 0;
    options.layer_cpu = options.route_cpu = options.unbroken = 0;
    options.memory = 64 << 20;
}

static const char bad[] = "{\"action\":\"set\",\"eventId\":1,\"path\":\"/bad\",\"data\":{}}";

/* What the body does three times holds up nobody, and what was said of it is in the log. */
static void expect_short(void **state, const char *body, const char *in_log)
{
    struct peer peer;
    open_core(state);
    use_real_limits();
    use_body(body);
    open_scripts();
    enter(&peer);
    longest = 0;
    for (int i = 0; i < 3; i++) {
        struct str frame = ask_layer(&peer, bad);
        if (!has_part(frame, "\"name\":\"ScriptError\"")) {
            fail_msg("%s: %.*s", body, (int)frame.len, frame.ptr);
        }
    }
    if (longest > MUCH_TOO_LONG_MS) {
        fail_msg("%s: held up the loop for %.0f ms", body, longest);
    }
    expect_part(read_log(), in_log);
    say(&peer, "{\"action\":\"get\",\"eventId\":2,\"path\":\"/good\"}");
    expect_data(&peer, "null");
    leave(&peer);
    close_core(state);
}

static const char stopped[] = "ran too long";

/* -- what C does for a script -- */

static void a_length_that_lies_is_asked_for_once(void **state)
{
    static const char lies[] = "local n = 0\nlocal t = setmetatable({}, { __index = type, __newindex = function() end, __len = function() n = n + 1\n"
                               "return n % 2 == 1 and 3 or math.maxinteger - 1 end })\n";
    static const char *const calls[] = {"table.insert(t, 1, 1)", "table.remove(t, 1)", "assert(#table.concat(t) == 15)", "assert(select('#', table.unpack(t)) == 3)",
                                        "table.sort(t)"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "%s%s; if n ~= 1 then happn.fail('asked ' .. n) end", lies, calls[i]);
        struct peer peer;
        open_core(state);
        use_body(body);
        open_scripts();
        enter(&peer);
        struct str frame = ask_layer(&peer, bad);
        if (!has_part(frame, "\"status\":\"ok\"")) {
            struct str log = read_log();
            fail_msg("%s: %.*s\n%.*s", calls[i], (int)frame.len, frame.ptr, (int)log.len, log.ptr);
        }
        leave(&peer);
        close_core(state);
    }
}

static void absurd_counts_are_stopped(void **state)
{
    static const char *const bodies[] = {
        "table.concat(setmetatable({}, { __index = type }), '', 1, 1 << 40)",
        "table.concat(setmetatable({}, { __index = type }), '', -1 << 40, -1)",
        "table.move(setmetatable({}, { __index = type }), 1, 1 << 40, 2, setmetatable({}, { __newindex = rawequal }))",
        "table.insert(setmetatable({}, { __len = function() return 1 << 40 end }), 1, 1)",
        "table.remove(setmetatable({}, { __len = function() return 1 << 40 end }), 1)",
        "while true do pcall(table.unpack, {}, 1, 900000) end",
        "(''):rep(math.maxinteger)",
        "table.sort(setmetatable({}, { __len = function() return (1 << 31) - 2 end, __index = type }))",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        expect_short(state, bodies[i], "bad.lua");
    }
}

static void work_in_c_is_measured(void **state)
{
    static const char *const bodies[] = {
        "if #keep == 0 then for i = 1, 100000 do keep[i] = i end end; while true do table.insert(keep, 1, 1); table.remove(keep, 1) end",
        "local t = {}; for i = 1, 400000 do t[i] = i * 7919 % 1000003 end; while true do table.sort(t); t[1], t[9] = t[9], t[1] end",
        "local a, b = ('x'):rep(8 << 20), ('x'):rep(8 << 20); while true do local _ = a == b end",
        "local a, b = ('\\0'):rep(8 << 20), ('\\0'):rep(8 << 20); while true do local _ = a < b end",
        "local a = '0x' .. ('f'):rep((8 << 20) - 2); while true do pcall(function() return a + 1 end) end",
        "local k = {} for i = 1, 50000 do k[i] = {} end table.sort(k, function(a, b) return tostring(a) < tostring(b) end)\n"
        "local weak = setmetatable({}, { __mode = 'k' }) for i = 1, 49999 do weak[k[i * 7919 % 50000 + 1]] = k[(i + 1) * 7919 % 50000 + 1] end\n"
        "local first = k[7920] k = nil while true do local _ = { {}, {} } end",
        "local dates = ('%n'):rep(4 << 20 - 1); while true do os.date(dates) end",
        "local format = ('i4'):rep(4 << 20 - 1); while true do pcall(string.packsize, format) end",
        "local digits = ('z'):rep(8 << 20); while true do tonumber(digits, 36) end",
        "local text = ('x'):rep(8 << 20); while true do utf8.len(text) end",
        "local t = {} for i = 1, 500000 do t[i] = i end for i = 1, 500000 do t[i] = nil end while true do next(t) end",
        "for i = 1, 100000 do keep[i] = { i } end while true do pcall(string.rep, 'x', 8 << 20) end",
        "for i = 1, 100000 do keep[i] = { i } end local s = ('x'):rep(5 << 20) while true do pcall(function() return s .. s end) end",
        "local function f(...) while true do select(1, ...) end end f(table.unpack({}, 1, 400000))",
        "local text = '[' .. ('1,'):rep(1 << 20) .. '1]'; while true do happn.json.decode(text) end",
        "local text = ('x'):rep(1 << 20); while true do text:find('x-y') end",
        "while true do pcall(error, ('x'):rep(1 << 20)) end",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        expect_short(state, bodies[i], stopped);
    }
}

static void deep_recursion_is_an_error_with_a_short_traceback(void **state)
{
    expect_short(state, "local function f(n) if n > 0 then return 1 + f(n - 1) end error('deep') end f(100000)", "deep");
    expect_short(state, "local function f() return pcall(f) end f() error('out again')", "out again");
    expect_short(state, "local function f() pcall(string.gsub, 'a', 'a', f) end f() error('out again')", "out again");
    expect_short(state, "local function f() local x <close> = setmetatable({}, { __close = f }) end f()", "stack overflow");
    expect_short(state, "local function f() return coroutine.wrap(f)() end f()", "stack overflow");
    expect_short(state, "local t = setmetatable({}, {}); getmetatable(t).__index = t; return t.x", "possible loop");
}

/* Whoever builds a long list is not charged for it again with every element. */
static void honest_lists_may_be_long(void **state)
{
    (void)state;
    struct peer peer;
    options.instructions = 10000000; /* as by default */
    use_body("local t = {} for i = 1, 100000 do table.insert(t, i) end assert(#table.concat(t) == 488895)\n"
             "for i = 1, 100000 do assert(table.remove(t) == 100001 - i) end");
    open_scripts();
    enter(&peer);
    say(&peer, bad);
    expect_data(&peer, "{}");
    leave(&peer);
}

static void many_values_fit_a_log_line(void **state)
{
    expect_short(state, "happn.log.info(table.unpack({}, 1, 5000)); happn.log.info('a', 1, true, nil, {} ~= nil)\nerror('done')", "a 1 true nil true");
}

/* -- texts -- */

static void texts_have_a_limit(void **state)
{
    static const char *const cases[][2] = {
        {"return ('x'):rep((8 << 20) + 1)", "string.rep: a text has at most 8388608 bytes"},
        {"return ('ab'):rep(3 << 20, 'cd')", "string.rep: a text has at most 8388608 bytes"},
        {"local t = { ('x'):rep(5 << 20), ('x'):rep(5 << 20) } return table.concat(t)", "table.concat: a text has at most 8388608 bytes"},
        {"local s = ('x'):rep(5 << 20) return s .. s", "not enough memory"},
        {"local s = ('x'):rep(5 << 20) return ('%s%s'):format(s, s)", "not enough memory"},
        {"local s = ('x'):rep(5 << 20) return s:gsub('x', 'xx')", "not enough memory"},
        {"local s = ('x'):rep(5 << 20) return happn.json.encode({ s, s })", "happn.json.encode: a text has at most 8388608 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_core(state);
        options.memory = 64 << 20;
        options.instructions = 100000000;
        struct peer peer;
        use_body(cases[i][0]);
        open_scripts();
        enter(&peer);
        say(&peer, bad);
        expect_error(&peer, "ScriptError");
        expect_part(read_log(), cases[i][1]);
        leave(&peer);
        close_core(state);
    }
    expect_short(state, "local s = ('x'):rep(1 << 12):rep(1 << 11) assert(#s == 8 << 20) error('as long as it may be')", "as long as it may be");
}

/* What comes from outside may be larger than what scripts make. */
static void a_large_document_is_no_text_of_a_script(void **state)
{
    (void)state;
    struct peer peer;
    struct buf text;
    options.memory = 64 << 20;
    options.instructions = 100000000;
    use_body("assert(#msg.data.a == 9000000 and #msg.data.list == 2) msg.data.n = 1 assert(#tostring(msg.data) > 9000000)\n"
             "return happn.reply({ len = #msg.data.a })");
    open_scripts();
    core.limits.message_bytes = 1 << 25;
    enter(&peer);
    buf_init(&text, NULL, 1u << 25);
    buf_add_lit(&text, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/bad\",\"data\":{\"list\":[1,2],\"a\":\"");
    for (int i = 0; i < 900000; i++) {
        buf_add_lit(&text, "0123456789");
    }
    buf_add_lit(&text, "\"}}");
    core_receive(peer.session, buf_str(&text));
    expect_part(hear(&peer), "\"len\":9000000");
    buf_fini(&text);
    leave(&peer);
}

static void what_is_encoded_has_a_limit(void **state)
{
    (void)state;
    struct peer peer;
    options.memory = 64 << 20;
    options.instructions = 100000000;
    use_body("local t = {} for i = 1, 64 do t = { t } end\n"
             "local ok, why = pcall(happn.json.encode, t) assert(not ok and why:find('nested too deeply'), why)\n"
             "local wide = {} for i = 1, 100 do wide[i] = ('x'):rep(100000) end\n"
             "ok, why = pcall(happn.set, '/x', wide) assert(not ok and why:find('data%[11%]: a configured limit was reached'), why)\n"
             "error('both')");
    core.limits.message_bytes = 1 << 20;
    open_scripts();
    enter(&peer);
    say(&peer, bad);
    expect_error(&peer, "ScriptError");
    expect_part(read_log(), "both");
    leave(&peer);
}

/* -- memory that stays full -- */

static void a_state_that_is_full_is_replaced(void **state)
{
    (void)state;
    struct peer peer;
    clock_freeze(&loop, 1000000);
    use_body("keep.n = (keep.n or 0) + 1 msg.data.n = keep.n\n"
             "if msg.data.fill then for i = 1, 1e9 do keep[#keep + 1] = ('x'):rep(50000) .. i end end");
    open_scripts();
    options.instructions = UINT64_C(1) << 40;
    scripts->settings.options.instructions = UINT64_C(1) << 40;
    enter(&peer);
    for (uint64_t round = 1; round <= 2; round++) {
        say(&peer, bad);
        expect_data(&peer, "{\"n\":1}");
        say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/bad\",\"data\":{\"fill\":true}}");
        expect_error(&peer, "ScriptError");
        expect_part(read_log(), "not enough memory");
        for (int i = 0; i < 5; i++) {
            turn();
        }
        assert_int_equal(scripts->generations, round + 1);
        assert_true(scripts->current->vm.used < scripts->current->vm.limit / 4);
        while (clock_step(&loop, 20000 * round)) {
            turn();
        }
    }
    expect_part(read_log(), "they are loaded anew");
    leave(&peer);
}

/* What is given back is no reason. */
static void a_state_that_was_full_for_a_moment_stays(void **state)
{
    (void)state;
    struct peer peer;
    use_body("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(50000) .. i end");
    open_scripts();
    scripts->settings.options.instructions = UINT64_C(1) << 40;
    enter(&peer);
    say(&peer, bad);
    expect_error(&peer, "ScriptError");
    for (int i = 0; i < 5; i++) {
        turn();
    }
    assert_int_equal(scripts->generations, 1);
    leave(&peer);
}

/* -- time -- */

static void cpu_time_is_counted_and_waiting_is_not(void **state)
{
    (void)state;
    struct peer peer;
    options.instructions = UINT64_C(1) << 50; /* only the clock can tell */
    options.layer_cpu = 20;
    clock_freeze(&loop, 1000000);
    use_body("if msg.data.wait then happn.sleep(1000) return end\nwhile true do end");
    open_scripts();
    enter(&peer);
    say(&peer, bad);
    expect_error(&peer, "ScriptError");
    expect_part(read_log(), stopped);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/bad\",\"data\":{\"wait\":true}}");
    for (double begun = cpu_ms(); cpu_ms() - begun < 40;) {
        turn(); /* this thread works on, but not for the call */
    }
    while (clock_step(&loop, 2000)) {
        turn();
    }
    expect_data(&peer, "{\"wait\":true}");
    leave(&peer);
}

static void what_cannot_pause_is_stopped_by_the_clock(void **state)
{
    static const char *const bodies[] = {
        "table.sort({ 3, 2, 1 }, function() while true do end end)",
        "string.gsub('a', 'a', function() while true do end end)",
        "coroutine.wrap(function() while true do end end)()",
        "pcall(table.sort, { 3, 2, 1 }, function() pcall(function() while true do end end) end)",
        "local t = setmetatable({}, { __lt = function() while true do end end }) table.sort({ t, t, t })",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct peer peer;
        open_core(state);
        options.instructions = UINT64_C(1) << 50;
        options.unbroken = 5;
        use_body(bodies[i]);
        open_scripts();
        enter(&peer);
        say(&peer, bad); /* in one piece */
        expect_error(&peer, "ScriptError");
        expect_part(read_log(), stopped);
        leave(&peer);
        close_core(state);
    }
}

static void threads_are_used_again(void **state)
{
    (void)state;
    struct peer peer;
    use_body("keep[coroutine.running()] = true local n = 0 for _ in pairs(keep) do n = n + 1 end msg.data.threads = n");
    open_scripts();
    enter(&peer);
    for (int i = 0; i < 50; i++) {
        say(&peer, bad);
        expect_data(&peer, "{\"threads\":1}");
    }
    leave(&peer);
}

/* -- the sandbox -- */

/* Whatever a new version of Lua brings must be looked at before scripts have it. */
static void the_sandbox_is_exactly_this(void **state)
{
    (void)state;
    static const char *const libraries[][2] = {
        {"_G", "_G assert coroutine debug error getmetatable happn ipairs math next os pairs pcall rawequal rawget rawlen rawset require select setmetatable"
               " string table tonumber tostring type utf8 xpcall"},
        {"coroutine", "close create isyieldable resume running status wrap yield"},
        {"debug", "traceback"},
        {"os", "clock date difftime time"},
        {"string", "byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper"},
        {"table", "concat insert move pack remove sort unpack"},
        {"utf8", "char charpattern codepoint codes len offset"},
        {"math", "abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi rad random randomseed sin sqrt tan tointeger"
                 " type ult"},
    };
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        struct peer peer;
        char body[512], wanted[600];
        open_core(state);
        snprintf(body, sizeof body, "local names = {} for name in pairs(%s) do names[#names + 1] = name end table.sort(names)\nmsg.data = { names = table.concat(names, ' ') }",
                 libraries[i][0]);
        use_body(body);
        open_scripts();
        enter(&peer);
        say(&peer, bad);
        snprintf(wanted, sizeof wanted, "{\"names\":\"%s\"}", libraries[i][1]);
        expect_data(&peer, wanted);
        leave(&peer);
        close_core(state);
    }
}

/* -- sort is ours where it is long, or of something that is no plain table -- */

static void sorting_sorts(void **state)
{
    static const char body[] =
        "local function check(n, less)\n"
        "  local t, seen = {}, {}\n"
        "  for i = 1, n do t[i] = math.random(n) seen[t[i]] = (seen[t[i]] or 0) + 1 end\n"
        "  table.sort(t, less)\n"
        "  for i = 1, n do seen[t[i]] = seen[t[i]] - 1; assert(i == 1 or not (less or function(a, b) return a < b end)(t[i], t[i - 1])) end\n"
        "  for _, n in pairs(seen) do assert(n == 0) end\n"
        "  assert(#t == n)\n"
        "end\n"
        "for _, n in ipairs { 0, 1, 2, 3, 100, 2048, 2049, 5000, 8192 } do check(n) check(n, function(a, b) return a > b end) end\n"
        "local t = {} for i = 1, 4000 do t[i] = { k = i % 7, i = i } end\n"
        "table.sort(t, function(a, b) return a.k < b.k end)\n"
        "for i = 2, 4000 do assert(t[i - 1].k < t[i].k or t[i - 1].i < t[i].i, 'equal elements keep their order') end\n"
        "local p = setmetatable({}, { __index = { 3, 1, 2 }, __len = function() return 3 end }) table.sort(p) assert(p[1] == 1 and p[2] == 2 and p[3] == 3)\n"
        "assert(not pcall(table.sort, { 1, 'x' }) and not pcall(table.sort, 7) and not pcall(table.sort, { 2, 1 }, 7))\n"
        "msg.data.l = { 3, 2, 1 } local l = happn.json.decode('[3,2,1]') table.sort(l) assert(table.concat(l) == '123')\n"
        "assert(select('#', table.unpack({ 1, 2, nil, 4 }, 1, 4)) == 4 and table.unpack({ 1, 2 }, 2) == 2 and select('#', table.unpack({}, 2, 1)) == 0)\n"
        "local m = table.move({ 1, 2, 3 }, 1, 3, 2) assert(table.concat(m) == '1123')\n"
        "m = table.move({ 1, 2, 3 }, 2, 3, 1) assert(table.concat(m) == '233')\n"
        "m = table.move({ 1, 2 }, 1, 2, 1, {}) assert(table.concat(m, ',') == '1,2')\n"
        "assert(not pcall(table.move, {}, math.mininteger, 0, 1) and not pcall(table.move, { 1 }, 1, math.maxinteger, 2))\n"
        "local q = { 1, 2, 3 } table.insert(q, 2, 'x') assert(table.concat(q) == '1x23') assert(table.remove(q, 1) == 1 and #q == 3)\n"
        "assert(table.remove({}) == nil and table.remove({}, 0) == nil and table.remove({ 1 }, 2) == nil)\n"
        "assert(not pcall(table.insert, q, 9, 1) and not pcall(table.insert, q) and not pcall(table.remove, q, 9))\n"
        "local ok, why = pcall(table.concat, { 1, {}, 3 }) assert(why:find('index 2'), why)\n"
        "ok, why = pcall(string.rep) assert(why:find(\"to 'rep'\") or why:find('#1'), why)";
    struct peer peer;
    char text[4096];
    (void)state;
    options.instructions = 100000000;
    snprintf(text, sizeof text, "return { inbound = function(msg)\n%s\nend }", body);
    use_inbound("sort.lua", text);
    open_scripts();
    enter(&peer);
    struct str frame = ask_layer(&peer, bad);
    if (!has_part(frame, "\"status\":\"ok\"")) {
        struct str log = read_log();
        fail_msg("%.*s", (int)log.len, log.ptr);
    }
    leave(&peer);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_core, close_core)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_that_lies_is_asked_for_once),
        cmocka_unit_test(absurd_counts_are_stopped),
        cmocka_unit_test(work_in_c_is_measured),
        cmocka_unit_test(deep_recursion_is_an_error_with_a_short_traceback),
        T(honest_lists_may_be_long),
        cmocka_unit_test(many_values_fit_a_log_line),
        cmocka_unit_test(texts_have_a_limit),
        T(a_large_document_is_no_text_of_a_script),
        T(what_is_encoded_has_a_limit),
        T(a_state_that_is_full_is_replaced),
        T(a_state_that_was_full_for_a_moment_stays),
        T(cpu_time_is_counted_and_waiting_is_not),
        cmocka_unit_test(what_cannot_pause_is_stopped_by_the_clock),
        T(threads_are_used_again),
        cmocka_unit_test(the_sandbox_is_exactly_this),
        T(sorting_sorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
