/* HTTP on a secured service: who sends a request, and may they. */
#ifndef HAPPN_NET_SECURED_H
#define HAPPN_NET_SECURED_H

#include "net/connection.h"

/* True: the request may go on, http->identity is who sends it (NULL: the path is open to all). False: it has been answered. */
bool secured_pass(happn_http *http, struct str path);

/* Answers /auth/login, /auth/request-nonce, /auth/logout; false when the path is none of them. */
bool auth_route(happn_http *http, struct str path);
bool auth_has(happn_http *http, struct str path);

/* Answers /_admin/<verb> for administrators; false when the path is none of these. */
bool admin_route(happn_http *http, struct str path);
bool admin_has(happn_http *http, struct str path);
/* True: an administrator asks. False: it has been answered. */
bool admin_admits(happn_http *http);

/* A page of another site makes the browser ask, which sends its cookie along: it changes nothing for us. */
bool secured_is_foreign(happn_http *http);

/* The token that a request carries: cookie, query, Authorization, the first one that is there. */
struct str secured_token(happn_http *http, bool *from_cookie);

/* What the cookie with the token is called. */
struct str secured_cookie_name(const struct core *core);

/* Answers with a text; the reason phrase is the original's. */
void secured_refuse(happn_http *http, int status, const char *text);

#endif
