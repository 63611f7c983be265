/* The four levels of consistency: what the publisher is told, and when. */
#ifndef HAPPN_CORE_PUBLISHER_H
#define HAPPN_CORE_PUBLISHER_H

#include "core/publication.h"

enum consistency {
    CONSISTENCY_QUEUED,        /* the reply leaves first */
    CONSISTENCY_DEFERRED,      /* and a report follows */
    CONSISTENCY_TRANSACTIONAL, /* the reply leaves when everybody was served */
    CONSISTENCY_ACKNOWLEDGED   /* the reply leaves first, the report follows when everybody has acknowledged */
};

/* Publishes and answers the request, in the order its level asks for. With noPublish it is answered and, where a report is due, reported. publication NULL:
 * nothing to publish. `each` are further events of the same request, `count` of them. Ends the request. */
void publisher_answer(struct request *request, struct publication *publication, struct publication *each, size_t count);

/* "<session id>-<event id>": the name of a publication. ptr NULL: out of memory. */
struct str publisher_id(struct arena *arena, const struct session *publisher, struct str event_id);

/* The report of levels 1 and 3. */
void publisher_report(struct session *publisher, struct str id, struct str event_id,
                      const struct publication_results *results, bool acknowledged);

#endif
