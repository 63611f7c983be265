/* One HTTP request, waiting for its answer: what the commands need to talk to a server. */
#ifndef HAPPN_CLI_HTTP_CLIENT_H
#define HAPPN_CLI_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct http_target {
    char host[256], port[8];
    bool is_encrypted, is_insecure;
    const char *ca;
};

/* "http://host:port", "https://host". False: it cannot be read. */
bool http_read_url(const char *url, struct http_target *out);

/* POSTs JSON. The answer's body (freed by the caller) and status; NULL: why says what went wrong. token NULL: none. */
char *http_post(const struct http_target *target, const char *path, const char *token, const char *json, int *status, char why[300]);

#endif
