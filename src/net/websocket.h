/* A connection by WebSocket, between what comes in (websocket.c) and what goes out (websocket_out.c). */
#ifndef HAPPN_NET_WEBSOCKET_H
#define HAPPN_NET_WEBSOCKET_H

#include "net/connection.h"

struct piece;

struct websocket {
    struct link link; /* first: what the core sees */
    struct listener *listener;
    struct lws *wsi;
    struct session *session;
    struct websocket *previous, *next;
    struct websocket *next_dirty;
    struct buf out;             /* gathered; no memory when there is nothing */
    size_t message_start;       /* of the message between begin and commit */
    struct piece *pieces, **pieces_tail; /* leave before `out` */
    size_t queued;              /* bytes in pieces */
    struct buf in;              /* a message that arrives in parts */
    int64_t heard;              /* loop time */
    int64_t pinged;
    bool is_dirty, is_closing, is_killed, is_paused, is_binary;
};

/* --- websocket_out.c: the link that the core writes to. */
extern const struct link_ops websocket_link_ops;

/* Buffers belong to a connection only while they hold something: from a stock, and back into it. */
void websocket_take_buffer(struct listener *listener, struct buf *buf);
void websocket_give_buffer(struct listener *listener, struct buf *buf);

/* At the end of the loop's turn it has its turn to write, and to go on with what has waited. */
void websocket_mark_dirty(struct websocket *websocket);
/* Writes until everything is out or the socket takes no more. False: the connection ends. */
bool websocket_write(struct websocket *websocket);
/* Nothing of what waits leaves any more. */
void websocket_drop_output(struct websocket *websocket);
/* The connection ends without ceremony; lws tells us by CLOSED in a later turn. */
void websocket_kill(struct websocket *websocket, const char *why);

#endif
