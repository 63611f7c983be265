/* The client over a WebSocket, against a server that does exactly what the test says, also what is wrong. */
#include "base/utf8.h"
#include "client_house.h"

static char last_text[1 << 16]; /* of the client */
static int texts, pongs, closes;
static bool answers;

/* Answers configure-session and login, as a server of protocol 2 does. */
static void on_frame(struct websocket_server *from, int opcode, struct str text)
{
    if (opcode == FRAME_TEXT) {
        texts++;
        snprintf(last_text, sizeof last_text, "%.*s", (int)text.len, text.ptr);
    }
    pongs += opcode == FRAME_PONG && str_is(text, "hello");
    if (opcode == FRAME_CLOSE) {
        closes++;
        websocket_server_frame(from, FRAME_CLOSE, true, text);
    }
    struct str id = opcode == FRAME_TEXT && text.ptr[0] == '{' ? json_get(text, "eventId") : STR_NONE;
    if (answers && id.ptr != NULL && json_int(id, 0) <= 2) {
        char reply[300];
        snprintf(reply, sizeof reply,
                 "{\"data\":{\"id\":\"session\"},\"_meta\":{\"type\":\"response\",\"status\":\"ok\",\"eventId\":%.*s}}", (int)id.len, id.ptr);
        websocket_server_text(from, reply);
    }
}

static int set_up(void **state)
{
    (void)state;
    open_house(on_frame);
    answers = true;
    texts = pongs = closes = 0;
    return 0;
}

static void connect_client(const char *more)
{
    begin_client(more);
    UNTIL(connected != HAPPN_PENDING);
    assert_int_equal(connected, HAPPN_OK);
}

static size_t event_len;
static int events;

static void on_event(const char *data, size_t len, const char *meta, size_t meta_len, void *arg)
{
    (void)data, (void)meta, (void)meta_len, (void)arg;
    events++;
    event_len = len;
}

static void subscribe(void)
{
    events = 0;
    assert_int_equal(happn_client_on(client, "/a", NULL, on_event, NULL, NULL, NULL, NULL), HAPPN_OK);
    int before = texts;
    UNTIL(texts > before);
}

static void it_introduces_itself(void **state)
{
    (void)state;
    connect_client(",\"username\":\"bob\",\"password\":\"pwd\",\"info\":{\"a\":1}");
    assert_string_equal(server.request_path, "/primus");
    assert_int_equal(texts, 2);
    assert_non_null(strstr(last_text, "\"action\":\"login\""));
    assert_non_null(strstr(last_text, "\"username\":\"bob\",\"password\":\"pwd\",\"info\":{\"a\":1}"));
}

static void what_is_said_early_waits(void **state)
{
    (void)state;
    static happn_status status;
    status = HAPPN_PENDING;
    begin_client("");
    assert_int_equal(happn_client_set(client, "/a", "1", 1, NULL, on_result, &status), HAPPN_OK);
    UNTIL(texts == 3);
    assert_string_equal(last_text, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/a\",\"data\":1}");
    websocket_server_text(&server, "{\"data\":{\"value\":1},\"_meta\":{\"status\":\"ok\",\"eventId\":3}}");
    UNTIL(status != HAPPN_PENDING);
    assert_int_equal(status, HAPPN_OK);
}

static void a_refused_login(void **state)
{
    (void)state;
    answers = false;
    begin_client("");
    UNTIL(texts == 2);
    websocket_server_text(&server, "{\"data\":null,\"_meta\":{\"status\":\"ok\",\"eventId\":1}}");
    websocket_server_text(&server, "{\"data\":null,\"_meta\":{\"status\":\"error\",\"eventId\":2,\"error\":{\"name\":\"AccessDenied\","
                                   "\"code\":401,\"message\":\"Invalid credentials\"}}}");
    UNTIL(connected != HAPPN_PENDING);
    assert_int_equal(connected, HAPPN_E_DENIED);
    assert_string_equal(connect_error.message, "Invalid credentials: this server wants a login: username and password, username and privateKey, or token");
}

/* It goes on into frames, and to Python, as UTF-8. */
static void a_long_refusal_is_cut_between_characters(void **state)
{
    (void)state;
    answers = false;
    begin_client("");
    UNTIL(texts == 2);
    websocket_server_text(&server, "{\"data\":null,\"_meta\":{\"status\":\"ok\",\"eventId\":1}}");
    websocket_server_text(&server, "{\"data\":null,\"_meta\":{\"status\":\"error\",\"eventId\":2,\"error\":{\"name\":\"AccessDenied\",\"code\":401,\"message\":\""
                                   "x\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                                   "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}}}");
    UNTIL(connected != HAPPN_PENDING);
    assert_int_equal(connected, HAPPN_E_DENIED);
    assert_true(utf8_is_valid(str_of(connect_error.message)));
    assert_non_null(strstr(connect_error.message, "\xc3\xa9: this server wants a login"));
}

static void frames_in_pieces(void **state)
{
    (void)state;
    connect_client("");
    subscribe();
    struct str event = STR_LIT("{\"data\":{\"x\":\"\xc3\xa9\"},\"_meta\":{\"type\":\"data\",\"channel\":\"/ALL@/a\"}}");
    /* byte by byte, in one frame */
    char head[2] = {(char)0x81, (char)event.len};
    websocket_server_write(&server, head, 1);
    UNTIL(uv_stream_get_write_queue_size((uv_stream_t *)&server.peer) == 0);
    websocket_server_write(&server, head + 1, 1);
    for (size_t i = 0; i < event.len; i++) {
        websocket_server_write(&server, event.ptr + i, 1);
        uv_run(&runtime_loop(runtime)->uv, UV_RUN_NOWAIT);
    }
    UNTIL(events == 1);
    /* in three fragments, cut inside a character, with a ping between */
    websocket_server_frame(&server, FRAME_TEXT, false, str_make(event.ptr, 15));
    websocket_server_frame(&server, FRAME_PING, true, STR_LIT("hello"));
    websocket_server_frame(&server, FRAME_CONTINUATION, false, str_make(event.ptr + 15, 1));
    websocket_server_frame(&server, FRAME_CONTINUATION, true, str_skip(event, 16));
    UNTIL(events == 2 && pongs == 1);
    /* things that are not for us */
    websocket_server_text(&server, "not json");
    websocket_server_text(&server, "\"primus::other::\"");
    websocket_server_text(&server, "[]");
    websocket_server_text(&server, "");
    websocket_server_frame(&server, FRAME_BINARY, true, STR_LIT("\xff\xfe"));
    websocket_server_frame(&server, FRAME_TEXT, true, event);
    UNTIL(events == 3);
    assert_int_equal(ends, 0);
}

static void big_messages_both_ways(void **state)
{
    (void)state;
    connect_client("");
    subscribe();
    size_t len = 3 << 20;
    char *text = malloc(len + 100);
    int head = sprintf(text, "{\"_meta\":{\"type\":\"data\",\"channel\":\"/ALL@/a\"},\"data\":\"");
    memset(text + head, 'x', len);
    memcpy(text + head + len, "\"}", 2);
    websocket_server_frame(&server, FRAME_TEXT, true, str_make(text, (size_t)head + len + 2));
    UNTIL(events == 1);
    assert_int_equal(event_len, len + 2);
    static happn_status status;
    status = HAPPN_PENDING;
    text[head - 1] = '"';
    text[head + (int)len] = '"';
    assert_int_equal(happn_client_set(client, "/b", text + head - 1, len + 2, NULL, on_result, &status), HAPPN_OK);
    int before = texts;
    UNTIL(texts > before);
    free(text);
}

static void over_the_limit(void **state)
{
    (void)state;
    connect_client(",\"maxMessage\":2048");
    char text[4096];
    memset(text, 'x', sizeof text);
    text[0] = text[3000] = '"';
    assert_int_equal(happn_client_set(client, "/b", text, 3001, NULL, NULL, NULL), HAPPN_E_LIMIT);
    websocket_server_frame(&server, FRAME_TEXT, true, str_make(text, 3001));
    UNTIL(ends == 1);
    assert_string_equal(end_reason, "the server sent a message that is too big");
}

static void text_that_is_not_utf8(void **state)
{
    (void)state;
    static happn_status status;
    status = HAPPN_PENDING;
    connect_client("");
    assert_int_equal(happn_client_get(client, "/a", NULL, on_result, &status), HAPPN_OK);
    websocket_server_frame(&server, FRAME_TEXT, true, STR_LIT("{\"a\":\"\xff\"}"));
    UNTIL(ends == 1);
    assert_string_equal(end_reason, "the server sent text that is not UTF-8");
    assert_int_equal(status, HAPPN_E_CLOSED);
    assert_int_equal(happn_client_get(client, "/a", NULL, on_result, &status), HAPPN_E_CLOSED);
}

static void the_server_says_why_it_closes(void **state)
{
    (void)state;
    connect_client("");
    websocket_server_text(&server, "{\"_meta\":{\"type\":\"system\"},\"eventKey\":\"server-side-disconnect\",\"data\":\"go away\"}");
    websocket_server_text(&server, "\"primus::server::close\"");
    websocket_server_frame(&server, FRAME_CLOSE, true, STR_LIT("\x03\xe8"));
    UNTIL(ends == 1);
    assert_string_equal(end_reason, "go away");
}

static void the_connection_is_lost(void **state)
{
    (void)state;
    connect_client("");
    websocket_server_drop(&server);
    UNTIL(ends == 1);
    assert_string_equal(end_reason, "the connection was lost");
}

static void nobody_listens(void **state)
{
    (void)state;
    int port = server.port;
    websocket_server_close(&server);
    char options[100];
    int len = snprintf(options, sizeof options, "{\"host\":\"127.0.0.1\",\"port\":%d}", port);
    assert_int_equal(happn_client_connect(runtime, options, (size_t)len, on_connected, NULL, &client), HAPPN_OK);
    UNTIL(connected != HAPPN_PENDING);
    char wanted[200];
    snprintf(wanted, sizeof wanted, "could not connect to 127.0.0.1:%d: Connection refused", port);
    assert_int_equal(connected, HAPPN_E_CONNECT);
    assert_string_equal(connect_error.message, wanted);
    websocket_server_open(&server, &runtime_loop(runtime)->uv);
}

static void no_such_host(void **state)
{
    (void)state;
    const char *options = "{\"url\":\"ws://nowhere.invalid:1/primus\"}";
    assert_int_equal(happn_client_connect(runtime, options, strlen(options), on_connected, NULL, &client), HAPPN_OK);
    UNTIL(connected != HAPPN_PENDING);
    assert_int_equal(connected, HAPPN_E_CONNECT);
    assert_non_null(strstr(connect_error.message, "nowhere.invalid:1"));
}

static void a_server_that_never_answers(void **state)
{
    (void)state;
    server.is_mute = true;
    begin_client(",\"connectTimeout\":60");
    UNTIL(connected != HAPPN_PENDING);
    assert_int_equal(connected, HAPPN_E_TIMEOUT);
}

static void closing_while_connecting(void **state)
{
    (void)state;
    server.is_mute = true;
    begin_client("");
    happn_client_close(client, on_closed, NULL); /* while the name is looked up */
    UNTIL(is_closed);
    assert_int_equal(connected, HAPPN_E_CLOSED);
    for (int turns = 1; turns < 12; turns++) {
        is_closed = false;
        connected = HAPPN_PENDING;
        begin_client("");
        for (int i = 0; i < turns; i++) {
            uv_run(&runtime_loop(runtime)->uv, UV_RUN_NOWAIT);
            uv_sleep(1);
        }
        happn_client_close(client, on_closed, NULL);
        UNTIL(is_closed);
        assert_int_equal(connected, HAPPN_E_CLOSED);
    }
    client = NULL;
}

static void a_close_is_clean(void **state)
{
    (void)state;
    connect_client("");
    assert_int_equal(happn_client_set(client, "/last", "1", 1, NULL, NULL, NULL), HAPPN_OK);
    happn_client_close(client, on_closed, NULL);
    UNTIL(is_closed);
    client = NULL;
    assert_non_null(strstr(last_text, "/last")); /* what was said before still left */
    assert_int_equal(closes, 1);
    assert_int_equal(ends, 0);
}

static void heartbeats(void **state)
{
    (void)state;
    connect_client(",\"heartbeat\":30,\"pongTimeout\":60");
    UNTIL(strncmp(last_text, "\"primus::ping::", 15) == 0);
    last_text[0] = '\0';
    websocket_server_text(&server, "\"primus::pong::1\"");
    UNTIL(strncmp(last_text, "\"primus::ping::", 15) == 0);
    websocket_server_text(&server, "\"primus::ping::77\"");
    UNTIL(strcmp(last_text, "\"primus::pong::77\"") == 0);
    UNTIL(ends == 1); /* no pong any more */
    assert_string_equal(end_reason, "the server did not answer a ping");
}

static void close_in_event(const char *data, size_t len, const char *meta, size_t meta_len, void *arg)
{
    (void)data, (void)meta, (void)meta_len, (void)arg, (void)len;
    events++;
    happn_client_close(client, on_closed, NULL);
}

static void closing_inside_an_event(void **state)
{
    (void)state;
    connect_client("");
    events = 0;
    assert_int_equal(happn_client_on(client, "/a", NULL, close_in_event, NULL, NULL, NULL, NULL), HAPPN_OK);
    const char *event = "{\"data\":1,\"_meta\":{\"type\":\"data\",\"channel\":\"/ALL@/a\"}}";
    websocket_server_text(&server, event);
    websocket_server_text(&server, event);
    UNTIL(is_closed);
    assert_int_equal(events, 1);
    client = NULL;
}

static void options_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        happn_status status;
        const char *message;
    } cases[] = {
        {"{", HAPPN_E_JSON, "the options must be a JSON object in UTF-8"},
        {"[]", HAPPN_E_ARGUMENT, "the options must be a JSON object"},
        {"{\"prot\":1}", HAPPN_E_ARGUMENT, "there is no option prot"},
        {"{\"port\":0}", HAPPN_E_ARGUMENT, "the option port must be a whole number from 1 to 65535"},
        {"{\"port\":\"x\"}", HAPPN_E_ARGUMENT, "the option port must be a number"},
        {"{\"url\":\"ftp://a\"}", HAPPN_E_ARGUMENT, "the option url must be like ws://host:55000"},
        {"{\"url\":\"ws://\"}", HAPPN_E_ARGUMENT, "the option url must be like"},
        {"{\"url\":\"ws://a:99999\"}", HAPPN_E_ARGUMENT, "the option url must be like"},
        {"{\"host\":\"a\\u0000b\"}", HAPPN_E_ARGUMENT, "the option host must be a name or an address"},
        {"{\"reconnect\":1}", HAPPN_E_ARGUMENT, "the option reconnect must be true or false"},
        {"{\"username\":\"u\",\"privateKey\":\"x\"}", HAPPN_E_ARGUMENT, "the option privateKey must be 32 bytes of a secp256k1 key in base64, or an RSA key in PEM"},
        {"{\"keyPair\":{\"privateKey\":\"x\"}}", HAPPN_E_ARGUMENT, "a login by privateKey needs the option username, too"},
        {"{\"cookie\":\"a=b\"}", HAPPN_E_ARGUMENT, "the option cookie has no cookie of the name happn_token"},
        {"{\"pool\":[]}", HAPPN_E_ARGUMENT, "the option pool must be a list of 1 to 64 servers"},
        {"{\"pool\":[5]}", HAPPN_E_ARGUMENT, "the option pool must be a list of servers, each like"},
        {"{\"pool\":[\"a\"]}", HAPPN_E_ARGUMENT, "the option pool must be a list of servers, each like"},
        {"{\"pool\":[{\"port\":\"a\"}]}", HAPPN_E_ARGUMENT, "the option port must be a number"},
        {"{\"pool\":[{\"hst\":\"a\"}]}", HAPPN_E_ARGUMENT, "there is no option hst"},
        {"{\"pool\":[\"ws://a\"],\"poolType\":2}", HAPPN_E_ARGUMENT, "the option poolType must be a whole number from 0 to 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        happn_client *none;
        happn_error error;
        assert_int_equal(happn_client_connect(runtime, cases[i].options, strlen(cases[i].options), on_connected, NULL, &none),
                         cases[i].status);
        assert_null(none);
        assert_int_equal(happn_client_check_options(cases[i].options, strlen(cases[i].options), &error), cases[i].status);
        if (strstr(error.message, cases[i].message) != error.message) {
            fail_msg("%s: %s", cases[i].options, error.message);
        }
    }
    assert_int_equal(happn_client_check_options(NULL, 0, NULL), HAPPN_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_introduces_itself),
        TEST(what_is_said_early_waits),
        TEST(a_refused_login),
        TEST(a_long_refusal_is_cut_between_characters),
        TEST(frames_in_pieces),
        TEST(big_messages_both_ways),
        TEST(over_the_limit),
        TEST(text_that_is_not_utf8),
        TEST(the_server_says_why_it_closes),
        TEST(the_connection_is_lost),
        TEST(nobody_listens),
        TEST(no_such_host),
        TEST(a_server_that_never_answers),
        TEST(closing_while_connecting),
        TEST(a_close_is_clean),
        TEST(heartbeats),
        TEST(closing_inside_an_event),
        TEST(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
