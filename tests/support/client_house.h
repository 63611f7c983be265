/* A client and the scripted server that it connects to, on one loop that the test turns. A header, because the loop, the client and what has
 * happened are the test's own. */
#ifndef HAPPN_TEST_CLIENT_HOUSE_H
#define HAPPN_TEST_CLIENT_HOUSE_H

#define HELPER static __attribute__((unused))

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/runtime.h"
#include "happn/client.h"
#include "json/scan.h"
#include "websocket_server.h"

static happn_runtime *runtime;
static struct websocket_server server;
static happn_client *client;
static happn_status connected;
static happn_error connect_error;
static char end_reason[300];
static int ends;
static bool is_closed;

/* Turns the loop until it holds; a limit only for what never happens. */
#define UNTIL(condition)                                                 \
    do {                                                                 \
        for (int i_ = 0; !(condition); i_++) {                           \
            if (i_ > 5000) {                                             \
                fail_msg("never: %s (end: %s)", #condition, end_reason); \
            }                                                            \
            uv_run(&runtime_loop(runtime)->uv, UV_RUN_NOWAIT);           \
            uv_sleep(1);                                                 \
        }                                                                \
    } while (0)

HELPER void open_house(void (*on_frame)(struct websocket_server *from, int opcode, struct str text))
{
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime), HAPPN_OK);
    websocket_server_open(&server, &runtime_loop(runtime)->uv);
    server.on_frame = on_frame;
    ends = 0;
    is_closed = false;
    connected = HAPPN_PENDING;
    connect_error = (happn_error){.status = HAPPN_OK};
    client = NULL;
    end_reason[0] = '\0';
}

HELPER void on_closed(void *arg)
{
    (void)arg;
    is_closed = true;
}

HELPER void close_client(void)
{
    happn_client_close(client, on_closed, NULL);
    UNTIL(is_closed);
    client = NULL;
}

HELPER int tear_down(void **state)
{
    (void)state;
    if (client != NULL) {
        close_client();
    }
    websocket_server_close(&server);
    happn_runtime_close(runtime);
    return 0;
}

HELPER void on_connected(happn_status status, const happn_error *error, void *arg)
{
    (void)arg;
    connected = status;
    if (error != NULL) {
        connect_error = *error;
    }
}

HELPER void on_end(const char *reason, void *arg)
{
    (void)arg;
    ends++;
    snprintf(end_reason, sizeof end_reason, "%s", reason);
}

/* Connects; more: further options, such as ",\"reconnect\":true". */
HELPER void begin_client(const char *more)
{
    char options[400];
    int len = snprintf(options, sizeof options, "{\"url\":\"ws://127.0.0.1:%d\"%s}", server.port, more);
    assert_int_equal(happn_client_connect(runtime, options, (size_t)len, on_connected, NULL, &client), HAPPN_OK);
    happn_client_on_end(client, on_end, NULL);
    assert_int_equal(connected, HAPPN_PENDING);
}

HELPER void on_result(const happn_result *result, void *arg)
{
    *(happn_status *)arg = result->status;
}

#endif
