/* Where a client's messages go: into a core in this process, or over a WebSocket. */
#ifndef HAPPN_CLIENT_LINK_H
#define HAPPN_CLIENT_LINK_H

#include "base/loop.h"
#include "base/str.h"
#include "happn/service.h"

struct client_link;

struct client_link_ops {
    /* Sends one message, in order; before the link is connected it waits. Copies. E_BUSY: too much is waiting. */
    happn_status (*send)(struct client_link *link, struct str text);
    /* Lets what was sent leave, closes, frees; then closed(owner), later. No other event comes after the call. */
    void (*close)(struct client_link *link, void (*closed)(void *owner));
};

/* What the link tells its owner, never from inside send or close. */
struct client_link_events {
    void (*received)(void *owner, struct str text);
    /* Once: it could not connect (E_CONNECT) or is gone. Close is all that can be called then. */
    void (*ended)(void *owner, happn_status status, const char *reason);
};

struct client_link {
    const struct client_link_ops *ops;
    const struct client_link_events *events;
    void *owner;
};

happn_status link_inprocess_open(happn_service *service, const struct client_link_events *events, void *owner,
                                 struct client_link **out);

struct session;
/* The core's end of it. */
struct session *link_inprocess_session(const struct client_link *link);

/* Where to connect to. */
struct connect_place {
    char host[256];
    int port;
    char path[512];
    bool is_secure;    /* wss */
};

/* And how; texts are copied. */
struct link_options {
    struct connect_place place;
    char ca[512];      /* a file of trusted certificates; empty: the system's */
    bool is_insecure;  /* wss without checking the certificate */
    size_t max_message; /* bytes of one message in either direction */
    int heartbeat_ms;  /* between pings */
    int pong_ms;       /* a ping without an answer for so long ends the connection */
};

happn_status link_websocket_open(struct loop *loop, const struct allocator *allocator, const struct link_options *options,
                                 const struct client_link_events *events, void *owner, struct client_link **out);

#endif
