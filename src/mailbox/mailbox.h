/* What the files of the mailbox share. mailbox.c has the queue of events and the life of a mailbox; calls.c what is asked
 * for from any thread, calls.h how it is carried out on the loop's. */
#ifndef HAPPN_MAILBOX_MAILBOX_H
#define HAPPN_MAILBOX_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/idmap.h"
#include "base/runtime.h"
#include "base/str.h"
#include "happn/client.h"
#include "happn/mailbox.h"
#include "happn/service.h"

/* An event that waits or is being read. Embedded at the start of what was allocated for it, often long before: so the events
 * that must not get lost need no memory when they happen. */
struct mail {
    struct mail *next;
    happn_event event;
    char *text; /* meta and body, owned; NULL when they lie elsewhere in the same memory or are literals */
};

struct call;

struct host_layer;

/* A service, a client, a subscription or a layer that a ticket names. Only on the loop's thread. */
struct ticket {
    struct idmap_node node;
    enum { TICKET_SERVICE, TICKET_CLIENT, TICKET_SUBSCRIPTION, TICKET_LAYER } kind;
    happn_mailbox *mailbox;
    struct mail *end;             /* its last event, allocated when it was asked for */
    happn_service *service;
    happn_client *client;
    int64_t handle;
    struct host_layer *layer;
    struct ticket *parent;        /* a subscription's client, a layer's service */
    struct ticket *first_child;   /* a client's subscriptions, a service's layers */
    struct ticket *previous, *next;
    struct call *waiting, **waiting_tail; /* for the service to be started */
    struct call *closing;         /* answered when it is closed */
    bool is_starting, is_ready, is_closing, is_over;
};

/* Something a host asked for. Becomes its own DONE event. */
struct call {
    struct mail mail; /* first */
    struct call *next;
    happn_mailbox *mailbox;
    void (*run)(struct call *call);
    uint64_t ticket, object, other;
    struct mail *end;      /* of a call that opens something: its last event */
    struct ticket *opened;
    const char *path, *options, *json; /* in the same memory, NUL terminated; options and json may be NULL */
    size_t options_len, json_len;
};

/* What waits for the host (hooks.h). Opened with the first layer. Only on the loop's thread. */
struct hooks {
    struct runtime_part part;
    happn_mailbox *mailbox;
    struct loop *loop;
    struct idmap pending;  /* by token */
    uint64_t last_token;
    struct host_layer *layers;
    uv_timer_t timer;      /* of the earliest deadline */
    bool is_open, is_closing;
};

struct happn_mailbox {
    happn_runtime *runtime;
    bool owns_runtime;
    pid_t owner;
    int fd;

    pthread_mutex_t lock;
    pthread_cond_t shut;
    /* under lock */
    struct mail *first, **last;
    size_t count, data_count, high_water;
    size_t data_bytes, high_water_bytes;
    uint64_t dropped;      /* DATA since the last that fitted */
    bool is_signalled;     /* since the last take */
    bool is_fd_set;
    bool is_closed;        /* no call is accepted, no signal given */
    bool is_shut;          /* nothing of ours is open on the loop any more */
    happn_wake_fn wake;
    void *wake_context;
    struct call *calls, **calls_tail;

    /* on the loop's thread */
    struct idmap tickets;
    struct hooks hooks;
    size_t open;           /* services, clients and the hooks that are not gone yet */
    bool is_shutting;
};

/* --- mailbox.c */
/* Puts an event into the queue, never fails; takes the mail. */
void mailbox_post(happn_mailbox *mailbox, struct mail *mail);
/* Copies the texts; drops the event above the high-water mark. */
void mailbox_post_data(happn_mailbox *mailbox, uint64_t ticket, struct str meta, struct str body);
/* An event of its own, texts copied; NULL without memory. */
struct mail *mailbox_new_mail(happn_event_kind kind, uint64_t ticket, struct str meta, struct str body);
/* Gives the mail its texts, copied; E_MEMORY takes the place of its status when that fails. */
void mail_fill(struct mail *mail, happn_status status, struct str meta, struct str body);
happn_status mailbox_check(happn_mailbox *mailbox);
/* Frees what was not posted; NULL is fine. */
void mailbox_drop_mail(struct mail *mail);

/* --- calls.c */
/* Everything that is open begins to close. On the loop's thread. */
void calls_shut(happn_mailbox *mailbox);
/* Frees what is left when the loop is gone. */
void calls_fini(happn_mailbox *mailbox);
/* Carries out what was asked for. On the loop's thread. */
void calls_run(void *mailbox);
/* Nothing is open any more: tells the thread that closes. */
void mailbox_shut(happn_mailbox *mailbox);
/* One of those that are counted in `open` is gone. */
void mailbox_leave(happn_mailbox *mailbox);

#endif
