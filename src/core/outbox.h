/* Long lists, and long initial values, leave in slices: encoding a hundred thousand documents at once would hold up everybody else. */
#ifndef HAPPN_CORE_OUTBOX_H
#define HAPPN_CORE_OUTBOX_H

#include "core/session.h"

/* When the reply is a list that takes long to encode: sends it, later, and ends the request. Whatever is sent to the session meanwhile leaves
 * behind it. False: the reply is short, or its protocol knows no parts; it is encoded like any other. */
bool outbox_takes(struct request *request);

/* The session's link is gone. */
void outbox_session_closed(struct session *session);

#endif
