#include "net/static.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_FILE = 256 << 20 };

struct reading {
    uv_work_t work;
    happn_http *http;
    const char *folder;
    char *name;        /* below the folder; in the request's arena, like all of this */
    struct str known;  /* what the browser has: If-None-Match */
    int status;
    char tag[64];
    char *bytes;       /* freed when it has been sent */
    size_t len;
};

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"}, {".htm", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"}, {".css", "text/css; charset=utf-8"}, {".json", "application/json"}, {".txt", "text/plain; charset=utf-8"},
    {".md", "text/plain; charset=utf-8"}, {".svg", "image/svg+xml"}, {".png", "image/png"}, {".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"},
    {".gif", "image/gif"}, {".webp", "image/webp"}, {".ico", "image/x-icon"}, {".woff2", "font/woff2"}, {".woff", "font/woff"}, {".wasm", "application/wasm"},
    {".pdf", "application/pdf"}, {".xml", "application/xml"}, {".map", "application/json"},
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

static bool read_all(int fd, struct reading *reading)
{
    while (reading->len < MOST_FILE) {
        ssize_t got = read(fd, reading->bytes + reading->len, reading->len < MOST_FILE ? 1 << 20 : 0);
        if (got <= 0) {
            return got == 0;
        }
        reading->len += (size_t)got;
        char *more = realloc(reading->bytes, reading->len + (1 << 20));
        if (more == NULL) {
            return false;
        }
        reading->bytes = more;
    }
    return false;
}

static int read_file(int fd, struct reading *reading)
{
    struct stat found;
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) {
        return 404;
    }
    snprintf(reading->tag, sizeof reading->tag, "\"%llx-%llx-%llx\"", (unsigned long long)found.st_ino,
             (unsigned long long)found.st_mtim.tv_sec * 1000000000ull + (unsigned long long)found.st_mtim.tv_nsec, (unsigned long long)found.st_size);
    if (str_is_set(reading->known) && (str_is(reading->known, reading->tag) || str_is(reading->known, "*"))) {
        return 304;
    }
    reading->bytes = found.st_size < MOST_FILE ? malloc((size_t)1 << 20) : NULL;
    return reading->bytes != NULL && read_all(fd, reading) ? 200 : 500;
}

static void work(uv_work_t *work)
{
    struct reading *reading = work->data;
    int fd = open_below(reading->folder, reading->name);
    if (fd < 0) {
        reading->status = 404; /* also what may not be read, and what leads outside */
        return;
    }
    reading->status = read_file(fd, reading);
    close(fd);
}

/* --- on the loop */

static void done(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    happn_http *http = reading->http;
    char *bytes = reading->bytes;
    http_end_work(http);
    bool is_file = status == 0 && (reading->status == 200 || reading->status == 304);
    if (!is_file) {
        const char *text = reading->status == 404 ? "there is no such file\n" : "the file cannot be read\n";
        happn_http_respond(http, status == 0 ? reading->status : 503, "text/plain", text, strlen(text));
    } else if (happn_http_add_header(http, "ETag", reading->tag) == HAPPN_OK && happn_http_add_header(http, "Cache-Control", "no-cache") == HAPPN_OK &&
               happn_http_add_header(http, "X-Content-Type-Options", "nosniff") == HAPPN_OK) {
        happn_http_respond(http, reading->status, type_of(reading->name), bytes, reading->len);
    } else {
        happn_http_respond(http, 500, "text/plain", "out of memory\n", 14);
    }
    free(bytes);
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
    struct reading *reading = arena_alloc(http_arena(http), sizeof *reading);
    char *name = reading != NULL ? name_of(http, str_skip(path, folder->mount.len)) : NULL;
    if (name == NULL) {
        happn_http_respond(http, 500, "text/plain", "out of memory\n", 14);
        return true;
    }
    *reading = (struct reading){.http = http, .folder = folder->folder.ptr, .name = name};
    reading->work.data = reading;
    reading->known = http_header(http, "if-none-match");
    http_begin_work(http);
    if (uv_queue_work(&listener->core->loop->uv, &reading->work, work, done) != 0) {
        http_end_work(http);
        happn_http_respond(http, 503, "text/plain", "try again\n", 10);
    }
    return true;
}
