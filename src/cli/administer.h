/* Talking to whatever is administered: a running server over HTTP, or the database of one that is stopped. */
#ifndef HAPPN_CLI_ADMINISTER_H
#define HAPPN_CLI_ADMINISTER_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* What the command line says. */
struct administer_options {
    const char *url;       /* "http://127.0.0.1:55000" */
    const char *file;      /* NULL: over HTTP */
    const char *username;  /* who logs in */
    const char *password;  /* NULL: HAPPN_PASSWORD, or asked for */
    const char *token;     /* NULL: log in first */
    const char *ca;        /* file with certificates to trust besides the system's */
    bool is_insecure;      /* the server's certificate is not checked */
};

struct administer;

/* NULL: it has been said why, on standard error. */
struct administer *administer_open(const struct administer_options *options);
void administer_close(struct administer *administer);

/* Does a verb of docs/security.md. args is freed. NULL: it failed, and it has been said why. */
cJSON *administer_call(struct administer *administer, const char *verb, cJSON *args);

/* Reads a line without showing it; twice, when it is a new one. Freed by the caller; NULL: none was given, or the two differ. */
char *administer_ask_password(const char *prompt, bool twice);

#endif
