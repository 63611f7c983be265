/* A way to log in of the host's own: another directory, one-time codes, client certificates of a proxy. */
#ifndef HAPPN_AUTH_H
#define HAPPN_AUTH_H

#include "happn/service.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct happn_login happn_login;

typedef enum happn_auth_verdict {
    HAPPN_AUTH_USUAL = 0, /* not for me: passwords, digests and tokens as always */
    HAPPN_AUTH_LATER = 1  /* happn_login_accept, happn_login_refuse or happn_login_usual is called once: now, or later on the loop's thread */
} happn_auth_verdict;

/* Asked for every login, over connections and over HTTP, before anything else. What it borrows is valid until it has decided. */
typedef happn_auth_verdict (*happn_auth_fn)(happn_login *login, void *arg);

/* What the client sent, as the text of a JSON object: username, password, token, publicKey, digest. It has secrets in it. */
HAPPN_API const char *happn_login_credentials(const happn_login *login, size_t *len);
/* What it says of itself (`info`), JSON; NULL when it says nothing. */
HAPPN_API const char *happn_login_info(const happn_login *login, size_t *len);
/* Where it comes from; empty within the process. */
HAPPN_API const char *happn_login_address(const happn_login *login, size_t *len);

/* The client is this user, who must be in the directory (happn_security_call with "upsertUser" makes one); otherwise it is refused. Copied. */
HAPPN_API void happn_login_accept(happn_login *login, const char *username);
/* It is nobody. text NULL: "Invalid credentials". Counts for the account's lockout. */
HAPPN_API void happn_login_refuse(happn_login *login, const char *text);
/* After all it goes the usual way. */
HAPPN_API void happn_login_usual(happn_login *login);

/* Before or after start, NULL for none. E_ARGUMENT: the service is closing. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_set_auth(happn_service *service, happn_auth_fn fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
