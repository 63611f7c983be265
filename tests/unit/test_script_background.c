/* What scripts do when nobody has asked: spawned functions, timers, listeners, start and stop, values that outlive a reload. The loop is turned
 * until something has happened; how long that takes decides nothing. */
#include "script_house.h"

static struct script_entry others[4];

static void use_other(const char *file, const char *text)
{
    script(file, text);
    options.others = others;
    others[options.other_count++] = (struct script_entry){.file = file};
}

static void begin_scripts(void)
{
    open_scripts();
    scripts_begin(scripts);
}

static void reload(void)
{
    happn_error error = {0};
    if (scripts_reload(scripts, &error) != HAPPN_OK) {
        fail_msg("%s", error.message);
    }
}

/* Turns the loop until the document has all these members, whose order is Lua's. */
static void await(struct peer *peer, const char *path, const char *members)
{
    char text[160];
    snprintf(text, sizeof text, "{\"action\":\"get\",\"eventId\":1,\"path\":\"%s\"}", path);
    for (;;) {
        say(peer, text);
        struct str frame = hear(peer);
        bool has_all = has_members(json_get(frame, "data"), members);
        if (has_all) {
            return;
        }
        memory_free(NULL, (char *)frame.ptr);
        peer->read = --peer->count;
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
}

static void await_log(const char *part)
{
    while (!has_part(read_log(), part)) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
}

static void set(struct peer *peer, const char *path, const char *data)
{
    char text[200];
    snprintf(text, sizeof text, "{\"action\":\"set\",\"eventId\":1,\"path\":\"%s\",\"data\":%s}", path, data);
    say(peer, text);
    hear(peer);
}

static void spawned_functions_run_afterwards(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("spawn.lua", "return { actions = {'set'}, paths = {'/in'}, inbound = function(msg)\n"
                             "  local id = msg.data.id\n"
                             "  happn.spawn(function(a, b, c)\n"
                             "    happn.set('/out', { id = id, a = a, b = b == nil, c = c, stale = select(2, pcall(function() return msg.path end)) }) end, 1, nil, 'x')\n"
                             "  happn.spawn(function() local x; return x.y end)\n"
                             "end }");
    open_scripts();
    enter(&peer);
    set(&peer, "/in", "{\"id\":7}");
    await(&peer, "/out", "{\"id\":7,\"a\":1,\"b\":true,\"c\":\"x\",\"stale\":\"spawn.lua:4: message used after its request ended\"}");
    await_log("script=spawn.lua line=5 hook=spawn");
    leave(&peer);
}

static void together_runs_all_at_once(void **state)
{
    (void)state;
    use_routes("r.lua", "",
               "local order = {}\n"
               "local function say(what) order[#order + 1] = what end\n"
               "return {\n"
               "['GET /all'] = function()\n"
               "  happn.set('/a', { v = 1 })\n"
               "  local a, b, c = happn.together(function() say('a1') happn.sleep(1) say('a2') return happn.get('/a').v end,\n"
               "    function() say('b1') happn.sleep(0) say('b2') return 'second' end, function() return nil end)\n"
               "  return { a = a, b = b, c = c == nil, first = order[1] .. order[2] }\n"
               "end,\n"
               "['GET /none'] = function() return { n = select('#', happn.together()) } end,\n"
               "['GET /error'] = function()\n"
               "  local ended\n"
               "  local ok, e = pcall(happn.together, function() happn.sleep('1h') ended = true end, function() happn.sleep(1) error({ my = 'error' }) end)\n"
               "  return { ok = ok, my = e.my, ended = ended == nil } end,\n"
               "['GET /fail'] = function() happn.together(function() happn.fail('No', 'not so') end) end,\n"
               "['GET /nested'] = function()\n"
               "  return { n = happn.together(function() local a, b = happn.together(function() return 1 end, function() return 2 end) return a + b end) } end,\n"
               "['GET /endless'] = function() happn.together(function() while true do end end, function() happn.sleep('1h') end) end,\n"
               "['GET /wrap'] = function() local f = coroutine.wrap(function() coroutine.yield((happn.together(function() happn.sleep(0) return 5 end))) end)\n"
               "  return { n = f() } end,\n"
               "['GET /not'] = function() happn.together(5) end }");
    open_scripts();
    static const struct {
        const char *path;
        int status;
        const char *body;
    } cases[] = {{"/all", 200, "{\"a\":1,\"b\":\"second\",\"c\":true,\"first\":\"a1b1\"}"},
                 {"/none", 200, "{\"n\":0}"},
                 {"/error", 200, "{\"ok\":false,\"my\":\"error\",\"ended\":true}"},
                 {"/fail", 400, "{\"error\":{\"name\":\"No\",\"message\":\"not so\"}}"},
                 {"/nested", 200, "{\"n\":3}"},
                 {"/wrap", 200, "{\"n\":5}"},
                 {"/endless", 500, "ScriptError"},
                 {"/not", 500, "ScriptError"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        happn_http http = {.method = "GET", .path = cases[i].path};
        assert_true(core_route(&core, &http, "GET", str_of(cases[i].path)));
        while (http.answers == 0) {
            uv_run(&loop.uv, UV_RUN_ONCE);
        }
        assert_int_equal(http.status, cases[i].status);
        if (cases[i].body[0] == '{' && cases[i].status == 200) {
            expect_members(str_of(http.answer), cases[i].body);
        } else {
            expect_part(str_of(http.answer), cases[i].body);
        }
    }
    expect_part(read_log(), "function expected, got number");
}

static void timers_run_and_a_reload_does_not_double_them(void **state)
{
    (void)state;
    struct peer peer;
    use_other("timers.lua", "local n = 0\n"
                            "happn.every(1, function() n = n + 1 happn.set('/every', { n = n > 3 }) end)\n"
                            "happn.after('1ms', function() local o = happn.get('/once') happn.set('/once', { n = (o and o.n or 0) + 1 }) end)\n"
                            "local never = happn.after(1, function() happn.set('/never', {}) end)\n"
                            "return { start = function() assert(never:stop() and not never:stop()) end }");
    begin_scripts();
    enter(&peer);
    await(&peer, "/every", "{\"n\":true}");
    await(&peer, "/once", "{\"n\":1}");
    reload();
    await(&peer, "/once", "{\"n\":2}");
    await(&peer, "/every", "{\"n\":true}");
    say(&peer, "{\"action\":\"get\",\"eventId\":1,\"path\":\"/never\"}");
    expect_data(&peer, "null");
    leave(&peer);
}

static void an_after_of_a_call_runs_once(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("later.lua", "return { actions = {'set'}, paths = {'/in'}, inbound = function(msg)\n"
                             "  local id = msg.data.id\n"
                             "  happn.after(1, function() happn.set('/out', { id = id }) end)\n"
                             "  if id == 2 then msg.data.every = select(2, pcall(happn.every, 1, print or function() end)) end\n"
                             "  if id == 3 then msg.data.on = select(2, pcall(happn.on, '/x', function() end)) end\n"
                             "end }");
    begin_scripts();
    enter(&peer);
    set(&peer, "/in", "{\"id\":1}");
    await(&peer, "/out", "{\"id\":1}");
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/in\",\"data\":{\"id\":2}}");
    expect_part(hear(&peer), "available while a script is loaded only");
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/in\",\"data\":{\"id\":3}}");
    expect_part(hear(&peer), "available while a script is loaded only");
    leave(&peer);
}

static void listeners_hear_in_order_and_once_after_a_reload(void **state)
{
    (void)state;
    struct peer peer;
    use_other("listen.lua", "happn.on('/orders/*', { action = 'set' }, function(data, meta)\n"
                            "  local log = happn.get('/log') or { seen = happn.array{} }\n"
                            "  happn.sleep(0)\n"
                            "  table.insert(log.seen, data.n)\n"
                            "  happn.set('/log', { seen = log.seen, path = meta.path, action = meta.action })\n"
                            "end)\n"
                            "happn.on('/orders/*', { action = 'remove' }, function(data, meta) happn.set('/gone', { path = meta.path, action = meta.action }) end)\n"
                            "local off = happn.on('/orders/*', function() happn.set('/never', {}) end)\n"
                            "return { start = function() off:off() happn.set('/started', {}) end }");
    begin_scripts();
    enter(&peer);
    await(&peer, "/started", "{}");
    set(&peer, "/orders/1", "{\"n\":1}");
    set(&peer, "/orders/2", "{\"n\":2}");
    await(&peer, "/log", "{\"seen\":[1,2],\"path\":\"/orders/2\",\"action\":\"set\"}");
    say(&peer, "{\"action\":\"remove\",\"eventId\":1,\"path\":\"/started\"}");
    hear(&peer);
    reload();
    await(&peer, "/started", "{}");
    set(&peer, "/orders/3", "{\"n\":3}");
    await(&peer, "/log", "{\"seen\":[1,2,3],\"path\":\"/orders/3\",\"action\":\"set\"}");
    say(&peer, "{\"action\":\"remove\",\"eventId\":1,\"path\":\"/orders/3\"}");
    hear(&peer);
    await(&peer, "/gone", "{\"path\":\"/orders/3\",\"action\":\"remove\"}");
    say(&peer, "{\"action\":\"get\",\"eventId\":1,\"path\":\"/never\"}");
    expect_data(&peer, "null");
    leave(&peer);
}

static void scripts_that_cause_one_another_are_cut(void **state)
{
    (void)state;
    struct peer peer;
    use_other("loop.lua", "happn.on('/ping', function(d) happn.set('/pong', { n = d.n + 1 }) end)\n"
                          "happn.on('/pong', function(d) happn.set('/ping', { n = d.n + 1 }) end)\n"
                          "return {}");
    begin_scripts();
    enter(&peer);
    set(&peer, "/ping", "{\"n\":0}");
    await_log("scripts have caused one another 16 times in a row");
    await(&peer, "/ping", "{\"n\":16}");
    leave(&peer);
}

static void state_is_handed_over(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("count.lua", "local n = 0\n"
                             "return { actions = {'set'}, inbound = function(msg) n = n + 1 msg.data.n = n end,\n"
                             "  save = function() return { n = n } end, restore = function(t) n = t.n end }");
    begin_scripts();
    enter(&peer);
    set(&peer, "/a", "{}");
    reload();
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_data(&peer, "{\"n\":2}");
    script("count.lua", "return { actions = {'set'}, inbound = function() end, restore = function(t) error('I do not want ' .. t.n) end }");
    happn_error error = {0};
    assert_int_equal(scripts_reload(scripts, &error), HAPPN_E_SCRIPT);
    assert_non_null(strstr(error.message, "count.lua: its restore fails: "));
    assert_non_null(strstr(error.message, "I do not want 2"));
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_data(&peer, "{\"n\":3}");
    leave(&peer);
}

static void stop_runs_at_a_reload_and_at_the_end(void **state)
{
    (void)state;
    struct peer peer;
    use_other("life.lua", "return { start = function() happn.shared.incr('started') end,\n"
                          "  stop = function() happn.sleep(0) happn.set('/stopped', { n = happn.shared.incr('stopped') }) happn.log.info('has stopped') end }");
    begin_scripts();
    enter(&peer);
    reload();
    await(&peer, "/stopped", "{\"n\":1}");
    close_scripts();
    expect_part(read_log(), "has stopped");
    say(&peer, "{\"action\":\"get\",\"eventId\":1,\"path\":\"/stopped\"}");
    expect_data(&peer, "{\"n\":2}");
    leave(&peer);
}

static void shared_values_survive_and_expire(void **state)
{
    (void)state;
    options.shared = 1000;
    use_routes("r.lua", "",
               "local s = happn.shared\n"
               "return {\n"
               "['GET /set'] = function() s.set('a', { list = happn.array{} }) s.set('gone', 1, 0) s.set('text', 'x') return { ok = true } end,\n"
               "['GET /get'] = function() return { a = s.get('a'), gone = s.get('gone') == nil, text = s.get('text'), no = s.get('none') == nil } end,\n"
               "['GET /incr'] = function() s.set('f', 1.5) return { one = s.incr('n'), three = s.incr('n', 2), f = s.incr('f', 0.25), minus = s.incr('n', -3) } end,\n"
               "['GET /drop'] = function() s.set('a', nil) return { none = s.get('a') == nil } end,\n"
               "['GET /expire'] = function() return { yes = s.expire('text', 0), none = s.get('text') == nil, no = s.expire('text', '1h') } end,\n"
               "['GET /full'] = function() local ok, e = pcall(s.set, 'b', ('x'):rep(2000)) return { e = e, still = s.get('n') } end,\n"
               "['GET /room'] = function() for i = 1, 50 do s.set('t' .. i, ('x'):rep(500), 0) end return { ok = true } end,\n"
               "['GET /wrong'] = function() return { e = select(2, pcall(s.incr, 'a')), d = select(2, pcall(s.set, 'x', 1, 'soon')) } end }");
    open_scripts();
    expect_members(str_of(ask("GET", "/set", NULL, NULL).answer), "{\"ok\":true}");
    reload();
    expect_members(str_of(ask("GET", "/get", NULL, NULL).answer), "{\"a\":{\"list\":[]},\"gone\":true,\"text\":\"x\",\"no\":true}");
    expect_members(str_of(ask("GET", "/incr", NULL, NULL).answer), "{\"one\":1,\"three\":3,\"f\":1.75,\"minus\":0}");
    expect_part(str_of(ask("GET", "/wrong", NULL, NULL).answer), "happn.shared.incr: a is no number");
    expect_part(str_of(ask("GET", "/wrong", NULL, NULL).answer), "a duration is a whole number of milliseconds");
    expect_members(str_of(ask("GET", "/drop", NULL, NULL).answer), "{\"none\":true}");
    expect_members(str_of(ask("GET", "/expire", NULL, NULL).answer), "{\"yes\":true,\"none\":true,\"no\":false}");
    expect_part(str_of(ask("GET", "/full", NULL, NULL).answer), "happn.shared is full: it keeps at most 1000 bytes");
    expect_members(str_of(ask("GET", "/room", NULL, NULL).answer), "{\"ok\":true}");
}

static void many_small_shared_values_count_with_all_they_cost(void **state)
{
    (void)state;
    options.shared = 100000;
    use_routes("r.lua", "",
               "local s = happn.shared\n"
               "return { ['GET /fill'] = function() local n = 0 while pcall(s.set, tostring(n), 1) do n = n + 1 end\n"
               "  for i = 0, n - 1 do s.set(tostring(i), nil) end\n"
               "  local again = 0 while pcall(s.set, tostring(again), 1) do again = again + 1 end\n"
               "  return { few = n > 500 and n < 100000 // 40, again = again == n } end }");
    open_scripts();
    expect_members(str_of(ask("GET", "/fill", NULL, NULL).answer), "{\"few\":true,\"again\":true}");
}

/* The second event is data as large as a message may be, and more about it; the third one waits behind it. */
static void an_event_as_large_as_a_message_may_be_is_heard(void **state)
{
    (void)state;
    struct peer peer;
    use_other("hear.lua", "local heard, hold = 0, true\n"
                          "happn.on('/in', function(data) happn.sleep(1) heard = heard + 1 happn.set('/out', { heard = heard, last = data.id }) end)\n"
                          "return {}");
    begin_scripts();
    core.limits.message_bytes = 20000;
    enter(&peer);
    size_t len = core.limits.message_bytes;
    char *large = malloc(len + 200);
    int head = snprintf(large, 200, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/in\",\"data\":{\"id\":2,\"text\":\"");
    memset(large + head, 'x', len);
    strcpy(large + head + len, "\"}}");
    set(&peer, "/in", "{\"id\":1}");
    say(&peer, large);
    hear(&peer);
    set(&peer, "/in", "{\"id\":3}");
    free(large);
    await(&peer, "/out", "{\"heard\":3,\"last\":3}");
    leave(&peer);
}

/* Another call follows: its answer has nothing of the error. */
static void expect_call_error(const char *members)
{
    script("e.lua", "local function try(path) local ok, e = pcall(happn.set, path, { v = 1 }); return e end\n"
                    "return { ['GET /e'] = function() local e = try('/a*'); local after = try('/a')\n"
                    "  return { name = e.name, whole = e.message:find('Bad path', 1, true) == 1, code = math.type(e.code), v = after.v } end }");
    routes[0] = (struct script_entry){.file = "e.lua", .mount = ""};
    options.route_count = 1;
    open_scripts();
    expect_members(str_of(ask("GET", "/e", NULL, NULL).answer), members);
}

static void a_call_that_fails_says_why(void **state)
{
    (void)state;
    expect_call_error("{\"name\":\"Error\",\"whole\":true,\"code\":\"integer\",\"v\":1}");
}

/* The error lies where the answer would; where messages are so short that it has no room, its kind is left. */
static void a_call_that_fails_says_its_kind_at_least(void **state)
{
    (void)state;
    core.limits.message_bytes = sizeof(happn_error) - 1;
    expect_call_error("{\"name\":\"BadPath\",\"whole\":false,\"code\":\"integer\",\"v\":1}");
}

static void only_trusted_scripts_have_the_system(void **state)
{
    (void)state;
    script("t.lua", "return { ['GET /t'] = function() happn.system.set('/t', { v = 1 }) return happn.system.get('/t').v == 1 and { ok = true } end }");
    script("u.lua", "return { ['GET /u'] = function() return { e = select(2, pcall(function() return happn.system.get end)) } end }");
    routes[0] = (struct script_entry){.file = "t.lua", .mount = "", .is_trusted = true};
    routes[1] = (struct script_entry){.file = "u.lua", .mount = ""};
    options.route_count = 2;
    open_scripts();
    expect_members(str_of(ask("GET", "/t", NULL, NULL).answer), "{\"ok\":true}");
    expect_part(str_of(ask("GET", "/u", NULL, NULL).answer), "says \\\"trusted\\\": true");
}

static void the_rest_of_the_store_can_be_called(void **state)
{
    (void)state;
    struct peer peer;
    use_routes("r.lua", "", "return { ['GET /'] = function()\n"
                            "  local a, b = happn.set_sibling('/s', { v = 1 }), happn.set_sibling('/s', { v = 2 }, { tag = nil })\n"
                            "  happn.publish('/news', { v = 3 }, { meta = { by = 'me' } })\n"
                            "  return { n = happn.count('/s/*'), different = a._meta.path ~= b._meta.path, news = happn.get('/news') == nil, none = happn.count('/none/*') } end }");
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"on\",\"eventId\":1,\"path\":\"/ALL@/news\"}");
    hear(&peer);
    expect_members(str_of(ask("GET", "/", NULL, NULL).answer), "{\"n\":2,\"different\":true,\"news\":true,\"none\":0}");
    expect_part(hear(&peer), "\"v\":3");
    leave(&peer);
}

static void scripts_without_anything_to_do_are_a_mistake(void **state)
{
    (void)state;
    happn_error error = {0};
    struct scripts *out;
    use_other("idle.lua", "return {}");
    assert_int_equal(scripts_open(&core, &options, &out, &error), HAPPN_E_SCRIPT);
    assert_non_null(strstr(error.message, "idle.lua: it is configured for this, but has no timer, listener, start"));
    static const struct {
        const char *text, *says;
    } wrong[] = {{"happn.every(0, function() end) return {}", "more than nothing"},
                 {"happn.every('soon', function() end) return {}", "a duration is"},
                 {"happn.after(1.5, function() end) return {}", "a duration is"},
                 {"happn.every('1001d', function() end) return {}", "between 0 and 1000 days"},
                 {"happn.on('orders', function() end) return {}", "a path begins with /"},
                 {"happn.on('/a', { events = 'set' }, function() end) return {}", "there is no option events"},
                 {"happn.on('/a', 5) return {}", "function expected"},
                 {"happn.spawn(function() end) return {}", "use M.start"},
                 {"happn.get('/a') return {}", "not available while a script is loaded"},
                 {"return { start = 5 }", "start must be a function"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        script("idle.lua", wrong[i].text);
        assert_int_equal(scripts_open(&core, &options, &out, &error), HAPPN_E_SCRIPT);
        if (strstr(error.message, wrong[i].says) == NULL) {
            fail_msg("%s is not in %s", wrong[i].says, error.message);
        }
    }
}

static void failures_are_told_to_those_who_write_scripts(void **state)
{
    (void)state;
    struct peer peer;
    options.debug = true;
    use_inbound("bug.lua", "return { actions = {'set'}, inbound = function(msg)\n  local x; return x.y end }");
    use_routes("r.lua", "", "return { ['GET /'] = function()\n\n error('oh \\255') end }");
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    struct str frame = hear(&peer);
    expect_part(frame, "\"script\":\"bug.lua\",\"line\":2,\"text\":\"bug.lua:2: attempt to index a nil value");
    struct str answer = str_of(ask("GET", "/", NULL, NULL).answer);
    expect_part(answer, "\"script\":\"r.lua\",\"line\":3,\"text\":\"(a text that is not UTF-8)\"");
    leave(&peer);
}

static void metrics_count_and_survive(void **state)
{
    (void)state;
    use_routes("r.lua", "", "local m = happn.metric('a \\\"b\\\"')\n"
                            "return { ['GET /inc'] = function() return { n = m:inc(), again = happn.metric('a \\\"b\\\"'):inc(1.5) } end,\n"
                            "  ['GET /get'] = function() return { n = m:get(), set = m:set(-3) } end,\n"
                            "  ['GET /wrong'] = function() return { a = select(2, pcall(m.set, m, 0/0)), b = select(2, pcall(happn.metric, '')), c = select(2, pcall(m.inc, 5)),\n"
                            "    d = select(2, pcall(function() for i = 1, 2000 do happn.metric('n' .. i) end end)) } end }");
    open_scripts();
    expect_members(str_of(ask("GET", "/inc", NULL, NULL).answer), "{\"n\":1,\"again\":2.5}");
    reload();
    expect_members(str_of(ask("GET", "/get", NULL, NULL).answer), "{\"n\":2.5,\"set\":-3}");
    struct str answer = str_of(ask("GET", "/wrong", NULL, NULL).answer);
    expect_part(answer, "a finite number");
    expect_part(answer, "a name of 1 to 200 bytes");
    expect_part(answer, "metric expected, got number");
    expect_part(answer, "there are 1000 metrics already");
}

static void long_scripts_are_cut_into_slices(void **state)
{
    (void)state;
    use_routes("r.lua", "",
               "local turns = 0\n"
               "return { ['GET /long'] = function() local before = turns local n = 0 for i = 1, 2000000 do n = n + i % 7 end return { n = n, turned = turns > before } end,\n"
               "  ['GET /nested'] = function() local before = turns\n"
               "    local t = setmetatable({}, { __index = function(_, k) local n = 0 for i = 1, 2000000 do n = n + 1 end return n end })\n"
               "    local ok, n = pcall(function() for _, v in coroutine.wrap(function() coroutine.yield(1, t.x) end) do return v end end)\n"
               "    return { n = n, ok = ok } end,\n"
               "  ['GET /short'] = function() turns = turns + 1 return { turns = turns } end }");
    open_scripts();
    happn_http http = {.method = "GET", .path = "/long"};
    assert_true(core_route(&core, &http, "GET", STR_LIT("/long")));
    assert_int_equal(http.answers, 0);
    assert_int_equal(ask("GET", "/short", NULL, NULL).status, 200); /* in between */
    while (http.answers == 0) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    expect_members(str_of(http.answer), "{\"n\":5999997,\"turned\":true}");
    happn_http nested = {.method = "GET", .path = "/nested"};
    assert_true(core_route(&core, &nested, "GET", STR_LIT("/nested")));
    while (nested.answers == 0) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    expect_members(str_of(nested.answer), "{\"n\":2000000,\"ok\":true}");
}

static void what_cannot_be_cut_is_stopped(void **state)
{
    (void)state;
    options.unbroken = 1;
    use_routes("r.lua", "", "return { ['GET /sort'] = function() local t = {} for i = 1, 100 do t[i] = i end\n"
                            "  table.sort(t, function(a, b) local n = 0 for i = 1, 100000 do n = n + 1 end return a < b end) return { ok = true } end }");
    open_scripts();
    happn_http http = {.method = "GET", .path = "/sort"};
    assert_true(core_route(&core, &http, "GET", STR_LIT("/sort")));
    while (http.answers == 0) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(http.status, 500);
    expect_part(read_log(), "ran too long");
}

static void a_layer_that_may_be_left_out_is(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("decoration.lua", "return { actions = {'set'}, inbound = function(msg) if msg.data.refuse then happn.fail('no') end msg.data.x = 1 local y; return y.z end }");
    use_inbound("next.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.b = 2 end }");
    inbound[0].skips_errors = true;
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{\"a\":1}}");
    expect_data(&peer, "{\"a\":1,\"b\":2}");
    expect_part(read_log(), "script=decoration.lua");
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{\"refuse\":true}}");
    expect_error(&peer, "\"message\":\"no\"");
    leave(&peer);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_core, close_core)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(spawned_functions_run_afterwards),
        T(together_runs_all_at_once),
        T(timers_run_and_a_reload_does_not_double_them),
        T(an_after_of_a_call_runs_once),
        T(listeners_hear_in_order_and_once_after_a_reload),
        T(scripts_that_cause_one_another_are_cut),
        T(state_is_handed_over),
        T(stop_runs_at_a_reload_and_at_the_end),
        T(shared_values_survive_and_expire),
        T(many_small_shared_values_count_with_all_they_cost),
        T(an_event_as_large_as_a_message_may_be_is_heard),
        T(a_call_that_fails_says_why),
        T(a_call_that_fails_says_its_kind_at_least),
        T(only_trusted_scripts_have_the_system),
        T(the_rest_of_the_store_can_be_called),
        T(scripts_without_anything_to_do_are_a_mistake),
        T(a_layer_that_may_be_left_out_is),
        T(failures_are_told_to_those_who_write_scripts),
        T(metrics_count_and_survive),
        T(long_scripts_are_cut_into_slices),
        T(what_cannot_be_cut_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
