/* Level 3: a publication that its recipients acknowledge. */
#ifndef HAPPN_CORE_ACKNOWLEDGEMENT_H
#define HAPPN_CORE_ACKNOWLEDGEMENT_H

#include "core/request.h"

struct acknowledgement;

enum { ACKNOWLEDGEMENTS_MOST = 10000 }; /* publications of one session that wait */

/* Opens a list of who must acknowledge the publication of this request. NULL: out of memory, or too many of this session wait already. */
struct acknowledgement *acknowledgement_open(struct request *request);

/* This session got a message that it acknowledges so many times. */
void acknowledgement_expect(struct acknowledgement *acknowledgement, struct session *session, size_t times);

/* Everything was handed out. The publisher is told when all have acknowledged, nobody is left who could, or the time is up:
 * maybe at once. Takes the acknowledgement over. */
void acknowledgement_wait(struct acknowledgement *acknowledgement, const struct publication_results *results);

/* One acknowledgement came. False: nobody waits for it (any more). */
bool acknowledgement_take(struct core *core, struct session *session, struct str publication_id);

/* How many publications wait. */
size_t acknowledgement_count(const struct core *core);

/* A session is gone: as a recipient it acknowledges nothing any more, as a publisher it need not be told. */
void acknowledgement_session_closed(struct session *session);

/* Frees what is left; the core is going. */
void acknowledgement_drop_all(struct core *core);

#endif
