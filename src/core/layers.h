/* The chains of layers, and the messages they see. */
#ifndef HAPPN_CORE_LAYERS_H
#define HAPPN_CORE_LAYERS_H

#include "core/publication.h"

/* At the end of the chain; NULL: no memory. The core frees it. */
struct layer *layers_add(struct core *core, enum layer_chain chain, happn_layer_fn run, void *arg);

/* As happn_message_set_data, for text that was made by our own writer: it is not checked again. E_MEMORY. */
happn_status layers_set_written(happn_message *message, struct str json);

/* Does anything in the chain want to run? For LAYERS_OUTBOUND: for the recipients of an event. */
bool layers_wanted(const struct core *core, enum layer_chain chain);

/* Runs the inbound chain, or that behind the checkpoint when request->is_authorized, from request->layer on. NEXT: go on; LATER: parked, dispatch_resumed goes on;
 * FAIL: request->error is set; REPLY: reply.data is set. */
happn_verdict layers_inbound(struct request *request);

/* Runs the outbound chain over the reply's data. false: it failed, request->error is set. */
bool layers_reply(struct request *request);

/* Runs the chain of events, once; publication->data may become something else. False: nobody gets it. */
bool layers_published(struct publication *publication);

/* Runs the outbound chain for one recipient; *data may become something else. Anything but NEXT: it gets nothing, after
 * FAIL error says why. */
happn_verdict layers_publication(struct publication *publication, struct session *recipient, struct str *data,
                                 happn_error *error);

#endif
