/* Routes: functions that answer HTTP requests, at once or later. */
#ifndef HAPPN_ROUTE_H
#define HAPPN_ROUTE_H

#include "happn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct happn_http happn_http;

/* Must answer with happn_http_respond, now or later, exactly once, also when the client has left: a service that closes waits for it. */
typedef void (*happn_route_fn)(happn_http *http, void *arg);

/* Borrowed until the answer. NULL when absent; *len gets the length when len is not NULL. */
HAPPN_API const char *happn_http_method(const happn_http *http);
HAPPN_API const char *happn_http_path(const happn_http *http, size_t *len);
HAPPN_API const char *happn_http_query(const happn_http *http, size_t *len); /* raw, without the ? */
HAPPN_API const char *happn_http_body(const happn_http *http, size_t *len);
/* name in lower case; any header the client sent. */
HAPPN_API const char *happn_http_header(const happn_http *http, const char *name, size_t *len);
HAPPN_API const char *happn_http_address(const happn_http *http);

/* Adds a header to the answer, before respond. E_ARGUMENT: the name is no name of a header, is Content-Length or Transfer-Encoding (those are not
 * the route's), or the value has line breaks. Copied. */
HAPPN_API HAPPN_MUST_USE happn_status happn_http_add_header(happn_http *http, const char *name, const char *value);

/* Sends the answer. status is between 200 and 599, of any other it becomes 500; content_type NULL means application/json. Copies. http is gone afterwards. */
HAPPN_API void happn_http_respond(happn_http *http, int status, const char *content_type, const void *body, size_t len);

/* An answer in parts, in place of respond: begin, any number of writes, end. Only on the loop's thread.
 * begin sends the head; content_type NULL means application/json. E_CLOSED: the client has left; E_ARGUMENT: it was answered already, the status
 * is not between 200 and 599, or the type has line breaks. A client that asked with HEAD, and one that gets 204 or 304, is sent no parts. Then respond or end is still due. */
HAPPN_API HAPPN_MUST_USE happn_status happn_http_begin(happn_http *http, int status, const char *content_type);
/* Copies. HAPPN_PENDING: taken, but wait for progress before the next one; E_CLOSED: the client has left; E_LIMIT: not taken, so much waits already
 * that the service's queueBytes are reached. */
HAPPN_API HAPPN_MUST_USE happn_status happn_http_write(happn_http *http, const void *bytes, size_t len);
/* HAPPN_OK: what was written has left; E_CLOSED, once: the client has left, only end is due. Not called within write. */
HAPPN_API void happn_http_on_progress(happn_http *http, void (*progress)(happn_http *http, happn_status status, void *arg), void *arg);
/* failed not 0: the answer breaks off, and the client can see that. http is gone afterwards. */
HAPPN_API void happn_http_end(happn_http *http, int failed);

#ifdef __cplusplus
}
#endif
#endif
