/* A WebSocket server for tests of the client: it does the handshake and then sends exactly the bytes it is told, so that
 * it can also be wrong. One connection at a time, on 127.0.0.1. */
#ifndef HAPPN_TEST_WEBSOCKET_SERVER_H
#define HAPPN_TEST_WEBSOCKET_SERVER_H

#include <uv.h>

#include "base/buf.h"

enum { FRAME_CONTINUATION = 0, FRAME_TEXT = 1, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };

struct websocket_server {
    uv_tcp_t listener, peer;
    bool has_peer, is_upgraded, is_mute; /* mute: accepts, never answers the handshake */
    int port;
    struct buf in, head;
    char request_path[512];
    /* A frame of the client, unmasked. */
    void (*on_frame)(struct websocket_server *server, int opcode, struct str text);
    void *arg;
    int closing;
};

void websocket_server_open(struct websocket_server *server, uv_loop_t *loop);
/* Raw bytes. */
void websocket_server_write(struct websocket_server *server, const void *bytes, size_t len);
/* One unmasked frame. */
void websocket_server_frame(struct websocket_server *server, int opcode, bool is_final, struct str text);
void websocket_server_text(struct websocket_server *server, const char *text);
void websocket_server_drop(struct websocket_server *server);
/* Runs the loop until its handles are closed. */
void websocket_server_close(struct websocket_server *server);

#endif
