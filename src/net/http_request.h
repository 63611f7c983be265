/* A request over HTTP, as the files that answer it see it. */
#ifndef HAPPN_NET_HTTP_REQUEST_H
#define HAPPN_NET_HTTP_REQUEST_H

#include "net/connection.h"
#include "net/local.h"

struct happn_http {
    struct core *core;
    struct listener *listener; /* until the peer has gone */
    struct connection *connection; /* NULL when the peer has gone */
    struct lws *wsi;
    const struct local_request *local; /* it came over no socket */
    struct arena arena;
    const char *method;
    struct str path, query;
    char address[64];
    struct buf body;
    struct buf headers; /* of the answer */
    struct buf answer;  /* all of it, with LWS_PRE in front */
    size_t sent;        /* bytes of it that libwebsockets has, LWS_PRE counted */
    struct identity *identity;
    const char *reason; /* phrase; NULL: the usual one */
    bool is_routed;     /* somebody will answer it; before that it is ours to free */
    bool is_routing;    /* in core_route: the answer is sent when it returns */
    bool is_answered;
    bool is_encrypted;
    bool lacks_memory;  /* for a header that was sent */
    bool close_after;
    /* an answer in parts (http_stream.c) */
    bool is_streaming, is_chunked, is_bodiless, is_ended, is_failed;
    bool is_written;    /* since progress was told */
    void (*progress)(happn_http *http, happn_status status, void *arg);
    void *progress_arg;
};

void http_free(happn_http *http);
/* One that an answer can have: what is below 200 would be no answer. */
bool http_is_status(int status);
/* An answer with this status to this request has a body. */
bool http_has_body(const happn_http *http, int status);
enum { HTTP_IN_CHUNKS = -1, HTTP_TO_THE_END = -2 };
/* The head of the answer, behind LWS_PRE; length: of the body, or how its end is known. */
void http_compose_head(happn_http *http, int status, const char *type, int64_t length);
/* Gives the whole answer to who has asked within the process; frees. Returns 0. */
int http_give_locally(happn_http *http);

/* --- http_stream.c */
enum http_written { HTTP_BROKEN = -1, HTTP_WAITING, HTTP_WRITTEN };
/* Writes what is next of the answer. is_end: nothing comes behind it. HTTP_WAITING: the rest goes when the socket takes it. */
enum http_written http_write_part(happn_http *http, bool is_end);
int http_stream_writeable(happn_http *http);
void http_stream_gone(happn_http *http);

#endif
