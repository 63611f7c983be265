/* The four protocols that happn-3's clients speak. */
#ifndef HAPPN_WIRE_PROTOCOL_H
#define HAPPN_WIRE_PROTOCOL_H

#include "core/protocol.h"
#include "core/publication.h"

extern const struct protocol protocols[4]; /* number 1 first */

/* One of the host's by its full name; else happn_2* is 2, happn_3* is 3, happn_4 and higher numbers are 4; any other text, or none, is 1. */
const struct protocol *protocol_find(const struct core *core, struct str name);

/* How the generations differ. */
struct shape {
    const char *protocol;
    bool outbound_mark;  /* "__outbound":true */
    bool ids;            /* `_id` in items of lists */
    bool remove_time;    /* timestamp in the event of a remove */
    bool reason_object;  /* the reason of a disconnect as an object */
    bool login_session;  /* replies to login and describe repeat sessionId */
    bool event_author; /* events of a secured service have modifiedBy */
    bool event_origin;   /* events of a secured service say who caused them */
};

/* `data` of a message; what is lent is left out, and its place noted. */
void shape_data(struct str data, struct lending *lending, struct buf *out);

/* A JSON array of the reply's documents, each with its `_meta`. */
void shape_items(const struct shape *shape, const struct request *request, struct buf *out);
/* Part of a list, or of initial values, see core/protocol.h. */
bool shape_list(const struct shape *shape, const struct request *request, size_t *next, size_t bytes, struct buf *out);
void shape_reply(const struct shape *shape, const struct request *request, struct buf *out);
void shape_publication(const struct shape *shape, const struct publication *publication, const struct channel *channel,
                       struct buf *out);
void shape_value(const struct shape *shape, const struct request *request, const struct document *document, struct buf *out);
void shape_report(const struct shape *shape, struct str id, struct str event_id, const struct publication_results *results,
                  bool acknowledged, struct buf *out);
void shape_system(const struct shape *shape, const char *event, struct str data, struct buf *out);
void shape_disconnect(const struct shape *shape, struct str reason, struct buf *out);

#endif
