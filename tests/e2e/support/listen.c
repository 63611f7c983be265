/* A C client: subscribes by WebSocket, prints one line an event, ends after COUNT.   listen PORT PATTERN COUNT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "happn/happn.h"

static int left, is_over;
static happn_client *client;

static void heard(const char *data, size_t data_len, const char *meta, size_t meta_len, void *arg)
{
    (void)meta, (void)meta_len, (void)arg;
    printf("event %.*s\n", (int)data_len, data);
    fflush(stdout);
    is_over = --left == 0;
}

static void subscribed(const happn_result *result, void *arg)
{
    (void)arg;
    printf(result->status == HAPPN_OK ? "ready\n" : "failed: %s\n", result->error != NULL ? result->error->message : "");
    fflush(stdout);
    is_over = is_over || result->status != HAPPN_OK;
}

static void opened(happn_status status, const happn_error *error, void *arg)
{
    if (status != HAPPN_OK || happn_client_on(client, arg, NULL, heard, NULL, subscribed, NULL, NULL) != HAPPN_OK) {
        fprintf(stderr, "%s\n", error != NULL ? error->message : "failed");
        is_over = 1;
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    char options[64];
    snprintf(options, sizeof options, "{\"port\":%d}", atoi(argv[1]));
    left = atoi(argv[3]);
    happn_runtime *runtime;
    if (happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime) != HAPPN_OK ||
        happn_client_connect(runtime, options, strlen(options), opened, argv[2], &client) != HAPPN_OK) {
        return 1;
    }
    while (!is_over && happn_runtime_step(runtime, 1) > 0) {
    }
    happn_runtime_close(runtime);
    return left == 0 ? 0 : 1;
}
