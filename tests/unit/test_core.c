/* Sessions of every protocol on one core, without sockets: frames in, frames out. */
#include "core_peer.h"

#include "base/error.h"
#include "core/acknowledgement.h"
#include "core/layers.h"
#include "json/scan.h"
#include "store/datastores.h"

static void a_set_reaches_every_generation(void **state)
{
    (void)state;
    struct peer six, eight, thirteen;
    enter(&six, "happn_2");
    enter(&eight, "happn_3");
    enter(&thirteen, "happn_4");
    say(&six, "{\"action\":\"on\",\"eventId\":2,\"path\":\"/ALL@/a/*\",\"data\":null}");
    say(&eight, "{\"action\":\"on\",\"eventId\":2,\"path\":\"/SET@/a/*\",\"data\":null}");
    say(&thirteen, "{\"action\":\"on\",\"eventId\":2,\"path\":\"/SET@/a/**\",\"data\":null,\"options\":{\"depth\":3}}");
    hear(&six), hear(&eight), hear(&thirteen);
    say(&thirteen, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/a/b/c\",\"data\":{\"x\":1.50},\"sessionId\":\"s\"}");
    struct str event = hear(&six);
    expect_part(event, "\"channel\":\"/ALL@/a/*\"");
    expect_part(event, "\"action\":\"/SET@/a/b/c\"");
    expect_part(event, "\"__outbound\":true");
    expect_part(event, "\"data\":{\"x\":1.50}");
    expect_silence(&eight); /* the segment language: `*` is one segment */
    expect_part(hear(&thirteen), "\"depth\":3");
    struct str reply = hear(&thirteen);
    expect_part(reply, "\"published\":true");
    expect_part(reply, "\"sessionId\":\"s\"");
    leave(&six), leave(&eight), leave(&thirteen);
}

static void get_remove_and_paths(void **state)
{
    (void)state;
    struct peer peer;
    enter(&peer, "happn_2");
    say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/l/1\",\"data\":[1]}");
    expect_reply(&peer, "2", "{\"value\":[1]}");
    say(&peer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/l/2\",\"data\":{\"a\":1,\"_meta\":{\"path\":\"x\"}}}");
    expect_reply(&peer, "3", "{\"a\":1}");
    say(&peer, "{\"action\":\"set\",\"eventId\":4,\"path\":\"/l/2\",\"data\":{\"b\":null},\"options\":{\"merge\":true}}");
    expect_reply(&peer, "4", "{\"a\":1,\"b\":null}");
    say(&peer, "{\"action\":\"get\",\"eventId\":5,\"path\":\"/l/*\"}");
    struct str list = hear(&peer);
    expect_part(list, "[{\"value\":[1],\"_meta\":{");
    expect_part(list, "\"_id\":\"/l/2\"");
    expect_part(list, "\"eventId\":5,\"action\":\"get\"}]");
    say(&peer, "{\"action\":\"get\",\"eventId\":6,\"path\":\"/l/2\",\"options\":{\"options\":{\"path_only\":true}}}");
    assert_false(str_is_set(json_get(hear(&peer), "data")));
    say(&peer, "{\"action\":\"remove\",\"eventId\":7,\"path\":\"/l/*\"}");
    expect_reply(&peer, "7", "{\"removed\":2}");
    say(&peer, "{\"action\":\"get\",\"eventId\":8,\"path\":\"/l/1\"}");
    expect_reply(&peer, "8", "null");
    leave(&peer);
}

static void initial_values_and_off(void **state)
{
    (void)state;
    struct peer peer;
    enter(&peer, "happn_4");
    say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/i/1\",\"data\":{\"a\":1}}");
    hear(&peer);
    say(&peer, "{\"action\":\"on\",\"eventId\":3,\"path\":\"/SET@/i/*\",\"options\":{\"initialCallback\":true}}");
    struct str reply = hear(&peer);
    expect_part(reply, "\"initialValues\":[{\"data\":{\"a\":1");
    struct str id = json_get(json_get(reply, "_meta"), "referenceId");
    char text[200];
    snprintf(text, sizeof text, "{\"action\":\"off\",\"eventId\":4,\"path\":\"/SET@/i/*\",\"options\":{\"referenceId\":%.*s}}",
             (int)id.len, id.ptr);
    say(&peer, text);
    hear(&peer);
    assert_int_equal(subscriptions_count(core.subscriptions), 0);
    leave(&peer);
}

static happn_verdict hide(happn_message *message, void *arg)
{
    (void)arg;
    return happn_message_set_data(message, "{\"hidden\":1}", 12) == HAPPN_OK ? HAPPN_NEXT : HAPPN_FAIL;
}

/* Clients of 1.x get each initial value as an event of its own: it is a part of the answer, and what layers make of that. */
static void emitted_values_pass_the_layers(void **state)
{
    (void)state;
    struct peer peer;
    enter(&peer, "happn_1");
    say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/i/1\",\"data\":{\"secret\":1}}");
    hear(&peer);
    assert_non_null(layers_add(&core, LAYERS_OUTBOUND, hide, NULL));
    say(&peer, "{\"action\":\"on\",\"eventId\":3,\"path\":\"/SET@/i/*\",\"options\":{\"initialEmit\":true}}");
    assert_true(str_is(json_get(hear(&peer), "data"), "{\"hidden\":1}"));
    expect_part(hear(&peer), "\"data\":[{\"hidden\":1");
    leave(&peer);
}

static happn_status refuse(struct provider *provider, struct store_op *op)
{
    (void)provider;
    if (op->kind == STORE_REMOVE) {
        return op->status = error_set(&op->error, HAPPN_E_STORE, "the store failed: it is old");
    }
    return op->status = HAPPN_OK;
}

static void close_refusing(struct provider *provider, void (*closed)(void *arg), void *arg)
{
    (void)provider;
    assert_int_equal(loop_post(&loop, closed, arg), HAPPN_OK);
}

/* What one store has removed is gone: it is told, also when another one could not remove its part. */
static void a_removal_that_succeeds_in_part_is_told(void **state)
{
    (void)state;
    static const struct provider_ops ops = {.name = "refusing", .keeps_order = true, .submit = refuse, .close = close_refusing};
    struct provider refusing = {.ops = &ops};
    struct peer peer, other;
    enter(&peer, "happn_4");
    enter(&other, "happn_4");
    assert_int_equal(datastores_add(core.stores, "refusing", &refusing, false, NULL), HAPPN_OK);
    assert_int_equal(datastores_add_pattern(core.stores, STR_LIT("/p/old/*"), "refusing", NULL), HAPPN_OK);
    say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/p/1\",\"data\":{\"a\":1}}");
    say(&peer, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/p/2\",\"data\":{\"a\":1}}");
    hear(&peer), hear(&peer);
    say(&other, "{\"action\":\"on\",\"eventId\":3,\"path\":\"/REMOVE@/p/*\",\"data\":null}");
    hear(&other);
    say(&peer, "{\"action\":\"remove\",\"eventId\":4,\"path\":\"/p/*\",\"data\":null,\"options\":{\"publishEach\":true}}");
    struct str refusal = hear(&peer);
    expect_part(refusal, "\"status\":\"error\"");
    expect_part(refusal, "the store failed: it is old (other stores have removed 2 documents)");
    struct str event = hear(&other);
    expect_part(event, "\"data\":{\"removed\":2}");
    expect_part(event, "/REMOVE@/p/*");
    expect_part(hear(&other), "/REMOVE@/p/1");
    expect_part(hear(&other), "/REMOVE@/p/2");
    say(&peer, "{\"action\":\"remove\",\"eventId\":5,\"path\":\"/p/*\",\"data\":null}");
    expect_part(hear(&peer), "it is old\"");
    expect_silence(&other);
    leave(&peer), leave(&other);
}

static void bad_requests_get_a_named_error(void **state)
{
    (void)state;
    static const struct {
        const char *request, *part;
    } cases[] = {
        {"{\"action\":\"set\",\"eventId\":2,\"path\":\"/a/*\",\"data\":1}", "cannot contain the * wildcard character"},
        {"{\"action\":\"set\",\"eventId\":2,\"path\":null,\"data\":1}", "Bad path [null], must be a string"},
        {"{\"action\":\"get\",\"eventId\":2,\"path\":7}", "Bad path [7], must be a string"},
        {"{\"action\":\"get\",\"eventId\":2}", "Bad path [undefined], must be a string"},
        {"{\"action\":\"set\",\"eventId\":2,\"path\":\"/\\u00e9\",\"data\":1}", "Bad path, can only contain"},
        {"{\"action\":\"on\",\"eventId\":2,\"path\":\"/FOO@/a\"}", "subscribe failed"},
        {"{\"action\":\"on\",\"eventId\":2,\"path\":\"/SET@*/b\"}", "subscribe failed"},
        {"{\"action\":\"set\",\"eventId\":2,\"path\":\"/n\",\"data\":{\"a\":1e400}}", "a number cannot be held"},
        {"{\"action\":\"set\",\"eventId\":2,\"path\":\"/_SYSTEM/a\",\"data\":1}", "unauthorized"},
        {"{\"action\":\"dance\",\"eventId\":2}", "unknown action: dance"},
    };
    struct peer peer;
    enter(&peer, "happn_2");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        say(&peer, cases[i].request);
        struct str frame = hear(&peer);
        expect_part(frame, "\"status\":\"error\"");
        expect_part(frame, "\"eventId\":2");
        expect_part(frame, cases[i].part);
    }
    static const char *const ignored[] = {"", "{", "null", "7", "[]", "{}", "\"text\"", "\"primus::other::\"", "\"primus::ping::1\"}{\"",
                                          "\"primus::ping::1"};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        say(&peer, ignored[i]);
        expect_silence(&peer);
    }
    say(&peer, "\"primus::ping::123\"");
    assert_true(str_is(hear(&peer), "\"primus::pong::123\""));
    leave(&peer);
}

static happn_message *parked;

static happn_verdict park_sets(happn_message *message, void *arg)
{
    (void)arg;
    size_t len;
    const char *action = happn_message_action(message, &len);
    if (len != 3 || memcmp(action, "set", 3) != 0) {
        return HAPPN_NEXT;
    }
    parked = message;
    return HAPPN_LATER;
}

static void a_parked_request_holds_back_its_own_session_only(void **state)
{
    (void)state;
    struct peer one, two;
    enter(&one, "happn_2");
    enter(&two, "happn_2");
    assert_non_null(layers_add(&core, LAYERS_INBOUND, park_sets, NULL));
    say(&one, "{\"action\":\"set\",\"eventId\":2,\"path\":\"/p\",\"data\":{\"a\":1}}");
    say(&one, "{\"action\":\"get\",\"eventId\":3,\"path\":\"/p\"}");
    say(&two, "{\"action\":\"get\",\"eventId\":2,\"path\":\"/p\"}");
    expect_silence(&one);
    expect_reply(&two, "2", "null");
    assert_int_equal(happn_message_set_data(parked, "{\"a\":2}", 7), HAPPN_OK);
    happn_message_resume(parked, HAPPN_NEXT);
    expect_reply(&one, "2", "{\"a\":2}");
    expect_reply(&one, "3", "{\"a\":2}");
    say(&one, "{\"action\":\"set\",\"eventId\":4,\"path\":\"/p\",\"data\":{\"a\":3}}");
    happn_message_set_error(parked, "ValidationError", "no", 0, "{\"field\":\"a\"}", 13);
    happn_message_resume(parked, HAPPN_FAIL);
    expect_part(hear(&one), "\"error\":{\"name\":\"ValidationError\",\"message\":\"no\",\"field\":\"a\"}");
    leave(&one), leave(&two);
}

static void publish(struct peer *peer, int event_id)
{
    char text[160];
    snprintf(text, sizeof text, "{\"action\":\"set\",\"eventId\":%d,\"path\":\"/k\",\"data\":{},\"options\":{\"consistency\":3}}", event_id);
    say(peer, text);
    expect_part(hear(peer), "\"ok\""); /* the answer; the report follows */
}

/* Of a publication that the publisher numbered so. */
static void acknowledge(struct peer *peer, const struct peer *publisher, int event_id)
{
    char text[160];
    snprintf(text, sizeof text, "{\"action\":\"ack\",\"eventId\":9,\"data\":\"%s-%d\"}", publisher->session->id, event_id);
    say(peer, text);
    forget_frames(peer);
}

static void expect_report(struct peer *peer, int event_id, const char *part)
{
    char id[40];
    snprintf(id, sizeof id, "\"eventId\":%d", event_id);
    struct str report = hear(peer);
    expect_part(report, "\"ack\"");
    expect_part(report, id);
    expect_part(report, part);
}

static void publications_that_wait_are_found_by_their_id_and_bounded(void **state)
{
    (void)state;
    struct peer publisher, reader, other;
    enter(&publisher, "happn_4");
    enter(&reader, "happn_4");
    enter(&other, "happn_4");
    say(&reader, "{\"action\":\"on\",\"eventId\":2,\"path\":\"/SET@/k\",\"data\":null}");
    say(&other, "{\"action\":\"on\",\"eventId\":2,\"path\":\"/SET@/k\",\"data\":null}");
    for (int id = 10; id < 13; id++) {
        publish(&publisher, id);
    }
    static const int order[] = {12, 10};
    for (int i = 0; i < 2; i++) {
        acknowledge(&reader, &publisher, order[i]);
        acknowledge(&reader, &publisher, order[i]); /* once is enough */
        expect_silence(&publisher);
        acknowledge(&other, &publisher, order[i]);
        expect_report(&publisher, order[i], "\"acknowledged\":2");
    }
    publish(&publisher, 11); /* the same id again: the first one is given up */
    expect_report(&publisher, 11, "unacknowledged publication");
    acknowledge(&other, &publisher, 11);
    leave(&other); /* it has acknowledged */
    acknowledge(&reader, &publisher, 11);
    expect_report(&publisher, 11, "\"acknowledged\":2");
    for (int id = 20; id < 20 + ACKNOWLEDGEMENTS_MOST; id++) {
        publish(&publisher, id);
        expect_silence(&publisher);
        forget_frames(&publisher);
        forget_frames(&reader);
    }
    publish(&publisher, 5);
    expect_report(&publisher, 5, "too many publications wait to be acknowledged");
    assert_int_equal(acknowledgement_count(&core), ACKNOWLEDGEMENTS_MOST);
    acknowledge(&reader, &publisher, 777);
    expect_report(&publisher, 777, "\"acknowledged\":1");
    publish(&publisher, 6);
    expect_silence(&publisher);
    leave(&publisher);
    leave(&reader);
    assert_int_equal(acknowledgement_count(&core), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_set_reaches_every_generation, open_core, close_core),
        cmocka_unit_test_setup_teardown(get_remove_and_paths, open_core, close_core),
        cmocka_unit_test_setup_teardown(initial_values_and_off, open_core, close_core),
        cmocka_unit_test_setup_teardown(emitted_values_pass_the_layers, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_removal_that_succeeds_in_part_is_told, open_core, close_core),
        cmocka_unit_test_setup_teardown(bad_requests_get_a_named_error, open_core, close_core),
        cmocka_unit_test_setup_teardown(publications_that_wait_are_found_by_their_id_and_bounded, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_parked_request_holds_back_its_own_session_only, open_core, close_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
