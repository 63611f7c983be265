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
    bool is_checked;    /* it may be asked, found out before its body came */
    /* while its body is read (http_body.c) */
    happn_http *previous_reading, *next_reading;
    int64_t began, heard; /* loop time */
    struct chunked *chunks; /* NULL: it said how long it is */
    bool is_reading;    /* more of it is to come */
    bool is_leaving;    /* answered; what still comes is thrown away, then the connection ends */
    bool close_after;
    /* an answer in parts (http_stream.c) */
    bool is_streaming, is_chunked, is_bodiless, is_ended, is_failed;
    bool is_written;    /* since progress was told */
    void (*progress)(happn_http *http, happn_status status, void *arg);
    void *progress_arg;
};

/* Of no connection yet; path is copied, and not set when there was no memory for it. NULL: no memory. */
happn_http *http_new(struct listener *listener, struct str path);
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

/* Finds who answers and sends what is there already; what it returns, the callback of lws returns. */
int http_route(happn_http *http);
/* Answers with a text, and the connection ends. What it returns, the callback of lws returns. */
int http_refuse(happn_http *http, int status, const char *text);
/* Before its body is read: it may be sent, and somebody will read it. False: it is answered, or http_route answers it without. */
bool http_wants_body(happn_http *http);

/* --- http_body.c */
void http_body_begin(happn_http *http);
void http_body_end(happn_http *http);
/* The head is in order: the body comes next, unless it is not wanted. What it returns, the callback of lws returns. */
int http_body_await(happn_http *http, size_t expected);
/* All is said and the connection ends, soon when nothing is on its way any more. What it returns, the callback of lws returns. */
int http_leave(happn_http *http);

/* --- http_stream.c */
bool http_is_old(const happn_http *http); /* before HTTP/1.1 */
enum http_written { HTTP_BROKEN = -1, HTTP_WAITING, HTTP_WRITTEN };
/* Writes what is next of the answer. is_end: nothing comes behind it. HTTP_WAITING: the rest goes when the socket takes it. */
enum http_written http_write_part(happn_http *http, bool is_end);
/* As happn_http_begin, for a body of so many bytes. Less than that ends the connection: happn_http_end(http, 1). */
happn_status http_begin_sized(happn_http *http, int status, const char *type, uint64_t length);
/* Room for the next part of a body of known length, and how much of it was filled. NULL: no memory. In between other threads may write there. */
char *http_part_room(happn_http *http, size_t len);
void http_part_take(happn_http *http, size_t len);
int http_stream_writeable(happn_http *http);
void http_stream_gone(happn_http *http);

#endif
