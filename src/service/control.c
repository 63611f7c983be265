/* One JSON object a line in each direction: {"do":"scripts"}, {"do":"kill","id":17}, {"do":"reload"}; answered by {"ok":true,"result":...} or
 * {"ok":false,"error":"..."}. The socket's mode is 0600: who may open it may do all of it. */

#include "service/control.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/utf8.h"
#include "json/scan.h"
#include "json/write.h"
#include "script/inspect.h"
#include "service/service.h"

enum { MOST_LINE = 65536, MOST_VISITORS = 16, READ_BYTES = 4096, MOST_UNREAD = 1 << 20 };

struct visitor {
    uv_pipe_t pipe;
    struct control *control;
    struct visitor *next;
    struct buf in;
    char bytes[READ_BYTES];
};

struct control {
    uv_pipe_t server;
    happn_service *service; /* NULL: closed */
    const struct allocator *allocator;
    struct visitor *visitors;
    size_t visitor_count;
    bool has_guest; /* somebody waits for a place; libuv tells of nobody else before he is let in */
    bool is_gone; /* the socket's handle */
    char path[sizeof ((struct sockaddr_un *)NULL)->sun_path];
};

struct written {
    uv_write_t request;
    const struct allocator *allocator;
    struct buf text;
};

/* -- answering -- */

static void done(uv_write_t *request, int status)
{
    struct written *written = request->data;
    (void)status;
    buf_fini(&written->text);
    memory_free(written->allocator, written);
}

static void add_refusal(struct buf *out, const char *text)
{
    buf_add_lit(out, "{\"ok\":false,\"error\":");
    json_add_string(out, str_of(text));
    buf_add_char(out, '}');
}

static void add_done(struct buf *out)
{
    buf_add_lit(out, "{\"ok\":true,\"result\":null}");
}

static void reload(happn_service *service, struct buf *out)
{
    happn_error error = {0};
    if (happn_reload(service, &error) == HAPPN_OK) {
        add_done(out);
    } else {
        add_refusal(out, error.message);
    }
}

static void answer(happn_service *service, struct str line, struct buf *out)
{
    struct arena arena;
    arena_init(&arena, service->core.allocator);
    bool is_object = utf8_is_valid(line) && json_check(line, NULL) == HAPPN_OK && json_type_of(line) == JSON_OBJECT;
    struct str verb = is_object ? json_string(&arena, json_get(line, "do")) : STR_NONE;
    if (verb.ptr == NULL) {
        add_refusal(out, "a line is a JSON object such as {\"do\":\"scripts\"}");
    } else if (str_is(verb, "reload")) {
        reload(service, out);
    } else if (service->scripts == NULL) {
        add_refusal(out, "no scripts are configured");
    } else if (str_is(verb, "scripts")) {
        buf_add_lit(out, "{\"ok\":true,\"result\":");
        inspect_add(service->scripts, out);
        buf_add_char(out, '}');
    } else if (str_is(verb, "kill")) {
        bool was_there = inspect_kill(service->scripts, (uint64_t)json_int(json_get(line, "id"), 0));
        was_there ? add_done(out) : add_refusal(out, "no such call is under way");
    } else {
        add_refusal(out, "there are scripts, kill and reload");
    }
    arena_fini(&arena);
}

/* False: there is no answer. */
static bool respond(struct visitor *visitor, struct str line)
{
    const struct allocator *allocator = visitor->control->allocator;
    struct written *written = memory_zalloc(allocator, sizeof *written);
    if (written == NULL) {
        return false;
    }
    written->allocator = allocator;
    written->request.data = written;
    buf_init(&written->text, allocator, 64 << 20);
    answer(visitor->control->service, line, &written->text);
    buf_add_char(&written->text, '\n');
    uv_buf_t bytes = uv_buf_init(written->text.ptr, (unsigned)written->text.len);
    bool is_sent = written->text.status == HAPPN_OK && uv_write(&written->request, (uv_stream_t *)&visitor->pipe, &bytes, 1, done) == 0;
    if (!is_sent) {
        done(&written->request, -1);
    }
    return is_sent;
}

/* -- visitors -- */

static void release(struct control *control)
{
    if (control->is_gone && control->visitors == NULL) {
        memory_free(control->allocator, control);
    }
}

static void let_in(struct control *control);

static void visitor_closed(uv_handle_t *handle)
{
    struct visitor *visitor = handle->data;
    struct control *control = visitor->control;
    struct visitor **at = &control->visitors;
    while (*at != visitor) {
        at = &(*at)->next;
    }
    *at = visitor->next;
    control->visitor_count--;
    buf_fini(&visitor->in);
    memory_free(control->allocator, visitor);
    if (control->has_guest && control->service != NULL) {
        let_in(control);
    }
    release(control);
}

static void leave(struct visitor *visitor)
{
    if (!uv_is_closing((uv_handle_t *)&visitor->pipe)) {
        uv_close((uv_handle_t *)&visitor->pipe, visitor_closed);
    }
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct visitor *visitor = handle->data;
    *out = uv_buf_init(visitor->bytes, sizeof visitor->bytes);
}

/* Who does not read his answers, or cannot have one, is sent away: that he can see. */
static void take_lines(struct visitor *visitor)
{
    char *end;
    while (visitor->control->service != NULL && (end = memchr(visitor->in.ptr, '\n', visitor->in.len)) != NULL) {
        size_t len = (size_t)(end - visitor->in.ptr);
        bool reads = uv_stream_get_write_queue_size((uv_stream_t *)&visitor->pipe) <= MOST_UNREAD;
        if (!reads || !respond(visitor, str_make(visitor->in.ptr, len))) {
            leave(visitor);
            return;
        }
        memmove(visitor->in.ptr, end + 1, visitor->in.len - len - 1);
        visitor->in.len -= len + 1;
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *bytes)
{
    struct visitor *visitor = stream->data;
    if (count > 0) {
        buf_add(&visitor->in, bytes->base, (size_t)count);
    }
    if (count < 0 || visitor->in.status != HAPPN_OK || visitor->control->service == NULL) {
        leave(visitor);
    } else if (count > 0) {
        take_lines(visitor);
    }
}

/* Without a place, or memory for one, he waits until somebody has left. */
static void let_in(struct control *control)
{
    uv_stream_t *server = (uv_stream_t *)&control->server;
    struct visitor *visitor = control->visitor_count < MOST_VISITORS ? memory_zalloc(control->allocator, sizeof *visitor) : NULL;
    control->has_guest = visitor == NULL;
    if (visitor == NULL) {
        return;
    }
    visitor->control = control;
    buf_init(&visitor->in, control->allocator, MOST_LINE);
    uv_pipe_init(server->loop, &visitor->pipe, 0);
    visitor->pipe.data = visitor;
    visitor->next = control->visitors;
    control->visitors = visitor;
    control->visitor_count++;
    if (uv_accept(server, (uv_stream_t *)&visitor->pipe) != 0 || uv_read_start((uv_stream_t *)&visitor->pipe, give_room, on_read) != 0) {
        leave(visitor);
    }
}

static void on_visit(uv_stream_t *server, int status)
{
    if (status == 0) {
        let_in(server->data);
    }
}

/* -- the socket -- */

/* Does anybody listen there? One who takes nobody does, too. */
static bool is_taken(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    bool taken = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN);
    if (fd >= 0) {
        close(fd);
    }
    return taken;
}

static void remove_old(const char *path)
{
    struct stat info;
    if (lstat(path, &info) == 0 && S_ISSOCK(info.st_mode)) {
        unlink(path);
    }
}

/* Nobody else may open it, from the start: the file gets the mode that the socket has when it is bound. The process' umask would be others', too. */
static int bind_private(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return fd;
    }
    int failed = -errno;
    if (fd >= 0) {
        close(fd);
    }
    return failed;
}

static int listen_at(struct control *control)
{
    int fd = bind_private(control->path);
    if (fd < 0) {
        return fd;
    }
    int failed = uv_pipe_open(&control->server, fd);
    if (failed != 0) {
        close(fd);
    }
    failed = failed != 0 ? failed : uv_listen((uv_stream_t *)&control->server, MOST_VISITORS, on_visit);
    if (failed != 0) {
        unlink(control->path);
    }
    return failed;
}

static void server_closed(uv_handle_t *handle)
{
    struct control *control = handle->data;
    control->is_gone = true;
    release(control);
}

happn_status control_open(happn_service *service, const char *path, struct control **out, happn_error *error)
{
    const struct allocator *allocator = service->core.allocator;
    struct control *control = strlen(path) < sizeof control->path ? memory_zalloc(allocator, sizeof *control) : NULL;
    if (control == NULL) {
        return error_set(error, HAPPN_E_IO, "the control socket %s: %s", path, strlen(path) < sizeof control->path ? "out of memory" : "its name is too long");
    }
    if (is_taken(path)) {
        memory_free(allocator, control);
        return error_set(error, HAPPN_E_CONFLICT, "the control socket %s: another server listens there", path);
    }
    remove_old(path);
    control->allocator = allocator;
    control->service = service;
    strcpy(control->path, path);
    uv_pipe_init(&service->core.loop->uv, &control->server, 0);
    control->server.data = control;
    int failed = listen_at(control);
    if (failed != 0) {
        control->service = NULL;
        uv_close((uv_handle_t *)&control->server, server_closed);
        return error_set(error, HAPPN_E_IO, "the control socket %s: %s", path, uv_strerror(failed));
    }
    uv_unref((uv_handle_t *)&control->server);
    *out = control;
    return HAPPN_OK;
}

void control_close(struct control *control)
{
    if (control == NULL) {
        return;
    }
    unlink(control->path);
    control->service = NULL;
    for (struct visitor *visitor = control->visitors; visitor != NULL; visitor = visitor->next) {
        leave(visitor);
    }
    uv_close((uv_handle_t *)&control->server, server_closed);
}

happn_status happn_service_control(happn_service *service, const char *path, happn_error *error)
{
    if (service->state != SERVICE_OPEN) {
        return error_set(error, HAPPN_E_CLOSED, "the service is not open");
    }
    if (service->control != NULL) {
        return error_set(error, HAPPN_E_ARGUMENT, "the control socket is %s already", service->control->path);
    }
    return control_open(service, path, &service->control, error);
}
