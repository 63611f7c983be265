/* The n-th allocation of a request over HTTP fails, for every n: it is answered, rightly or with an error, or its connection ends. Nobody is
 * left waiting, and nothing leaks. */
#include "core_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"
#include "test_memory.h"

enum { PATIENCE_MS = 5000, ANSWER = 200000, LARGE = 100000 };

static struct listener *listener;
static char folder[] = "/tmp/happn-XXXXXX";
static char file_name[64], large_name[64];
static struct test_memory memory = TEST_MEMORY(memory);
static bool is_closed;

static void echo(happn_http *http, void *arg)
{
    size_t len;
    const char *body = happn_http_body(http, &len);
    (void)arg;
    (void)!happn_http_add_header(http, "X-Route", "echo");
    happn_http_respond(http, 200, "text/plain", body, len);
}

static void stream(happn_http *http, void *arg)
{
    (void)arg;
    if (happn_http_begin(http, 200, "text/plain") != HAPPN_OK) {
        happn_http_respond(http, 500, "text/plain", "no", 2);
        return;
    }
    happn_http_end(http, happn_http_write(http, "part", 4) < 0);
}

static void open_listener(void)
{
    static struct str origins[] = {STR_LIT("http://page")};
    static struct static_folder folders[1];
    folders[0] = (struct static_folder){.mount = STR_LIT("/files"), .folder = str_of(folder)};
    struct listener_options options = {.host = "127.0.0.1", .message_bytes = 1 << 20, .queue_bytes = 1 << 20, .body_bytes = 1 << 20, .connections = 10,
                                       .silence_ms = 60000, .ping_ms = 60000, .keep_alive_seconds = 60, .handshake_seconds = 60, .folders = folders, .folder_count = 1,
                                       .cors = {.origins = origins, .origin_count = 1, .methods = origins, .method_count = 1, .allows_credentials = true}};
    happn_error error;
    assert_int_equal(listener_open(&core, &options, &listener, &error), HAPPN_OK);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(file_name, sizeof file_name, "%s/a.txt", folder);
    FILE *file = fopen(file_name, "w");
    assert_non_null(file);
    fputs("what is in the file", file);
    fclose(file);
    snprintf(large_name, sizeof large_name, "%s/large.txt", folder);
    file = fopen(large_name, "w");
    assert_non_null(file);
    fprintf(file, "%*s", LARGE, "its end");
    fclose(file);
    open_core_with(&memory.allocator);
    assert_int_equal(core_add_route(&core, "POST", "/echo", echo, NULL), HAPPN_OK);
    assert_int_equal(core_add_route(&core, "GET", "/stream", stream, NULL), HAPPN_OK);
    open_listener();
    return 0;
}

static void on_closed(void *arg)
{
    (void)arg;
    is_closed = true;
}

static int tear_down(void **state)
{
    listener_close(listener, 0, on_closed, NULL);
    while (!is_closed) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    close_core(state);
    unlink(file_name);
    unlink(large_name);
    rmdir(folder);
    assert_int_equal(memory.in_use, 0);
    return 0;
}

static int connect_to(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)listener_port(listener)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t before = listener_connections(listener);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    while (listener_connections(listener) == before) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    return fd;
}

/* The head and, when it says how long it is, the body. */
static bool is_whole(const char *text, size_t len)
{
    const char *end = memmem(text, len, "\r\n\r\n", 4), *length = strstr(text, "Content-Length: ");
    if (end == NULL) {
        return false;
    }
    size_t head = (size_t)(end - text) + 4;
    return length != NULL && length < end ? len >= head + strtoul(length + 16, NULL, 10) : strstr(text, "chunked") == NULL || strstr(end, "0\r\n\r\n") != NULL;
}

/* What comes until the answer is whole or the connection has ended, which is false; fails when neither happens. */
static bool hear_answer(int fd, char text[ANSWER])
{
    size_t len = 0;
    text[0] = '\0';
    for (int turns = 0; !is_whole(text, len); turns++) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
        ssize_t got = recv(fd, text + len, ANSWER - 1 - len, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            return false;
        }
        len += got > 0 ? (size_t)got : 0;
        text[len] = '\0';
        assert_true(turns < PATIENCE_MS);
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, got > 0 ? 0 : 1);
    }
    return true;
}

static void forget(int fd)
{
    close(fd);
    while (listener_connections(listener) != 0) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
}

static bool begins(const char *text, int status)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "HTTP/1.1 %d ", status);
    return strncmp(text, wanted, strlen(wanted)) == 0;
}

/* With n allocations, and one more that fails: true when there was none. */
static bool try_with(int n, const char *request, int status, const char *part)
{
    static char text[ANSWER];
    int fd = connect_to();
    memory.has_failed = false;
    memory.left = n;
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    bool is_complete = hear_answer(fd, text);
    memory.left = -1;
    bool is_right = is_complete && begins(text, status) && strstr(text, part) != NULL;
    if (!is_right && !(memory.has_failed && (!is_complete || begins(text, 500) || begins(text, 503)))) {
        print_message("with %d allocations: %s", n, text);
        fail();
    }
    forget(fd);
    return !memory.has_failed;
}

static void try_all(const char *request, int status, const char *part)
{
    int n = 0;
    while (!try_with(n, request, status, part)) {
        n++;
    }
    assert_true(n > 0);
}

static void built_in_paths_are_answered(void **state)
{
    (void)state;
    try_all("GET /ping HTTP/1.1\r\nHost: a\r\n\r\n", 200, "pong");
    try_all("GET /primus HTTP/1.1\r\nHost: a\r\n\r\n", 426, "Pragma: no-cache");
    try_all("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404, "nosniff");
    try_all("OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\nOrigin: http://page\r\nAccess-Control-Request-Method: GET\r\n\r\n", 204, "Access-Control-Allow-Credentials");
}

static void routes_are_answered(void **state)
{
    (void)state;
    try_all("POST /echo?a=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 200, "\r\n\r\nhello");
    try_all("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, "\r\n\r\nhello");
    try_all("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", 200, "4\r\npart\r\n0");
}

static void files_are_answered(void **state)
{
    (void)state;
    try_all("GET /files/a.txt HTTP/1.1\r\nHost: a\r\n\r\n", 200, "what is in the file");
    try_all("GET /files/large.txt HTTP/1.1\r\nHost: a\r\n\r\n", 200, "its end");
    try_all("GET /files/large.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=10-\r\nIf-None-Match: \"x\"\r\n\r\n", 206, "its end");
    try_all("GET /files/large.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=100000-\r\n\r\n", 416, "bytes */100000");
    try_all("GET /files/b.txt HTTP/1.1\r\nHost: a\r\n\r\n", 404, "no such file");
    try_all("DELETE /files/a.txt HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Allow: GET, HEAD");
}

static void refusals_are_answered(void **state)
{
    (void)state;
    try_all("POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", 411, "Content-Length");
    try_all("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413, "too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_paths_are_answered),
        cmocka_unit_test(routes_are_answered),
        cmocka_unit_test(files_are_answered),
        cmocka_unit_test(refusals_are_answered),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
