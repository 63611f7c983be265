/* A service, a client, a layer and a route in one C program, without a thread of its own: the runtime is stepped.
 *   cc embed.c $(pkg-config --cflags --libs happn) -o embed && ./embed */
#include <happn/happn.h>
#include <stdio.h>
#include <string.h>

static happn_client *client;
static happn_service *service;
static int is_done;

static int check(happn_status status, const char *what)
{
    if (status != HAPPN_OK) {
        fprintf(stderr, "%s: %s\n", what, happn_status_text(status));
        is_done = 1;
    }
    return status == HAPPN_OK;
}

/* Inbound: refuses what begins with the member `bad`. */
static happn_verdict refuse_bad(happn_message *message, void *arg)
{
    size_t len;
    const char *data = happn_message_data(message, &len);
    if (data == NULL || len < 6 || memcmp(data, "{\"bad\"", 6) != 0) {
        return HAPPN_NEXT;
    }
    happn_message_set_error(message, "ValidationError", "bad documents are not welcome", 0, NULL, 0);
    return HAPPN_FAIL;
}

static void hello(happn_http *http, void *arg)
{
    happn_http_respond(http, 200, NULL, "{\"hello\":\"world\"}", 17);
}

static void heard(const char *data, size_t data_len, const char *meta, size_t meta_len, void *arg)
{
    printf("event: %.*s\n", (int)data_len, data);
}

static void refused(const happn_result *result, void *arg)
{
    printf("refused: %s\n", result->error != NULL ? result->error->message : "no");
    is_done = 1;
}

static void opened(happn_status status, const happn_error *error, void *arg)
{
    if (check(status, "open") && check(happn_client_on(client, "/greetings/*", NULL, heard, NULL, NULL, NULL, NULL), "on") &&
        check(happn_client_set(client, "/greetings/one", "{\"text\":\"hello\"}", 16, NULL, NULL, NULL), "set")) {
        check(happn_client_set(client, "/greetings/two", "{\"bad\":true}", 12, NULL, refused, NULL), "set");
    }
}

static void started(happn_status status, const happn_error *error, void *arg)
{
    if (check(status, error != NULL ? error->message : "start")) {
        printf("listening on port %d\n", happn_service_port(service));
        check(happn_client_open(service, opened, NULL, &client), "client");
    }
}

int main(void)
{
    static const char config[] = "{\"port\": 0, \"utils\": {\"logLevel\": \"warn\"}}";
    happn_runtime *runtime;
    happn_error error;
    if (!check(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime), "runtime") ||
        !check(happn_service_new(runtime, config, strlen(config), NULL, &service, &error), "config") ||
        !check(happn_service_add_layer(service, 0, refuse_bad, NULL), "layer") ||
        !check(happn_service_add_route(service, "GET", "/hello", hello, NULL), "route")) {
        return 1;
    }
    happn_service_start(service, started, NULL);
    while (!is_done && happn_runtime_step(runtime, 1) > 0) {
    }
    happn_runtime_close(runtime); /* closes the client and the service */
}
