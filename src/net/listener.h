/* One port for everything: HTTP, WebSockets, with TLS or without. libwebsockets on our loop; we accept, gather and write. */
#ifndef HAPPN_NET_LISTENER_H
#define HAPPN_NET_LISTENER_H

#include "core/core.h"
#include "net/certificate.h"

enum { LISTENER_MOST_PROXIES = 64 };

/* Pages of other sites. */
struct cors_options {
    struct str *origins, *methods, *headers;
    size_t origin_count, method_count, header_count;
    bool allows_credentials;
    int64_t max_age; /* seconds */
};

/* A folder whose files are served below a path. */
struct static_folder {
    struct str mount;  /* "/files" */
    struct str folder; /* complete, NUL terminated */
};

struct listener_options {
    const char *host;         /* "0.0.0.0", "::", a name */
    int port;                 /* 0: any free one */
    size_t message_bytes;     /* one WebSocket message in */
    size_t queue_bytes;       /* waiting for one slow client, then it is closed */
    size_t body_bytes;        /* one HTTP body in */
    size_t connections;       /* at the same time */
    bool is_encrypted;        /* TLS, with this certificate; its texts live as long as the listener */
    struct certificate_source certificate;
    int64_t silence_ms;       /* protocols 1 to 3: a client that says nothing for so long is dropped */
    int64_t ping_ms;          /* protocol 4: how often we ask */
    int keep_alive_seconds;   /* a connection for HTTP may wait so long for its next request */
    bool query_tokens;        /* a token may come as ?happn_token=... */
    bool http_logout;         /* /auth/logout ends tokens */
    struct str *exclusions;   /* paths and patterns that need no token; they live as long as the listener */
    size_t exclusion_count;
    struct str *proxies;      /* addresses and networks whose X-Forwarded-For is believed; they live as long as the listener */
    size_t proxy_count;
    struct str unauthorized_page, forbidden_page; /* HTML; not set: a text */
    struct cors_options cors;
    struct static_folder *folders;
    size_t folder_count;
    int handshake_seconds;    /* a request's headers must arrive in this time, and of a body something */
    int body_seconds;         /* all of a body */
};

struct listener;

/* Listens. Errors say what to do: E_ADDRESS_IN_USE, E_IO. The options' texts are not kept. */
happn_status listener_open(struct core *core, const struct listener_options *options, struct listener **out,
                           happn_error *error);
int listener_port(const struct listener *listener);
size_t listener_connections(const struct listener *listener);

/* Looks whether certificate and key were renewed, now and not only every few seconds. */
void listener_renew(struct listener *listener);

/* Nobody new comes in. */
void listener_stop(struct listener *listener);

/* Closes what is open after what was sent has left (a client that does not read gets `grace_ms`), then calls closed, later. */
void listener_close(struct listener *listener, int64_t grace_ms, void (*closed)(void *arg), void *arg);

#endif
