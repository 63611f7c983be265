/* The boundary for other languages: numbered requests in, batches of events out, never a callback.
 * All functions may be called from any thread. Tickets are chosen by the caller, unique, from 1 to 2^53 - 1. */
#ifndef HAPPN_MAILBOX_H
#define HAPPN_MAILBOX_H

#include "happn/layer.h"
#include "happn/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct happn_mailbox happn_mailbox;
typedef struct happn_batch happn_batch;

typedef enum happn_event_kind {
    HAPPN_EV_DONE = 1, /* the operation `ticket` finished; exactly one for each call that returned 0 */
    HAPPN_EV_DATA = 2, /* the subscription `ticket` received something */
    HAPPN_EV_HOOK = 3, /* a message waits for the host to complete it: of the layer `ticket` */
    HAPPN_EV_CANCEL = 4, /* it does not wait any more: its deadline has passed or its service closes */
    HAPPN_EV_END = 5,  /* the last event of a subscription, client, service or layer ticket */
    HAPPN_EV_STATE = 6, /* overflow (ticket 0); of a client that connects again: lost, retry, back; of a subscription: values */
    HAPPN_EV_REPORT = 7 /* after the DONE of a set or remove with "onPublished":true that went well: who got it; exactly one */
} happn_event_kind;

typedef struct happn_event {
    int32_t kind;
    int32_t status;
    uint64_t ticket;
    const char *meta; /* JSON text */
    size_t meta_len;
    const char *body; /* JSON text */
    size_t body_len;
} happn_event;

/* Called on any thread, at most once between two takes; must not call back into happn. */
typedef void (*happn_wake_fn)(void *context);

/* options: JSON text {"highWater":100000,"highWaterBytes":268435456}, or NULL: from how many waiting DATA events, or bytes of them, on more are
 * dropped. Owns a runtime of its own when runtime is NULL. */
HAPPN_API HAPPN_MUST_USE int happn_mailbox_open(happn_runtime *runtime, const char *options, size_t options_len, happn_mailbox **out);
/* A descriptor that is readable while events wait. */
HAPPN_API int happn_mailbox_fd(const happn_mailbox *mailbox);
/* Replaces the descriptor's signal by a function; NULL, NULL: none. After return the old one is never called again. */
HAPPN_API void happn_mailbox_wake(happn_mailbox *mailbox, happn_wake_fn wake, void *context);
/* Takes up to max events; *out is NULL when there are none. Free with happn_batch_free. */
HAPPN_API HAPPN_MUST_USE int happn_mailbox_take(happn_mailbox *mailbox, size_t max, happn_batch **out);
HAPPN_API size_t happn_batch_count(const happn_batch *batch);
HAPPN_API const happn_event *happn_batch_event(const happn_batch *batch, size_t index);
HAPPN_API void happn_batch_free(happn_batch *batch);
/* Closes all services and clients opened through it and joins. Afterwards: no wake, no event. May block. */
HAPPN_API void happn_mailbox_close(happn_mailbox *mailbox);

/* Services and clients are named by their tickets. DONE answers; for services its meta is {"port":n}. */
HAPPN_API HAPPN_MUST_USE int happn_mb_service_open(happn_mailbox *mailbox, uint64_t ticket, const char *config, size_t config_len);
/* The same in two steps: made, then started. Layers that are added between them stand in front of the scripts. */
HAPPN_API HAPPN_MUST_USE int happn_mb_service_new(happn_mailbox *mailbox, uint64_t ticket, const char *config, size_t config_len);
HAPPN_API HAPPN_MUST_USE int happn_mb_service_start(happn_mailbox *mailbox, uint64_t ticket, uint64_t service);
HAPPN_API HAPPN_MUST_USE int happn_mb_service_reload(happn_mailbox *mailbox, uint64_t ticket, uint64_t service);
/* reconnect 0: clients are told not to come back. */
HAPPN_API HAPPN_MUST_USE int happn_mb_service_close(happn_mailbox *mailbox, uint64_t ticket, uint64_t service, int reconnect);
/* service 0: connect by WebSocket with these options; else options, when they are given, are a login (happn_client_open_as). With "reconnect":true (happn/client.h) STATE events of its ticket tell of a lost
 * connection: {"state":"lost","reason":"...","attempt":1,"wait":500}, then "retry" and "back". */
HAPPN_API HAPPN_MUST_USE int happn_mb_client_open(happn_mailbox *mailbox, uint64_t ticket, uint64_t service, const char *options,
                                                  size_t options_len);
HAPPN_API HAPPN_MUST_USE int happn_mb_client_close(happn_mailbox *mailbox, uint64_t ticket, uint64_t client);
/* options with "onPublished":true and consistency 1 or 3: DONE, and later a REPORT of the same ticket. */
HAPPN_API HAPPN_MUST_USE int happn_mb_set(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *json,
                                          size_t json_len, const char *options, size_t options_len);
HAPPN_API HAPPN_MUST_USE int happn_mb_get(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options,
                                          size_t options_len);
HAPPN_API HAPPN_MUST_USE int happn_mb_get_paths(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path);
HAPPN_API HAPPN_MUST_USE int happn_mb_count(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path,
                                            const char *options, size_t options_len);
HAPPN_API HAPPN_MUST_USE int happn_mb_remove(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path,
                                             const char *options, size_t options_len);
/* DONE answers the subscribing; then DATA with the same ticket; END after off, close, or the last event of its "count". With
 * "initialCallback":true, when it is made again after a reconnect: STATE {"state":"values"}, whose body is what is there now. */
HAPPN_API HAPPN_MUST_USE int happn_mb_on(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options,
                                         size_t options_len);
HAPPN_API HAPPN_MUST_USE int happn_mb_off(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, uint64_t subscription);

/* A layer of the host: messages that come in wait for it, each as a HOOK event of this ticket, until they are completed; other sessions go on, and
 * what the same session sends next waits behind. END when the service has closed. Not before replies and events (E_UNSUPPORTED): these cannot wait.
 * options: {"actions":["set"], "path":"/a*"} (each a text or a list; without them all messages but acknowledgements), "deadline" in milliseconds (10000)
 * after which the message is refused ("onDeadline":"refuse") or goes on as it is ("next"), "maxPending" (1000): more are refused with E_BUSY.
 * HOOK: meta {"token":1,"action":"set","path":"/a","session":{"id":"...","username":"..."},"options":{...}}, body the data; what is absent is null or "".
 * CANCEL: meta {"token":1}. */
HAPPN_API HAPPN_MUST_USE int happn_mb_layer_add(happn_mailbox *mailbox, uint64_t ticket, uint64_t service, const char *options,
                                                size_t options_len);
/* verdict: HAPPN_NEXT (json: new data, or NULL), HAPPN_REPLY (json: what is answered), HAPPN_FAIL (json: {"name","message","code"}).
 * DONE has E_NOT_FOUND for a token that nobody waits with (unknown, used before, late); after E_JSON and E_ARGUMENT the message still waits.
 * ticket 0: no DONE. */
HAPPN_API HAPPN_MUST_USE int happn_mb_hook_complete(happn_mailbox *mailbox, uint64_t ticket, uint64_t token, int verdict, const char *json,
                                                    size_t json_len);

/* What an administrator does (happn_client_administer); `object` is a client, or a service, whose host may do everything. */
HAPPN_API HAPPN_MUST_USE int happn_mb_administer(happn_mailbox *mailbox, uint64_t ticket, uint64_t object, const char *verb, const char *json,
                                                 size_t json_len);
/* With one's own login: json is {"oldPassword":"...","newPassword":"..."}. */
HAPPN_API HAPPN_MUST_USE int happn_mb_change_password(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *json, size_t json_len);
HAPPN_API HAPPN_MUST_USE int happn_mb_revoke_token(happn_mailbox *mailbox, uint64_t ticket, uint64_t client);

#ifdef __cplusplus
}
#endif
#endif
