/* What the files that carry calls out share; all of it on the loop's thread. answers.c: what is answered; tickets.c: the table of what is open;
 * services.c, clients.c, verbs.c, layers.c: what is done; calls.c: how a call comes from another thread. */
#ifndef HAPPN_MAILBOX_CALLS_H
#define HAPPN_MAILBOX_CALLS_H

#include "mailbox/mailbox.h"

/* --- calls.c: of one that nobody wants an answer to */
void call_free(struct call *call);

/* --- answers.c: a call that was answered is gone */
void answer_call(struct call *call, happn_status status, struct str meta, struct str body);
/* The error as JSON; meta may have more members of it. */
void answer_error(struct call *call, const happn_error *error, struct str meta);
void answer_status(struct call *call, happn_status status);
/* Answers when a function of the client has failed, which then does not call back. */
void answer_failure(struct call *call, happn_status status);
/* For functions of the client: arg is the call. */
void answer_result(const happn_result *result, void *arg);

/* --- tickets.c */
/* What a call names, when it is of this kind and open. */
struct ticket *ticket_find(struct call *call, uint64_t number, int kind);
/* NULL: the number is taken, or no memory. */
struct ticket *ticket_add(struct call *call, int kind);
void ticket_join(struct ticket *child, struct ticket *parent);
/* The last event; frees. */
void ticket_end(struct ticket *ticket, happn_status status, const char *reason);
void ticket_end_children(struct ticket *parent, happn_status status, const char *reason);
/* Answers a call that opens nothing, and ends its number. */
void ticket_refuse(struct call *call, happn_status status);

/* --- services.c, clients.c: call NULL: nobody waits for the end */
/* The call is carried out when the service has started, or failed to. */
void service_await(struct ticket *ticket, struct call *call);
void service_close(struct ticket *ticket, struct call *call);
void client_close(struct ticket *ticket, struct call *call);
/* The client that a call names; NULL: there is none. */
happn_client *client_of(struct call *call);

/* --- what is done */
void run_service_open(struct call *call);
void run_service_new(struct call *call);
void run_service_start(struct call *call);
void run_service_reload(struct call *call);
void run_service_close(struct call *call);
void run_client_open(struct call *call);
void run_client_close(struct call *call);
void run_set(struct call *call);
void run_get(struct call *call);
void run_get_paths(struct call *call);
void run_count(struct call *call);
void run_remove(struct call *call);
void run_on(struct call *call);
void run_off(struct call *call);
void run_administer(struct call *call);
void run_change_password(struct call *call);
void run_revoke_token(struct call *call);
void run_layer_add(struct call *call);
void run_hook_complete(struct call *call);

#endif
