/* What scripts see and remember of the session at the other end. */
#include "script_house.h"

static void state_lives_as_long_as_the_session(void **state)
{
    (void)state;
    struct peer one, two;
    use_inbound("count.lua", "return { actions = {'set'}, inbound = function(msg)\n"
                             "  local s = msg.session.state\n"
                             "  s.count = (s.count or 0) + 1\n"
                             "  if msg.data.refuse then happn.fail('Refused', 'no') end\n"
                             "  msg.data.count = s.count end }");
    use_inbound("again.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.seen = msg.session.state.count end }");
    open_scripts();
    enter(&one);
    enter(&two);
    say(&one, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_data(&one, "{\"count\":1,\"seen\":1}");
    say(&one, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{\"refuse\":true}}");
    expect_error(&one, "\"message\":\"no\"");
    happn_error error;
    assert_int_equal(scripts_reload(scripts, &error), HAPPN_OK);
    say(&one, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_data(&one, "{\"count\":3,\"seen\":3}");
    say(&two, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_data(&two, "{\"count\":1,\"seen\":1}");
    leave(&one);
    enter(&one);
    say(&one, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
    expect_data(&one, "{\"count\":1,\"seen\":1}");
    leave(&one);
    leave(&two);
}

static void state_may_be_replaced_and_is_limited(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("state.lua", "return { actions = {'set'}, inbound = function(msg)\n"
                             "  if msg.path == '/list' then msg.session.state = happn.array{1} end\n"
                             "  if msg.path == '/number' then msg.session.state = 5 end\n"
                             "  if msg.path == '/large' then msg.session.state.text = ('x'):rep(70000) end\n"
                             "  if msg.path == '/id' then msg.session.id = 'other' end\n"
                             "  if msg.path == '/new' then msg.session.state = { fresh = true, list = happn.array{} } end\n"
                             "  msg.data.state = happn.json.encode(msg.session.state) end }");
    open_scripts();
    enter(&peer);
    static const struct {
        const char *path, *says;
    } wrong[] = {{"/list", "session.state must be an object"},
                 {"/number", "table expected, got number"},
                 {"/large", "at most 65536 bytes"},
                 {"/id", "session.id cannot be changed, only session.state"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"action\":\"set\",\"eventId\":1,\"path\":\"%s\",\"data\":{}}", wrong[i].path);
        say(&peer, text);
        expect_error(&peer, "ScriptError");
        expect_part(read_log(), wrong[i].says);
    }
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/new\",\"data\":{}}");
    expect_part(hear(&peer), "fresh");
    say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/read\",\"data\":{}}");
    struct str frame = hear(&peer);
    expect_part(frame, "\\\"fresh\\\":true");
    expect_part(frame, "\\\"list\\\":[]");
    leave(&peer);
}

static void a_session_is_known_and_ends(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("who.lua", "local kept\nreturn { actions = {'set'}, inbound = function(msg)\n"
                           "  local s = msg.session\n"
                           "  if kept then msg.data.stale = select(2, pcall(function() return kept.id end)) end\n"
                           "  kept = s\n"
                           "  msg.data.known = (#s.id == 36) and s.protocol == 'happn_4' and s.is_local == false and s.username == nil\n"
                           "    and #s.groups == 0 and not s:in_group('staff') and s.address == nil and msg.recipient == s\n"
                           "  msg.data.wrong = select(2, pcall(function() return s.nothing end)) end }");
    open_scripts();
    enter(&peer);
    for (int round = 0; round < 2; round++) {
        say(&peer, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/a\",\"data\":{}}");
        struct str frame = hear(&peer);
        expect_part(frame, "\"known\":true");
        expect_part(frame, "a session has no field nothing");
        assert_int_equal(has_part(frame, "session used after its request ended"), round == 1);
    }
    leave(&peer);
}

static void requests_have_cookies_and_no_state(void **state)
{
    (void)state;
    use_routes("r.lua", "", "return { ['GET /'] = function(req) return { sid = req.cookies.sid, q = req.cookies['q'], e = req.cookies.e,\n"
                            "  bare = req.cookies.bare == nil, user = req.session.username == nil, protocol = req.session.protocol,\n"
                            "  ip = req.session.address, state = select(2, pcall(function() return req.session.state end)) } end }");
    open_scripts();
    happn_http http = ask("GET", "/", NULL, NULL);
    struct str answer = str_of(http.answer);
    expect_part(answer, "\"sid\":\"first\"");
    expect_part(answer, "\"q\":\"a=b\"");
    expect_part(answer, "\"e\":\"\"");
    expect_part(answer, "\"bare\":true");
    expect_part(answer, "\"user\":true");
    expect_part(answer, "\"protocol\":\"http\"");
    expect_part(answer, "\"ip\":\"127.0.0.1\"");
    expect_part(answer, "happn.shared keeps values by name");
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_core, close_core)

int main(void)
{
    const struct CMUnitTest tests[] = {T(state_lives_as_long_as_the_session), T(state_may_be_replaced_and_is_limited), T(a_session_is_known_and_ends),
                                       T(requests_have_cookies_and_no_state)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
