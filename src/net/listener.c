/* Accepting is ours: we know why a port cannot be had, take several connections a turn, and stop without closing the others.
 * Every accepted socket is given to libwebsockets, which does TLS, HTTP and the WebSocket frames on the same loop. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "net/tls.h"

enum { SECOND = 1000, RENEWAL_MS = 2000, ACCEPTS_A_TURN = 64, READ_BUFFER = 65536, FRAME_PART = 2048, HEADER_BYTES = 8192, WRITE_AT_ONCE = 1 << 20 };

static struct listener *listener_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* An upgrade is for /primus... or it is refused here: libwebsockets says never to refuse in CONFIRM_UPGRADE. */
static int filter_upgrade(struct lws *wsi)
{
    char path[HEADER_BYTES + 1];
    return lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) < 7 || strncmp(path, "/primus", 7) != 0;
}

/* libwebsockets' own would be allocated anew for every request, twice. When there is no memory, it tries that. */
static void keep_connection(struct lws *wsi)
{
    struct connection *connection = memory_zalloc(&memory_default, sizeof *connection);
    if (connection != NULL) {
        connection->is_ours = true;
        lws_set_wsi_user(wsi, connection);
    }
}

static void free_connection(struct connection *connection)
{
    if (connection != NULL && connection->is_ours) {
        memory_free(&memory_default, connection);
    }
}

/* To libwebsockets a CONNECT is the end of HTTP, and the connection one without any limits. */
static int refuse_connect(struct lws *wsi)
{
    static const char text[] = "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    unsigned char out[LWS_PRE + sizeof text];
    memcpy(out + LWS_PRE, text, sizeof text);
    (void)!lws_write(wsi, out + LWS_PRE, sizeof text - 1, LWS_WRITE_RAW);
    return -1;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct connection *connection = user;
    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return filter_upgrade(wsi);
    case LWS_CALLBACK_ESTABLISHED:
        return websocket_open(listener_of(wsi), wsi, connection);
    case LWS_CALLBACK_RECEIVE:
        return websocket_receive(connection, wsi, str_make(in, len));
    case LWS_CALLBACK_RECEIVE_PONG:
        websocket_heard(connection);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return websocket_writeable(connection);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return websocket_peer_closes(connection);
    case LWS_CALLBACK_CLOSED:
        websocket_gone(connection);
        return 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        return tls_set_up(listener_of(wsi), user);
    case LWS_CALLBACK_RAW_ADOPT:
        return refuse_connect(wsi);
    case LWS_CALLBACK_HTTP:
        return http_request(listener_of(wsi), wsi, connection, str_make(in, len));
    case LWS_CALLBACK_HTTP_BODY:
        return http_body(connection, str_make(in, len));
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return http_body_complete(connection);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return http_writeable(connection);
    case LWS_CALLBACK_CLOSED_HTTP:
        if (connection != NULL) {
            http_gone(connection);
        }
        return 0;
    case LWS_CALLBACK_WSI_CREATE:
        listener_of(wsi)->connections++;
        keep_connection(wsi);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        listener_of(wsi)->connections--;
        free_connection(connection);
        return 0;
    default:
        return 0;
    }
}

static void on_log(struct lws_log_cx *cx, int level, const char *line, size_t len)
{
    struct listener *listener = cx->opaque;
    while (len != 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }
    log_write(listener->core->log, level == LLL_ERR ? LOG_ERROR : LOG_DEBUG, "lws", "%.*s", (int)len, line);
}

static happn_status open_context(struct listener *listener, happn_error *error)
{
    lws_set_log_level(LLL_ERR, NULL); /* what has no context yet */
    void *loops[1] = {&listener->core->loop->uv};
    listener->log_cx = (lws_log_cx_t){.lll_flags = LLLF_LOG_CONTEXT_AWARE | LLL_ERR, .u.emit_cx = on_log, .opaque = listener};
    listener->protocols[0] = (struct lws_protocols){.name = "happn",
                                                    .callback = on_event,
                                                    .per_session_data_size = sizeof(struct connection),
                                                    .rx_buffer_size = FRAME_PART,
                                                    .tx_packet_size = WRITE_AT_ONCE};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN_SERVER,
                                             .protocols = listener->protocols,
                                             .gid = (gid_t)-1,
                                             .uid = (uid_t)-1,
                                             .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
                                             .foreign_loops = loops,
                                             .pt_serv_buf_size = READ_BUFFER,
                                             .max_http_header_data2 = HEADER_BYTES,
                                             .log_cx = &listener->log_cx,
                                             .pcontext = &listener->context,
                                             .user = listener,
                                             .timeout_secs = (unsigned)listener->options.handshake_seconds,
                                             .timeout_secs_ah_idle = (unsigned)listener->options.handshake_seconds,
                                             .keepalive_timeout = (int)listener->options.keep_alive_seconds,
                                             .fd_limit_per_thread = (unsigned)listener->options.connections + 64,
                                             .vhost_name = "happn"};
    if (listener->options.is_encrypted) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
        info.alpn = "http/1.1"; /* our frames do not survive HTTP/2 */
    }
    listener->context = lws_create_context(&info);
    if (listener->context != NULL) {
        listener->vhost = lws_create_vhost(listener->context, &info);
    }
    lws_set_log_level(0, NULL); /* it would write to stderr what any client can make it say */
    if (listener->vhost == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "libwebsockets could not be started");
    }
    return HAPPN_OK;
}

static happn_status refuse_address(const struct listener_options *options, int cause, happn_error *error)
{
    if (cause == EADDRINUSE) {
        return error_set(error, HAPPN_E_ADDRESS_IN_USE,
                         "port %d on %s is taken by another program: stop it, or choose another port with --port",
                         options->port, options->host);
    }
    if (cause == EACCES) {
        return error_set(error, HAPPN_E_IO, "port %d on %s needs more rights: ports below 1024 belong to root", options->port,
                         options->host);
    }
    return error_set(error, HAPPN_E_IO, "cannot listen on port %d of %s: %s", options->port, options->host, strerror(cause));
}

static int bind_one(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, 4096) == 0) {
        return fd;
    }
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &len);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static happn_status open_socket(struct listener *listener, happn_error *error)
{
    const struct listener_options *options = &listener->options;
    char port[16];
    snprintf(port, sizeof port, "%d", options->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int failed = getaddrinfo(options->host, port, &hints, &found);
    if (failed != 0) {
        return error_set(error, HAPPN_E_IO, "the host %s is not known here: %s", options->host, gai_strerror(failed));
    }
    int cause = 0;
    for (struct addrinfo *address = found; address != NULL && listener->socket < 0; address = address->ai_next) {
        listener->socket = bind_one(address);
        cause = errno;
    }
    freeaddrinfo(found);
    if (listener->socket < 0) {
        return refuse_address(options, cause, error);
    }
    listener->port = bound_port(listener->socket);
    return HAPPN_OK;
}

/* No descriptor is left: the spare one is given up for a moment, so that the peer is told by a close and the listening socket
 * does not spin. */
static void shed(struct listener *listener)
{
    if (listener->spare >= 0) {
        close(listener->spare);
    }
    int fd = accept(listener->socket, NULL, NULL);
    if (fd >= 0) {
        close(fd);
    }
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    log_write(listener->core->log, LOG_WARN, "net", "a connection was refused: no file descriptor is left (ulimit -n)");
}

static void take(struct listener *listener, int fd)
{
    if (listener->connections >= listener->options.connections) {
        log_write(listener->core->log, LOG_WARN, "net", "a connection was refused: there are %zu already",
                  listener->connections);
        close(fd);
        return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    lws_sock_file_fd_type descriptor = {.sockfd = fd};
    lws_adopt_descriptor_vhost(listener->vhost, LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL, descriptor, NULL, NULL);
}

static void on_accept(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    struct listener *listener = handle->data;
    for (int i = 0; i < ACCEPTS_A_TURN && !listener->is_stopped; i++) {
        int fd = accept4(listener->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(listener, fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            shed(listener);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct listener *listener = timer->data;
    int64_t now = (int64_t)uv_now(timer->loop);
    websocket_sweep(listener, now);
    http_sweep(listener, now);
    if (!listener->is_closing) {
        lws_service_adjust_timeout(listener->context, SECOND, 0); /* it looks at its timers only after events of sockets */
    }
    if (now - listener->looked >= RENEWAL_MS) {
        listener->looked = now;
        tls_look_for_renewal(listener);
    }
}

static uint64_t sweep_interval(const struct listener_options *options)
{
    int64_t shortest = options->silence_ms < options->ping_ms ? options->silence_ms : options->ping_ms;
    int64_t interval = shortest / 8;
    return (uint64_t)(interval < 5 ? 5 : interval > 4000 ? 4000 : interval);
}

static void start_handles(struct listener *listener)
{
    uv_loop_t *uv = &listener->core->loop->uv;
    uv_poll_init(uv, &listener->accepting, listener->socket);
    uv_timer_init(uv, &listener->sweep);
    uv_timer_init(uv, &listener->ending);
    listener->handles = 3;
    listener->accepting.data = listener->sweep.data = listener->ending.data = listener;
    uint64_t interval = sweep_interval(&listener->options);
    uv_timer_start(&listener->sweep, on_sweep, interval, interval);
    uv_unref((uv_handle_t *)&listener->sweep);
    uv_poll_start(&listener->accepting, UV_READABLE, on_accept);
    listener->flush.run = websocket_flush;
    loop_flush_add(listener->core->loop, &listener->flush);
}

static void ignore_closed(void *arg)
{
    (void)arg;
}

happn_status listener_open(struct core *core, const struct listener_options *options, struct listener **out, happn_error *error)
{
    struct listener *listener = memory_zalloc(core->allocator, sizeof *listener);
    if (listener == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    listener->core = core;
    listener->options = *options;
    listener->socket = -1;
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    happn_status status = listener->options.is_encrypted ? tls_check(listener, error) : HAPPN_OK;
    if (status == HAPPN_OK) {
        status = open_socket(listener, error);
    }
    if (status != HAPPN_OK) {
        close(listener->spare);
        memory_free(core->allocator, listener);
        return status;
    }
    start_handles(listener);
    status = open_context(listener, error);
    if (status != HAPPN_OK) {
        listener_close(listener, 0, ignore_closed, NULL); /* what was begun ends in later turns */
        return status;
    }
    listener->options.host = NULL;
    *out = listener;
    return HAPPN_OK;
}

void listener_renew(struct listener *listener)
{
    tls_look_for_renewal(listener);
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}

size_t listener_connections(const struct listener *listener)
{
    return listener->connections;
}

static void free_spare_buffers(struct listener *listener)
{
    while (listener->spare_count != 0) {
        buf_fini(&listener->spare_buffers[--listener->spare_count]);
    }
    memory_free(listener->core->allocator, listener->spare_buffers);
}

static void finish(void *arg)
{
    struct listener *listener = arg;
    free_spare_buffers(listener);
    close(listener->spare);
    void (*closed)(void *) = listener->closed;
    void *closed_arg = listener->closed_arg;
    memory_free(listener->core->allocator, listener);
    closed(closed_arg);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    if (--listener->handles == 0) {
        finish(listener);
    }
}

void listener_stop(struct listener *listener)
{
    if (listener->is_stopped) {
        return;
    }
    listener->is_stopped = true;
    uv_close((uv_handle_t *)&listener->accepting, on_handle_closed);
    close(listener->socket);
}

/* First everybody's last bytes, then the context, then the handles. */
static void on_ending(uv_timer_t *timer)
{
    struct listener *listener = timer->data;
    bool in_time = (int64_t)uv_now(timer->loop) < listener->deadline;
    if (listener->websockets != NULL && in_time) {
        return;
    }
    if (!listener->is_closing) {
        listener->is_closing = true;
        loop_flush_remove(listener->core->loop, &listener->flush);
    }
    if (listener->context != NULL) { /* on a foreign loop it goes a step a call, until pcontext is NULL */
        lws_context_destroy(listener->context);
    }
    if (listener->context == NULL) {
        uv_timer_stop(timer);
        uv_close((uv_handle_t *)&listener->sweep, on_handle_closed);
        uv_close((uv_handle_t *)&listener->ending, on_handle_closed);
    }
}

void listener_close(struct listener *listener, int64_t grace_ms, void (*closed)(void *arg), void *arg)
{
    listener->closed = closed;
    listener->closed_arg = arg;
    listener_stop(listener);
    websocket_close_all(listener);
    listener->deadline = (int64_t)uv_now(&listener->core->loop->uv) + grace_ms;
    uv_timer_start(&listener->ending, on_ending, 0, 5);
}
