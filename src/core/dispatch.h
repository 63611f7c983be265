/* The order of steps every request takes. */
#ifndef HAPPN_CORE_DISPATCH_H
#define HAPPN_CORE_DISPATCH_H

#include "core/core.h"
#include "paths/path.h"

/* Reads request->options from request->options_raw. What makes no sense is in request->error, by name. */
void options_read(struct request *request);

/* A layer that answered LATER has decided. */
void dispatch_resumed(struct request *request, happn_verdict verdict);

/* What the session's requests have waited for is over. */
void dispatch_go_on(struct session *session);

/* Compiles criteria, sort, fields and what stands in options.options; false: answered with an error. */
bool options_compile_search(struct request *request, bool is_count);

/* As core_answer, for what may be long. True: it leaves later, and ends the request; else the caller does. */
bool dispatch_answer(struct request *request);

/* How the store found what it found, as JSON text; NULL: out of memory. */
const char *dispatch_explanation(struct request *request);

/* Gives request->op to the store; finish(request) is called when it is done, maybe at once. After a failure the request
 * is answered with it; request->undo, when it is set, is called before. */
void dispatch_store(struct request *request, enum store_kind kind, void (*finish)(struct request *request));

/* The verbs, one file each. Every one ends with core_reply or core_fail, now or later. */
void action_set(struct request *request);
void action_get(struct request *request);
void action_count(struct request *request);
void action_remove(struct request *request);
void action_on(struct request *request);
void action_off(struct request *request);
void action_ack(struct request *request);
void action_configure_session(struct request *request);
void action_describe(struct request *request);
void action_login(struct request *request);
void action_disconnect(struct request *request);
void action_request_nonce(struct request *request);
void action_revoke(struct request *request);
void action_change_password(struct request *request);
void action_disconnect_children(struct request *request);
void action_administer(struct request *request);

#endif
