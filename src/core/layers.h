/* The two chains of layers, and the messages they see. */
#ifndef HAPPN_CORE_LAYERS_H
#define HAPPN_CORE_LAYERS_H

#include "core/publication.h"

happn_status layers_add(struct core *core, bool outbound, happn_layer_fn run, void *arg);

/* Runs the inbound chain from request->layer on. NEXT: go on; LATER: parked, dispatch_resumed goes on;
 * FAIL: request->error is set; REPLY: reply.data is set. */
happn_verdict layers_inbound(struct request *request);

/* Runs the outbound chain over the reply's data. false: it failed, request->error is set. */
bool layers_reply(struct request *request);

/* Runs the outbound chain for one recipient; *data may become something else. Anything but NEXT: it gets nothing, after
 * FAIL error says why. */
happn_verdict layers_publication(struct publication *publication, struct session *recipient, struct str *data,
                                 happn_error *error);

#endif
