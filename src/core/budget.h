/* Who asks for many long documents at once gets them a few at a time: what a session has under way is bounded by the bytes of its answers,
 * and nothing new begins while its link is full. So memory is bounded, and a client that reads is not cut off by its own answers. */
#ifndef HAPPN_CORE_BUDGET_H
#define HAPPN_CORE_BUDGET_H

#include "core/request.h"

/* May this request, which needs the store, begin? If not: one of the session's requests ends, or its link is emptied, and then again. */
bool budget_allows(const struct session *session, const struct request *request);

/* It goes to the store; it came back from there; it has ended. */
void budget_take(struct request *request);
void budget_learn(struct request *request);
void budget_give(struct request *request);

#endif
