/* A service: documents, subscriptions, scripts and, when it listens, a server. */
#ifndef HAPPN_SERVICE_H
#define HAPPN_SERVICE_H

#include "happn/layer.h"
#include "happn/route.h"
#include "happn/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct happn_service happn_service;

/* status, and when it is not HAPPN_OK why (borrowed; NULL on success). */
typedef void (*happn_done_fn)(happn_status status, const happn_error *error, void *arg);

/* Makes a service from a configuration: JSON text in the original's shape (docs/config.md). Relative files are
 * looked up from base_dir (NULL: the working directory). Nothing is opened yet. error may be NULL. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_new(happn_runtime *runtime, const char *config, size_t len,
                                                        const char *base_dir, happn_service **out, happn_error *error);

/* Sets one key of the configuration by its dotted path to a JSON value ("port", "0"), before start. error may be NULL. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_set(happn_service *service, const char *key, const char *json,
                                                        happn_error *error);

/* Something that happened to the service: "connect", "authentic", "disconnect", "session-ended" (with the session's id, protocol, username,
 * address, reason), "login-refused", "refused" (a request), "security-data-changed" (whatHappnd, changedData). json is the text of an object, borrowed until the
 * function returns; on the loop's thread. */
typedef void (*happn_system_fn)(const char *event, const char *json, size_t len, void *arg);

/* Tells fn of everything that happens, until the service is gone. E_MEMORY, E_ARGUMENT. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_watch(happn_service *service, happn_system_fn fn, void *arg);

/* Layers and routes of the host, before start or later (from the next request on). A layer that was added before start sees a message before the layers of
 * scripts do, one that was added later after them. method "*" stands for all, path may end in `*`. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_add_layer(happn_service *service, int outbound, happn_layer_fn fn, void *arg);
HAPPN_API HAPPN_MUST_USE happn_status happn_service_add_route(happn_service *service, const char *method, const char *path,
                                                              happn_route_fn fn, void *arg);

/* Which store keeps which paths, while the service runs: from now on paths that the pattern (`*` is any text) means belong to the
 * datastore of this name. The longest pattern counts. Documents are not moved: what another store has at such paths is out of
 * sight until the pattern is removed. E_ARGUMENT: no such datastore; E_NOT_FOUND: no such pattern; E_CLOSED: it does not run. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_add_datastore_pattern(happn_service *service, const char *pattern,
                                                                          const char *datastore, happn_error *error);
HAPPN_API HAPPN_MUST_USE happn_status happn_service_remove_datastore_pattern(happn_service *service, const char *pattern,
                                                                             happn_error *error);

/* Gives back the room that removed documents have left in a datastore's file ("default" when only services.data.config.filename is set).
 * Reads of single paths go on meanwhile, everything else of this store waits. done is called once, later, and the log tells, too. E_ARGUMENT: no
 * such datastore; E_CLOSED: the service does not run; then done is not called. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_compact(happn_service *service, const char *datastore, happn_done_fn done, void *arg,
                                                            happn_error *error);

/* Opens the store, loads scripts, listens. done is called once, later; after a failure only close is left. */
HAPPN_API void happn_service_start(happn_service *service, happn_done_fn done, void *arg);

/* The port it listens on (useful with port 0), 0 when it does not listen. */
HAPPN_API int happn_service_port(const happn_service *service);

/* Statistics as JSON text: sessions, subscriptions, what waits in every queue (requests, operations of the store, publications that
 * are to be acknowledged, bytes to be sent), totals, drops (text that was no request, operations that failed, publications that were not
 * acknowledged, deliveries that failed and links that were cut off), and rates a second since the last call. take is called before it returns.
 * E_CLOSED: the service does not run. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_stats(happn_service *service, void (*take)(const char *json, size_t len, void *arg),
                                                          void *arg);

/* Loads the scripts anew, and certificate and key when their files were renewed. All or nothing: on failure the old ones go on serving and error says file and line. */
HAPPN_API HAPPN_MUST_USE happn_status happn_reload(happn_service *service, happn_error *error);

/* Opens a Unix socket by which `happn reload` and `happn scripts` reach this service; whoever may open it (mode 0600) may do both. A socket that nobody
 * listens at any more is replaced; it is removed when the service closes. E_ARGUMENT: there is one already; E_CONFLICT: another server listens
 * there; E_IO; E_CLOSED: the service does not run. error may be NULL. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_control(happn_service *service, const char *path, happn_error *error);

/* Stops accepting, answers what is in flight, tells clients to reconnect (or not), closes the store, frees. */
HAPPN_API void happn_service_close(happn_service *service, int reconnect, void (*closed)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
