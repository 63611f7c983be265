/* Calls that wait in happn.http and end before their time, or go on after a reload: with a server on the same loop, which answers when the
 * test says so, and a host name that is looked up for as long as the test likes. The sanitizers watch that nothing is used afterwards, and that
 * nothing is left. */

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>

#include "script/generation.h"
#include "script/inspect.h"
#include "script_house.h"

/* -- a server that takes its time -- */

enum { MOST_CLIENTS = 8 };

struct visitor {
    uv_tcp_t tcp;
    char heard[2048];
    size_t len;
    bool has_asked, has_left;
};

static uv_tcp_t server;
static struct visitor visitors[MOST_CLIENTS];
static size_t visitor_count;
static char url[64];

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct visitor *visitor = handle->data;
    (void)size;
    *buf = uv_buf_init(visitor->heard + visitor->len, (unsigned)(sizeof visitor->heard - 1 - visitor->len));
}

static void hear_visitor(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct visitor *visitor = stream->data;
    (void)buf;
    if (len < 0) {
        visitor->has_left = true;
        uv_read_stop(stream);
        return;
    }
    visitor->len += (size_t)len;
    visitor->has_asked = memmem(visitor->heard, visitor->len, "\r\n\r\n", 4) != NULL;
}

static void on_visitor(uv_stream_t *stream, int status)
{
    struct visitor *visitor = &visitors[visitor_count];
    (void)status;
    assert_true(visitor_count < MOST_CLIENTS);
    visitor_count++;
    *visitor = (struct visitor){.len = 0};
    uv_tcp_init(&loop.uv, &visitor->tcp);
    visitor->tcp.data = visitor;
    assert_int_equal(uv_accept(stream, (uv_stream_t *)&visitor->tcp), 0);
    uv_read_start((uv_stream_t *)&visitor->tcp, give_room, hear_visitor);
}

static void answer(const struct visitor *visitor, const char *text)
{
    uv_buf_t buf = uv_buf_init((char *)text, (unsigned)strlen(text));
    assert_int_equal(uv_try_write((uv_stream_t *)&visitor->tcp, &buf, 1), (int)buf.len);
}

static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

static void answer_all(void)
{
    for (size_t i = 0; i < visitor_count; i++) {
        if (visitors[i].has_asked) {
            visitors[i].has_asked = false;
            answer(&visitors[i], hello);
        }
    }
}

static int open_all(void **state)
{
    struct sockaddr_in address;
    int len = sizeof address;
    open_core(state);
    visitor_count = 0;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&loop.uv, &server);
    assert_int_equal(uv_tcp_bind(&server, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server, MOST_CLIENTS, on_visitor), 0);
    assert_int_equal(uv_tcp_getsockname(&server, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    return 0;
}

static int close_all(void **state)
{
    uv_close((uv_handle_t *)&server, NULL);
    for (size_t i = 0; i < visitor_count; i++) {
        uv_close((uv_handle_t *)&visitors[i].tcp, NULL);
    }
    return close_core(state);
}

/* -- a name that is looked up slowly: libcurl's threads find this function first -- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int looking, may_look = 1; /* under lock */

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*usual)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&usual = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node == NULL || strcmp(node, "slow.test") != 0) {
        return usual(node, service, hints, out);
    }
    pthread_mutex_lock(&lock);
    looking++;
    pthread_cond_broadcast(&changed);
    while (!may_look) {
        pthread_cond_wait(&changed, &lock);
    }
    looking--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return EAI_NONAME;
}

static void let_look(int may)
{
    pthread_mutex_lock(&lock);
    may_look = may;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int who_looks(void)
{
    pthread_mutex_lock(&lock);
    int count = looking;
    pthread_mutex_unlock(&lock);
    return count;
}

/* -- a curl that has no memory -- */

static int refusals; /* to come */

/* As libcurl declares it, which this program knows by its own name only. */
__attribute__((visibility("default"))) int curl_multi_add_handle(void *multi, void *easy)
{
    int (*usual)(void *, void *);
    *(void **)&usual = dlsym(RTLD_NEXT, "curl_multi_add_handle");
    return refusals > 0 && refusals-- > 0 ? 3 /* CURLM_OUT_OF_MEMORY */ : usual(multi, easy);
}

/* -- calls that wait -- */

static const char bad[] = "{\"action\":\"set\",\"eventId\":1,\"path\":\"/bad\",\"data\":{}}";

static void wait_until(const bool *what)
{
    while (!*what) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
}

static void wait_for_visitors(size_t count)
{
    while (visitor_count < count) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    for (size_t i = 0; i < count; i++) {
        wait_until(&visitors[i].has_asked);
    }
}

static void use_waiting(const char *body)
{
    char text[1500];
    snprintf(text, sizeof text,
             "local URL = '%s'\n"
             "local function loud(what) return setmetatable({}, { __close = function() happn.log.info(what) end }) end\n"
             "return { actions = { 'set' }, paths = { '/bad' }, inbound = function(msg) %s end }",
             url, body);
    use_inbound("wait.lua", text);
    open_scripts();
}

/* How many answers each of them waits for. */
static const struct {
    const char *body;
    size_t asks;
} waits[] = {
    {"local x <close> = loud('closed') happn.http.get(URL)", 1},
    {"local x <close> = loud('closed') pcall(happn.http.post, URL, { a = 1 })", 1},
    {"local x <close> = loud('closed') happn.together(function() happn.http.get(URL) end, function() happn.http.get(URL) end)", 2},
    {"local x <close> = loud('closed') coroutine.wrap(function() coroutine.wrap(function() happn.http.get(URL) end)() end)()", 1},
    {"local x <close> = setmetatable({}, { __close = function() pcall(happn.http.get, URL) happn.log.info('closed') end }) happn.http.get(URL)", 1},
    {"local x <close> = loud('closed') for _ in coroutine.wrap(function() happn.together(function() happn.http.get(URL) end) end) do end", 1},
};

enum { WAITS = sizeof waits / sizeof waits[0] };

/* Everything is open, and a call of this kind waits for its answers. */
static void begin_waiting(void **state, struct peer *peer, size_t wait)
{
    open_all(state);
    use_waiting(waits[wait].body);
    enter(peer);
    say(peer, bad);
    wait_for_visitors(waits[wait].asks);
}

/* The connections of what is not waited for are closed. */
static void expect_all_left(void)
{
    for (size_t i = 0; i < visitor_count; i++) {
        wait_until(&visitors[i].has_left);
    }
}

static void what_waits_can_be_killed(void **state)
{
    for (size_t i = 0; i < WAITS; i++) {
        struct peer peer;
        begin_waiting(state, &peer, i);
        expect_silence(&peer);
        assert_true(inspect_kill(scripts, 1));
        expect_error(&peer, "ScriptError");
        expect_part(read_log(), "closed");
        assert_int_equal(scripts->current->task_count, 0);
        expect_all_left();
        say(&peer, "{\"action\":\"get\",\"eventId\":2,\"path\":\"/good\"}");
        expect_data(&peer, "null");
        leave(&peer);
        close_all(state);
    }
}

static void the_server_stops_while_calls_wait(void **state)
{
    for (size_t i = 0; i < WAITS; i++) {
        struct peer peer;
        begin_waiting(state, &peer, i);
        close_scripts();
        expect_part(read_log(), "closed");
        expect_all_left();
        leave(&peer);
        close_all(state);
    }
}

/* What was said before somebody left is still carried out. */
static void whoever_asked_may_leave(void **state)
{
    for (size_t i = 0; i < WAITS; i++) {
        struct peer peer;
        begin_waiting(state, &peer, i);
        leave(&peer);
        while (scripts->current->task_count != 0) {
            answer_all();
            uv_run(&loop.uv, UV_RUN_ONCE);
        }
        expect_part(read_log(), "closed");
        close_all(state);
    }
}

/* The old generation's calls get their answers there, and it ends with them. */
static void a_reload_lets_go_on_what_waits(void **state)
{
    static const struct {
        const char *body;
        size_t asks;
    } calls[] = {
        {"msg.data.v = happn.http.get(URL).body", 1},
        {"local a, b = happn.together(function() return happn.http.get(URL).body end, function() return happn.http.get(URL).body end) msg.data.v = a == b and a", 2},
        {"msg.data.v = coroutine.wrap(function() return happn.http.get(URL).body end)()", 1},
        {"local x <close> = loud('closed') msg.data.v = select(2, pcall(happn.http.get, URL)).body", 1},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct peer peer;
        happn_error error = {0};
        open_all(state);
        use_waiting(calls[i].body);
        scripts_begin(scripts);
        enter(&peer);
        say(&peer, bad);
        wait_for_visitors(calls[i].asks);
        script("wait.lua", "return { inbound = function(msg) msg.data.v = 'new' end }");
        assert_int_equal(scripts_reload(scripts, &error), HAPPN_OK);
        assert_int_equal(scripts_reload(scripts, &error), HAPPN_OK);
        assert_non_null(scripts->retired);
        for (size_t j = 0; j < calls[i].asks; j++) {
            answer(&visitors[j], hello);
        }
        expect_part(hear(&peer), "\"v\":\"hello\"");
        while (scripts->retired != NULL) {
            uv_run(&loop.uv, UV_RUN_ONCE);
        }
        say(&peer, bad);
        expect_part(hear(&peer), "\"v\":\"new\"");
        leave(&peer);
        close_all(state);
    }
}

/* A call that is killed, gives up or is left by a server that stops while a name is looked up does not hold up the loop until the name is known. */
static void a_slow_name_holds_up_nobody(void **state)
{
    static const char *const bodies[] = {"happn.http.get('http://slow.test/')", "happn.http.get('http://slow.test/', { timeout = 1 })",
                                         "happn.http.get('http://slow.test/')"};
    for (int i = 0; i < 3; i++) {
        struct peer peer;
        open_all(state);
        let_look(0);
        use_waiting(bodies[i]);
        enter(&peer);
        say(&peer, bad);
        while (who_looks() == 0) {
            turn();
        }
        if (i == 0) {
            assert_true(inspect_kill(scripts, 1));
        }
        if (i == 2) {
            close_scripts();
        }
        while (peer.count == 0) {
            uv_run(&loop.uv, UV_RUN_ONCE);
        }
        expect_error(&peer, "ScriptError");
        assert_int_equal(who_looks(), 1); /* still */
        let_look(1);
        while (who_looks() != 0) {
            turn();
        }
        leave(&peer);
        close_all(state);
    }
}

/* It would wait for an answer that nobody is asked for. */
static void what_curl_does_not_take_fails_at_once(void **state)
{
    struct peer peer;
    open_all(state);
    use_waiting("msg.data.why = tostring(select(2, pcall(happn.http.get, URL))) msg.data.v = happn.http.get(URL).body");
    enter(&peer);
    refusals = 1;
    say(&peer, bad);
    wait_for_visitors(1);
    answer_all();
    while (peer.count == 0) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    struct str reply = hear(&peer);
    expect_part(reply, "ut of memory");
    expect_part(reply, "\"v\":\"hello\"");
    leave(&peer);
    close_all(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_can_be_killed),         cmocka_unit_test(the_server_stops_while_calls_wait),
        cmocka_unit_test(whoever_asked_may_leave),          cmocka_unit_test(a_reload_lets_go_on_what_waits),
        cmocka_unit_test(a_slow_name_holds_up_nobody),      cmocka_unit_test(what_curl_does_not_take_fails_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
