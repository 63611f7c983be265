/* Scripts as layers and routes of one core: no sockets, no sleeping, limits counted in instructions. */
#include "script_house.h"

#include "base/utf8.h"
#include "test_memory.h"

/* -- layers -- */

static void a_layer_changes_refuses_replies(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("temperature.lua",
                "local M = { name = 'temperature', actions = { 'set' }, paths = { '/sensors/*/temperature' },\n"
                "  config = { max = { type = 'number', default = 80 } } }\n"
                "function M.inbound(msg, conf)\n"
                "  local v = msg.data.value\n"
                "  if type(v) ~= 'number' then\n"
                "    happn.fail('ValidationError', 'value must be a number', { field = 'value' })\n"
                "  end\n"
                "  if v > conf.max then return happn.reply({ ignored = true, list = happn.array{} }) end\n"
                "  msg.data.unit = msg.data.unit or 'C'\n"
                "end\n"
                "return M\n");
    inbound[0].config_json = "{\"max\":50}";
    inbound[0].config_len = 10;
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/sensors/1/temperature\",\"data\":{\"value\":1.50,\"n\":null,\"l\":[]}}");
    expect_data(&peer, "{\"value\":1.50,\"n\":null,\"l\":[],\"unit\":\"C\"}");
    say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/sensors/1/temperature\",\"data\":{\"value\":\"hot\"}}");
    expect_error(&peer, "\"error\":{\"name\":\"ValidationError\",\"message\":\"value must be a number\",\"field\":\"value\"}");
    say(&peer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/sensors/1/temperature\",\"data\":{\"value\":51}}");
    struct str frame = hear(&peer);
    expect_part(frame, "\"ignored\":true");
    expect_part(frame, "\"list\":[]");
    say(&peer, "{\"action\":\"set\",\"eventId\":4,\"path\":\"/sensors/1/name\",\"data\":{\"value\":\"x\"}}");
    expect_data(&peer, "{\"value\":\"x\"}");
    say(&peer, "{\"action\":\"get\",\"eventId\":5,\"path\":\"/sensors/1/temperature\"}");
    expect_data(&peer, "{\"value\":1.50,\"n\":null,\"l\":[],\"unit\":\"C\"}");
    leave(&peer);
}

static void layers_share_a_context_and_see_earlier_changes(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("one.lua", "return { actions = {'set'}, inbound = function(msg) msg.ctx.seen = msg.session.id; msg.data.a = 1; msg.path = '/moved' end }");
    use_inbound("two.lua", "return { actions = {'set'}, inbound = function(msg) assert(msg.ctx.seen == msg.session.id)\n"
                           "msg.data.b = msg.data.a + 1; msg.options.noPublish = true; return msg end }");
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/x\",\"data\":{}}");
    struct str frame = hear(&peer);
    expect_part(frame, "\"data\":{\"a\":1,\"b\":2}");
    expect_part(frame, "\"path\":\"/moved\"");
    leave(&peer);
}

static void an_outbound_layer_hides_and_drops(void **state)
{
    (void)state;
    struct peer one, two;
    use_outbound("out.lua", "return { paths = { '/d/*' }, outbound = function(msg)\n"
                            "  if msg.direction == 'publication' and msg.data.secret then return happn.drop() end\n"
                            "  msg.data.serial = nil\n"
                            "end }");
    open_scripts();
    assert_null(core.layers[LAYERS_INBOUND]);
    enter(&one), enter(&two);
    say(&one, "{\"action\":\"on\",\"eventId\":1,\"path\":\"/ALL@/d/*\"}");
    hear(&one);
    say(&two, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/d/1\",\"data\":{\"serial\":7,\"a\":1}}");
    expect_data(&two, "{\"a\":1}");
    expect_data(&one, "{\"a\":1}");
    say(&two, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/d/2\",\"data\":{\"secret\":true,\"serial\":7}}");
    expect_data(&two, "{\"secret\":true}");
    expect_silence(&one);
    say(&two, "{\"action\":\"get\",\"eventId\":3,\"path\":\"/*\"}"); /* no way around it: each document has its own path */
    struct str frame = hear(&two);
    assert_false(has_part(frame, "serial"));
    leave(&one), leave(&two);
}

/* "é" takes two bytes, and the limits of these texts are odd and even. */
static void long_refusals_are_cut_between_characters(void **state)
{
    (void)state;
    struct peer one, two;
    use_outbound("out.lua", "return { paths = { '/d/*' }, outbound = function(msg)\n"
                            "  if msg.direction == 'publication' then happn.fail(('\\u{e9}'):rep(300)) end end }");
    use_inbound("in.lua", "return { paths = { '/no/*' }, inbound = function(msg) happn.fail('No', 'x' .. ('\\u{e9}'):rep(300)) end }");
    open_scripts();
    enter(&one), enter(&two);
    say(&one, "{\"action\":\"on\",\"eventId\":1,\"path\":\"/ALL@/d/*\"}");
    hear(&one);
    say(&two, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/d/1\",\"data\":{},\"options\":{\"consistency\":1}}");
    for (int i = 0; i < 2; i++) { /* the answer, and the report */
        assert_true(utf8_is_valid(hear(&two)));
    }
    say(&two, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/no/1\",\"data\":{}}");
    struct str frame = hear(&two);
    assert_true(utf8_is_valid(frame));
    expect_part(frame, "x\xc3\xa9\xc3\xa9");
    leave(&one), leave(&two);
}

static void long_error_texts_are_cut_between_characters(void **state)
{
    (void)state;
    happn_error error;
    char text[1000];
    for (size_t pad = 0; pad < 4; pad++) { /* a character of four bytes, cut at each of them */
        memset(text, 'x', pad);
        for (size_t at = pad; at + 5 < sizeof text; at += 4) {
            memcpy(text + at, "\xf0\x9f\x90\x98", 5);
        }
        error_set(&error, HAPPN_E_REFUSED, "%s", text);
        assert_true(utf8_is_valid(str_of(error.message)));
        assert_in_range(strlen(error.message), sizeof error.message - 4, sizeof error.message - 1);
    }
}

static void errors_about_long_texts_of_clients_are_utf8(void **state)
{
    (void)state;
    struct peer peer;
    char long_text[600] = "", text[2000];
    for (int i = 0; i < 250; i++) {
        strcat(long_text, "\xc3\xa9");
    }
    static const char *const asked[] = {"{\"action\":\"get\",\"eventId\":1,\"path\":\"/%s\",\"options\":{\"options\":{\"aggregate\":[]}}}",
                                        "{\"action\":\"get\",\"eventId\":1,\"path\":\"/a/*\",\"options\":{\"criteria\":{\"$x%s\":1}}}",
                                        "{\"action\":\"get\",\"eventId\":1,\"path\":\"/a/*\",\"options\":{\"sort\":{\"x%s\":\"up\"}}}",
                                        "{\"action\":\"get\",\"eventId\":1,\"path\":\"/a/*\",\"options\":{\"fields\":{\"x%s\":\"up\"}}}",
                                        "{\"action\":\"get\",\"eventId\":1,\"path\":[\"%s\"]}",
                                        "{\"action\":\"x%s\",\"eventId\":1,\"path\":\"/a\"}"};
    use_inbound("in.lua", "return { inbound = function() end }");
    open_scripts();
    enter(&peer);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        snprintf(text, sizeof text, asked[i], long_text);
        say(&peer, text);
        struct str frame = hear(&peer);
        expect_part(frame, "\"status\":\"error\"");
        assert_true(utf8_is_valid(frame));
    }
    leave(&peer);
}

static void an_outbound_layer_cannot_wait(void **state)
{
    (void)state;
    struct peer peer;
    use_outbound("out.lua", "return { outbound = function(msg) happn.get('/x') end }");
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"get\",\"eventId\":1,\"path\":\"/a\"}");
    expect_error(&peer, "\"name\":\"ScriptError\"");
    expect_part(read_log(), "happn.get is not available in an outbound layer");
    leave(&peer);
}

static void logins_hide_their_secrets(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("login.lua", "return { actions = { 'login' }, inbound = function(msg)\n"
                             "  assert(msg.data.password == nil and msg.data.username == 'bob')\n"
                             "  assert(not tostring(msg.data):find('password'))\n"
                             "  msg.data.info = { seen = true }\n"
                             "end }");
    script("raw.lua", "");
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"login\",\"eventId\":1,\"data\":{\"username\":\"bob\",\"password\":\"s3cret\"}}");
    expect_part(hear(&peer), "\"info\":{\"seen\":true}");
    leave(&peer);
}

/* -- values -- */

static void run_in_layer(const char *body, const char *data, const char *expected)
{
    struct peer peer;
    char text[4096], frame[4096];
    void *state = NULL;
    open_core(&state);
    snprintf(text, sizeof text, "return { actions = {'set'}, inbound = function(msg)\nlocal d = msg.data\n%s\nend }", body);
    use_inbound("value.lua", text);
    open_scripts();
    enter(&peer);
    snprintf(frame, sizeof frame, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/x\",\"data\":%s}", data);
    say(&peer, frame);
    struct str answer = hear(&peer), found = json_get(answer, "data");
    if (!str_is(found, expected)) {
        struct str log = read_log();
        fail_msg("%s on %s: wanted %s, got %.*s\n%.*s", body, data, expected, (int)answer.len, answer.ptr, (int)log.len, log.ptr);
    }
    leave(&peer);
    close_core(&state);
}

static void documents_are_lazy_and_keep_what_is_not_touched(void **state)
{
    (void)state;
    run_in_layer("d.z = 1", "{ \"n\" : 1.50, \"big\":12345678901234567890,\"e\":[ ],\"x\":null}",
                 "{\"n\" : 1.50, \"big\":12345678901234567890,\"e\":[ ],\"x\":null,\"z\":1}");
    run_in_layer("d.a.b.c = d.a.b.c + 1", "{\"a\":{\"n\":1.0,\"b\":{\"c\":41,\"n\":[1.10]}}}",
                 "{\"a\":{\"n\":1.0,\"b\":{\"c\":42,\"n\":[1.10]}}}");
    run_in_layer("d.a = nil; d.b = happn.null", "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":null,\"c\":3}");
    run_in_layer("assert(d.x == nil and happn.is_null(d, 'x') and not happn.is_null(d, 'y'))", "{\"x\":null}", "{\"x\":null}");
    run_in_layer("table.insert(d.l, 4); table.remove(d.l, 1); assert(#d.l == 3)", "{\"l\":[1,2,3]}", "{\"l\":[2,3,4]}");
    run_in_layer("d.l[2] = 'two'; d.l[#d.l + 1] = d.o", "{\"l\":[1.50,2,null],\"o\":{\"a\":1.0}}",
                 "{\"l\":[1.50,\"two\",null,{\"a\":1.0}],\"o\":{\"a\":1.0}}");
    run_in_layer("local n = 0; for i, v in ipairs(d.l) do n = n + i * v end; d.sum = n", "{\"l\":[5,7]}", "{\"l\":[5,7],\"sum\":19}");
    run_in_layer("local t = {}; for k, v in pairs(d) do t[#t + 1] = k .. v end; d.keys = table.concat(t, ' ')",
                 "{\"b\":1,\"a\":2,\"x\":null}", "{\"b\":1,\"a\":2,\"x\":null,\"keys\":\"b1 a2\"}");
    run_in_layer("table.sort(d.l); d.c = table.concat(d.l, ',')", "{\"l\":[3,1,2]}", "{\"l\":[1,2,3],\"c\":\"1,2,3\"}");
    run_in_layer("d.g = ('a1 b22'):gsub('%a(%d+)', '<%1>'); d.f = { ('x.y'):find('.', 1, true) }; d.m = ('k=v'):match('(%w)=(%w)')\n"
                 "local n = 0; for w in ('one two'):gmatch('%a+') do n = n + #w end; d.n = n", "{}",
                 "{\"g\":\"<1> <22>\",\"f\":[2,2],\"m\":\"k\",\"n\":6}");
    run_in_layer("local t = happn.table(d); assert(t.x == happn.null and #t.e == 0); msg.data = t.e", "{\"x\":null,\"e\":[]}",
                 "{\"value\":[]}");
    run_in_layer("d.q = 9007199254740993; d.f = 0.1; d.i = 3.0", "{}", "{\"q\":9007199254740993,\"f\":0.1,\"i\":3}");
    run_in_layer("d['\\u{2028}\"\\n'] = 'caf\\u{e9}'", "{}", "{\"\\u2028\\\"\\n\":\"caf\xc3\xa9\"}");
    run_in_layer("d.a = 5; d.a = nil; d.a = 6", "{\"a\":1,\"a\":2}", "{\"a\":6}");
    run_in_layer("d.a = nil", "{\"a\":1,\"b\":3,\"\\u0061\":2}", "{\"b\":3}");
    run_in_layer("d.a = nil; d.c = 9", "{\"a\":1,\"b\":3,\"a\":2}", "{\"b\":3,\"c\":9}");
    run_in_layer("d.a.x = 2", "{\"a\":{\"x\":0},\"b\":3,\"a\":{\"x\":1}}", "{\"a\":{\"x\":0},\"b\":3,\"a\":{\"x\":2}}");
    run_in_layer("d.k5 = nil; d.k7 = 'x'; d.k0 = happn.null; local _ = d.k9.y",
                 "{\"k0\":0,\"k1\":1,\"k2\":2,\"k3\":3,\"k4\":4,\"k5\":5,\"k6\":6,\"k7\":7,\"k8\":8,\"k9\":{\"y\":1.0},\"k10\":10}",
                 "{\"k0\":null,\"k1\":1,\"k2\":2,\"k3\":3,\"k4\":4,\"k6\":6,\"k7\":\"x\",\"k8\":8,\"k9\":{\"y\":1.0},\"k10\":10}");
    run_in_layer("d.l[3] = nil; d.l[2] = nil; d.l[2] = 9; d.l[3] = 8", "{\"l\":[1,2,3]}", "{\"l\":[1,9,8]}");
    run_in_layer("local o = d.o; d.o = nil; d.p = o; o.y = 1", "{\"o\":{\"x\":1.00}}", "{\"p\":{\"x\":1.00,\"y\":1}}");
    run_in_layer("d.text = happn.json.encode({ a = happn.array{}, b = {} }):len()", "{}", "{\"text\":15}");
    run_in_layer("msg.data = happn.json.decode('[1,null,{\"a\":[]}]')", "{}", "{\"value\":[1,null,{\"a\":[]}]}");
    run_in_layer("d.p = happn.path('/orders', 7, 'x'); d.bad = pcall(happn.path, '/orders', '*')", "{}",
                 "{\"p\":\"/orders/7/x\",\"bad\":false}");
}

static void values_that_are_no_json_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"d.a = { b = 0/0 }", "data.a.b: NaN"},
        {"d.a = { 1, 1/0 }", "data.a[2]: infinity"},
        {"local t = {}; t.t = t; d.a = t", "data.a.t: the value contains itself"},
        {"d.a = d", "data.a: the value contains itself"},
        {"d.items = { 1, a = 2 }", "keys 1 and \"a\" in one table"},
        {"d.items = { 1, nil, 3 }", "a list has a hole"},
        {"local t = {}; for i = 1, 100 do t = { t } end; d.a = t", "nested too deeply"},
        {"d.f = print or function() end", "a function cannot be written"},
        {"d.s = '\\xff'", "data.s: the text is not valid UTF-8"},
        {"d['\\xc0\\x80'] = 1", "not valid UTF-8"},
        {"d.a = setmetatable({}, { __pairs = error, __index = error, __len = error, __name = {} }); error(setmetatable({}, { __tostring = error, __index = error }))",
         "the error is a table without a message"},
        {"error(setmetatable({ message = 'm', name = 'N' }, { __tostring = function() while true do end end, __close = 1 }))", "N: m"},
        {"error(nil)", "the error is a nil"},
        {"error(d)", "the error is a userdata"},
        {"d[1] = 2", "the keys of an object are texts"},
        {"d.l = happn.array{}; msg.foo = 1", "msg.foo cannot be changed"},
        {"return 7", "returned a number"},
        {"return happn.drop()", "happn.drop is for publications"},
    };
    struct peer peer;
    char text[2048];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_core(state);
        snprintf(text, sizeof text, "return { inbound = function(msg) local d = msg.data\n%s\nend }", cases[i][0]);
        use_inbound("value.lua", text);
        open_scripts();
        enter(&peer);
        say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/x\",\"data\":{}}");
        expect_error(&peer, "\"error\":{\"name\":\"ScriptError\",\"message\":\"script failed\",\"id\":\"");
        expect_part(read_log(), cases[i][1]);
        leave(&peer);
        close_core(state);
    }
}

/* Random documents survive text -> table -> text -> table -> text, and lazily with a change taken back. */
static uint64_t random_state = 88172645463325252u;

static unsigned next_random(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % below);
}

static void add_random(struct buf *out, int depth)
{
    static const char *const scalars[] = {"null", "true", "false", "0", "-1", "1.50", "1e3", "\"\"", "\"a\\u0041\\n\"", "\"\\ud83d\\ude00\"",
                                          "9007199254740993", "123456789012345678901234567890", "\"x\xe2\x80\xa8y\"", "-0.0", "1E-7"};
    unsigned kind = depth > 5 ? 0 : next_random(4);
    if (kind < 2) {
        buf_add_text(out, scalars[next_random(sizeof scalars / sizeof scalars[0])]);
        return;
    }
    unsigned count = next_random(5);
    buf_add_char(out, kind == 2 ? '[' : '{');
    for (unsigned i = 0; i < count; i++) {
        buf_add_text(out, i != 0 ? ", " : "");
        if (kind == 3) {
            buf_add_format(out, "\"k%s%u\" :", next_random(2) != 0 ? "\\u0061" : "", next_random(4));
        }
        add_random(out, depth + 1);
    }
    buf_add_char(out, kind == 2 ? ']' : '}');
}

static const char check_random[] =
    "local function same(a, b)\n"
    "  if type(a) ~= 'table' then return a == b or (a ~= a and b ~= b) end\n"
    "  for k, v in pairs(a) do if not same(v, b[k]) then return false end end\n"
    "  for k in pairs(b) do if a[k] == nil then return false end end\n"
    "  return #a == #b\n"
    "end\n"
    "local function touch(d)\n"
    "  if type(d) ~= 'userdata' then return end\n"
    "  for k, v in pairs(d) do if v ~= nil then d[k] = v; touch(v) end end\n"
    "end\n"
    "return { inbound = function(msg)\n"
    "  local plain = happn.table(msg.data)\n"
    "  local again = happn.json.decode(happn.json.encode(plain))\n"
    "  assert(same(plain, again), happn.json.encode(plain))\n"
    "  msg.data.extra = 1; msg.data.extra = nil\n"
    "  touch(msg.data)\n"
    "  assert(same(plain, happn.table(msg.data)), tostring(msg.data))\n"
    "  return happn.reply(happn.json.encode(plain) == happn.json.encode(again) or 'order')\n"
    "end }";

static void random_documents_survive(void **state)
{
    (void)state;
    struct buf text;
    use_inbound("random.lua", check_random);
    open_scripts();
    buf_init(&text, NULL, 1u << 24);
    for (int i = 0; i < 3000; i++) {
        struct peer peer;
        enter(&peer);
        buf_clear(&text);
        buf_add_lit(&text, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/x\",\"data\":{\"d\":");
        add_random(&text, 0);
        buf_add_lit(&text, "}}");
        core_receive(peer.session, buf_str(&text));
        struct str frame = hear(&peer);
        if (has_part(frame, "error")) {
            struct str log = read_log();
            fail_msg("%.*s\n%.*s", (int)text.len, text.ptr, (int)log.len, log.ptr);
        }
        leave(&peer);
    }
    buf_fini(&text);
}

/* -- limits and sandbox -- */

static void endless_scripts_are_stopped(void **state)
{
    static const char *const bodies[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "pcall(pcall, function() while true do end end); while true do pcall(error) end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "string.gsub('aaa', 'a', function() while true do end end)",
        "local x <close> = setmetatable({}, { __close = function() while true do end end }); while true do end",
        "setmetatable({}, { __index = function() while true do end end }).x()",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "coroutine.wrap(function() local x <close> = setmetatable({}, { __close = function() while true do end end }); while true do end end)()",
        "local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() while true do end end }); while true do end end)\n"
        "pcall(coroutine.resume, co); coroutine.close(co)",
        "local function f() return coroutine.wrap(function() for i = 1, 40 do f() end end)() end; f()",
        "local function f() for i = 1, 20 do pcall(coroutine.wrap(f)) end end f()",
        "for i = 1, 1e9 do local s = ('x'):rep(100000) end",
        "table.move({}, 1, math.maxinteger - 1, 2)",
        "table.insert(setmetatable({}, { __len = function() return math.maxinteger - 1 end }), 1, 1)",
        "table.sort(setmetatable({}, { __len = function() return 2 ^ 31 - 2 | 0 end }), rawequal)",
        "(''):rep(math.maxinteger)",
        "(('a'):rep(30)):find(('a*'):rep(25) .. 'b')",
        "local it = (('a'):rep(30)):gmatch(('a*'):rep(25) .. 'b'); pcall(it); it()",
        "(('a'):rep(30)):gsub(('a?'):rep(25) .. ('a-'):rep(25) .. 'b', '')",
        "(('('):rep(100000)):gsub('%b()', '')",
        "while true do happn.get('/x') end",
        "while true do pcall(happn.get, '/x') end",
        "while true do happn.json.encode({}) end",
        "local t = {}; for i = 1, 100 do t[i] = i end; while true do happn.array(t); happn.json.encode(t) end",
        "goto a ::a:: goto a",
    };
    struct peer peer;
    char text[1024];
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        open_core(state);
        snprintf(text, sizeof text, "return { paths = {'/bad'}, inbound = function(msg) %s end }", bodies[i]);
        use_inbound("endless.lua", text);
        open_scripts();
        enter(&peer);
        for (int again = 0; again < 2; again++) {
            say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/bad\",\"data\":{}}");
            for (int turns = 0; peer.read == peer.count && turns < 100000; turns++) {
                turn();
            }
            struct str frame = hear(&peer);
            if (!has_part(frame, "\"name\":\"ScriptError\"")) {
                fail_msg("%s: %.*s", bodies[i], (int)frame.len, frame.ptr);
            }
        }
        say(&peer, "{\"action\":\"get\",\"eventId\":2,\"path\":\"/good\"}");
        expect_data(&peer, "null");
        leave(&peer);
        close_core(state);
    }
}

static void a_killed_coroutine_stays_dead(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("dead.lua",
                "local co\n"
                "return { inbound = function(msg)\n"
                "  if co then return happn.reply({ closed = (pcall(coroutine.close, co)) }) end\n"
                "  co = coroutine.create(function()\n"
                "    local x <close> = setmetatable({}, { __close = function() while true do end end })\n"
                "    while true do end end)\n"
                "  coroutine.resume(co)\n"
                "end }");
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_error(&peer, "ScriptError");
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_data(&peer, "{\"closed\":false}");
    leave(&peer);
}

static void memory_is_limited(void **state)
{
    static const char *const bodies[] = {
        "local s = ('x'):rep(1 << 26)",
        "local t = {}; for i = 1, 1e9 do t[i] = i end",
        "local s = 'x'; while true do s = s .. s end",
        "local t = {}; pcall(function() for i = 1, 1e9 do t[i] = { i } end end); t = nil; error('again')",
    };
    struct peer peer;
    char text[512];
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        open_core(state);
        options.instructions = 100000000;
        snprintf(text, sizeof text, "return { paths = {'/bad'}, inbound = function(msg) %s end }", bodies[i]);
        use_inbound("memory.lua", text);
        open_scripts();
        enter(&peer);
        for (int again = 0; again < 3; again++) {
            say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/bad\",\"data\":{}}");
            expect_error(&peer, "\"name\":\"ScriptError\"");
        }
        say(&peer, "{\"action\":\"get\",\"eventId\":2,\"path\":\"/good\"}");
        expect_data(&peer, "null");
        leave(&peer);
        close_core(state);
    }
}

static void the_sandbox_has_no_way_out(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("sandbox.lua",
                "for _, name in ipairs { 'io', 'package', 'load', 'loadfile', 'dofile', 'loadstring', 'collectgarbage' } do\n"
                "  assert(_G[name] == nil, name)\n"
                "end\n"
                "for name in pairs(debug) do assert(name == 'traceback') end\n"
                "for _, name in ipairs { 'execute', 'exit', 'getenv', 'remove', 'rename', 'tmpname', 'setlocale' } do assert(os[name] == nil, name) end\n"
                "assert(string.dump == nil and ('').dump == nil)\n"
                "assert(getmetatable('') == false)\n"
                "assert(not pcall(setmetatable, {}, { __gc = function() end }))\n"
                "assert(not pcall(require, '../x') and not pcall(require, 'a..b') and not pcall(require, '/etc/passwd'))\n"
                "assert(not pcall(happn.get, '/x'))\n"
                "leaked = 1; string.upper = nil; happn.get = nil\n"
                "return { inbound = function(msg) end }");
    use_inbound("other.lua",
                "assert(leaked == nil and string.upper and ('x'):upper() == 'X' and happn.get)\n"
                "local lib = require 'lib_a'\n"
                "assert(lib == require 'lib_a' and shared == 1)\n"
                "return { inbound = function(msg)\n"
                "  assert(getmetatable(msg) == false and getmetatable(msg.data) == false)\n"
                "  assert(not pcall(require, 'lib_b'))\n"
                "  msg.data.n = lib.one\n"
                "end }");
    script("lib_a.lua", "shared = 1; return { one = 1 }");
    script("lib_b.lua", "return 1");
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_data(&peer, "{\"n\":1}");
    leave(&peer);
}

static void what_cannot_be_loaded_says_why(void **state)
{
    (void)state;
    expect_load_error("return {\n  inbound = function(msg\n}", "broken.lua:3:");
    expect_load_error("local x = nil\nx.y = 1", "broken.lua:2: attempt to index a nil value");
    expect_load_error("\033Lua", "broken.lua: bytecode is not accepted");
    expect_load_error("return 1", "broken.lua: must return a table");
    expect_load_error("return { inbond = function() end }", "broken.lua: unknown key \"inbond\"");
    expect_load_error("return { inbound = 1 }", "inbound must be a function");
    expect_load_error("return { actions = { 'dance' }, inbound = function() end }", "there is no action \"dance\"");
    expect_load_error("return { paths = { 'a' }, inbound = function() end }", "can never match");
    expect_load_error("return { paths = '/a', inbound = function() end }", "paths must be a list");
    expect_load_error("return {}", "no function inbound");
    expect_load_error("while true do end", "ran too long");
    expect_load_error("return { config = { a = { type = 'nummer' } }, inbound = function() end }", "no type \"nummer\"");
    expect_load_error("return { config = { a = { required = true } }, inbound = function() end }", "config.a is missing");
    expect_load_error("return { config = { a = { type = 'number', default = 'x' } }, inbound = function() end }", "config.a must be a number");
    expect_load_error("require 'nowhere'", "nowhere.lua: cannot be read");
    expect_load_error("happn.get('/x')", "happn.get is not available while a script is loaded");
    happn_error error = {0};
    struct scripts *out;
    script("broken.lua", "return { inbound = function() end }");
    inbound[0] = (struct script_entry){.file = "broken.lua", .config_json = "{\"x\":1}", .config_len = 7};
    assert_int_not_equal(scripts_open(&core, &options, &out, &error), HAPPN_OK);
    assert_non_null(strstr(error.message, "the script does not know \"x\""));
    inbound[0] = (struct script_entry){.file = "missing.lua"};
    assert_int_not_equal(scripts_open(&core, &options, &out, &error), HAPPN_OK);
    assert_non_null(strstr(error.message, "missing.lua: cannot be read"));
}

/* Whatever is done to a document, what is stored is no deeper than what may come from outside. */
static void documents_do_not_grow_deeper_than_they_may(void **state)
{
    (void)state;
    struct peer peer;
    static char text[1200];
    use_inbound("deep.lua", "return { actions = {'set'}, inbound = function(msg)\n"
                            "  if msg.path == '/wrap' then msg.data = { a = { b = { c = msg.data } } } end\n"
                            "  if msg.path == '/move' then msg.data.a.a.a.new = msg.data.a end\n"
                            "  if msg.path == '/list' then msg.data.list = { { { { msg.data.a } } } } end\n"
                            "  if msg.path == '/touch' then msg.data.a.a.a.n = 1 end end }");
    open_scripts();
    enter(&peer);
    static const struct {
        const char *path;
        bool is_refused;
    } cases[] = {{"/wrap", true}, {"/move", true}, {"/list", true}, {"/touch", false}, {"/none", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int len = snprintf(text, sizeof text, "{\"action\":\"set\",\"eventId\":1,\"path\":\"%s\",\"data\":", cases[i].path);
        int depth = JSON_MAX_DEPTH - 2; /* as deep as it may be: the message is one more */
        for (int level = 0; level < depth; level++) {
            len += snprintf(text + len, sizeof text - (size_t)len, "{\"a\":");
        }
        len += snprintf(text + len, sizeof text - (size_t)len, "1");
        for (int level = 0; level <= depth; level++) {
            text[len++] = '}';
        }
        text[len] = '\0';
        say(&peer, text);
        expect_part(hear(&peer), cases[i].is_refused ? "\"status\":\"error\"" : "\"status\":\"ok\"");
    }
    leave(&peer);
}

static void a_stale_message_is_an_error(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("stale.lua",
                "local old, data\n"
                "return { inbound = function(msg)\n"
                "  if not old then old, data = msg, msg.data return end\n"
                "  local ok, why = pcall(function() return old.path end)\n"
                "  local ok2 = pcall(function() old.path = '/y' end)\n"
                "  msg.data = { ok = ok, ok2 = ok2, why = why:match('message used.*'), kept = data.a }\n"
                "end }");
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{\"a\":1}}");
    hear(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/a\",\"data\":{}}");
    struct str frame = hear(&peer);
    expect_part(frame, "\"why\":\"message used after its request ended\"");
    expect_part(frame, "\"ok\":false");
    expect_part(frame, "\"ok2\":false");
    expect_part(frame, "\"kept\":1");
    leave(&peer);
}

static void errors_are_logged_once_a_minute_with_their_place(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("layer.lua", "return { inbound = function(msg)\n\n  local x = msg.data.missing + 1\nend }");
    open_scripts();
    enter(&peer);
    for (int i = 0; i < 3; i++) {
        say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{\"a\":1}}");
        expect_error(&peer, "ScriptError");
    }
    struct str log = read_log();
    expect_part(log, "script=layer.lua line=3 hook=inbound action=set path=/a");
    expect_part(log, "attempt to perform arithmetic on a nil value");
    expect_part(log, "stack traceback");
    assert_ptr_equal(memmem(log.ptr, log.len, "script error id", 15),
                     (char *)memmem(log.ptr, log.len, "script error id", 15));
    char *first = memmem(log.ptr, log.len, "script error id", 15);
    assert_null(memmem(first + 1, log.len - (size_t)(first + 1 - log.ptr), "script error id", 15));
    leave(&peer);
}

/* -- waiting: a store that answers when it is told to -- */

struct slow {
    struct provider provider;
    struct provider *inner;
    struct store_op *parked[64];
    size_t count;
};

static struct slow slow;

static happn_status slow_submit(struct provider *provider, struct store_op *op)
{
    (void)provider;
    slow.parked[slow.count++] = op;
    return HAPPN_PENDING;
}

static const struct provider_ops slow_ops = {"slow", true, slow_submit, NULL, NULL};

static void slow_down(void)
{
    slow = (struct slow){.provider.ops = &slow_ops, .inner = datastores_first(core.stores)->provider};
    datastores_first(core.stores)->provider = &slow.provider;
}

static void answer_all(void)
{
    size_t count = slow.count;
    struct store_op *ops[64];
    memcpy(ops, slow.parked, sizeof ops);
    slow.count = 0;
    for (size_t i = 0; i < count; i++) {
        ops[i]->status = provider_submit(slow.inner, ops[i]);
        ops[i]->done(ops[i]);
    }
}

static void speed_up(void)
{
    datastores_first(core.stores)->provider = slow.inner;
}

static void a_waiting_layer_holds_back_only_its_session(void **state)
{
    (void)state;
    struct peer one, two;
    use_inbound("wait.lua",
                "return { actions = {'set'}, paths = {'/wait/*'}, inbound = function(msg)\n"
                "  local ok, doc = pcall(happn.get, '/limits')\n"
                "  msg.data.limit = doc and doc.limit or 'none'\n"
                "  local ok, why = pcall(happn.set, '/a/*', {})\n"
                "  msg.data.error = why.name .. ':' .. why.code\n"
                "  local walk = coroutine.wrap(function() for i = 1, 2 do coroutine.yield(happn.get('/limits')) end end)\n"
                "  msg.data.sum = walk().limit + coroutine.wrap(function() return walk() end)().limit\n"
                "end }");
    open_scripts();
    enter(&one), enter(&two);
    say(&two, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/limits\",\"data\":{\"limit\":5.50}}");
    hear(&two);
    slow_down();
    say(&one, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/wait/1\",\"data\":{}}");
    say(&one, "{\"action\":\"get\",\"eventId\":2,\"path\":\"/wait/1\"}");
    say(&two, "{\"action\":\"get\",\"eventId\":2,\"path\":\"/limits\"}");
    assert_int_equal(slow.count, 2);
    expect_silence(&one);
    for (int i = 0; i < 20 && one.count < 2; i++) {
        answer_all();
        turn();
    }
    expect_data(&two, "{\"limit\":5.50}");
    expect_data(&one, "{\"limit\":5.5,\"error\":\"Error:-7\",\"sum\":11}");
    expect_data(&one, "{\"limit\":5.5,\"error\":\"Error:-7\",\"sum\":11}");
    speed_up();
    leave(&one), leave(&two);
}

static void a_client_may_leave_while_its_layer_waits(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("wait.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.a = happn.get('/x') end }");
    open_scripts();
    enter(&peer);
    slow_down();
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/w\",\"data\":{}}");
    leave(&peer);
    for (int i = 0; i < 5; i++) {
        answer_all();
        turn();
    }
    assert_int_equal(core.session_count, 1); /* the task's, kept for the next one */
    speed_up();
}

static void calls_work_at_once_too(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("calls.lua",
                "return { actions = {'set'}, paths = {'/go'}, inbound = function(msg)\n"
                "  for i = 1, 250 do happn.set(happn.path('/n', i), { i = i }) end\n"
                "  assert(#happn.get('/n/*') == 250 and #happn.paths('/n/*') == 250)\n"
                "  assert(happn.get('/nothing') == nil and #happn.paths('/nothing') == 0)\n"
                "  assert(happn.paths('/n/7')[1] == '/n/7')\n"
                "  local doc = happn.get('/n/7'); assert(doc.i == 7 and doc._meta.path == '/n/7')\n"
                "  happn.set('/n/7', { j = 1 }, { merge = true })\n"
                "  local co = coroutine.wrap(function() coroutine.yield(happn.get('/n/7').j) end); assert(co() == 1)\n"
                "  happn.publish('/n/event', { a = 1 }); assert(happn.get('/n/event') == nil)\n"
                "  assert(not pcall(happn.get, '/_SYSTEM/x') or happn.get('/_SYSTEM/x') == nil)\n"
                "  assert(not pcall(happn.set, '/_SYSTEM/x', {}))\n"
                "  assert(not pcall(table.sort, {2, 1}, function() happn.get('/x') end))\n"
                "  assert(not pcall(coroutine.yield, 1))\n"
                "  happn.sleep(0)\n"
                "  msg.data.removed = happn.remove('/n/*')\n"
                "end }");
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/go\",\"data\":{}}");
    for (int i = 0; i < 1000 && peer.count == 0; i++) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    expect_data(&peer, "{\"removed\":250}");
    leave(&peer);
}

static void a_coroutine_of_another_call_is_harmless(void **state)
{
    (void)state;
    struct peer one, two;
    use_inbound("shared.lua", "local co\n"
                              "return { actions = {'set'}, inbound = function(msg)\n"
                              "  if not co then co = coroutine.create(function() return happn.get('/x') end) end\n"
                              "  local ok, why = coroutine.resume(co)\n"
                              "  msg.data.ok = ok\n"
                              "end }");
    open_scripts();
    enter(&one), enter(&two);
    slow_down();
    say(&one, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    say(&two, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/b\",\"data\":{}}");
    for (int i = 0; i < 6; i++) {
        answer_all();
        turn();
    }
    expect_data(&one, "{\"ok\":false}");
    expect_data(&two, "{\"ok\":false}");
    speed_up();
    leave(&one), leave(&two);
}

/* -- routes -- */

static const char orders[] =
    "return { name = 'orders',\n"
    "  ['GET /'] = function(req) return happn.get('/orders/*', {}) end,\n"
    "  ['GET /{id}'] = function(req)\n"
    "    local order = happn.get(happn.path('/orders', req.params.id))\n"
    "    if not order then return 404, { error = 'no such order' } end\n"
    "    order._meta = nil\n"
    "    return order\n"
    "  end,\n"
    "  ['GET /count'] = function(req) return { count = #happn.paths('/orders/*') } end,\n"
    "  ['POST /'] = function(req)\n"
    "    local body = req:json()\n"
    "    happn.set(happn.path('/orders', body.id), body)\n"
    "    return 201, body, { location = '/orders/' .. body.id }\n"
    "  end,\n"
    "  ['GET /text/{a}/{b}'] = function(req) return req.params.a .. '+' .. req.params.b .. '+' .. req.query.q .. '+' .. req.headers['X-Who'] end,\n"
    "  ['GET /html/page'] = function(req) return 200, '<p>', { ['Content-Type'] = 'text/html' } end,\n"
    "  ['GET /status/{n}'] = function(req) return tonumber(req.params.n) end,\n"
    "  ['GET /fail/{n}'] = function(req) happn.fail{ name = 'NotYours', message = 'no', code = tonumber(req.params.n), why = 'x' } end,\n"
    "  ['GET /break/it'] = function(req) return nil + 1 end,\n"
    "  ['GET /bad/header'] = function(req) return 200, 'x', { a = 'b\\r\\nc: d' } end,\n"
    "  ['GET /loop/it'] = function(req) while true do end end,\n"
    "}\n";

static void routes_answer(void **state)
{
    (void)state;
    use_routes("orders.lua", "/api/orders", orders);
    open_scripts();
    assert_null(core.layers[LAYERS_INBOUND]);
    happn_http http = ask("POST", "/api/orders", NULL, "{\"id\":7,\"price\":1.50}");
    assert_int_equal(http.status, 201);
    assert_string_equal(http.answer, "{\"id\":7,\"price\":1.50}");
    assert_string_equal(http.headers, "location=/orders/7;");
    expect_answer("GET", "/api/orders/7", 200, "{\"id\":7,\"price\":1.50}");
    expect_answer("HEAD", "/api/orders/7", 200, "{\"id\":7,\"price\":1.50}");
    expect_answer("GET", "/api/orders/8", 404, "{\"error\":\"no such order\"}");
    expect_answer("GET", "/api/orders/count", 200, "{\"count\":1}");
    expect_answer("GET", "/api/elsewhere", 404, "");
    expect_answer("GET", "/api/orders/status/204", 204, "");
    expect_answer("GET", "/api/orders/fail/403", 403, "{\"error\":{\"name\":\"NotYours\",\"message\":\"no\",\"code\":403,\"why\":\"x\"}}");
    http = ask("GET", "/api/orders/text/a b/c%2fd", "q=1%2B+2", NULL); /* paths come decoded, queries as they were sent */
    assert_string_equal(http.answer, "a b+c%2fd+1+ 2+bob");
    assert_string_equal(http.type, "text/plain; charset=utf-8");
    assert_string_equal(ask("GET", "/api/orders/count", NULL, NULL).type, "application/json"); /* the call before had another */
    assert_string_equal(ask("GET", "/api/orders/html/page", NULL, NULL).type, "text/html");
    assert_string_equal(ask("GET", "/api/orders/count", NULL, NULL).type, "application/json");
    http = ask("DELETE", "/api/orders/7", NULL, NULL);
    assert_int_equal(http.status, 405);
    assert_string_equal(http.headers, "allow=GET;");
    http = ask("POST", "/api/orders", NULL, "{\"id\":");
    assert_int_equal(http.status, 400);
    static const char *const broken[] = {"/api/orders/break/it", "/api/orders/bad/header", "/api/orders/loop/it", "/api/orders/status/42",
                                         "/api/orders/*"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        http = ask("GET", broken[i], NULL, NULL);
        if (http.status != 500 || strstr(http.answer, "{\"error\":{\"name\":\"ScriptError\",\"message\":\"script failed\",\"id\":\"") == NULL) {
            fail_msg("%s: %d %s", broken[i], http.status, http.answer);
        }
        assert_string_equal(http.headers, "");
    }
    expect_part(read_log(), "script=orders.lua line=19 hook=GET /break/it");
}

static void a_route_waits(void **state)
{
    (void)state;
    use_routes("orders.lua", "/o", orders);
    open_scripts();
    slow_down();
    happn_http http = {.method = "GET", .path = "/o/count"};
    assert_true(core_route(&core, &http, "GET", str_of("/o/count")));
    assert_int_equal(http.answers, 0);
    answer_all();
    turn();
    assert_int_equal(http.answers, 1);
    assert_string_equal(http.answer, "{\"count\":0}");
    speed_up();
}

/* -- reload and close -- */

static void a_reload_is_all_or_nothing(void **state)
{
    (void)state;
    struct peer peer;
    happn_error error = {0};
    use_inbound("a.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.v = 1 end }");
    use_inbound("b.lua", "return { actions = {'set'}, inbound = function(msg) happn.get('/x'); msg.data.w = 1 end }");
    open_scripts();
    enter(&peer);
    script("a.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.v = 2 end }");
    script("b.lua", "return {\n\n  inbound = = 1 }");
    assert_int_not_equal(scripts_reload(scripts, &error), HAPPN_OK);
    assert_non_null(strstr(error.message, "b.lua:3:"));
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_data(&peer, "{\"v\":1,\"w\":1}");
    slow_down();
    say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/a\",\"data\":{}}"); /* begun in the old generation */
    script("b.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.w = 2 end }");
    assert_int_equal(scripts_reload(scripts, &error), HAPPN_OK);
    for (int i = 0; i < 5; i++) {
        answer_all();
        turn();
    }
    expect_data(&peer, "{\"v\":1,\"w\":1}");
    speed_up();
    say(&peer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/a\",\"data\":{}}");
    expect_data(&peer, "{\"v\":2,\"w\":2}");
    leave(&peer);
}

static void closing_ends_what_waits(void **state)
{
    (void)state;
    struct peer peer, sleeper;
    use_inbound("wait.lua", "return { actions = {'set'}, inbound = function(msg)\n"
                            "  local x <close> = setmetatable({}, { __close = function() pcall(happn.get, '/x'); while true do end end })\n"
                            "  if msg.path == '/sleep' then happn.sleep('1000s') end\n"
                            "  happn.get('/x')\n"
                            "end }");
    use_routes("orders.lua", "/o", orders);
    open_scripts();
    enter(&peer), enter(&sleeper);
    slow_down();
    happn_http http = {.method = "GET", .path = "/o/count"};
    core_route(&core, &http, "GET", str_of("/o/count"));
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/a\",\"data\":{}}");
    say(&sleeper, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/sleep\",\"data\":{}}");
    expect_silence(&peer);
    happn_error error;
    assert_int_equal(scripts_reload(scripts, &error), HAPPN_OK);
    close_scripts();
    expect_error(&peer, "\"eventId\":1");
    expect_error(&peer, "the server is stopping");
    expect_error(&sleeper, "ScriptError");
    assert_int_equal(http.status, 503);
    answer_all();
    turn();
    expect_silence(&peer);
    speed_up();
    leave(&peer), leave(&sleeper);
}

static void too_many_calls_are_refused(void **state)
{
    (void)state;
    struct peer one, two;
    use_inbound("wait.lua", "return { actions = {'set'}, inbound = function(msg) happn.get('/x') end }");
    options.tasks = 1;
    open_scripts();
    enter(&one), enter(&two);
    slow_down();
    say(&one, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    say(&two, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_error(&two, "\"name\":\"Busy\"");
    for (int i = 0; i < 5; i++) {
        answer_all();
        turn();
    }
    expect_data(&one, "{}");
    speed_up();
    leave(&one), leave(&two);
}

/* A hundred thousand, a million in make soak: the memory of Lua swings between collections, and its highest point stays where it was early. */
static void many_calls_do_not_grow(void **state)
{
    (void)state;
    struct peer peer;
    size_t early = 0, later = 0;
    const char *wanted = getenv("HAPPN_CALLS");
    int calls = wanted != NULL ? atoi(wanted) : 100000;
    use_inbound("small.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.a = (msg.data.a or 0) + 1 msg.session.state.n = msg.data.a\n"
                             "  if msg.data.b == 1 then happn.sleep(0) end end }");
    open_scripts();
    enter(&peer);
    for (int i = 0; i < calls; i++) {
        size_t used = scripts->current->vm.used, *highest = i < calls / 10 ? &early : &later;
        *highest = used > *highest ? used : *highest;
        say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{\"b\":1.50}}");
        expect_data(&peer, "{\"b\":1.50,\"a\":1}");
        memory_free(NULL, (char *)peer.frames[0].ptr);
        peer.count = peer.read = 0;
    }
    if (later > early + early / 10) {
        fail_msg("%zu bytes in the first tenth of %d calls, %zu later", early, calls, later);
    }
    leave(&peer);
}

/* -- each allocation fails in turn -- */

static void running_out_of_memory_is_survived(void **state)
{
    for (int n = 0; n < 100000; n += n < 400 ? 1 : 37) {
        struct test_memory memory = TEST_MEMORY(memory);
        memory.is_rare = true;
        struct peer peer;
        happn_error error;
        open_core(state);
        core.allocator = &memory.allocator;
        options.memory = 64 << 20;
        use_inbound("layer.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.a = happn.set('/x', { b = 1 }).b end }");
        use_routes("orders.lua", "", orders);
        enter(&peer);
        memory.left = n;
        bool opened = scripts_open(&core, &options, &scripts, &error) == HAPPN_OK;
        if (opened) {
            say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{\"n\":1.50}}");
            ask("GET", "/7", NULL, NULL);
            (void)!scripts_reload(scripts, &error);
            say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/a\",\"data\":{\"n\":1.50}}");
        } else {
            scripts = NULL;
        }
        memory.left = -1;
        leave(&peer);
        close_core(state);
        if (opened && !memory.has_failed) {
            return;
        }
    }
    fail_msg("there was no end to it");
}

/* -- the guide: each script in docs/lua.md is taken from there and used -- */

static void take_scripts_of_guide(void)
{
    static char text[65536];
    char folder[160];
    FILE *file = fopen(HAPPN_SOURCE_DIR "/docs/lua.md", "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    snprintf(folder, sizeof folder, "%s/layers", root);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(folder, sizeof folder, "%s/routes", root);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(folder, sizeof folder, "%s/work", root);
    assert_int_equal(mkdir(folder, 0700), 0);
    for (char *at = text; (at = strstr(at, "```lua\n-- ")) != NULL;) {
        char name[80];
        char *end = strstr(at + 7, "```");
        assert_int_equal(sscanf(at + 10, "%79s", name), 1);
        write_file(name, at + 7, (size_t)(end - at) - 7);
        at = end + 3;
    }
}

static void the_guide_is_true(void **state)
{
    (void)state;
    struct peer peer;
    take_scripts_of_guide();
    inbound[0] = (struct script_entry){.file = "layers/temperature.lua"};
    inbound[1] = (struct script_entry){.file = "layers/quota.lua"};
    inbound[2] = (struct script_entry){.file = "layers/values.lua"};
    inbound[3] = (struct script_entry){.file = "layers/visits.lua"};
    outbound[0] = (struct script_entry){.file = "layers/serials.lua"};
    outbound[1] = (struct script_entry){.file = "layers/slim.lua"};
    routes[0] = (struct script_entry){.file = "routes/orders.lua", .mount = "/api/orders"};
    static const struct script_entry others[] = {{.file = "work/orders.lua"}, {.file = "work/codes.lua"}};
    options.others = others;
    routes[1] = (struct script_entry){.file = "routes/clock.lua", .mount = ""};
    options.inbound_count = 4;
    options.outbound_count = options.other_count = options.route_count = 2;
    open_scripts();
    scripts_begin(scripts);
    enter(&peer);
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/sensors/1/temperature\",\"data\":{\"value\":99}}");
    expect_data(&peer, "{\"value\":99,\"unit\":\"C\"}");
    say(&peer, "{\"action\":\"get\",\"eventId\":1,\"path\":\"/alarms/*\"}");
    expect_part(hear(&peer), "\"path\":\"/sensors/1/temperature\"");
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/sensors/1/temperature\",\"data\":{\"value\":\"hot\"}}");
    expect_error(&peer, "\"name\":\"ValidationError\",\"message\":\"value must be a number\",\"field\":\"value\"");
    for (int i = 0; i < 3; i++) {
        char text[120];
        snprintf(text, sizeof text, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/uploads/%d\",\"data\":{\"n\":1}}", i);
        say(&peer, text);
        expect_part(hear(&peer), i < 2 ? "\"n\":1" : "\"refused\":true");
    }
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/values\",\"data\":{ \"price\": 1.50, \"gone\": null, \"tags\": [] }}");
    expect_data(&peer, "{\"price\":1.5,\"gone\":null,\"tags\":[\"new\"],\"empty\":[],\"nothing\":null,\"text\":\"{\\\"a\\\":[1,null]}\"}");
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/devices/1\",\"data\":{\"serial\":7,\"a\":1}}");
    expect_data(&peer, "{\"a\":1}");
    assert_int_equal(ask("POST", "/api/orders", NULL, "{}").status, 422);
    happn_http http = ask("POST", "/api/orders", NULL, "{\"id\":\"7\"}");
    assert_int_equal(http.status, 201);
    assert_string_equal(http.headers, "location=/api/orders/7;");
    assert_non_null(strstr(ask("GET", "/api/orders", NULL, NULL).answer, "[{\"id\":\"7\",\"_meta\":{\"path\":\"/orders/7\""));
    expect_answer("GET", "/api/orders/7/label", 200, "<p>7</p>");
    expect_answer("GET", "/api/orders/8", 404, "{\"error\":\"no such order\"}");
    assert_string_equal(ask("GET", "/orders.csv", NULL, NULL).answer, "/orders/7\n");
    happn_http clock = {.method = "GET", .path = "/clock"};
    assert_true(core_route(&core, &clock, "GET", STR_LIT("/clock")));
    while (clock.answers == 0) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    assert_string_equal(clock.answer, "data: {\"n\":1}\n\ndata: {\"n\":2}\n\ndata: {\"n\":3}\n\n");
    for (int i = 1; i <= 4; i++) {
        char count[20];
        snprintf(count, sizeof count, "\"count\":%d", i);
        say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/visits\",\"data\":{}}");
        expect_part(hear(&peer), i <= 3 ? count : "three visits are enough");
    }
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/positions/1\",\"data\":{\"raw\":1,\"x\":2}}");
    expect_data(&peer, "{\"x\":2}");
    for (int i = 0; i < 100; i++) {
        turn(); /* the listener has its turn */
    }
    say(&peer, "{\"action\":\"get\",\"eventId\":1,\"path\":\"/log/orders/*\"}");
    expect_part(hear(&peer), "\"id\":\"7\"");
    leave(&peer);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_core, close_core)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_layer_changes_refuses_replies),
        T(layers_share_a_context_and_see_earlier_changes),
        T(an_outbound_layer_hides_and_drops),
        T(long_refusals_are_cut_between_characters),
        T(long_error_texts_are_cut_between_characters),
        T(errors_about_long_texts_of_clients_are_utf8),
        T(an_outbound_layer_cannot_wait),
        T(logins_hide_their_secrets),
        cmocka_unit_test(documents_are_lazy_and_keep_what_is_not_touched),
        cmocka_unit_test(values_that_are_no_json_are_refused_by_name),
        T(random_documents_survive),
        cmocka_unit_test(endless_scripts_are_stopped),
        T(a_killed_coroutine_stays_dead),
        cmocka_unit_test(memory_is_limited),
        T(the_sandbox_has_no_way_out),
        T(what_cannot_be_loaded_says_why),
        T(documents_do_not_grow_deeper_than_they_may),
        T(a_stale_message_is_an_error),
        T(errors_are_logged_once_a_minute_with_their_place),
        T(a_waiting_layer_holds_back_only_its_session),
        T(a_client_may_leave_while_its_layer_waits),
        T(calls_work_at_once_too),
        T(a_coroutine_of_another_call_is_harmless),
        T(routes_answer),
        T(a_route_waits),
        T(a_reload_is_all_or_nothing),
        T(closing_ends_what_waits),
        T(too_many_calls_are_refused),
        T(many_calls_do_not_grow),
        cmocka_unit_test(running_out_of_memory_is_survived),
        T(the_guide_is_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
