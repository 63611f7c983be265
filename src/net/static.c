/* Files of folders. They are read in libuv's pool, a piece at a time, each when the one before has left: a large file and a slow reader need no
 * more memory than a small one. */

#include "net/static.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/conditional.h"
#include "net/http_request.h"

enum {
    PIECE = 32768,          /* so much of a file is in memory for each who reads one */
    MOST_LOCALLY = 256 << 20 /* of an answer within the process, which is given as a whole */
};

/* A file on its way: a piece is read in the pool, goes to the socket, and when it has left the next one is read. In the request's arena. */
struct sending {
    uv_work_t work;
    happn_http *http;
    const char *folder;
    char *name;        /* below the folder */
    struct conditions asked;
    bool is_head;
    int status;
    int fd;            /* -1: closed */
    char tag[64];
    uint64_t size;
    int64_t modified;
    struct file_range range; /* what is still to be sent of it */
    char *room;        /* for the next piece */
    size_t wanted;
    ssize_t got;
    bool is_reading, is_gone;
};

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"}, {".htm", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"}, {".css", "text/css; charset=utf-8"}, {".json", "application/json"}, {".txt", "text/plain; charset=utf-8"},
    {".md", "text/plain; charset=utf-8"}, {".svg", "image/svg+xml"}, {".png", "image/png"}, {".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"},
    {".gif", "image/gif"}, {".webp", "image/webp"}, {".ico", "image/x-icon"}, {".woff2", "font/woff2"}, {".woff", "font/woff"}, {".wasm", "application/wasm"},
    {".pdf", "application/pdf"}, {".xml", "application/xml"}, {".map", "application/json"}, {".avif", "image/avif"}, {".ttf", "font/ttf"}, {".otf", "font/otf"},
    {".csv", "text/csv; charset=utf-8"}, {".webmanifest", "application/manifest+json"}, {".mp4", "video/mp4"}, {".webm", "video/webm"}, {".mp3", "audio/mpeg"},
    {".ogg", "audio/ogg"}, {".wav", "audio/wav"}, {".zip", "application/zip"}, {".gz", "application/gzip"},
};

static const char *type_of(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t ending = strlen(types[i].ending);
        if (len >= ending && strcasecmp(name + len - ending, types[i].ending) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

/* --- in the pool */

/* The kernel follows the name, and no link or .. leads out of the folder. */
static int open_below(const char *folder, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int base = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = base >= 0 ? (int)syscall(SYS_openat2, base, name, &how, sizeof how) : -1;
    if (base >= 0) {
        close(base);
    }
    return fd;
}

static void read_piece(struct sending *sending)
{
    size_t len = 0;
    ssize_t got = 1;
    while (len < sending->wanted && got > 0) {
        got = pread(sending->fd, sending->room + len, sending->wanted - len, (off_t)(sending->range.from + len));
        len += got > 0 ? (size_t)got : 0;
    }
    sending->got = (ssize_t)len;
}

static int look_at_file(struct sending *sending)
{
    struct stat found;
    if (fstat(sending->fd, &found) != 0 || !S_ISREG(found.st_mode)) {
        return 404;
    }
    sending->size = (uint64_t)found.st_size;
    sending->modified = found.st_mtim.tv_sec;
    snprintf(sending->tag, sizeof sending->tag, "\"%llx-%llx-%llx\"", (unsigned long long)found.st_ino,
             (unsigned long long)found.st_mtim.tv_sec * 1000000000ull + (unsigned long long)found.st_mtim.tv_nsec, (unsigned long long)found.st_size);
    struct file_facts facts = {sending->tag, sending->modified, sending->size};
    return conditional_status(&sending->asked, &facts, &sending->range);
}

static size_t next_wanted(const struct sending *sending)
{
    uint64_t left = sending->range.to - sending->range.from;
    return left < PIECE ? (size_t)left : PIECE;
}

/* Opens it, and reads as much as a small file has, so that it takes one way through the pool. */
static void open_file(uv_work_t *work)
{
    struct sending *sending = work->data;
    sending->fd = open_below(sending->folder, sending->name);
    if (sending->fd < 0) {
        bool is_ours = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
        sending->status = is_ours ? 503 : 404; /* 404: also what may not be read, and what leads outside */
        return;
    }
    sending->status = look_at_file(sending);
    bool has_body = sending->status == 200 || sending->status == 206;
    sending->wanted = has_body && !sending->is_head ? next_wanted(sending) : 0;
    sending->room = sending->wanted != 0 ? malloc(sending->wanted) : NULL;
    if (sending->room != NULL) {
        read_piece(sending);
    }
}

static void read_next(uv_work_t *work)
{
    read_piece(work->data);
}

/* --- on the loop */

static void finish(struct sending *sending, bool failed)
{
    close(sending->fd);
    happn_http_end(sending->http, failed); /* its arena goes, too */
}

static void on_read(uv_work_t *work, int status);

static void queue_next(struct sending *sending)
{
    happn_http *http = sending->http;
    sending->wanted = next_wanted(sending);
    sending->room = http_part_room(http, sending->wanted);
    if (sending->room == NULL || uv_queue_work(&http_core(http)->loop->uv, &sending->work, read_next, on_read) != 0) {
        finish(sending, true);
        return;
    }
    sending->is_reading = true;
    http_begin_work(http);
}

static void on_progress(happn_http *http, happn_status status, void *arg)
{
    struct sending *sending = arg;
    (void)http;
    sending->is_gone = status != HAPPN_OK;
    if (sending->is_reading) {
        return; /* on_read sees it */
    }
    if (sending->is_gone) {
        finish(sending, true);
    } else {
        queue_next(sending);
    }
}

/* A file that has become shorter breaks off: its length was promised. */
static void go_on(struct sending *sending)
{
    sending->range.from += (uint64_t)sending->got;
    if (sending->is_gone || (size_t)sending->got < sending->wanted) {
        finish(sending, true);
    } else if (sending->range.from == sending->range.to) {
        finish(sending, false);
    } else if (sending->http->local != NULL) {
        queue_next(sending);
    }
}

static void on_read(uv_work_t *work, int status)
{
    struct sending *sending = work->data;
    http_end_work(sending->http);
    sending->is_reading = false;
    sending->got = status == 0 ? sending->got : 0;
    if (!sending->is_gone) {
        http_part_take(sending->http, (size_t)sending->got);
    }
    go_on(sending);
}

static void add_headers(const struct sending *sending)
{
    happn_http *http = sending->http;
    char modified[HTTP_DATE_SIZE], range[80];
    http_date_write(sending->modified, modified);
    (void)!happn_http_add_header(http, "ETag", sending->tag);
    (void)!happn_http_add_header(http, "Last-Modified", modified);
    (void)!happn_http_add_header(http, "Accept-Ranges", "bytes");
    (void)!happn_http_add_header(http, "Cache-Control", "no-cache");
    (void)!happn_http_add_header(http, "X-Content-Type-Options", "nosniff");
    if (sending->status == 206) {
        snprintf(range, sizeof range, "bytes %llu-%llu/%llu", (unsigned long long)sending->range.from, (unsigned long long)sending->range.to - 1,
                 (unsigned long long)sending->size);
        (void)!happn_http_add_header(http, "Content-Range", range);
    }
}

static void answer_refusal(struct sending *sending)
{
    const char *text = sending->status == 404 ? "there is no such file\n" : sending->status == 416 ? "the file is not so long\n" : "the file cannot be read\n";
    char range[40];
    if (sending->status == 416) {
        snprintf(range, sizeof range, "bytes */%llu", (unsigned long long)sending->size);
        (void)!happn_http_add_header(sending->http, "Content-Range", range);
    }
    happn_http_respond(sending->http, sending->status, "text/plain", text, strlen(text));
}

/* With its first piece; true: there is more. */
static bool begin_answer(struct sending *sending, const char *first)
{
    happn_http *http = sending->http;
    uint64_t len = sending->range.to - sending->range.from;
    add_headers(sending);
    if (sending->status == 304 || (!sending->is_head && len == (uint64_t)sending->got)) {
        happn_http_respond(http, sending->status, type_of(sending->name), first, (size_t)sending->got);
        return false;
    }
    bool is_too_large = http->local != NULL && len > MOST_LOCALLY;
    bool has_begun = !is_too_large && (sending->is_head || first != NULL) &&
                     http_begin_sized(http, sending->status, type_of(sending->name), len) == HAPPN_OK;
    if (!has_begun) {
        happn_http_respond(http, 500, "text/plain", "out of memory\n", 14);
        return false;
    }
    if (sending->is_head) {
        happn_http_end(http, 0);
        return false;
    }
    happn_http_on_progress(http, on_progress, sending);
    (void)!happn_http_write(http, first, (size_t)sending->got);
    return true;
}

static void on_opened(uv_work_t *work, int status)
{
    struct sending *sending = work->data;
    char *first = sending->room;
    int fd = sending->fd;
    http_end_work(sending->http);
    sending->status = status == 0 ? sending->status : 503;
    bool is_answered = sending->status == 200 || sending->status == 206 || sending->status == 304;
    bool is_more = is_answered && begin_answer(sending, first);
    if (is_more) {
        go_on(sending);
    } else if (!is_answered) {
        answer_refusal(sending);
    }
    if (!is_more && fd >= 0) {
        close(fd);
    }
    free(first);
}

static const struct static_folder *find_folder(const struct listener *listener, struct str path)
{
    const struct static_folder *best = NULL;
    for (size_t i = 0; i < listener->options.folder_count; i++) {
        const struct static_folder *folder = &listener->options.folders[i];
        bool is_below = str_starts(path, folder->mount) &&
                        (path.len == folder->mount.len || path.ptr[folder->mount.len] == '/' || str_ends(folder->mount, STR_LIT("/")));
        if (is_below && (best == NULL || folder->mount.len > best->mount.len)) {
            best = folder;
        }
    }
    return best;
}

/* "" and "docs/" mean the index in there. */
static char *name_of(happn_http *http, struct str rest)
{
    static const char index[] = "index.html";
    while (str_starts(rest, STR_LIT("/"))) {
        rest = str_skip(rest, 1);
    }
    char *name = arena_alloc(http_arena(http), rest.len + sizeof index);
    if (name != NULL) {
        memcpy(name, rest.ptr, rest.len);
        bool is_folder = rest.len == 0 || rest.ptr[rest.len - 1] == '/';
        memcpy(name + rest.len, is_folder ? index : "", is_folder ? sizeof index : 1);
    }
    return name;
}

bool static_route(happn_http *http, struct str path)
{
    const struct listener *listener = http_listener(http);
    const struct static_folder *folder = find_folder(listener, path);
    const char *method = happn_http_method(http);
    if (folder == NULL) {
        return false;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        (void)!happn_http_add_header(http, "Allow", "GET, HEAD");
        happn_http_respond(http, 405, "text/plain", "files can be read only\n", 23);
        return true;
    }
    struct sending *sending = arena_alloc(http_arena(http), sizeof *sending);
    char *name = sending != NULL ? name_of(http, str_skip(path, folder->mount.len)) : NULL;
    if (name == NULL) {
        happn_http_respond(http, 500, "text/plain", "out of memory\n", 14);
        return true;
    }
    *sending = (struct sending){.http = http, .folder = folder->folder.ptr, .name = name, .fd = -1, .is_head = strcmp(method, "HEAD") == 0};
    sending->work.data = sending;
    sending->asked = (struct conditions){.none_match = http_header(http, "if-none-match"), .modified_since = http_header(http, "if-modified-since")};
    if (!sending->is_head) {
        sending->asked.range = http_header(http, "range");
        sending->asked.if_range = http_header(http, "if-range");
    }
    http_begin_work(http);
    if (uv_queue_work(&listener->core->loop->uv, &sending->work, open_file, on_opened) != 0) {
        http_end_work(http);
        happn_http_respond(http, 503, "text/plain", "try again\n", 10);
    }
    return true;
}
