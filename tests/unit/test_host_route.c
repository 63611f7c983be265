/* Routes of a host, over real sockets: answers that come late, after the client or the whole service has gone. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "happn/happn.h"

static happn_runtime *runtime;
static happn_service *service;
static happn_http *asked;
static bool is_started, is_closed;

static void on_started(happn_status status, const happn_error *error, void *arg)
{
    (void)error, (void)arg;
    assert_int_equal(status, HAPPN_OK);
    is_started = true;
}

static void on_closed(void *arg)
{
    (void)arg;
    is_closed = true;
}

static void keep_request(happn_http *http, void *arg)
{
    (void)arg;
    asked = http;
}

static void stream_request(happn_http *http, void *arg)
{
    (void)arg;
    assert_int_equal(happn_http_begin(http, 200, "text/plain"), HAPPN_OK);
    asked = http;
}

static int open_service(void **state)
{
    static const char config[] = "{\"port\":0,\"host\":\"127.0.0.1\",\"utils\":{\"logLevel\":\"warn\"}}";
    (void)state;
    is_started = is_closed = false;
    asked = NULL;
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime), HAPPN_OK);
    assert_int_equal(happn_service_new(runtime, config, sizeof config - 1, NULL, &service, NULL), HAPPN_OK);
    assert_int_equal(happn_service_add_route(service, "GET", "/later", keep_request, NULL), HAPPN_OK);
    assert_int_equal(happn_service_add_route(service, "GET", "/stream", stream_request, NULL), HAPPN_OK);
    happn_service_start(service, on_started, NULL);
    while (!is_started) {
        assert_true(happn_runtime_step(runtime, 1) >= 0);
    }
    return 0;
}

static int close_runtime(void **state)
{
    (void)state;
    happn_runtime_close(runtime);
    return 0;
}

static int ask(const char *path)
{
    char text[100];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)happn_service_port(service)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int len = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
    while (asked == NULL) {
        assert_true(happn_runtime_step(runtime, 1) >= 0);
    }
    return fd;
}

/* Turns until the server has closed the connection. */
static void await_end(int fd)
{
    char bytes[1000];
    for (;;) {
        ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            return;
        }
        assert_true(happn_runtime_step(runtime, 1) >= 0);
    }
}

static void close_service_and_wait(int fd)
{
    happn_service_close(service, 1, on_closed, NULL);
    await_end(fd);
    for (int turns = 0; turns < 50; turns++) {
        assert_true(happn_runtime_step(runtime, 1) >= 0);
    }
    assert_false(is_closed);
}

static void await_closed(int fd)
{
    while (!is_closed) {
        assert_true(happn_runtime_step(runtime, 1) >= 0);
    }
    close(fd);
}

static void an_answer_may_come_when_the_service_is_closing(void **state)
{
    (void)state;
    int fd = ask("/later");
    close_service_and_wait(fd);
    happn_http_respond(asked, 200, "text/plain", "late", 4);
    await_closed(fd);
}

static void an_answer_in_parts_may_end_when_the_service_is_closing(void **state)
{
    (void)state;
    int fd = ask("/stream");
    close_service_and_wait(fd);
    assert_int_equal(happn_http_write(asked, "late", 4), HAPPN_E_CLOSED);
    happn_http_end(asked, 0);
    await_closed(fd);
}

static void an_answer_may_come_when_the_client_has_left(void **state)
{
    (void)state;
    close(ask("/later"));
    for (int turns = 0; turns < 50; turns++) {
        assert_true(happn_runtime_step(runtime, 0) >= 0);
    }
    happn_http_respond(asked, 200, "text/plain", "late", 4);
    asked = NULL;
    int fd = ask("/later"); /* others are served */
    happn_http_respond(asked, 200, "text/plain", "in time", 7);
    happn_service_close(service, 1, on_closed, NULL);
    await_closed(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_may_come_when_the_service_is_closing, open_service, close_runtime),
        cmocka_unit_test_setup_teardown(an_answer_in_parts_may_end_when_the_service_is_closing, open_service, close_runtime),
        cmocka_unit_test_setup_teardown(an_answer_may_come_when_the_client_has_left, open_service, close_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
