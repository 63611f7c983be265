/* Encrypted sessions of protocols 1 to 3: frames with `encrypted` in them. */
#ifndef HAPPN_WIRE_SEALED_H
#define HAPPN_WIRE_SEALED_H

#include "wire/protocol.h"

/* The request inside of an encrypted frame; not set: it is none, or it cannot be read. copy is validated JSON. */
struct str sealed_open(struct request *request, struct str copy);

/* A reply to such a session: the whole reply, encrypted. */
void sealed_reply(const struct shape *shape, const struct request *request, struct buf *out);

/* A report of a publication. text: as it would be sent in clear. */
void sealed_text(const struct session *session, struct str text, struct buf *out);

#endif
