/* One connected peer: its protocol, its subscriptions, its requests under way. */
#ifndef HAPPN_CORE_SESSION_H
#define HAPPN_CORE_SESSION_H

#include "core/core.h"

struct identity;
struct outbox;

/* One `on` that `off` can name. */
struct reference {
    struct reference *next;
    uint64_t number;
    int64_t listener; /* the client's own name for it (1.x ends its subscriptions by that); -1: none */
    bool merge;
};

/* All subscriptions of one session with the same channel text share one place in the index and one frame an event. Its texts stand
 * behind it, the pattern within the channel's text where it can, and so does the one reference that most channels have. */
struct channel {
    struct subscription subscription; /* first */
    struct session *session;
    struct channel *next; /* in the session's table */
    struct reference reference; /* the oldest one */
    struct opening *opening; /* initial values are being fetched: events wait here */
    uint32_t text_len;
    bool is_muted;           /* its permission was taken away: it hears nothing until it is given back */
    bool is_nested;          /* subscribed above what is permitted: hears what is permitted */
    bool has_depths;         /* subscribed with several depths */
    char bytes[];
};

/* "/SET@/a/b": exactly as subscribed. */
static inline struct str channel_text(const struct channel *channel)
{
    return str_make(channel->bytes, channel->text_len);
}

/* Where a session comes from, as its transport saw it. */
struct session_peer {
    char address[64];           /* empty: within the process */
    bool is_forwarded;          /* by a proxy */
    bool is_browser;            /* it sent the origin of a page */
    bool is_encrypted;          /* TLS */
};

struct session {
    struct core *core;
    struct link *link;          /* NULL when closed */
    struct outbox *outbox;      /* a long list is being encoded: it stands in place of the link; or NULL */
    const struct protocol *protocol;
    char protocol_name[32];     /* as the client said it */
    char id[40];
    struct identity *identity;  /* who it is, on a secured service; NULL: nobody yet */
    struct session_peer peer;
    int64_t opened;             /* milliseconds since 1970 */
    char secret[24];            /* of an encrypted session; empty: it is none */
    unsigned char peer_point[33]; /* its client's key */
    int64_t nonce_until;        /* 0: none was given out, or it was used */
    unsigned char nonce[32];
    struct str info;            /* JSON text of login's info, or unset; owned */
    struct str kept;            /* what scripts remember of it, a JSON object, or unset; owned */
    struct session *previous, *next;
    struct channel **channels;  /* hash table by text */
    size_t channel_slots, channel_count, reference_count;
    struct request *waiting, **waiting_tail; /* in order, not started */
    size_t waiting_count;
    size_t in_store;            /* started, in the store */
    size_t spent_bytes, expected_bytes; /* see budget */
    const struct datastore *store; /* which one those are in; NULL: several */
    struct request *finding;    /* its list that others' writes may overtake; NULL: none is under way */
    struct request *parked;     /* the next one, which goes to another store */
    bool in_layer;              /* one is parked by a layer: all others wait */
    size_t holds;               /* requests that still point here */
    size_t unacknowledged;      /* its publications of level 3 that wait */
    bool has_acknowledged;      /* or should have: it got one of level 3 */
    bool is_pumping;            /* guards against running inside itself */
    bool is_closed;
    bool is_logging_in;         /* what comes later waits */
    bool leaves_with_login;     /* our own clients: the connection ends when the login does, whatever the protocol */
    bool is_announced;          /* those who watch know of it */
    bool is_local;
    bool is_trusted;            /* the host's own: it passes every checkpoint */
    bool shows_rev;             /* _meta has the rev */
    unsigned script_depth;      /* how many scripts in a row led to what it does */
    bool may_see_system;
    bool no_reconnect;
    void *link_data;
};

/* How one `on` wants its events. */
struct subscribing {
    int events, language, depth;
    int64_t listener;
    bool merge;
};

/* Subscribes to the channel with this text; *reference gets the number. */
happn_status session_subscribe(struct session *session, struct str text, struct str pattern, const struct subscribing *how,
                               uint64_t *reference);
/* The channel with this text; NULL: there is none. */
struct channel *session_channel(struct session *session, struct str text);

/* Ends one reference on this channel (number 0: all of them), or everything for the channel "*". Returns how many. */
size_t session_unsubscribe(struct session *session, struct str text, uint64_t reference);
/* Ends those that have this listener's name. */
size_t session_unsubscribe_listener(struct session *session, struct str text, int64_t listener);
size_t session_unsubscribe_all(struct session *session);

/* Tells the peer why, and whether to come back, then closes its link. */
void session_disconnect(struct session *session, bool reconnect, const char *reason);

/* Gives up one hold; the last one frees. */
void session_release(struct session *session);

#endif
