/* A wire protocol of your own: how messages look that are neither happn-3's nor ours; and links of your own for it, such as a
 * serial line or a socket with another framing. */
#ifndef HAPPN_PROTOCOL_H
#define HAPPN_PROTOCOL_H

#include "happn/provider.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A request as the protocol reads it. Texts are borrowed until decode's caller returns; ptr NULL: not there. */
typedef struct happn_wire_request {
    happn_text action;   /* "set", "get", "on", "off", "remove", "count", "login", ...; needed */
    happn_text path;     /* for on and off: "/ALL@" and a path or pattern, "/SET@...", "/REMOVE@..." */
    happn_text data;     /* JSON text */
    happn_text options;  /* JSON text of an object */
    happn_text event_id; /* JSON text of a number or a string: the reply carries it */
} happn_wire_request;

/* An answer. */
typedef struct happn_wire_reply {
    happn_text action;
    happn_text event_id; /* as it came */
    happn_text path;     /* of the document; or not there */
    happn_text data;     /* JSON text; lists are arrays of documents, each with its `_meta` */
    int failed;          /* then error says why, and data is null */
    const happn_error *error;
} happn_wire_reply;

/* An event. */
typedef struct happn_wire_event {
    int removed;         /* 0: set */
    happn_text path;
    happn_text channel;  /* as it was subscribed */
    happn_text data;     /* JSON text */
} happn_wire_event;

/* Where a message is written; only during encode_*. */
typedef struct happn_out happn_out;
HAPPN_API void happn_out_add(happn_out *out, const char *text, size_t len);

typedef struct happn_protocol_ops {
    size_t size; /* of this struct */
    /* Reads one message. Below 0: it is none; it is counted and not answered. */
    happn_status (*decode)(const char *text, size_t len, happn_wire_request *request, void *host);
    /* Each writes exactly one message. */
    void (*encode_reply)(const happn_wire_reply *reply, happn_out *out, void *host);
    void (*encode_event)(const happn_wire_event *event, happn_out *out, void *host);
    /* The last message before the server ends the connection; NULL: none. */
    void (*encode_end)(const char *reason, happn_out *out, void *host);
} happn_protocol_ops;

/* Makes a protocol known. A WebSocket client chooses it by configure-session {"protocol": NAME}; from the reply on its messages are
 * read by decode. ops must stay. Wildcards of `on` are of the string language. E_ARGUMENT: a function is missing, or the name is
 * taken or one of happn-3's ("happn..."). */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_add_protocol(happn_service *service, const char *name, const happn_protocol_ops *ops,
                                                                 void *host, happn_error *error);

/* A link of your own: send gets one whole message, which is borrowed; close asks you to end, then call happn_link_end. Both are called on
 * the loop's thread, also within happn_link_receive. */
typedef struct happn_link happn_link;
typedef struct happn_link_ops {
    size_t size; /* of this struct */
    void (*send)(const char *text, size_t len, void *host);
    void (*close)(const char *reason, void *host);
} happn_link_ops;

/* Opens a session that speaks a protocol made known before. On the loop's thread, while the service runs. */
HAPPN_API HAPPN_MUST_USE happn_status happn_link_open(happn_service *service, const char *protocol, const happn_link_ops *ops, void *host,
                                                      happn_link **out, happn_error *error);
/* One whole message came. */
HAPPN_API void happn_link_receive(happn_link *link, const char *text, size_t len);
/* The link is gone: nothing is sent any more. */
HAPPN_API void happn_link_end(happn_link *link);

#ifdef __cplusplus
}
#endif
#endif
