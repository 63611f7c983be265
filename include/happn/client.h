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

/* Connects by WebSocket. options: JSON text {"host":"127.0.0.1","port":55000,"url":"ws://...","username":...,"password":...}, NULL for
 * defaults. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_connect(happn_runtime *runtime, const char *options, size_t len,
                                                           happn_done_fn done, void *arg, happn_client **out);

/* Called once when the connection ends, for any reason but happn_client_close. */
HAPPN_API void happn_client_on_end(happn_client *client, void (*ended)(const char *reason, void *arg), void *arg);

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

/* Subscribes. *handle (may be NULL) is valid at once and names the subscription for off; event_arg goes to event. */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_on(happn_client *client, const char *path, const char *options, happn_event_fn event,
                                                      void *event_arg, happn_result_fn done, void *arg, int64_t *handle);
HAPPN_API HAPPN_MUST_USE happn_status happn_client_off(happn_client *client, int64_t handle, happn_result_fn done, void *arg);
/* Ends all subscriptions whose path matches the pattern (string language); all of them for "*". */
HAPPN_API HAPPN_MUST_USE happn_status happn_client_off_path(happn_client *client, const char *path, happn_result_fn done, void *arg);

/* Logs off, answers what is pending with E_CLOSED, frees; closed (may be NULL) is called last, later. */
HAPPN_API void happn_client_close(happn_client *client, void (*closed)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
