/* What the files of the client share. The verbs are in client.c; requests.c knows which of them wait for an answer,
 * channels.c who wants which events, subscribe.c and unsubscribe.c on and off, reply.c what the server says. */
#ifndef HAPPN_CLIENT_CLIENT_H
#define HAPPN_CLIENT_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/idmap.h"
#include "base/runtime.h"
#include "client/connect.h"
#include "client/link.h"
#include "happn/client.h"

enum { CLIENT_TIMEOUT_MS = 30000, CLIENT_MAX_PENDING = 1 << 20, CLIENT_MAX_MESSAGE = 32 << 20 };

struct pending;

/* Looks at the answer before the caller does; false: the caller's callback comes another time. */
typedef bool (*pending_hook)(happn_client *client, struct pending *pending, const happn_result *result);

/* A request that waits for its answer. */
struct pending {
    struct idmap_node node;          /* by event id; 0: not sent */
    struct pending *previous, *next; /* in the list of its deadline, or of what is answered here */
    struct deadlines *deadlines;
    uint64_t due;
    const char *action;
    happn_result_fn done;
    void *arg;
    pending_hook hook;
    void *context;                   /* the hook's */
    bool is_report;                  /* of a publication: it is in reports, by the event id of what published */
};

/* Requests in the order of their deadlines. Those with the usual time limit are in it by being appended, so they have
 * a list of their own. */
struct deadlines {
    struct pending *first, *last;
};

enum { USUAL, SPECIAL };

/* One `on`. Freed when nothing points to it any more. */
struct client_subscription {
    struct idmap_node node; /* by handle */
    struct client_subscription *next, *dead_next;
    struct client_channel *channel;
    happn_event_fn event;
    void *arg;
    char *reference;       /* what off names: a raw JSON string; NULL when the server gave none */
    struct pending *off;   /* an off that came before the server had answered the on */
    int64_t left;          /* events until it ends itself; 0: no limit */
    char *options;         /* as they were given, to subscribe again; NULL: none, or a connection that is made once */
    bool is_answered, is_dead;
    bool emits_initial, calls_initial, wants_initial; /* wants: either; events wait for the answer */
};

/* All subscriptions with the same text, such as "/SET@/a/b". */
struct client_channel {
    struct idmap_node node; /* by the hash of the text */
    struct client_subscription *first, *last;
    struct str text;
    char bytes[];
};

struct happn_client {
    struct runtime_part part;
    happn_runtime *runtime;
    struct loop *loop;
    const struct allocator *allocator;
    struct client_link *link;
    bool is_ended, is_closing;

    happn_done_fn connected; /* until it was called */
    void *connected_arg;
    void (*ended)(const char *reason, void *arg);
    void *ended_arg;
    void (*closed)(void *arg);
    void *closed_arg;

    /* A connection that is made again (reconnect.c). */
    struct connect_options options; /* zero within the process */
    char *introduction;             /* the text of the options: every login needs it; NULL: the host itself */
    happn_connection_fn watch;
    void *watch_arg;
    happn_values_fn again_values;
    void *again_values_arg;
    int64_t attempt;                /* since the connection was lost; 0: it stands */
    uint64_t wait_ms;               /* before it */
    size_t resubscribing;           /* subscriptions that wait for the server */
    uv_timer_t again;
    uint64_t tried;                 /* of the pool, in this round: a bit for each server */
    size_t current;                 /* of the pool */
    int64_t tries, rounds;          /* since the last connection that stood */
    bool was_connected;             /* the program has been told so */
    bool is_down;                   /* from the loss until it is back */
    bool is_losing;                 /* what was pending is being answered */
    bool is_leaving;                /* the link that was lost is being closed */
    bool is_final;                  /* the server does not want it back */
    bool is_signing;                /* a login by key is under way */

    struct idmap pending, reports;
    struct deadlines deadlines[2], local;
    uint64_t last_event_id;
    uint64_t timeout_ms;
    uv_timer_t timer;
    uv_idle_t later;
    int handles;

    struct idmap channels, subscriptions;
    int64_t last_handle;
    int delivering;                   /* events being handed out: nothing is freed meanwhile */
    struct client_subscription *dead; /* freed afterwards */

    struct arena arena;  /* what belongs to the message being read */
    struct buf out, in;  /* a request being written, an answer being put together */
    char *session;       /* the answer to the login */
    char session_id[80];
    char farewell[256];  /* why the server said it would close */
    char target[320];    /* for error texts */
};

/* --- login.c */
/* Says who this is, with the members of the options. */
happn_status login_introduce(happn_client *client, struct str options, uint64_t timeout_ms);
/* Whether they say to log in by key; the key, not set: there is none; the token in their cookie, not set: there is none. */
bool login_is_by_key(struct str options);
struct str login_private_key(struct arena *arena, struct str options);
struct str login_cookie_token(struct arena *arena, struct str options);

/* --- pool.c */
/* Takes the server that comes next; nothing without a pool. */
void pool_choose(happn_client *client);
/* It answered: the next loss begins with the others. */
void pool_connected(happn_client *client);
/* After a server failed: whether another try is allowed. False without a pool. */
bool pool_goes_on(const happn_client *client);
/* Whether there is a server that has not been tried in this round; else the next round is counted. */
bool pool_has_round(happn_client *client);

/* --- client.c */
/* The first login is over, well or not; only the first call counts. */
void client_tell_connected(happn_client *client, happn_status status, const happn_error *error);
/* Whether it is JSON, in UTF-8. */
happn_status client_check_json(struct str text);
/* --- requests.c */
struct pending *request_new(happn_client *client, const char *action, happn_result_fn done, void *arg);
void request_free(happn_client *client, struct pending *pending);
/* Begins the text of a request up to and with its event id. */
void request_begin(happn_client *client, struct pending *pending);
void request_add(happn_client *client, const char *member, struct str json);
void request_add_string(happn_client *client, const char *member, struct str plain);
/* Sends the text. When it fails the pending is still the caller's. timeout_ms 0: the usual. */
happn_status request_send(happn_client *client, struct pending *pending, uint64_t timeout_ms);
/* The same, and `report` waits for the report of what is published; it is the caller's when this fails. */
happn_status request_send_reported(happn_client *client, struct pending *pending, struct pending *report, uint64_t timeout_ms);
void request_reported(happn_client *client, uint64_t event_id, const happn_result *result);
/* Answers with OK and null, later, without asking the server. */
void request_answer_later(happn_client *client, struct pending *pending);
/* The answer for this event id has come; false: nobody waits for it. */
bool request_answered(happn_client *client, uint64_t event_id, const happn_result *result);
void request_finish(happn_client *client, struct pending *pending, const happn_result *result);
void requests_fail_all(happn_client *client, const happn_error *error);
void requests_on_timer(uv_timer_t *timer);
void requests_on_later(uv_idle_t *idle);

/* --- reply.c */
void reply_received(happn_client *client, struct str text);
happn_result result_ok(void);
happn_result result_of(const happn_error *error);

/* --- channels.c */
/* An event came on a channel. */
void channels_deliver(happn_client *client, struct str channel, struct str data, struct str meta);
/* How many subscriptions the channel has here. */
size_t channels_count(happn_client *client, struct str channel);
/* Asks the server again for everything that was subscribed, on a connection that is new. */
happn_status channels_subscribe_again(happn_client *client); /* subscribe.c */
void channels_fini(happn_client *client);

/* --- reconnect.c */
/* Whether a connection that ended with this status is made again. */
bool reconnect_is_wanted(const happn_client *client, happn_status status);
/* Leaves the link and waits for the next attempt. */
void reconnect_begin(happn_client *client, const char *reason);
void reconnect_on_link_closed(void *owner);
void reconnect_on_timer(uv_timer_t *timer);
void reconnect_logged_in(happn_client *client);
/* All subscriptions are made again. */
void reconnect_done(happn_client *client);

/* --- client.c */
happn_status client_check(const happn_client *client);
/* Opens the WebSocket and says who this is. */
happn_status client_open_link(happn_client *client);
/* The connection is gone, or of no use: all that is pending is answered; then it is made again, or that was the end. */
void client_lost(happn_client *client, happn_status status, const char *reason);
/* The last link of a client that closes is closed. */
void client_link_closed(happn_client *client);
struct str client_options(struct str options, const char *name);

#endif
