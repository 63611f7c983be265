/* A wire protocol: text to requests, replies and publications to text. */
#ifndef HAPPN_CORE_PROTOCOL_H
#define HAPPN_CORE_PROTOCOL_H

#include "core/request.h"

struct session;
struct publication;
struct channel;

struct protocol {
    const char *name;            /* "happn_2" */
    int number;                  /* 1 to 4 */
    enum { HEARTBEAT_BY_CLIENT, HEARTBEAT_BY_SERVER } heartbeat;
    int language;                /* of `on`: enum wildcard_language */
    bool returns_in_silence;     /* a reason would be the end of its session: who may come back is told none */
    /* Reads one message in place of wire_ops; NULL: wire_ops does. */
    bool lends; /* leaves out what a publication's or a reply's `lending` asks it to */
    void (*receive)(struct session *session, struct str text);
    /* Appends exactly one message. */
    void (*encode_reply)(const struct request *request, struct buf *out);
    /* The same for a list or initial values, in parts: from the place *next on, which is 0 at first and then the protocol's, until `bytes` were
     * appended; true: that was the last. NULL: they are encoded like any other reply. */
    bool (*encode_list)(const struct request *request, size_t *next, size_t bytes, struct buf *out);
    void (*encode_publication)(const struct publication *publication, const struct channel *channel, struct buf *out);
    /* One value that was there at initialEmit, as an event before the reply; NULL: the reply has them. */
    void (*encode_value)(const struct request *request, const struct document *document, struct buf *out);
    /* The report of levels 1 and 3; id is the publication's, event_id raw. */
    void (*encode_report)(const struct session *session, struct str id, struct str event_id,
                          const struct publication_results *results, bool acknowledged, struct buf *out);
    /* The system message before the server closes; reason as plain text. */
    void (*encode_disconnect)(const struct session *session, struct str reason, struct buf *out);
    /* Another system message; data is raw JSON. NULL: such messages are not known. */
    void (*encode_system)(const struct session *session, const char *event, struct str data, struct buf *out);
};

#endif
