/* Wire text to requests. */
#ifndef HAPPN_WIRE_MESSAGE_H
#define HAPPN_WIRE_MESSAGE_H

#include "core/session.h"

/* The table that the core is given. */
extern const struct wire_ops wire_ops;

/* One message of a session; `memory`: the buffer that it is the text of, which may be taken, or NULL. */
void message_receive(struct session *session, struct str text, struct buf *memory);

/* Gives the request its action and its path, both decoded; path unset: none. */
void message_name(struct request *request, struct str action, struct str path);

/* Answers a JSON string that belongs to the transport ("primus::ping::1"); false when it is none. */
bool primus_receive(struct session *session, struct str text);

#endif
