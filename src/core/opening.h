/* Between "give me the values that are there" and their arrival, events of the new channel wait: no gap, no double. */
#ifndef HAPPN_CORE_OPENING_H
#define HAPPN_CORE_OPENING_H

#include "core/publication.h"

/* From now on events of the channel wait. E_MEMORY. */
happn_status opening_begin(struct channel *channel);

/* Keeps one event; false: too many wait, or out of memory. */
bool opening_hold(struct channel *channel, const struct publication *publication, struct payload *payload);

/* The values are known, in the order of paths: takes what waited off the channel, without what they tell already. */
struct opening *opening_take(struct channel *channel, const struct document *documents, size_t count);

/* They have been sent, or stand in the queue: what waited follows. */
void opening_end(struct opening *opening, struct session *session);

/* Forgets what waits. */
void opening_drop(struct channel *channel);

#endif
