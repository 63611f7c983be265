#include "websocket_server.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    (void)handle, (void)size;
    *out = uv_buf_init(malloc(65536), 65536);
}

struct write {
    uv_write_t request;
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    free(request);
}

void websocket_server_write(struct websocket_server *server, const void *bytes, size_t len)
{
    struct write *write = malloc(sizeof *write + len);
    memcpy(write->bytes, bytes, len);
    uv_buf_t buf = uv_buf_init(write->bytes, (unsigned)len);
    uv_write(&write->request, (uv_stream_t *)&server->peer, &buf, 1, on_written);
}

void websocket_server_frame(struct websocket_server *server, int opcode, bool is_final, struct str text)
{
    char *bytes = malloc(text.len + 10);
    size_t head = 2;
    bytes[0] = (char)((is_final ? 0x80 : 0) | opcode);
    if (text.len < 126) {
        bytes[1] = (char)text.len;
    } else if (text.len < 65536) {
        bytes[1] = 126;
        bytes[2] = (char)(text.len >> 8);
        bytes[3] = (char)text.len;
        head = 4;
    } else {
        bytes[1] = 127;
        for (int i = 0; i < 8; i++) {
            bytes[2 + i] = (char)((uint64_t)text.len >> (56 - 8 * i));
        }
        head = 10;
    }
    if (text.len != 0) {
        memcpy(bytes + head, text.ptr, text.len);
    }
    websocket_server_write(server, bytes, head + text.len);
    free(bytes);
}

void websocket_server_text(struct websocket_server *server, const char *text)
{
    websocket_server_frame(server, FRAME_TEXT, true, str_of(text));
}

static void on_peer_closed(uv_handle_t *handle)
{
    struct websocket_server *server = handle->data;
    server->closing--;
}

void websocket_server_drop(struct websocket_server *server)
{
    if (server->has_peer) {
        server->has_peer = false;
        server->is_upgraded = false;
        server->closing++;
        uv_close((uv_handle_t *)&server->peer, on_peer_closed);
    }
}

static void upgrade(struct websocket_server *server)
{
    char *request = server->in.ptr, *end = memmem(request, server->in.len, "\r\n\r\n", 4);
    if (end == NULL || server->is_mute) {
        return;
    }
    *end = '\0';
    char *key = strcasestr(request, "Sec-WebSocket-Key:");
    key += strlen("Sec-WebSocket-Key:");
    key += strspn(key, " ");
    sscanf(request, "GET %511s", server->request_path);
    char joined[200];
    int len = snprintf(joined, sizeof joined, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(key, "\r\n"), key);
    unsigned char hash[20], accept[40];
    SHA1((unsigned char *)joined, (size_t)len, hash);
    EVP_EncodeBlock(accept, hash, 20);
    char reply[300];
    len = snprintf(reply, sizeof reply,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                   accept);
    size_t used = (size_t)(end + 4 - request);
    memmove(server->in.ptr, server->in.ptr + used, server->in.len - used);
    server->in.len -= used;
    server->is_upgraded = true;
    websocket_server_write(server, reply, (size_t)len);
}

/* One frame at the start of the buffer; false when it is not all there. */
static bool take_frame(struct websocket_server *server)
{
    unsigned char *p = (unsigned char *)server->in.ptr;
    size_t have = server->in.len, head = 2;
    if (have < 2) {
        return false;
    }
    uint64_t len = p[1] & 0x7f;
    size_t extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (have < head + extra + 4) {
        return false;
    }
    if (extra != 0) {
        len = 0;
        for (size_t i = 0; i < extra; i++) {
            len = len << 8 | p[head + i];
        }
    }
    head += extra + 4;
    if ((p[1] & 0x80) == 0) {
        fprintf(stderr, "a frame of the client is not masked\n");
        abort();
    }
    if (have - head < len) {
        return false;
    }
    for (uint64_t i = 0; i < len; i++) {
        p[head + i] ^= p[head - 4 + i % 4];
    }
    int opcode = p[0] & 0x0f;
    char *copy = malloc(len + 1);
    memcpy(copy, p + head, len);
    copy[len] = '\0';
    memmove(p, p + head + len, have - head - len);
    server->in.len -= head + len;
    if (server->on_frame != NULL) {
        server->on_frame(server, opcode, str_make(copy, len));
    }
    free(copy);
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct websocket_server *server = stream->data;
    if (count > 0) {
        buf_add(&server->in, buf->base, (size_t)count);
        if (!server->is_upgraded) {
            upgrade(server);
        }
        while (server->is_upgraded && server->has_peer && take_frame(server)) {
        }
    } else if (count < 0) {
        websocket_server_drop(server);
    }
    free(buf->base);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct websocket_server *server = listener->data;
    if (status < 0 || server->has_peer || server->closing != 0) {
        return;
    }
    uv_tcp_init(listener->loop, &server->peer);
    server->peer.data = server;
    buf_clear(&server->in);
    if (uv_accept(listener, (uv_stream_t *)&server->peer) == 0) {
        server->has_peer = true;
        uv_read_start((uv_stream_t *)&server->peer, on_alloc, on_read);
    }
}

void websocket_server_open(struct websocket_server *server, uv_loop_t *loop)
{
    memset(server, 0, sizeof *server);
    buf_init(&server->in, NULL, 256 << 20);
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(loop, &server->listener);
    server->listener.data = server;
    uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
    uv_listen((uv_stream_t *)&server->listener, 16, on_connection);
    int len = sizeof address;
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len);
    server->port = ntohs(address.sin_port);
}

void websocket_server_close(struct websocket_server *server)
{
    uv_loop_t *loop = server->listener.loop;
    websocket_server_drop(server);
    server->closing++;
    uv_close((uv_handle_t *)&server->listener, on_peer_closed);
    while (server->closing != 0) {
        uv_run(loop, UV_RUN_NOWAIT);
    }
    buf_fini(&server->in);
}
