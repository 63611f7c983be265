/* A list that is being found while others write: what it has seen already may be old when it leaves, so events of that wait for it. */
#ifndef HAPPN_CORE_FINDING_H
#define HAPPN_CORE_FINDING_H

#include "core/publication.h"

/* The request's FIND is under way, and its store does not keep the order of what it is given. */
void finding_begin(struct request *request);

/* Whether an event for this session waits; it has a list that is being found. */
bool finding_holds(struct session *session, const struct publication *publication);

/* Keeps it. False: see held. */
bool finding_keep(struct session *session, const struct publication *publication, struct payload *payload);

/* The session's list has been sent, or stands in the queue: what waited follows. */
void finding_end(struct session *session);

/* The session's link is gone. */
void finding_session_closed(struct session *session);

#endif
