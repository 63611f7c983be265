/* A link over a WebSocket, by libwebsockets on our loop.
 *
 * libwebsockets connects, does TLS and the handshake, and takes frames apart. Our own frames we write ourselves (`frame`): every message
 * gets its header and its mask right when it is sent and is gathered with its neighbours; at the end of the loop's turn all of
 * it leaves by one lws_write, as raw bytes. That costs one system call a turn, not one a message.
 *
 * Names are looked up by libuv's threads, because libwebsockets would wait for the answer; then one address after the other is
 * tried. Each connection has a context of its own: it costs some 40 kB, and all of it goes when the link closes. Destroying
 * a context on a foreign loop takes some turns and more than one call; lws sets our pointer to it to NULL when it is done. */

#include <libwebsockets.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/utf8.h"
#include "client/frame.h"
#include "client/link.h"

enum {
    READ_BUFFER = 32 << 10,
    WRITE_PART = 1 << 20,
    MAX_QUEUED = 64 << 20,
    KEPT_BUFFER = 256 << 10,
    CLOSE_MS = 1000,
    CLOSE_NORMAL = 1000,
    CLOSE_BAD_TEXT = 1007,
    CLOSE_TOO_BIG = 1009
};

enum work { WORK_CONNECT = 1, WORK_END = 2, WORK_CLOSE = 4, WORK_BREAK = 8, WORK_NO_NAME = 16 };

struct link_websocket {
    struct client_link base;
    struct loop *loop;
    const struct allocator *allocator;
    struct link_options options;

    uv_getaddrinfo_t lookup;
    bool is_looking_up;
    int lookup_error;            /* it did not even begin */
    struct addrinfo *addresses, *next_address;

    struct lws_context *context; /* lws sets it to NULL when it is all gone */
    struct lws *wsi;
    struct lws_protocols protocols[2];
    lws_log_cx_t log;
    SSL_CTX *tls;

    uv_timer_t timer;            /* the next ping, its pong, the end of waiting for a close */
    uv_idle_t idle;              /* does `work` outside of lws's callbacks */
    int work;
    int handles;
    struct loop_flush flush;

    struct buf out, in;
    struct frame_masks masks;
    bool is_open;                /* the handshake is done and the connection not yet gone */
    bool is_ended;               /* the owner has been told */
    bool is_closing, is_destroyed;
    bool is_waiting_for_pong, has_heard;
    happn_status status;
    char reason[300];
    void (*closed)(void *owner);
};

static void on_work(uv_idle_t *idle);
static void on_timer(uv_timer_t *timer);

static void do_later(struct link_websocket *link, int work)
{
    link->work |= work;
    uv_idle_start(&link->idle, on_work);
}

/* The first reason is the cause, later ones are consequences. */
static void set_reason(struct link_websocket *link, happn_status status, const char *text, struct str detail)
{
    if (link->reason[0] == '\0') {
        link->status = status;
        snprintf(link->reason, sizeof link->reason, "%s%.*s", text, (int)(detail.len < 200 ? detail.len : 200),
                 detail.ptr != NULL ? detail.ptr : "");
    }
}

/* --- connecting */

static void fail_to_connect(struct link_websocket *link, const char *why)
{
    char text[300];
    snprintf(text, sizeof text, "could not connect to %s:%d: %s", link->options.place.host, link->options.place.port, why);
    set_reason(link, HAPPN_E_CONNECT, text, STR_NONE);
    do_later(link, WORK_END);
}

/* lws says "conn fail: 111", or just "closed before established", for what the system says in words. */
static const char *connect_error(struct lws *wsi, const char *text)
{
    int cause = 0;
    socklen_t len_of_cause = sizeof cause;
    int fd = wsi != NULL ? lws_get_socket_fd(wsi) : -1;
    if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &len_of_cause) == 0 && cause != 0) {
        return strerror(cause);
    }
    static const char *const heads[] = {"conn fail: ", "connect: "};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(heads[i]);
        if (strncmp(text, heads[i], len) == 0 && atoi(text + len) > 0) {
            return strerror(atoi(text + len));
        }
    }
    return text;
}

static void on_connection_error(struct link_websocket *link, struct lws *wsi, const char *text, size_t len)
{
    char copy[160];
    snprintf(copy, sizeof copy, "%.*s", (int)len, text != NULL ? text : "");
    link->wsi = NULL;
    if (link->is_closing) {
        return;
    }
    if (link->next_address != NULL) {
        do_later(link, WORK_CONNECT);
    } else {
        fail_to_connect(link, copy[0] != '\0' ? connect_error(wsi, copy) : "refused");
    }
}

static void connect_next(struct link_websocket *link)
{
    struct addrinfo *address = link->next_address;
    char numeric[64], host[300];
    link->next_address = address->ai_next;
    if (getnameinfo(address->ai_addr, address->ai_addrlen, numeric, sizeof numeric, NULL, 0, NI_NUMERICHOST) != 0) {
        on_connection_error(link, NULL, "the address is not usable", 25);
        return;
    }
    bool is_ipv6 = strchr(link->options.place.host, ':') != NULL;
    snprintf(host, sizeof host, is_ipv6 ? "[%s]:%d" : "%s:%d", link->options.place.host, link->options.place.port);
    struct lws_client_connect_info info = {.context = link->context,
                                           .address = numeric,
                                           .port = link->options.place.port,
                                           .path = link->options.place.path,
                                           .host = host,
                                           .ssl_connection = link->options.place.is_secure ? LCCSCF_USE_SSL : 0,
                                           .local_protocol_name = link->protocols[0].name,
                                           .alpn = "http/1.1",
                                           .pwsi = &link->wsi};
    if (link->options.is_insecure) {
        info.ssl_connection |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK | LCCSCF_ALLOW_EXPIRED;
    }
    bool had_work = (link->work & (WORK_CONNECT | WORK_END)) != 0;
    if (lws_client_connect_via_info(&info) == NULL && !had_work && (link->work & (WORK_CONNECT | WORK_END)) == 0) {
        on_connection_error(link, NULL, "refused", 7); /* lws did not say */
    }
}

static int accept_any(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* Our own, because lws's would also trust what it finds in a folder beside the working directory. */
static bool open_tls(struct link_websocket *link)
{
    link->tls = SSL_CTX_new(TLS_client_method());
    if (link->tls == NULL || SSL_CTX_set_min_proto_version(link->tls, TLS1_2_VERSION) != 1) {
        return false;
    }
    if (link->options.is_insecure) {
        SSL_CTX_set_cert_verify_callback(link->tls, accept_any, NULL);
        return true;
    }
    if (link->options.ca[0] != '\0') {
        return SSL_CTX_load_verify_locations(link->tls, link->options.ca, NULL) == 1;
    }
    return SSL_CTX_set_default_verify_paths(link->tls) == 1;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);

/* What matters comes to us as callbacks. */
static void on_log(struct lws_log_cx *cx, int level, const char *line, size_t len)
{
    (void)cx, (void)level, (void)line, (void)len;
}

static bool open_context(struct link_websocket *link)
{
    void *loops[1] = {&link->loop->uv};
    lws_set_log_level(LLL_ERR, NULL); /* what has no context yet */
    link->log = (lws_log_cx_t){.lll_flags = LLLF_LOG_CONTEXT_AWARE | LLL_ERR, .u.emit_cx = on_log};
    link->protocols[0] = (struct lws_protocols){
        .name = "happn-client", .callback = on_event, .rx_buffer_size = READ_BUFFER, .tx_packet_size = WRITE_PART};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = link->protocols,
                                             .gid = (gid_t)-1,
                                             .uid = (uid_t)-1,
                                             .options = LWS_SERVER_OPTION_LIBUV,
                                             .foreign_loops = loops,
                                             .pt_serv_buf_size = READ_BUFFER,
                                             .log_cx = &link->log,
                                             .pcontext = &link->context,
                                             .user = link,
                                             .fd_limit_per_thread = 16};
    if (link->options.place.is_secure) {
        if (!open_tls(link)) {
            return false;
        }
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.provided_client_ssl_ctx = link->tls;
    }
    link->context = lws_create_context(&info);
    return link->context != NULL;
}

static void on_found(uv_getaddrinfo_t *lookup, int failed, struct addrinfo *addresses)
{
    struct link_websocket *link = lookup->data;
    link->is_looking_up = false;
    link->addresses = link->next_address = failed == 0 ? addresses : NULL;
    if (link->is_closing) {
        do_later(link, WORK_CLOSE);
    } else if (failed != 0) {
        fail_to_connect(link, uv_strerror(failed));
    } else if (!open_context(link)) {
        fail_to_connect(link, link->options.place.is_secure && link->options.ca[0] != '\0' ? "TLS could not be set up: is the ca file right?"
                                                                                   : "libwebsockets could not be started");
    } else {
        do_later(link, WORK_CONNECT);
    }
}

/* --- sending */

static happn_status add_frame(struct link_websocket *link, enum frame_kind kind, struct str text)
{
    return frame_add(&link->out, &link->masks, kind, text);
}

static happn_status send_text(struct client_link *base, struct str text)
{
    struct link_websocket *link = (struct link_websocket *)base;
    if (link->is_ended || link->is_closing || link->status != HAPPN_OK) {
        return HAPPN_E_CLOSED;
    }
    if (text.len > link->options.max_message) {
        return HAPPN_E_LIMIT;
    }
    return add_frame(link, FRAME_TEXT, text);
}

/* Our own close frame comes behind what was sent. lws would drop the connection without one when it is closed from here. */
static void add_close(struct link_websocket *link, int code)
{
    char bytes[2] = {(char)(code >> 8), (char)code};
    (void)!add_frame(link, FRAME_CLOSE, str_make(bytes, 2));
}

static void break_off(struct link_websocket *link)
{
    do_later(link, WORK_BREAK);
}

static void flush(struct link_websocket *link)
{
    if (lws_partial_buffered(link->wsi)) {
        lws_callback_on_writable(link->wsi);
        return;
    }
    int written = lws_write(link->wsi, (unsigned char *)link->out.ptr, link->out.len, LWS_WRITE_HTTP);
    buf_clear(&link->out);
    if (link->out.capacity > KEPT_BUFFER) {
        buf_fini(&link->out);
    }
    if (written < 0) {
        set_reason(link, HAPPN_E_CLOSED, "the connection was lost", STR_NONE);
        break_off(link);
    }
}

static void on_flush(struct loop_flush *entry)
{
    struct link_websocket *link = (struct link_websocket *)((char *)entry - offsetof(struct link_websocket, flush));
    if (link->is_open && link->out.len != 0) {
        flush(link);
    }
}

/* --- heartbeats: servers of this protocol drop who is silent for 35 seconds */

static void send_ping(struct link_websocket *link)
{
    char text[64];
    int len = snprintf(text, sizeof text, "\"primus::ping::%lld\"", (long long)loop_now_ms(link->loop));
    (void)!add_frame(link, FRAME_TEXT, str_make(text, (size_t)len));
    link->is_waiting_for_pong = true;
    link->has_heard = false;
    uv_timer_start(&link->timer, on_timer, (uint64_t)link->options.pong_ms, 0);
}

static void expect_ping(struct link_websocket *link)
{
    link->is_waiting_for_pong = false;
    uv_timer_start(&link->timer, on_timer, (uint64_t)link->options.heartbeat_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct link_websocket *link = timer->data;
    if (link->is_closing) {
        do_later(link, WORK_CLOSE); /* the peer did not answer our close */
    } else if (!link->is_waiting_for_pong) {
        send_ping(link);
    } else if (link->has_heard) {
        expect_ping(link); /* busy with other things than our ping, but alive */
    } else {
        set_reason(link, HAPPN_E_TIMEOUT, "the server did not answer a ping", STR_NONE);
        break_off(link);
    }
}

/* Strings of the transport; anything else in quotes is not for us. */
static void receive_primus(struct link_websocket *link, struct str text)
{
    struct str ping = STR_LIT("\"primus::ping::");
    if (str_starts(text, ping) && text.len < 128) {
        char answer[160];
        struct str rest = str_skip(text, ping.len);
        int len = snprintf(answer, sizeof answer, "\"primus::pong::%.*s", (int)rest.len, rest.ptr);
        (void)!add_frame(link, FRAME_TEXT, str_make(answer, (size_t)len));
    } else if (str_starts(text, STR_LIT("\"primus::pong::")) && link->is_waiting_for_pong && !link->is_closing) {
        expect_ping(link);
    } else if (str_is(text, "\"primus::server::close\"") && !link->is_closing) {
        link->base.events->received(link->base.owner, text); /* the owner decides whether to come back */
    }
}

/* --- receiving; the return value goes to lws: below 0 closes */

static int refuse(struct link_websocket *link, int code, const char *why)
{
    set_reason(link, HAPPN_E_PROTOCOL, why, STR_NONE);
    add_close(link, code);
    flush(link);
    return -1;
}

static int receive_message(struct link_websocket *link, struct str text)
{
    link->has_heard = true;
    if (!utf8_is_valid(text)) {
        return refuse(link, CLOSE_BAD_TEXT, "the server sent text that is not UTF-8");
    }
    if (text.len != 0 && text.ptr[0] == '"') {
        receive_primus(link, text);
    } else if (!link->is_closing) {
        link->base.events->received(link->base.owner, text);
    }
    return 0;
}

static int receive_part(struct link_websocket *link, const char *bytes, size_t len)
{
    if (lws_frame_is_binary(link->wsi)) {
        return 0;
    }
    bool is_last = lws_is_final_fragment(link->wsi) && lws_remaining_packet_payload(link->wsi) == 0;
    if (is_last && link->in.len == 0) {
        return len <= link->options.max_message ? receive_message(link, str_make(bytes, len))
                                                : refuse(link, CLOSE_TOO_BIG, "the server sent a message that is too big");
    }
    buf_add(&link->in, bytes, len);
    if (link->in.status != HAPPN_OK) {
        return refuse(link, CLOSE_TOO_BIG, "the server sent a message that is too big");
    }
    if (!is_last) {
        return 0;
    }
    int result = receive_message(link, buf_str(&link->in));
    buf_clear(&link->in);
    if (link->in.capacity > KEPT_BUFFER) {
        buf_fini(&link->in);
    }
    return result;
}

static void peer_closes(struct link_websocket *link, const unsigned char *bytes, size_t len)
{
    char text[64] = "the server closed the connection";
    if (len >= 2) {
        snprintf(text, sizeof text, "the server closed the connection (%d)", bytes[0] << 8 | bytes[1]);
    }
    struct str detail = len > 2 ? str_make((const char *)bytes + 2, len - 2) : STR_NONE;
    set_reason(link, HAPPN_E_CLOSED, text, utf8_is_valid(detail) ? detail : STR_NONE);
}

static void gone(struct link_websocket *link)
{
    link->wsi = NULL;
    link->is_open = false;
    set_reason(link, HAPPN_E_CLOSED, "the connection was lost", STR_NONE);
    do_later(link, link->is_closing ? WORK_CLOSE : WORK_END);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct link_websocket *link = lws_context_user(lws_get_context(wsi));
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        link->is_open = true;
        link->wsi = wsi;
        expect_ping(link);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_connection_error(link, wsi, in, len);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return receive_part(link, in, len);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        on_flush(&link->flush);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        peer_closes(link, in, len);
        return link->is_closing ? -1 : 0; /* ours has left already; or lws answers */
    case LWS_CALLBACK_CLIENT_CLOSED:
        gone(link);
        return 0;
    default:
        return 0;
    }
}

/* --- the end */

static void on_handle_closed(uv_handle_t *handle)
{
    struct link_websocket *link = handle->data;
    if (--link->handles != 0) {
        return;
    }
    void (*closed)(void *owner) = link->closed;
    void *owner = link->base.owner;
    SSL_CTX_free(link->tls);
    uv_freeaddrinfo(link->addresses);
    buf_fini(&link->out);
    buf_fini(&link->in);
    memory_free(link->allocator, link);
    closed(owner);
}

/* Comes every turn until lws has taken everything down: on a foreign loop the first call closes its handles, one after they are
 * closed frees the context, those between do nothing. */
static void take_down(struct link_websocket *link)
{
    if (link->is_looking_up) {
        uv_idle_stop(&link->idle);
        return;
    }
    if (!link->is_destroyed) {
        link->is_destroyed = true;
        link->is_open = false;
        loop_flush_remove(link->loop, &link->flush);
    }
    lws_context_destroy(link->context);
    if (link->context == NULL && !uv_is_closing((uv_handle_t *)&link->idle)) {
        uv_close((uv_handle_t *)&link->timer, on_handle_closed);
        uv_close((uv_handle_t *)&link->idle, on_handle_closed);
    }
}

static void on_work(uv_idle_t *idle)
{
    struct link_websocket *link = idle->data;
    int work = link->work;
    link->work &= WORK_CLOSE;
    if (link->work != 0) {
        take_down(link);
        return;
    }
    uv_idle_stop(idle);
    if ((work & WORK_BREAK) != 0 && link->wsi != NULL) {
        lws_set_timeout(link->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC); /* gone() comes from inside */
    }
    if ((work & WORK_NO_NAME) != 0 && !link->is_closing) {
        fail_to_connect(link, uv_strerror(link->lookup_error));
    }
    if ((work & WORK_CONNECT) != 0 && !link->is_closing) {
        connect_next(link);
    }
    if ((work & WORK_END) != 0 && !link->is_closing && !link->is_ended) {
        link->is_ended = true;
        uv_timer_stop(&link->timer);
        link->base.events->ended(link->base.owner, link->status, link->reason);
    }
}

static void close_link(struct client_link *base, void (*closed)(void *owner))
{
    struct link_websocket *link = (struct link_websocket *)base;
    link->is_closing = true;
    link->closed = closed;
    if (link->is_looking_up) {
        uv_cancel((uv_req_t *)&link->lookup); /* its callback comes in any case */
    } else if (link->is_open) {
        uv_timer_start(&link->timer, on_timer, CLOSE_MS, 0);
        add_close(link, CLOSE_NORMAL);
    } else {
        do_later(link, WORK_CLOSE);
    }
}

static const struct client_link_ops ops = {send_text, close_link};

/* A name that is none fails as one that nobody has, later. */
static void look_up(struct link_websocket *link)
{
    char port[16];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    snprintf(port, sizeof port, "%d", link->options.place.port);
    link->lookup_error = uv_getaddrinfo(&link->loop->uv, &link->lookup, on_found, link->options.place.host, port, &hints);
    link->is_looking_up = link->lookup_error == 0;
    if (link->lookup_error != 0) {
        do_later(link, WORK_NO_NAME);
    }
}

happn_status link_websocket_open(struct loop *loop, const struct allocator *allocator, const struct link_options *options,
                                 const struct client_link_events *events, void *owner, struct client_link **out)
{
    struct link_websocket *link = memory_zalloc(allocator, sizeof *link);
    if (link == NULL) {
        return HAPPN_E_MEMORY;
    }
    link->base = (struct client_link){&ops, events, owner};
    link->loop = loop;
    link->allocator = allocator;
    link->options = *options;
    link->lookup.data = link->timer.data = link->idle.data = link;
    buf_init(&link->out, allocator, MAX_QUEUED + options->max_message);
    buf_init(&link->in, allocator, options->max_message);
    uv_timer_init(&loop->uv, &link->timer);
    uv_idle_init(&loop->uv, &link->idle);
    link->handles = 2;
    link->flush.run = on_flush;
    loop_flush_add(loop, &link->flush);
    look_up(link);
    *out = &link->base;
    return HAPPN_OK;
}
