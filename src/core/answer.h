/* A request's reply as bytes of its session's link: whole, or in parts. */
#ifndef HAPPN_CORE_ANSWER_H
#define HAPPN_CORE_ANSWER_H

#include "core/session.h"

/* Encodes the whole reply into the link. A long document leaves from where it lies. */
void answer_encode(struct request *request, struct link *link);

/* Whether the reply is a list that takes long to encode, and its protocol knows parts. Encrypted sessions know none: they are sealed whole. */
bool answer_is_long(const struct request *request);

/* How far a reply in parts is; zero at first. */
struct answer_parts {
    struct sorting *sorting; /* of initial values, which come in the order of their changes */
    bool is_ordered;
    size_t emitted, next;    /* documents */
    struct buf text;         /* what becomes the one message */
};

void answer_parts_fini(struct answer_parts *parts);

/* Encodes about so many bytes more; true: all of it has left by the link. What failed closes the link. */
bool answer_encode_some(struct request *request, struct answer_parts *parts, size_t bytes, struct link *link);

/* A message that could not be made: the link says that it was too large, and closes. */
void answer_give_up(struct link *link);

#endif
