/* Where a script's functions stand: before and behind the checkpoint, for each recipient and once for all. */
#include "script_house.h"

static void set(struct peer *peer, const char *path, const char *data)
{
    char text[200];
    snprintf(text, sizeof text, "{\"action\":\"set\",\"eventId\":1,\"path\":\"%s\",\"data\":%s}", path, data);
    say(peer, text);
}

static void listen_to(struct peer *peer, const char *channel)
{
    char text[100];
    snprintf(text, sizeof text, "{\"action\":\"on\",\"eventId\":1,\"path\":\"%s\"}", channel);
    say(peer, text);
    hear(peer);
}

static void behind_the_checkpoint_the_path_is_settled(void **state)
{
    (void)state;
    struct peer peer;
    use_inbound("late.lua", "return { phase = 'authorized', inbound = function(msg)\n"
                            "  if msg.action ~= 'set' then return end\n"
                            "  msg.data.order = (msg.data.order or '') .. 'late'\n"
                            "  msg.data.path = (pcall(function() msg.path = '/elsewhere' end))\n"
                            "  msg.data.options = (pcall(function() msg.options = { noStore = true } end))\n"
                            "  if msg.data.wait then happn.sleep(0) end\n"
                            "  if msg.data.fail then happn.fail('Late', 'no') end\n"
                            "  if msg.data.reply then return happn.reply({ at = 'once' }) end end }");
    use_inbound("early.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.order = (msg.data.order or '') .. 'early ' end }");
    open_scripts();
    enter(&peer);
    set(&peer, "/a", "{}");
    expect_members(json_get(hear(&peer), "data"), "{\"order\":\"early late\",\"path\":false,\"options\":false}");
    set(&peer, "/a", "{\"wait\":true}");
    set(&peer, "/b", "{\"n\":2}");
    expect_members(json_get(hear(&peer), "data"), "{\"order\":\"early late\",\"wait\":true}");
    expect_members(json_get(hear(&peer), "data"), "{\"n\":2}");
    set(&peer, "/a", "{\"fail\":true}");
    expect_error(&peer, "\"name\":\"Late\"");
    set(&peer, "/a", "{\"reply\":true}");
    expect_members(json_get(hear(&peer), "data"), "{\"at\":\"once\"}");
    set(&peer, "/a/*", "{}");
    struct str frame = hear(&peer); /* what is refused does not get there */
    assert_false(has_part(frame, "late"));
    leave(&peer);
}

static void an_event_is_seen_once_for_all(void **state)
{
    (void)state;
    enum { PEERS = 20 };
    struct peer publisher, peers[PEERS];
    use_outbound("all.lua", "local seen = 0\n"
                            "return { scope = 'publication', paths = { '/news', '/hidden', '/wrong' }, outbound = function(msg)\n"
                            "  if msg.path == '/wrong' then return msg.recipient.id end\n"
                            "  if msg.path == '/hidden' and msg.direction == 'publication' then return happn.drop() end\n"
                            "  if msg.direction == 'publication' then seen = seen + 1 msg.data.seen = seen end\n"
                            "  msg.data.secret = nil end }");
    open_scripts();
    enter(&publisher);
    for (int i = 0; i < PEERS; i++) {
        enter(&peers[i]);
        listen_to(&peers[i], "/ALL@*");
    }
    set(&publisher, "/news", "{\"secret\":1,\"n\":1}");
    assert_false(has_part(hear(&publisher), "secret"));
    for (int i = 0; i < PEERS; i++) {
        struct str frame = hear(&peers[i]);
        expect_part(frame, "\"seen\":1");
        assert_false(has_part(frame, "secret"));
    }
    set(&publisher, "/hidden", "{\"secret\":1}");
    hear(&publisher);
    set(&publisher, "/wrong", "{\"secret\":1}");
    hear(&publisher);
    set(&publisher, "/other", "{\"secret\":1}");
    hear(&publisher);
    for (int i = 0; i < PEERS; i++) {
        expect_part(hear(&peers[i]), "\"path\":\"/other\""); /* the two before were not sent */
        expect_silence(&peers[i]);
    }
    expect_part(read_log(), "with scope = \"publication\" there is none");
    say(&publisher, "{\"action\":\"get\",\"eventId\":1,\"path\":\"/news\"}");
    expect_data(&publisher, "{\"n\":1}"); /* what is stored has neither; replies pass it, too */
    for (int i = 0; i < PEERS; i++) {
        leave(&peers[i]);
    }
    leave(&publisher);
}

static void what_scripts_publish_passes_it_too(void **state)
{
    (void)state;
    struct peer peer;
    use_outbound("all.lua", "return { scope = 'publication', outbound = function(msg) msg.data.secret = nil end }");
    use_routes("r.lua", "", "return { ['GET /'] = function() happn.set('/a', { secret = 1, n = 1 }) return { ok = true } end }");
    open_scripts();
    enter(&peer);
    listen_to(&peer, "/ALL@/a");
    assert_int_equal(ask("GET", "/", NULL, NULL).status, 200);
    struct str frame = hear(&peer);
    expect_part(frame, "\"n\":1");
    assert_false(has_part(frame, "secret"));
    leave(&peer);
}

static void a_reload_moves_them(void **state)
{
    (void)state;
    struct peer publisher, peer;
    happn_error error;
    use_outbound("o.lua", "return { outbound = function(msg) msg.data.by = 'each' end }");
    use_inbound("i.lua", "return { actions = {'set'}, inbound = function(msg) msg.data.at = 'before' end }");
    open_scripts();
    enter(&publisher);
    enter(&peer);
    listen_to(&peer, "/ALL@*");
    set(&publisher, "/a", "{}");
    expect_data(&publisher, "{\"at\":\"before\",\"by\":\"each\"}");
    expect_part(hear(&peer), "\"by\":\"each\"");
    script("o.lua", "return { scope = 'publication', outbound = function(msg) msg.data.by = 'all' end }");
    script("i.lua", "return { phase = 'authorized', actions = {'set'}, inbound = function(msg) msg.data.at = 'behind' end }");
    assert_int_equal(scripts_reload(scripts, &error), HAPPN_OK);
    assert_false(layers_wanted(&core, LAYERS_OUTBOUND)); /* recipients share one frame again */
    set(&publisher, "/a", "{}");
    expect_data(&publisher, "{\"at\":\"behind\",\"by\":\"all\"}");
    expect_part(hear(&peer), "\"by\":\"all\"");
    leave(&peer);
    leave(&publisher);
}

static void wrong_places_are_mistakes(void **state)
{
    (void)state;
    expect_load_error("return { phase = 'late', inbound = function() end }", "phase must be \"authorized\" or left out");
    expect_load_error("return { scope = 'publication', inbound = function() end }", "scope is about the function outbound");
    expect_load_error("return { phase = 'authorized', outbound = function() end }", "phase is about the function inbound");
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_core, close_core)

int main(void)
{
    const struct CMUnitTest tests[] = {T(behind_the_checkpoint_the_path_is_settled), T(an_event_is_seen_once_for_all), T(what_scripts_publish_passes_it_too),
                                       T(a_reload_moves_them), T(wrong_places_are_mistakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
