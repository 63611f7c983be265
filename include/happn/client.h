/* A client: the verbs, in this process or over a WebSocket. JSON goes in and comes out as text. */
#ifndef HAPPN_CLIENT_H
#define HAPPN_CLIENT_H

#include "happn/service.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct happn_client happn_client;

/* result: status; data is the JSON text of the answer's data ("null" when nothing is there, an array of documents with `_meta`
 * for a pattern), meta the text of its `_meta`. Borrowed until the callback returns. error is NULL on success. */
typedef struct happn_result {
    size_t size;
    happn_status status;
    const happn_error *error;
    const char *data;
    size_t data_len;
    const char *meta;
    size_t meta_len;
} happn_result;

typedef void (*happn_result_fn)(const happn_result *result, void *arg);

/* An event: its data and meta (path, action, channel, created, ...) as JSON text. */
typedef void (*happn_event_fn)(const char *data, size_t data_len, const char *meta, size_t meta_len, void *arg);

/* Connects within the process. done gets the status; *out is valid at once and must be closed in any case. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_open(happn_service *service, happn_done_fn done, void *arg, happn_client **out);

/* The same for somebody who logs in: login is the text of an object with username and password, or token; and info. What clients over WebSockets
 * may do is what it may do. E_JSON: it is no object in UTF-8. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_open_as(happn_service *service, const char *login, size_t len, happn_done_fn done,
                                                           void *arg, happn_client **out);

/* Connects by WebSocket. options: JSON text {"host":"127.0.0.1","port":55000,"url":"ws://...","username":...,"password":...}, NULL for
 * defaults. Without a password, "token" logs in, or "cookie" (the text of a Cookie header with a happn_token, or "cookieName"), or "privateKey"
 * with "username": the server's nonce is signed with it (secp256k1 in base64, or RSA in PEM; "publicKey" only when the server has it in other words);
 * until done is called, requests then fail with E_BUSY.
 * "pool":["ws://a:55000",{"host":"b"},...] names several servers, of which one is used at a time: the first that answers, in random order ("poolType":1)
 * or that of the list (0). The first connection tries "poolReconnectAttempts" (4, or the whole list; 0: without limit) more after one that fails, and requests fail with
 * E_CLOSED meanwhile; with "reconnect" a lost one goes to the others. With "reconnect":true a connection that is lost after the login is made again, and every subscription with it: the first attempt
 * after "reconnectMin" (500) ms, each next one after about twice as long, up to "reconnectMax" (180000), at most "reconnectAttempts"
 * times (0: without limit). */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_connect(happn_runtime *runtime, const char *options, size_t len,
                                                           happn_done_fn done, void *arg, happn_client **out);

/* Whether happn_client_connect can do with these options, and in error (may be NULL) what is wrong with which. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_check_options(const char *options, size_t len, happn_error *error);

/* What became of a connection that is made again ("reconnect":true). */
typedef enum happn_connection_state {
    HAPPN_CONNECTION_LOST = 1,  /* attempt 1 follows after wait_ms; calls fail with E_CLOSED until it is back */
    HAPPN_CONNECTION_RETRY = 2, /* an attempt failed: the next follows after wait_ms */
    HAPPN_CONNECTION_BACK = 3   /* logged in, and every subscription is made again; those without initial values missed what was between */
} happn_connection_state;

typedef struct happn_connection {
    size_t size;
    happn_connection_state state;
    const char *reason; /* "" when it is back */
    int64_t attempt;    /* the one that follows, or that succeeded */
    int64_t wait_ms;
} happn_connection;

typedef void (*happn_connection_fn)(const happn_connection *connection, void *arg);
HAPPN_API void happn_client_on_connection(happn_client *client, happn_connection_fn changed, void *arg);

/* After a reconnect, before BACK: a subscription with "initialCallback" is made again, and data is the array of what is there now, each
 * document with its `_meta`; event_arg is the subscription's. (Those with "initialEmit" have their events called again.) What is not told
 * between LOST and BACK is not there any more. */
typedef void (*happn_values_fn)(int64_t handle, const char *data, size_t data_len, void *event_arg, void *arg);
HAPPN_API void happn_client_on_values(happn_client *client, happn_values_fn told, void *arg);

/* The answer to the (last) login as the text of an object: the session's id, and on a secured server user and token. "null" before. Borrowed
 * until the next login or the end. */
HAPPN_API const char *happn_client_session(const happn_client *client);

/* Called once when the connection ends for good, for any reason but happn_client_close: also when it must not be made again because the
 * server said so, refused the login or a subscription, or because all attempts failed. */
HAPPN_API void happn_client_on_end(happn_client *client, void (*ended)(const char *reason, void *arg), void *arg);

/* Whether the path is good for "set", "get", "remove" or "on", as the verbs look at it before they ask; error (may be NULL) says why not. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_check_path(const char *path, const char *action, happn_error *error);

/* The verbs. options is the text of a JSON object as in the reference (merge, noStore, criteria, ...), or NULL. The callback (may be
 * NULL) comes exactly once, later, unless the function fails; after a close with E_CLOSED. Texts are copied. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_set(happn_client *client, const char *path, const char *json, size_t len,
                                                       const char *options, happn_result_fn done, void *arg);
HAPPN_API HAPPN_MUST_USE happn_status happn_client_get(happn_client *client, const char *path, const char *options,
                                                       happn_result_fn done, void *arg);
HAPPN_API HAPPN_MUST_USE happn_status happn_client_get_paths(happn_client *client, const char *path, happn_result_fn done, void *arg);
/* How many documents a get would find: data is {"value":n}. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_count(happn_client *client, const char *path, const char *options,
                                                         happn_result_fn done, void *arg);
HAPPN_API HAPPN_MUST_USE happn_status happn_client_remove(happn_client *client, const char *path, const char *options,
                                                          happn_result_fn done, void *arg);

/* Like set and remove, for publications of consistency 1 and 3 (others: E_ARGUMENT): published comes once, later than done, with the report of
 * who got it: data is {"successful":n,"failed":n,"skipped":n,"queued":n,"acknowledged":n} (the last at level 3), also when the status is an
 * error because somebody did not. It does not come when done has an error. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_set_reported(happn_client *client, const char *path, const char *json, size_t len,
                                                                const char *options, happn_result_fn done, happn_result_fn published,
                                                                void *arg);
HAPPN_API HAPPN_MUST_USE happn_status happn_client_remove_reported(happn_client *client, const char *path, const char *options,
                                                                   happn_result_fn done, happn_result_fn published, void *arg);

/* Subscribes. *handle (may be NULL) is valid at once and names the subscription for off; event_arg goes to event. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_on(happn_client *client, const char *path, const char *options, happn_event_fn event,
                                                      void *event_arg, happn_result_fn done, void *arg, int64_t *handle);
HAPPN_API HAPPN_MUST_USE happn_status happn_client_off(happn_client *client, int64_t handle, happn_result_fn done, void *arg);
/* 1 until it is taken off or its "count" is used up: then it hears nothing any more. */
HAPPN_API int happn_client_is_subscribed(const happn_client *client, int64_t handle);
/* Ends all subscriptions whose path matches the pattern (string language); all of them for "*". While a lost connection is away, this and
 * happn_client_off succeed: what is taken off is not made again. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_off_path(happn_client *client, const char *path, happn_result_fn done, void *arg);

/* Does what an administrator does, on a server that is secured: verb and arguments (the text of a JSON object, or NULL) are those of
 * docs/security.md, "upsertUser", "linkGroup", "revokeToken", ...; data is the result. The client must be logged in as a member of _ADMIN, or be one
 * of happn_client_open; servers other than ours do not know it. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_administer(happn_client *client, const char *verb, const char *arguments, size_t len,
                                                              happn_result_fn done, void *arg);

/* Gives the user who is logged in another password. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_change_password(happn_client *client, const char *old_password, const char *new_password,
                                                                   happn_result_fn done, void *arg);
/* Ends the token of this login, and with it every session that was opened with it: this one, too, once it is answered. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_revoke_token(happn_client *client, happn_result_fn done, void *arg);

/* Logs off, answers what is pending with E_CLOSED, frees; closed (may be NULL) is called last, later. */
HAPPN_API void happn_client_close(happn_client *client, void (*closed)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
