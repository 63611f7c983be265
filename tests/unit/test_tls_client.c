/* Our own client over TLS: whom it trusts is said for each connection. */
#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "happn/happn.h"

static happn_runtime *runtime;
static happn_service *service;
static char folder[] = "/tmp/happn-tls-client-XXXXXX";
static char message[500];
static happn_status status;
static bool is_done;

static void take_status(happn_status result, const happn_error *error, void *arg)
{
    (void)arg;
    status = result;
    snprintf(message, sizeof message, "%s", error != NULL ? error->message : "");
    is_done = true;
}

static void take_result(const happn_result *result, void *arg)
{
    (void)arg;
    status = result->status;
    is_done = true;
}

static void take_end(void *arg)
{
    (void)arg;
    is_done = true;
}

static void await(void)
{
    while (!is_done) {
        happn_runtime_step(runtime, 1);
    }
    is_done = false;
}

static int open_service(void **state)
{
    (void)state;
    char config[1000];
    assert_non_null(mkdtemp(folder));
    int len = snprintf(config, sizeof config, "{\"port\":0,\"host\":\"127.0.0.1\",\"utils\":{\"logLevel\":\"fatal\"},\"services\":{\"transport\":{\"config\":"
                       "{\"mode\":\"https\",\"certPath\":\"%s/cert.pem\",\"keyPath\":\"%s/key.pem\"}}}}", folder, folder);
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime), HAPPN_OK);
    assert_int_equal(happn_service_new(runtime, config, (size_t)len, NULL, &service, NULL), HAPPN_OK);
    happn_service_start(service, take_status, NULL);
    await();
    assert_int_equal(status, HAPPN_OK);
    return 0;
}

static int close_service(void **state)
{
    (void)state;
    char file[100];
    happn_runtime_close(runtime);
    snprintf(file, sizeof file, "%s/cert.pem", folder);
    unlink(file);
    snprintf(file, sizeof file, "%s/key.pem", folder);
    unlink(file);
    return rmdir(folder);
}

/* Connects with these options, sets a document when that works, leaves. */
static happn_status try_host(const char *scheme, const char *host, const char *options)
{
    char text[1000];
    happn_client *client = NULL;
    int len = snprintf(text, sizeof text, "{\"url\":\"%s://%s:%d\"%s}", scheme, host, happn_service_port(service), options);
    assert_int_equal(happn_client_connect(runtime, text, (size_t)len, take_status, NULL, &client), HAPPN_OK);
    await();
    happn_status result = status;
    if (result == HAPPN_OK) {
        assert_int_equal(happn_client_set(client, "/tls/client", "{\"a\":1}", 7, NULL, take_result, NULL), HAPPN_OK);
        await();
        assert_int_equal(status, HAPPN_OK);
    }
    happn_client_close(client, take_end, NULL);
    await();
    return result;
}

static happn_status try_options(const char *scheme, const char *options)
{
    return try_host(scheme, "localhost", options);
}

/* The client's threads find this function first: the server has a name that its certificate does not know. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*usual)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&usual = dlsym(RTLD_NEXT, "getaddrinfo");
    return usual(node != NULL && strcmp(node, "other.test") == 0 ? "127.0.0.1" : node, port, hints, out);
}

static void a_certificate_for_somebody_else(void **state)
{
    (void)state;
    char options[200];
    snprintf(options, sizeof options, ",\"ca\":\"%s/cert.pem\"", folder);
    assert_int_equal(try_host("wss", "other.test", options), HAPPN_E_CONNECT);
    assert_non_null(strstr(message, "ost")); /* host, Hostname */
    assert_int_equal(try_host("wss", "127.0.0.1", options), HAPPN_OK);
    assert_int_equal(try_host("wss", "other.test", ",\"insecure\":true"), HAPPN_OK);
}

static void a_certificate_that_is_trusted(void **state)
{
    (void)state;
    char options[200];
    snprintf(options, sizeof options, ",\"ca\":\"%s/cert.pem\"", folder);
    assert_int_equal(try_options("wss", options), HAPPN_OK);
}

static void a_certificate_that_is_not_trusted(void **state)
{
    (void)state;
    assert_int_equal(try_options("wss", ""), HAPPN_E_CONNECT);
    assert_non_null(strstr(message, "cert"));
    assert_int_equal(try_options("wss", ",\"insecure\":true"), HAPPN_OK);
    assert_int_equal(try_options("wss", ""), HAPPN_E_CONNECT); /* what one connection was allowed says nothing about the next */
}

static void a_client_without_tls_is_told(void **state)
{
    (void)state;
    assert_int_not_equal(try_options("ws", ",\"connectTimeout\":300,\"timeout\":300"), HAPPN_OK);
}

static void a_certificate_file_that_is_none(void **state)
{
    (void)state;
    assert_int_not_equal(try_options("wss", ",\"ca\":\"/nowhere.pem\""), HAPPN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_that_is_trusted),
        cmocka_unit_test(a_certificate_for_somebody_else),
        cmocka_unit_test(a_certificate_that_is_not_trusted),
        cmocka_unit_test(a_client_without_tls_is_told),
        cmocka_unit_test(a_certificate_file_that_is_none),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
