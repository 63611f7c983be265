/* Where requests, events and HTTP pass the checkpoint of a secured service. On an unsecured one everything passes. */
#ifndef HAPPN_CORE_GATE_H
#define HAPPN_CORE_GATE_H

#include "core/session.h"
#include "security/checkpoint.h"

/* What an action asks for. */
enum gate_need {
    GATE_NOTHING, /* may be said before a login */
    GATE_LOGIN,   /* any login */
    GATE_GET = MAY_GET << 8,
    GATE_SET = MAY_SET << 8,
    GATE_ON = MAY_ON << 8,
    GATE_REMOVE = MAY_REMOVE << 8
};

/* May this request be carried out? NULL: yes. Otherwise the request's error says why not, and the refusal whether the session ends. */
const struct denial *gate_request(struct request *request, enum gate_need need);

/* May this channel's session hear of an event at the path? Only asked on a secured service. */
bool gate_hears(const struct channel *channel, struct str path);

/* Decides anew what the channel may hear. */
void gate_look_at(struct channel *channel);

/* The host itself wrote or removed documents: those of the directory count at once. */
void gate_written(const struct request *request, const struct document *document);
void gate_removed(const struct request *request);

/* What an HTTP request may do. */
enum gate_answer { GATE_OPEN, GATE_UNAUTHORIZED /* 401 */, GATE_FORBIDDEN /* 403 */ };

/* Who sent it: the token, not set when none was sent; the client's address. */
struct http_caller {
    struct str token, address;
};

/* May the caller send this method to this path (normalised, without query)? *identity gets one reference when the token is good,
 * whatever the answer; message says why not. It counts as a use of the token. */
enum gate_answer gate_http(struct core *core, struct arena *arena, const struct http_caller *caller, const char *method, struct str path,
                           struct identity **identity, char message[256]);

/* Is the caller an administrator? It counts as a use of the token, too. */
enum gate_answer gate_admin(struct core *core, struct arena *arena, const struct http_caller *caller, char message[256]);

/* Rights of live sessions change, sessions end: what the core does about it. */
extern const struct security_host gate_host;

/* From now on, every second: what is over by the clock ends, and who has not logged in goes. */
void gate_start(struct core *core);
void gate_sweep(struct core *core);

/* The session has this identity from now on; takes the reference. NULL: nobody. */
void gate_identify(struct session *session, struct identity *identity);

#endif
