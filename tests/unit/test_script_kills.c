/* Calls that end before their time: killed, cancelled, reloaded or left by whoever asked, while they wait for anything that there is to
 * wait for. The sanitizers watch that nothing of them is used afterwards. */
#include "base/clock.h"
#include "script/generation.h"
#include "script/inspect.h"
#include "script_house.h"

static const char bad[] = "{\"action\":\"set\",\"eventId\":1,\"path\":\"/bad\",\"data\":{}}";

static void turns(int count)
{
    for (int i = 0; i < count; i++) {
        turn();
    }
}

static void reload(void)
{
    happn_error error = {0};
    if (scripts_reload(scripts, &error) != HAPPN_OK) {
        fail_msg("%s", error.message);
    }
}

/* Something that waits for an hour, in every way. */
static const char *const waits[] = {
    "happn.sleep('1h')",
    "pcall(happn.sleep, '1h')",
    "happn.together(function() happn.sleep('1h') end, function() happn.sleep('1h') end)",
    "happn.together(function() happn.together(function() happn.sleep('1h') end) end, function() return 1 end)",
    "coroutine.wrap(function() coroutine.wrap(function() happn.sleep('1h') end)() end)()",
    "for _ in coroutine.wrap(function() happn.together(function() happn.sleep('1h') end) end) do end",
    "local x <close> = setmetatable({}, { __close = function() while true do end end }) happn.sleep('1h')",
    "local x <close> = setmetatable({}, { __close = function() pcall(happn.together, function() happn.sleep('1h') end) end }) happn.sleep('1h')",
    "local x <close> = setmetatable({}, { __close = function() pcall(happn.sleep, '1h') pcall(happn.set, '/x', {}) end }) happn.sleep('1h')",
    "local x <close> = setmetatable({}, { __close = function() happn.spawn(function() happn.set('/left', {}) end) end }) happn.sleep('1h')",
    "local x <close> = setmetatable({}, { __close = function() coroutine.wrap(function() while true do end end)() end }) happn.sleep('1h')",
    "local x <close> = setmetatable({}, { __close = function() error(setmetatable({}, { __tostring = error })) end }) happn.sleep('1h')",
    "happn.spawn(function() happn.sleep('1h') end) happn.sleep('1h')",
};

static void use_waiting(const char *body)
{
    char text[1024];
    snprintf(text, sizeof text, "return { actions = { 'set' }, paths = { '/bad' }, inbound = function(msg) %s end }", body);
    use_inbound("wait.lua", text);
    open_scripts();
}

static void begin_waiting(void **state, struct peer *peer, const char *body)
{
    open_core(state);
    options.instructions = 100000;
    use_waiting(body);
    enter(peer);
    say(peer, bad);
    turns(5);
}

static void what_waits_can_be_killed(void **state)
{
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct peer peer;
        begin_waiting(state, &peer, waits[i]);
        expect_silence(&peer);
        assert_true(scripts->current->task_count > 0);
        assert_true(inspect_kill(scripts, 1));
        expect_error(&peer, "ScriptError");
        assert_false(inspect_kill(scripts, 1));
        say(&peer, "{\"action\":\"get\",\"eventId\":2,\"path\":\"/good\"}");
        expect_data(&peer, "null");
        leave(&peer);
        close_core(state);
    }
}

static void a_part_of_what_waits_together_can_be_killed(void **state)
{
    (void)state;
    struct peer peer;
    use_waiting("local ok, why = pcall(happn.together, function() happn.sleep('1h') end, function() happn.sleep('1h') end)\n"
                "msg.data = { ok = ok, why = why:match('a function of.*') }");
    enter(&peer);
    say(&peer, bad);
    turns(5);
    assert_int_equal(scripts->current->task_count, 3);
    assert_true(inspect_kill(scripts, 3));
    expect_members(json_get(hear(&peer), "data"), "{\"ok\":false,\"why\":\"a function of happn.together was stopped\"}");
    assert_int_equal(scripts->current->task_count, 0);
    leave(&peer);
}

static void whoever_asked_may_leave(void **state)
{
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct peer peer;
        begin_waiting(state, &peer, waits[i]);
        leave(&peer);
        turns(5);
        close_core(state);
    }
}

/* What waits in the old generation goes on there, and the old generation ends with it. */
static void a_reload_lets_go_on_what_waits(void **state)
{
    static const char *const bodies[] = {
        "happn.sleep(1000) msg.data.v = 1",
        "msg.data.v = happn.together(function() happn.sleep(1000) return 1 end, function() happn.sleep(500) return 2 end)",
        "msg.data.v = coroutine.wrap(function() happn.sleep(1000) return 1 end)()",
        "msg.data.v = select(2, pcall(function() local x <close> = setmetatable({}, { __close = function() msg.data.closed = true end }) happn.sleep(1000) return 1 end))",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct peer peer;
        open_core(state);
        clock_freeze(&loop, 1000000);
        use_waiting(bodies[i]);
        scripts_begin(scripts);
        enter(&peer);
        say(&peer, bad);
        turns(5);
        script("wait.lua", "return { inbound = function(msg) msg.data.v = 2 end }");
        reload();
        reload();
        assert_non_null(scripts->retired);
        while (clock_step(&loop, 2000)) {
            turns(5);
        }
        expect_part(hear(&peer), "\"v\":1");
        turns(5);
        assert_null(scripts->retired);
        say(&peer, bad);
        expect_part(hear(&peer), "\"v\":2");
        leave(&peer);
        close_core(state);
    }
}

/* coroutine.running in a call gives the call's own thread. */
static void nobody_takes_over_the_thread_of_another_call(void **state)
{
    static const char *const tricks[] = {"coroutine.close(main)", "coroutine.resume(main)", "coroutine.resume(main, 1, 2, 3)",
                                         "coroutine.wrap(function() coroutine.close(main) end)()",
                                         "local x <close> = setmetatable({}, { __close = function() coroutine.close(main) end })"};
    for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++) {
        struct peer one, two;
        char text[1024];
        open_core(state);
        clock_freeze(&loop, 1000000);
        snprintf(text, sizeof text,
                 "local main\n"
                 "return { inbound = function(msg)\n"
                 "  if msg.path == '/b' then pcall(function() %s end) for i = 1, 2000 do local t = { {}, msg.path .. i } end return end\n"
                 "  main = coroutine.running() happn.sleep(1000) msg.data.whole = msg.path end }",
                 tricks[i]);
        use_inbound("main.lua", text);
        open_scripts();
        enter(&one), enter(&two);
        say(&one, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
        for (int j = 0; j < 20; j++) {
            say(&two, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/b\",\"data\":{}}");
            (void)hear(&two);
        }
        while (clock_step(&loop, 2000)) {
            turns(5);
        }
        expect_data(&one, "{\"whole\":\"/a\"}");
        leave(&one), leave(&two);
        close_core(state);
    }
}

/* -- shares -- */

/* What the calls of one session begin leaves room for other sessions, what a script begins leaves room for other scripts. */
static void nobody_begins_everything(void **state)
{
    static const char *const bodies[] = {"happn.spawn(function() happn.sleep('1h') end)", "happn.after('1h', function() end)",
                                         "happn.spawn(function() happn.spawn(function() happn.sleep('1h') end) end) happn.sleep(0)"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct peer one, two;
        char text[1024];
        open_core(state);
        options.tasks = 80;
        options.instructions = UINT64_C(1) << 40;
        snprintf(text, sizeof text,
                 "return { actions = { 'set' }, paths = { '/bad' }, inbound = function(msg)\n"
                 "  local n, why = 0 repeat local ok ok, why = pcall(function() %s end) n = n + (ok and 1 or 0) until not ok or n >= 10000\n"
                 "  msg.data = { why = tostring(why):match('Busy'), n = n } end }",
                 bodies[i]);
        use_inbound("greedy.lua", text);
        use_inbound("other.lua", "return { actions = { 'set' }, inbound = function(msg) happn.spawn(function() happn.set('/other', {}) end) end }");
        open_scripts();
        enter(&one), enter(&two);
        say(&one, bad);
        struct str frame = hear(&one);
        if (i < 2) {
            expect_members(json_get(frame, "data"), i == 0 ? "{\"why\":\"Busy\",\"n\":11}" : "{\"why\":\"Busy\",\"n\":1250}");
        }
        say(&two, bad); /* has its own share, until the script has none */
        expect_part(hear(&two), "\"status\":\"ok\"");
        say(&two, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/fine\",\"data\":{\"a\":1}}");
        expect_data(&two, "{\"a\":1}");
        leave(&one), leave(&two);
        close_core(state);
    }
}

/* -- slow readers -- */

static const char streams[] =
    "local function write(out, name, n) for i = 1, n do out:write(name .. i .. ' ') end end\n"
    "return {\n"
    "  ['GET /together'] = function(req) req:stream(function(out)\n"
    "    happn.together(function() write(out, 'a', 3) end, function() write(out, 'b', 3) end) out:write('end') end) end,\n"
    "  ['GET /spawn'] = function(req) req:stream(function(out)\n"
    "    happn.spawn(function() local ok, why = pcall(write, out, 's', 100) happn.log.info('spawned', ok, type(why) == 'table' and why.message or why) end)\n"
    "    write(out, 'r', 2) end) end }";

/* Functions that write to one stream wait for its reader, each of them. */
static void whoever_writes_waits_for_the_reader(void **state)
{
    (void)state;
    use_routes("r.lua", "", streams);
    open_scripts();
    static happn_http http;
    http = (happn_http){.method = "GET", .path = "/together", .is_slow = true};
    assert_true(core_route(&core, &http, "GET", STR_LIT("/together")));
    turns(10);
    assert_string_equal(http.answer, "a1 b1 ");
    drain(&http, HAPPN_OK);
    turns(10);
    assert_int_equal(http.len, 12); /* one part more of each, in any order */
    assert_non_null(strstr(http.answer, "a2"));
    assert_non_null(strstr(http.answer, "b2"));
    for (int i = 0; i < 10; i++) {
        drain(&http, HAPPN_OK);
        turns(10);
    }
    assert_int_equal(http.len, 21);
    assert_string_equal(http.answer + 18, "end");
    assert_int_equal(http.answers, 1);
    assert_int_equal(http.status, 200);
}

static void writers_end_with_the_answer_or_its_reader(void **state)
{
    (void)state;
    use_routes("r.lua", "", streams);
    open_scripts();
    static happn_http http, left, killed;
    http = (happn_http){.method = "GET", .path = "/spawn", .is_slow = true};
    assert_true(core_route(&core, &http, "GET", STR_LIT("/spawn")));
    for (int i = 0; i < 10; i++) {
        turns(10);
        drain(&http, HAPPN_OK);
    }
    assert_int_equal(http.answers, 1);
    assert_int_equal(scripts->current->task_count, 0);
    expect_part(read_log(), "spawned false");
    static const char *const paths[] = {"/together", "/spawn"};
    for (size_t i = 0; i < 2; i++) {
        left = (happn_http){.method = "GET", .path = paths[i], .is_slow = true};
        assert_true(core_route(&core, &left, "GET", str_of(paths[i])));
        turns(10);
        drain(&left, HAPPN_E_CLOSED);
        turns(10);
        assert_int_equal(left.answers, 1);
        assert_int_equal(scripts->current->task_count, 0);
    }
    expect_part(read_log(), "spawned false the client has left, or its answer has ended");
    killed = (happn_http){.method = "GET", .path = "/together", .is_slow = true};
    assert_true(core_route(&core, &killed, "GET", STR_LIT("/together")));
    turns(10);
    assert_true(inspect_kill(scripts, scripts->last_task)); /* a writer: the answer ends */
    turns(10);
    assert_int_equal(killed.answers, 1);
    assert_int_equal(scripts->current->task_count, 0);
}

/* -- the wall clock -- */

static void waiting_for_too_long_is_ended(void **state)
{
    (void)state;
    struct peer peer;
    clock_freeze(&loop, 1000000);
    use_routes("r.lua", "", "return { ['GET /'] = function() happn.sleep('1h') end }");
    use_waiting("happn.sleep('1h')");
    enter(&peer);
    happn_http http = {.method = "GET", .path = "/"};
    assert_true(core_route(&core, &http, "GET", STR_LIT("/")));
    say(&peer, bad);
    while (clock_step(&loop, 9999)) {
        turns(3);
    }
    expect_silence(&peer);
    while (clock_step(&loop, 10000)) {
        turns(3);
    }
    expect_error(&peer, "ScriptError");
    assert_int_equal(http.answers, 0);
    while (clock_step(&loop, 30000)) {
        turns(3);
    }
    assert_int_equal(http.status, 500);
    expect_part(read_log(), "the call took too long: it waited past its time limit");
    leave(&peer);
}

/* -- the log -- */

static void repeated_errors_are_counted(void **state)
{
    (void)state;
    struct peer peer;
    clock_freeze(&loop, 1000000);
    use_inbound("layer.lua", "return { inbound = function(msg)\n\n  local x = msg.data.missing + 1\nend }");
    open_scripts();
    enter(&peer);
    for (int i = 0; i < 11; i++) {
        if (i == 10) {
            while (clock_step(&loop, 60001)) {
                turns(3);
            }
        }
        say(&peer, bad);
        expect_error(&peer, "ScriptError");
    }
    struct str log = read_log();
    expect_part(log, "script=layer.lua line=3 hook=inbound action=set path=/bad:");
    expect_part(log, "script=layer.lua line=3 hook=inbound action=set path=/bad (and 9 more in the last minutes):");
    leave(&peer);
}

/* -- errors and results that are traps -- */

static void hostile_errors_are_texts_in_the_log(void **state)
{
    static const char hostile[] = "setmetatable({}, { __tostring = function() while true do end end, __index = error, __name = {}, __len = error, __pairs = error, __metatable = 5 })";
    static const char *const bodies[] = {
        "error(%s)",
        "happn.together(function() error(%s) end)",
        "happn.fail(setmetatable({ name = {}, message = print, code = 'x', more = 1 }, getmetatable(%s)))",
        "coroutine.wrap(function() error(%s) end)()",
        "local x <close> = setmetatable({}, { __close = function() error(%s) end })",
        "error(setmetatable({ name = ('n'):rep(1 << 20), message = ('m'):rep(1 << 20) }, getmetatable(%s)))",
        "happn.fail{ name = ('n'):rep(1 << 20), message = ('\\u{e9}'):rep(1 << 19), t = %s }",
        "error(('\\0\\xff\\n'):rep(1 << 18) .. tostring(%s == nil))",
        "local t = %s t.t = t return happn.reply(t)",
        "local t = {} t[1] = t return happn.reply(t, %s)",
        "happn.fail{ name = 'N', message = 'm', itself = msg.data, more = { coroutine.running(), %s } }",
        "xpcall(error, function(e) error(e) end, %s) error(%s)",
    };
    for (size_t i = 0; i < 2 * sizeof bodies / sizeof bodies[0]; i++) {
        struct peer peer;
        char body[2048], text[4096];
        open_core(state);
        options.debug = i % 2 != 0;
        snprintf(body, sizeof body, bodies[i / 2], hostile, hostile);
        snprintf(text, sizeof text, "return { inbound = function(msg)\n%s\nend }", body);
        use_inbound("hostile.lua", text);
        use_routes("r.lua", "", "");
        snprintf(text, sizeof text, "return { ['GET /'] = function(req) local msg = { data = {} }\n%s\nend }", body);
        script("r.lua", text);
        open_scripts();
        enter(&peer);
        say(&peer, bad);
        struct str frame = hear(&peer); /* it is JSON, or `keep` fails */
        expect_part(frame, "\"status\":\"error\"");
        happn_http http = {.method = "GET", .path = "/"};
        assert_true(core_route(&core, &http, "GET", STR_LIT("/")));
        turns(10);
        assert_int_equal(http.answers, 1);
        assert_true(http.status >= 400);
        leave(&peer);
        close_core(state);
    }
}

/* -- many at once -- */

static void an_endless_script_at_a_reload_keeps_the_old_one(void **state)
{
    static const char *const texts[] = {"while true do end", "while true do pcall(function() while true do end end) end",
                                        "return { restore = function() while true do end end, inbound = function() end }"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct peer peer;
        happn_error error = {0};
        open_core(state);
        options.unbroken = 5;
        options.instructions = UINT64_C(1) << 50; /* only the clock can tell */
        use_inbound("l.lua", "return { inbound = function(msg) msg.data.v = 1 end, save = function() return { v = 1 } end }");
        open_scripts();
        scripts_begin(scripts);
        enter(&peer);
        script("l.lua", texts[i]);
        assert_int_not_equal(scripts_reload(scripts, &error), HAPPN_OK);
        assert_non_null(strstr(error.message, "ran too long"));
        say(&peer, bad);
        expect_data(&peer, "{\"v\":1}");
        leave(&peer);
        close_core(state);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_core, close_core)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_can_be_killed),
        T(a_part_of_what_waits_together_can_be_killed),
        cmocka_unit_test(whoever_asked_may_leave),
        cmocka_unit_test(a_reload_lets_go_on_what_waits),
        cmocka_unit_test(nobody_takes_over_the_thread_of_another_call),
        cmocka_unit_test(nobody_begins_everything),
        T(whoever_writes_waits_for_the_reader),
        T(writers_end_with_the_answer_or_its_reader),
        T(waiting_for_too_long_is_ended),
        T(repeated_errors_are_counted),
        cmocka_unit_test(hostile_errors_are_texts_in_the_log),
        cmocka_unit_test(an_endless_script_at_a_reload_keeps_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
