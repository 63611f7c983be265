/* What the files of this room share. */
#ifndef HAPPN_NET_CONNECTION_H
#define HAPPN_NET_CONNECTION_H

#include <libwebsockets.h>
#include <netinet/in.h>

#include "net/listener.h"

struct websocket;

/* Every connection has one of these, for libwebsockets its user's data. */
struct connection {
    bool is_ours; /* to free */
    struct websocket *websocket;
    happn_http *http; /* the request that is being read or answered */
    char peer[INET6_ADDRSTRLEN]; /* who has connected; empty: nobody has asked yet */
};

struct listener {
    struct core *core;
    struct listener_options options;
    struct lws_context *context; /* set to NULL by lws when it is all gone */
    struct lws_vhost *vhost;
    SSL_CTX *tls;              /* lws'; NULL: without TLS */
    int64_t certificate_stamp, refused_stamp; /* what the files looked like when they were taken, and when that failed */
    int64_t looked;            /* for renewal, on the loop's clock */
    struct lws_protocols protocols[2];
    lws_log_cx_t log_cx;
    int socket;
    int port;
    int spare;          /* a descriptor kept for the day none is left */
    uv_poll_t accepting;
    uv_timer_t sweep;   /* heartbeats and silence */
    uv_timer_t ending;
    int handles;        /* uv handles that are open */
    bool is_stopped, is_closing;
    int64_t deadline;
    void (*closed)(void *arg);
    void *closed_arg;
    size_t connections;
    struct websocket *websockets; /* all of them */
    struct websocket *dirty;      /* with gathered output */
    happn_http *reading;          /* requests whose bodies are on their way */
    struct loop_flush flush;
    struct buf *spare_buffers;    /* of connections that had something to say; few stay */
    size_t spare_count;
    size_t spare_bytes; /* of their memory */
};

/* --- websocket.c */
int websocket_open(struct listener *listener, struct lws *wsi, struct connection *connection);
int websocket_receive(struct connection *connection, struct lws *wsi, struct str part);
int websocket_writeable(struct connection *connection);
/* The peer has sent its close frame: 0 lets lws answer it. */
int websocket_peer_closes(struct connection *connection);
void websocket_gone(struct connection *connection);
void websocket_flush(struct loop_flush *flush);
void websocket_heard(struct connection *connection);
/* Pings and drops, once a sweep. */
void websocket_sweep(struct listener *listener, int64_t now);
void websocket_close_all(struct listener *listener);

/* --- http_head.c */
int http_request(struct listener *listener, struct lws *wsi, struct connection *connection, struct str path);

/* --- http.c */
int http_writeable(struct connection *connection);
void http_gone(struct connection *connection);

/* --- http_body.c */
int http_body(struct connection *connection, struct str part);
int http_body_complete(struct connection *connection);
/* Ends what has waited for too long, once a sweep. */
void http_sweep(struct listener *listener, int64_t now);

/* What other files of this room need of a request. */
struct listener *http_listener(const happn_http *http); /* NULL when the peer has gone */
struct core *http_core(const happn_http *http);
/* What the public functions give, as slices; not set: there is none. */
struct str http_header(const happn_http *http, const char *name);
struct str http_query(const happn_http *http);
struct str http_sent_body(const happn_http *http);
struct arena *http_arena(happn_http *http);
struct identity **http_identity_slot(happn_http *http); /* who sends it; one reference is the request's */
bool http_is_encrypted(const happn_http *http);
bool http_lacks_memory(const happn_http *http); /* a header that was sent could not be read */
bool http_is_checked(const happn_http *http); /* who sends it was looked at before its body was read */
/* Work of ours goes on elsewhere before it is answered: the service does not close meanwhile. */
void http_begin_work(happn_http *http);
void http_end_work(happn_http *http);
/* In place of the usual phrase behind the status; static text. */
void http_set_reason(happn_http *http, const char *reason);

/* --- builtin.c: answers /ping, /version, /primus...; false when the path is none of them. */
bool builtin_has(struct str path);
bool builtin_route(happn_http *http, struct str path);

#endif
