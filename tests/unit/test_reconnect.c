/* A connection that is lost and made again, and the reports of publications, against a server that does exactly what the test says. */
#include "client_house.h"

static char asked[20][600]; /* the `on` requests */
static int ons, offs, logins, events, lost, retries, back;
static int64_t attempt, waits[20];
static bool refuses_login, refuses_on, is_deaf, is_rude, holds_ons;
static const char *there; /* the answer to `on`, instead of an id */

static void answer(struct websocket_server *from, struct str text, const char *data, const char *error)
{
    char reply[600];
    struct str id = json_get(text, "eventId");
    snprintf(reply, sizeof reply, "{\"data\":%s,\"_meta\":{\"type\":\"response\",\"status\":\"%s\",\"eventId\":%.*s%s}}", data,
             error[0] != '\0' ? "error" : "ok", (int)id.len, id.ptr, error);
    websocket_server_text(from, reply);
}

static bool is_action(struct str text, const char *action)
{
    struct str value = json_get(text, "action");
    return value.len == strlen(action) + 2 && memcmp(value.ptr + 1, action, strlen(action)) == 0;
}

static void answer_on(struct websocket_server *from, struct str text)
{
    char data[60];
    snprintf(asked[ons % 20], sizeof asked[0], "%.*s", (int)text.len, text.ptr);
    snprintf(data, sizeof data, "{\"id\":\"handle/%d\"}", ++ons);
    if (holds_ons) {
        return;
    }
    answer(from, text, there != NULL ? there : data, refuses_on ? ",\"error\":{\"name\":\"AccessDenied\",\"code\":403,\"message\":\"unauthorized\"}" : "");
}

static void on_frame(struct websocket_server *from, int opcode, struct str text)
{
    if (opcode == FRAME_CLOSE) {
        websocket_server_frame(from, FRAME_CLOSE, true, text);
    }
    if (opcode != FRAME_TEXT || text.ptr[0] != '{' || is_deaf) {
        return;
    }
    if (is_rude) {
        websocket_server_drop(from);
    } else if (is_action(text, "login")) {
        logins++;
        answer(from, text, "{\"id\":\"session\"}",
               refuses_login ? ",\"error\":{\"name\":\"AccessDenied\",\"code\":401,\"message\":\"Invalid credentials\"}" : "");
    } else if (is_action(text, "on")) {
        answer_on(from, text);
    } else if (!is_action(text, "set")) {
        offs += is_action(text, "off");
        answer(from, text, "null", "");
    }
}

static int set_up(void **state)
{
    (void)state;
    open_house(on_frame);
    ons = offs = logins = events = lost = retries = back = 0;
    attempt = 0;
    refuses_login = refuses_on = is_deaf = is_rude = holds_ons = false;
    there = NULL;
    return 0;
}

static void on_connection(const happn_connection *connection, void *arg)
{
    (void)arg;
    assert_int_equal(connection->size, sizeof *connection);
    lost += connection->state == HAPPN_CONNECTION_LOST;
    retries += connection->state == HAPPN_CONNECTION_RETRY;
    back += connection->state == HAPPN_CONNECTION_BACK;
    attempt = connection->attempt;
    if (connection->state != HAPPN_CONNECTION_BACK && connection->attempt < 20) {
        waits[connection->attempt] = connection->wait_ms;
    }
}

static void start(const char *more)
{
    begin_client(more);
    happn_client_on_connection(client, on_connection, NULL);
    UNTIL(connected != HAPPN_PENDING);
    assert_int_equal(connected, HAPPN_OK);
}

static void on_event(const char *data, size_t len, const char *meta, size_t meta_len, void *arg)
{
    (void)data, (void)len, (void)meta, (void)meta_len, (void)arg;
    events++;
}

static int64_t subscribe(const char *path, const char *options)
{
    int64_t handle = 0;
    happn_status status = HAPPN_PENDING;
    assert_int_equal(happn_client_on(client, path, options, on_event, NULL, on_result, &status, &handle), HAPPN_OK);
    UNTIL(status != HAPPN_PENDING);
    assert_int_equal(status, HAPPN_OK);
    return handle;
}

static bool was_asked(int first, const char *text)
{
    for (int i = first; i < ons; i++) {
        if (strstr(asked[i % 20], text) != NULL) {
            return true;
        }
    }
    return false;
}

static void subscriptions_are_made_again(void **state)
{
    (void)state;
    start(",\"reconnect\":true,\"reconnectMin\":5");
    (void)subscribe("/a/*", "{\"event_type\":\"set\",\"merge\":true,\"depth\":3,\"count\":7,\"initialEmit\":true}");
    (void)subscribe("/b", NULL);
    int64_t given_up = subscribe("/c", NULL);
    websocket_server_text(&server, "{\"data\":{},\"_meta\":{\"type\":\"data\",\"channel\":\"/SET@/a/*\"}}");
    UNTIL(events == 1);
    happn_status set = HAPPN_PENDING, off = HAPPN_PENDING, late = HAPPN_PENDING;
    assert_int_equal(happn_client_set(client, "/x", "1", 1, NULL, on_result, &set), HAPPN_OK);
    websocket_server_drop(&server);
    UNTIL(lost == 1);
    assert_int_equal(set, HAPPN_E_CLOSED); /* it may have arrived or not: nobody knows */
    assert_int_equal(happn_client_set(client, "/x", "1", 1, NULL, on_result, &late), HAPPN_E_CLOSED);
    assert_int_equal(happn_client_off(client, given_up, on_result, &off), HAPPN_OK);
    UNTIL(back == 1);
    assert_int_equal(off, HAPPN_OK);
    assert_int_equal(attempt, 1);
    assert_int_equal(logins, 2);
    assert_int_equal(ons, 5); /* three, then two */
    assert_true(was_asked(3, "\"path\":\"/SET@/a/*\""));
    assert_true(was_asked(3, "\"merge\":true,\"depth\":3,\"initialEmit\":true,\"count\":6}"));
    assert_true(was_asked(3, "\"path\":\"/ALL@/b\""));
    assert_true(was_asked(3, "\"initialEmit\":true"));
    websocket_server_text(&server, "{\"data\":{},\"_meta\":{\"type\":\"data\",\"channel\":\"/SET@/a/*\"}}");
    UNTIL(events == 2);
    (void)subscribe("/d", NULL); /* everything works as before */
    assert_int_equal(ends, 0);
}

static char values[300];
static int64_t values_of;
static int events_before_back;

static void on_values(int64_t handle, const char *data, size_t len, void *event_arg, void *arg)
{
    (void)event_arg, (void)arg;
    values_of = handle;
    snprintf(values, sizeof values, "%.*s", (int)len, data);
}

static void note_back(const happn_connection *connection, void *arg)
{
    events_before_back = connection->state == HAPPN_CONNECTION_BACK ? events : events_before_back;
    on_connection(connection, arg);
}

static void what_is_there_is_told_again(void **state)
{
    (void)state;
    start(",\"reconnect\":true,\"reconnectMin\":2");
    happn_client_on_values(client, on_values, NULL);
    happn_client_on_connection(client, note_back, NULL);
    there = "[{\"n\":1,\"_meta\":{\"path\":\"/a/1\"}},{\"n\":2,\"_meta\":{\"path\":\"/a/2\"}}]";
    (void)subscribe("/a/*", "{\"initialEmit\":true,\"count\":2}");
    int64_t list = subscribe("/a/*", "{\"initialCallback\":true,\"event_type\":\"set\"}");
    assert_int_equal(events, 2); /* initial values are none of the two */
    assert_int_equal(values_of, 0); /* the first time it is the answer's */
    there = "[{\"n\":3,\"_meta\":{\"path\":\"/a/3\"}}]";
    websocket_server_drop(&server);
    UNTIL(back == 1);
    assert_int_equal(events_before_back, 3);
    assert_int_equal(events, 3);
    assert_int_equal(values_of, list);
    assert_string_equal(values, there);
    assert_true(was_asked(2, "\"count\":2}"));
}

static void taking_off_while_away(void **state)
{
    (void)state;
    happn_status statuses[4] = {HAPPN_PENDING, HAPPN_PENDING, HAPPN_PENDING, HAPPN_PENDING};
    start(",\"reconnect\":true,\"reconnectMin\":2");
    (void)subscribe("/a/1", NULL);
    (void)subscribe("/a/2", "{\"event_type\":\"set\"}");
    (void)subscribe("/b", NULL);
    websocket_server_drop(&server);
    UNTIL(lost == 1);
    assert_int_equal(happn_client_off_path(client, "/a/*", on_result, &statuses[0]), HAPPN_OK);
    assert_int_equal(happn_client_off_path(client, "/nothing", on_result, &statuses[1]), HAPPN_OK);
    UNTIL(back == 1);
    assert_int_equal(statuses[0], HAPPN_OK);
    assert_int_equal(statuses[1], HAPPN_OK);
    assert_int_equal(ons, 4);
    assert_true(was_asked(3, "/ALL@/b"));
    assert_int_equal(offs, 0); /* nothing to tell the server */
    websocket_server_drop(&server);
    UNTIL(lost == 2);
    assert_int_equal(happn_client_off_path(client, "*", on_result, &statuses[2]), HAPPN_OK);
    close_client(); /* before anybody was told */
    assert_true(statuses[2] == HAPPN_OK || statuses[2] == HAPPN_E_CLOSED);
}

static void taking_off_while_it_subscribes_again(void **state)
{
    (void)state;
    happn_status one = HAPPN_PENDING, all = HAPPN_PENDING;
    start(",\"reconnect\":true,\"reconnectMin\":2");
    int64_t first = subscribe("/a", NULL);
    (void)subscribe("/b", NULL);
    holds_ons = true;
    websocket_server_drop(&server);
    UNTIL(ons == 4); /* asked, not answered */
    assert_int_equal(happn_client_off(client, first, on_result, &one), HAPPN_OK);
    assert_int_equal(happn_client_off_path(client, "*", on_result, &all), HAPPN_OK);
    UNTIL(all != HAPPN_PENDING);
    assert_int_equal(all, HAPPN_OK);
    holds_ons = false;
    websocket_server_drop(&server); /* with both still unanswered */
    UNTIL(back == 1);
    assert_int_equal(one, HAPPN_OK);
    assert_int_equal(ons, 4); /* there is nothing left to be made again */
}

static void waits_grow_up_to_a_limit_and_attempts_end(void **state)
{
    (void)state;
    start(",\"reconnect\":true,\"reconnectMin\":2,\"reconnectMax\":30,\"reconnectAttempts\":6");
    is_rude = true; /* hangs up at the first word */
    websocket_server_drop(&server);
    UNTIL(ends == 1);
    assert_int_equal(lost, 1);
    assert_int_equal(retries, 5);
    assert_int_equal(back, 0);
    assert_int_equal(waits[1], 2);
    for (int64_t i = 2; i <= 6; i++) {
        int64_t least = 2 << (i - 1);
        assert_in_range(waits[i], least < 30 ? least : 30, least * 2 < 30 ? least * 2 : 30);
    }
    assert_int_equal(happn_client_get(client, "/x", NULL, NULL, NULL), HAPPN_E_CLOSED);
}

static void a_server_that_comes_back(void **state)
{
    (void)state;
    start(",\"reconnect\":true,\"reconnectMin\":2,\"reconnectMax\":10,\"connectTimeout\":700");
    (void)subscribe("/a", NULL);
    for (int round = 1; round <= 2; round++) {
        *(round == 1 ? &is_rude : &is_deaf) = true; /* hangs up, or accepts and never answers */
        int before = retries;
        websocket_server_drop(&server);
        UNTIL(retries >= before + (round == 1 ? 3 : 1));
        is_rude = is_deaf = false;
        UNTIL(back == round);
    }
    assert_int_equal(lost, 2);
    assert_int_equal(ends, 0);
}

static void who_must_not_come_back_does_not(void **state)
{
    (void)state;
    start(",\"reconnect\":true,\"reconnectMin\":2");
    websocket_server_text(&server, "{\"_meta\":{\"type\":\"system\"},\"eventKey\":\"server-side-disconnect\",\"data\":\"kicked\"}");
    websocket_server_text(&server, "\"primus::server::close\"");
    websocket_server_frame(&server, FRAME_CLOSE, true, STR_LIT("\x03\xe8"));
    UNTIL(ends == 1);
    assert_string_equal(end_reason, "kicked");
    assert_int_equal(lost, 0);
}

static void a_login_that_is_refused_ends_it(void **state)
{
    (void)state;
    start(",\"reconnect\":true,\"reconnectMin\":2");
    refuses_login = true;
    websocket_server_drop(&server);
    UNTIL(ends == 1);
    assert_int_equal(lost, 1);
    assert_int_equal(logins, 2);
    assert_string_equal(end_reason, "Invalid credentials: this server wants a login: username and password, username and privateKey, or token");
}

static void a_subscription_that_is_refused_is_not_silent(void **state)
{
    (void)state;
    start(",\"reconnect\":true,\"reconnectMin\":2");
    (void)subscribe("/a", NULL);
    refuses_on = true;
    websocket_server_drop(&server);
    UNTIL(ends == 1);
    assert_string_equal(end_reason, "/ALL@/a could not be subscribed again: unauthorized");
}

static void without_the_option_a_loss_is_the_end(void **state)
{
    (void)state;
    start("");
    websocket_server_drop(&server);
    UNTIL(ends == 1);
    assert_int_equal(lost + retries + back, 0);
}

static void the_first_connection_is_not_tried_again(void **state)
{
    (void)state;
    refuses_login = true;
    char options[120];
    int len = snprintf(options, sizeof options, "{\"port\":%d,\"reconnect\":true,\"reconnectMin\":1}", server.port);
    assert_int_equal(happn_client_connect(runtime, options, (size_t)len, on_connected, NULL, &client), HAPPN_OK);
    UNTIL(connected != HAPPN_PENDING);
    assert_int_equal(connected, HAPPN_E_DENIED);
    assert_int_equal(logins, 1);
}

static void it_can_be_closed_at_any_moment(void **state)
{
    (void)state;
    start(",\"reconnect\":true,\"reconnectMin\":60000");
    websocket_server_drop(&server);
    UNTIL(lost == 1);
    close_client(); /* while the lost link is being closed, or while it waits */
    connected = HAPPN_PENDING;
    is_closed = false;
    start(",\"reconnect\":true,\"reconnectMin\":1,\"connectTimeout\":60000");
    is_deaf = true;
    websocket_server_drop(&server);
    UNTIL(lost == 2);
    UNTIL(server.is_upgraded); /* it logs in, and nobody answers */
    close_client();
    assert_int_equal(ends, 0);
}

/* --- pools */

static void open_second(struct websocket_server *second)
{
    websocket_server_open(second, &runtime_loop(runtime)->uv);
    second->on_frame = on_frame;
}

static void connect_pool(const char *format, int port, int other)
{
    char options[400];
    int len = snprintf(options, sizeof options, format, port, other);
    assert_int_equal(happn_client_connect(runtime, options, (size_t)len, on_connected, NULL, &client), HAPPN_OK);
    happn_client_on_end(client, on_end, NULL);
    happn_client_on_connection(client, on_connection, NULL);
    UNTIL(connected != HAPPN_PENDING);
}

static void a_pool_goes_on_to_the_next_server(void **state)
{
    (void)state;
    static struct websocket_server second;
    open_second(&second);
    connect_pool("{\"pool\":[\"ws://127.0.0.1:1\",{\"port\":%d},{\"port\":%d}],\"poolType\":0,\"reconnect\":true,\"reconnectMin\":2}", server.port, second.port);
    assert_int_equal(connected, HAPPN_OK);
    assert_int_equal(lost + retries + back, 0); /* nobody has to know that the first one was dead */
    assert_true(server.is_upgraded);
    (void)subscribe("/a", NULL);
    websocket_server_drop(&server);
    UNTIL(back == 1); /* the dead one, then the last: the one that was lost has had its turn */
    assert_true(second.is_upgraded);
    assert_int_equal(waits[1], 0);
    assert_int_equal(ons, 2);
    websocket_server_text(&second, "{\"data\":{},\"_meta\":{\"type\":\"data\",\"channel\":\"/ALL@/a\"}}");
    UNTIL(events == 1);
    is_rude = true;
    websocket_server_drop(&second);
    UNTIL(retries > 8);
    is_rude = false;
    UNTIL(back == 2); /* without an end, as there is no limit */
    assert_int_equal(ends, 0);
    close_client();
    websocket_server_close(&second);
}

static void a_pool_of_which_nobody_answers(void **state)
{
    (void)state;
    connect_pool("{\"pool\":[\"ws://127.0.0.1:1\",\"ws://127.0.0.1:2\"],\"reconnectMin\":1,\"poolReconnectAttempts\":3}", 0, 0);
    assert_int_equal(connected, HAPPN_E_CONNECT);
    assert_memory_equal(connect_error.message, "no server of the pool answered; the last: could not connect to 127.0.0.1:", 73);
    assert_int_equal(lost + retries, 0);
}

static void a_pool_ends_where_a_login_is_refused(void **state)
{
    (void)state;
    refuses_login = true;
    connect_pool("{\"pool\":[{\"port\":%d},{\"port\":%d}],\"poolType\":0}", server.port, server.port);
    assert_int_equal(connected, HAPPN_E_DENIED);
    assert_int_equal(logins, 1);
}

static void a_pool_passes_by_who_does_not_answer(void **state)
{
    (void)state;
    static struct websocket_server silent; /* upgrades, and says nothing */
    websocket_server_open(&silent, &runtime_loop(runtime)->uv);
    connect_pool("{\"pool\":[{\"port\":%d},{\"port\":%d}],\"poolType\":0,\"connectTimeout\":300}", silent.port, server.port);
    assert_int_equal(connected, HAPPN_OK);
    assert_string_equal(silent.request_path, "/primus"); /* it was asked */
    assert_true(server.is_upgraded);
    close_client();
    websocket_server_close(&silent);
}

/* So long a name, once it is written as IDNA has it, that not even looking it up begins. */
#define E_8 "\xc3\xa9.\xc3\xa9.\xc3\xa9.\xc3\xa9.\xc3\xa9.\xc3\xa9.\xc3\xa9.\xc3\xa9."
#define LONG_NAME E_8 E_8 E_8 E_8 E_8

static void a_name_that_cannot_be_looked_up_counts_as_a_server_that_does_not_answer(void **state)
{
    (void)state;
    connect_pool("{\"pool\":[{\"host\":\"" LONG_NAME "\",\"port\":%d},{\"port\":%d}],\"poolType\":0,\"reconnect\":true,\"reconnectMin\":1,"
                 "\"poolReconnectAttempts\":3}", server.port, server.port);
    assert_int_equal(connected, HAPPN_OK);
    is_rude = true;
    websocket_server_drop(&server);
    UNTIL(ends == 1);
    assert_in_range(retries, 1, 4);
}

/* --- reports */

static int reports;
static happn_status report_status;
static char report_data[200];

static void on_report(const happn_result *result, void *arg)
{
    (void)arg;
    reports++;
    report_status = result->status;
    snprintf(report_data, sizeof report_data, "%.*s", (int)result->data_len, result->data);
}

static void say(const char *format, int event_id)
{
    char text[400];
    snprintf(text, sizeof text, format, event_id);
    websocket_server_text(&server, text);
}

static const char answered[] = "{\"data\":{},\"_meta\":{\"type\":\"response\",\"status\":\"ok\",\"eventId\":%d}}";
static const char reported[] = "{\"id\":\"x\",\"action\":\"publication-ack\",\"result\":{\"successful\":2},\"status\":\"ok\",\"_meta\":{\"type\":\"ack\",\"eventId\":%d}}";
static const char complained[] = "{\"id\":\"x\",\"action\":\"publication-ack\",\"result\":{\"failed\":1},\"status\":\"error\",\"error\":\"unacknowledged publication\",\"_meta\":{\"type\":\"ack\",\"eventId\":%d}}";
static const char refused[] = "{\"data\":null,\"_meta\":{\"type\":\"response\",\"status\":\"error\",\"error\":{\"message\":\"no\"},\"eventId\":%d}}";

static happn_status done_status;

static void on_done(const happn_result *result, void *arg)
{
    (void)arg;
    done_status = result->status;
}

static happn_status publish(const char *options)
{
    reports = 0;
    done_status = HAPPN_PENDING;
    return happn_client_set_reported(client, "/a", "1", 1, options, on_done, on_report, NULL);
}

static void reports_come_after_the_answer(void **state)
{
    (void)state;
    start("");
    assert_int_equal(publish("{\"consistency\":3}"), HAPPN_OK); /* the third request of this client */
    say(complained, 3); /* before the answer: nobody's */
    say(answered, 3);
    UNTIL(done_status == HAPPN_OK);
    assert_int_equal(reports, 0);
    say(reported, 3);
    say(reported, 3); /* a second one is nobody's */
    UNTIL(reports == 1);
    assert_int_equal(report_status, HAPPN_OK);
    assert_string_equal(report_data, "{\"successful\":2}");
    assert_int_equal(publish("{\"consistency\":1}"), HAPPN_OK);
    say(answered, 4);
    say(complained, 4);
    UNTIL(reports == 1);
    assert_int_equal(report_status, HAPPN_E_REFUSED);
    assert_string_equal(report_data, "{\"failed\":1}");
    assert_int_equal(happn_client_remove_reported(client, "/a", "{\"consistency\":1}", on_done, on_report, NULL), HAPPN_OK);
    say(answered, 5);
    say(reported, 5);
    UNTIL(reports == 2);
}

static void what_failed_has_no_report(void **state)
{
    (void)state;
    start(",\"timeout\":60");
    assert_int_equal(publish(NULL), HAPPN_E_ARGUMENT);
    assert_int_equal(publish("{\"consistency\":2}"), HAPPN_E_ARGUMENT);
    assert_int_equal(publish("{\"consistency\":3,\"noPublish\":true}"), HAPPN_E_ARGUMENT);
    assert_int_equal(publish("{\"consistency\":3}"), HAPPN_OK);
    say(refused, 3);
    UNTIL(done_status == HAPPN_E_REFUSED);
    say(reported, 3);
    assert_int_equal(publish("{\"consistency\":3}"), HAPPN_OK); /* never answered */
    UNTIL(done_status == HAPPN_E_TIMEOUT);
    assert_int_equal(reports, 0);
    assert_int_equal(publish("{\"consistency\":3}"), HAPPN_OK); /* answered, never reported */
    say(answered, 5);
    UNTIL(reports == 1);
    assert_int_equal(done_status, HAPPN_OK);
    assert_int_equal(report_status, HAPPN_E_TIMEOUT);
}

static void a_report_that_is_lost_with_the_connection(void **state)
{
    (void)state;
    start("");
    assert_int_equal(publish("{\"consistency\":3}"), HAPPN_OK);
    say(answered, 3);
    UNTIL(done_status == HAPPN_OK);
    assert_int_equal(happn_client_set_reported(client, "/b", "1", 1, "{\"consistency\":1}", on_done, on_report, NULL), HAPPN_OK);
    websocket_server_drop(&server);
    UNTIL(ends == 1);
    assert_int_equal(reports, 1);
    assert_int_equal(report_status, HAPPN_E_CLOSED);
    assert_int_equal(done_status, HAPPN_E_CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(subscriptions_are_made_again),
        TEST(what_is_there_is_told_again), TEST(taking_off_while_away), TEST(taking_off_while_it_subscribes_again),
        TEST(waits_grow_up_to_a_limit_and_attempts_end),
        TEST(a_server_that_comes_back),
        TEST(who_must_not_come_back_does_not),
        TEST(a_login_that_is_refused_ends_it),
        TEST(a_subscription_that_is_refused_is_not_silent),
        TEST(without_the_option_a_loss_is_the_end),
        TEST(the_first_connection_is_not_tried_again),
        TEST(it_can_be_closed_at_any_moment),
        TEST(a_pool_goes_on_to_the_next_server), TEST(a_pool_of_which_nobody_answers), TEST(a_pool_ends_where_a_login_is_refused),
        TEST(a_pool_passes_by_who_does_not_answer),
        TEST(a_name_that_cannot_be_looked_up_counts_as_a_server_that_does_not_answer),
        TEST(reports_come_after_the_answer),
        TEST(what_failed_has_no_report),
        TEST(a_report_that_is_lost_with_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
