/* Layers that a host has in its own language. layers.c: what a layer wants to see and how a message becomes text; hooks.c: the messages that
 * wait for the host, by token, and what becomes of those that it forgets. All of it on the loop's thread. */
#ifndef HAPPN_MAILBOX_HOOKS_H
#define HAPPN_MAILBOX_HOOKS_H

#include "base/arena.h"
#include "mailbox/mailbox.h"

/* A message that waits for the host. */
struct hook {
    struct idmap_node node;      /* by its token */
    struct host_layer *layer;
    struct hook *previous, *next; /* of its layer, first come first: in the order of their deadlines */
    happn_message *message;
    uint64_t due;
};

/* A layer; lives as long as its ticket, and that as long as its service. */
struct host_layer {
    happn_mailbox *mailbox;
    uint64_t ticket;
    struct arena arena;          /* has the texts */
    struct str *actions, *paths; /* none: all */
    size_t action_count, path_count;
    uint64_t deadline_ms;
    bool lets_through;           /* what the deadline means; otherwise refused */
    bool is_closing;
    size_t max_pending, pending;
    struct hook *first, *last;
    struct host_layer *next;     /* of the mailbox */
};

/* --- layers.c */
/* E_JSON, E_ARGUMENT, E_UNSUPPORTED, E_MEMORY: error has it in words. */
happn_status host_layer_new(happn_mailbox *mailbox, uint64_t ticket, struct str options, struct host_layer **out, happn_error *error);
void host_layer_free(struct host_layer *layer);
/* The layer's function; arg is the layer. */
happn_verdict host_layer_run(happn_message *message, void *arg);
/* The event that tells the host; NULL without memory. */
struct mail *host_layer_mail(const struct host_layer *layer, const happn_message *message, uint64_t token);

/* --- hooks.c */
/* Before the first layer: E_CLOSED when everything is closing. */
happn_status hooks_open(happn_mailbox *mailbox);
void hooks_add_layer(struct host_layer *layer);
/* Parks the message and tells the host: HAPPN_LATER. Or refuses it. */
happn_verdict hooks_begin(struct host_layer *layer, happn_message *message);
/* What the host has decided; json may be NULL. E_NOT_FOUND: nobody waits with this token (any more). After E_ARGUMENT and E_JSON it still waits. */
happn_status hooks_complete(happn_mailbox *mailbox, uint64_t token, int verdict, struct str json);
/* The layer's messages that wait are refused, as are those that come. */
void hooks_close_layer(struct host_layer *layer);
/* The same for all, then the timer goes. */
void hooks_close(happn_mailbox *mailbox);

#endif
