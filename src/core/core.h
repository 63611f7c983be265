/* The core: sessions, requests, layers, routes, publications. Knows neither sockets nor Lua nor wire shapes. */
#ifndef HAPPN_CORE_CORE_H
#define HAPPN_CORE_CORE_H

#include "base/idmap.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/link.h"
#include "core/protocol.h"
#include "core/request.h"
#include "happn/service.h"
#include "paths/subscriptions.h"

struct identity;

struct core_limits {
    size_t message_bytes;     /* one message in or out */
    size_t subscriptions;     /* of one session */
    size_t pending_requests;  /* of one session; then its link is not read from */
    size_t list_bytes;        /* one list; a longer one is refused before it is put together */
};

struct core_stats {
    uint64_t requests, refused, publications, deliveries, failed_deliveries, ignored_text;
    uint64_t store_operations, store_failures, unacknowledged;
    uint64_t refused_logins;
    uint64_t cut_off; /* links that did not take what waited for them, and lost it */
};

/* Where layers stand: before and after the checkpoint, before a reply or a recipient's copy leaves, once for each event. */
enum layer_chain { LAYERS_INBOUND, LAYERS_AUTHORIZED, LAYERS_OUTBOUND, LAYERS_PUBLISHED, LAYER_CHAINS };

/* A layer of one chain. */
struct layer {
    happn_layer_fn run;
    void *arg;
    struct layer *next;
    bool is_idle;        /* nothing would happen: it is left out */
    bool is_for_replies; /* outbound: recipients' copies of an event do not need it, so they can share one */
};

struct route {
    const char *method; /* "*" for all */
    const char *path;   /* may end in `*` */
    happn_route_fn run;
    void *arg;
    struct route *next;
};

/* How wire text becomes requests; filled in by wire. */
struct wire_ops {
    /* One message of a session. Answers Primus strings itself, hands requests to core_dispatch. */
    void (*receive)(struct session *session, struct str text, struct buf *memory);
    /* The protocol that a session has before it says anything. */
    const struct protocol *first;
    /* The protocol for the text in configure-session. */
    const struct protocol *(*find)(const struct core *core, struct str name);
};

struct core {
    struct loop *loop;
    const struct allocator *allocator;
    struct log *log;
    happn_service *service;
    const struct wire_ops *wire;
    struct datastores *stores;
    struct security *security; /* NULL: the service is not secured */
    struct watcher *watchers;  /* of system events */
    struct subscriptions *subscriptions;
    struct layer *layers[LAYER_CHAINS];
    struct route *routes;
    bool (*script_route)(void *scripts, happn_http *http); /* asked when no route matches */
    bool (*script_has_route)(void *scripts, const happn_http *http);
    bool (*script_is_public)(void *scripts, const happn_http *http); /* whoever asks: it has a route for this that needs no permission */
    void *scripts;
    struct host_protocol *host_protocols; /* wire's */
    struct session *sessions;
    size_t session_count;
    size_t answers_due;   /* requests over HTTP that a route has and has not answered */
    size_t request_count;
    struct request *free_requests;
    size_t free_count;
    struct core_limits limits;
    struct core_stats stats;
    char name[128];
    int compat;              /* 6, 8 or 13 */
    uint64_t last_reference; /* of subscriptions */
    uint64_t last_sibling;
    struct acknowledgement *acknowledgements, *last_acknowledgement; /* in the order of their deadlines */
    struct idmap acknowledgement_ids;
    uv_timer_t timer;        /* of acknowledgements */
    uv_timer_t sweep;        /* of a secured service: gate_sweep */
    int64_t acknowledge_ms;  /* how long they may take */
    bool publishes_each_remove; /* an event for every document that a pattern removed */
    char instance[24];       /* prefix of references */
    struct str cookie_name, cookie_domain; /* told at login; not set: not told */
    int64_t login_ms;        /* how long a connection may stay without a login; 0: for ever */
};

happn_status core_init(struct core *core, struct loop *loop, const struct allocator *allocator);
/* All sessions are closed before. core_close_timer comes first, a turn of the loop earlier. */
void core_fini(struct core *core);
void core_close_timer(struct core *core);

/* Lets one message in; text is borrowed during the call. */
void core_receive(struct session *session, struct str text);
/* The same for a message that fills a buffer, whose memory may be taken over; the caller ends it in any case. */
void core_receive_buf(struct session *session, struct buf *message);
#define core_session_receive core_receive

struct session *core_session_open(struct core *core, struct link *link);
/* The link is gone: subscriptions end, pending requests finish unheard. The session is freed when the last is done. */
void core_session_closed(struct session *session);

/* Requests: taken from a pool, filled in by wire, given to dispatch which ends with the reply and the release. */
struct request *core_request_new(struct session *session);
void core_request_free(struct request *request);
void core_dispatch(struct request *request);
/* Encodes the reply, after the outbound layers. */
void core_answer(struct request *request);
/* Releases the request, lets the session's next one go. */
void core_end(struct request *request);
/* Both. */
void core_reply(struct request *request);
/* With a copy of this JSON text; without a pointer it is one that there was no memory for. */
void core_reply_text(struct request *request, struct str text);
void core_fail(struct request *request, happn_status status, const char *name, int code, const char *message);

/* method "*" stands for all, path may end in `*`; both are copied. */
happn_status core_add_route(struct core *core, const char *method, const char *path, happn_route_fn run, void *arg);

/* HTTP: the first matching route, longest path first; false when none matches. */
bool core_route(struct core *core, happn_http *http, const char *method, struct str path);
bool core_has_route(struct core *core, const happn_http *http, const char *method, struct str path);

/* Asks every session to go: the system message (reconnect or not), then close. */
void core_disconnect_all(struct core *core, bool reconnect, const char *reason);

/* Provided by net, which is above: who sends the request; NULL: nobody known. Borrowed. */
struct identity *core_http_identity(const happn_http *http);

/* Provided by service, which is above: for the in-process client. */
struct core *happn_service_core(happn_service *service);
happn_runtime *happn_service_runtime(happn_service *service);

#endif
