#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

enum { LINE_MAX_BYTES = 4096 };

struct log {
    enum log_level level;
    bool as_json;
    int fd;
    bool owns_fd;
    char components[256];
    pthread_mutex_t lock;
};

static const char *const level_names[] = {"off", "fatal", "error", "warn", "info", "debug", "trace"};

int log_level_of(struct str name)
{
    for (int i = 0; i <= LOG_TRACE; i++) {
        if (str_is(name, level_names[i])) {
            return i;
        }
    }
    return str_is(name, "all") ? LOG_TRACE : -1;
}

happn_status log_open(enum log_level level, bool as_json, const char *file, const char *components, struct log **out,
                      happn_error *error)
{
    struct log *log = memory_zalloc(NULL, sizeof *log);
    if (log == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    log->level = level;
    log->as_json = as_json;
    log->fd = STDERR_FILENO;
    snprintf(log->components, sizeof log->components, "%s", components != NULL ? components : "");
    if (file != NULL && file[0] != '\0') {
        log->fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        log->owns_fd = true;
        if (log->fd < 0) {
            error_set(error, HAPPN_E_IO, "cannot write the log file %s: %s", file, strerror(errno));
            memory_free(NULL, log);
            return HAPPN_E_IO;
        }
    }
    pthread_mutex_init(&log->lock, NULL);
    *out = log;
    return HAPPN_OK;
}

void log_close(struct log *log)
{
    if (log == NULL) {
        return;
    }
    if (log->owns_fd) {
        close(log->fd);
    }
    pthread_mutex_destroy(&log->lock);
    memory_free(NULL, log);
}

bool log_wants(const struct log *log, enum log_level level)
{
    return log != NULL && level <= log->level;
}

static bool wants_component(const struct log *log, const char *component)
{
    size_t len = strlen(component);
    const char *p = log->components;
    if (*p == '\0') {
        return true;
    }
    while ((p = strstr(p, component)) != NULL) {
        bool starts = p == log->components || p[-1] == ',' || p[-1] == ' ';
        if (starts && (p[len] == '\0' || p[len] == ',' || p[len] == ' ')) {
            return true;
        }
        p += len;
    }
    return false;
}

static void add_time(struct buf *line)
{
    struct timespec now;
    struct tm utc;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    buf_add(line, text, len);
    buf_add_format(line, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

/* Control characters would let a message forge a line of its own. */
static void add_clean(struct buf *line, const char *text, bool as_json)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20) {
            buf_add_char(line, ' ');
        } else {
            if (as_json && (c == '"' || c == '\\')) {
                buf_add_char(line, '\\');
            }
            buf_add_char(line, (char)c);
        }
    }
}

static void add_line(struct buf *line, const struct log *log, enum log_level level, const char *component,
                     const char *text)
{
    buf_add_text(line, log->as_json ? "{\"time\":\"" : "");
    add_time(line);
    if (log->as_json) {
        buf_add_format(line, "\",\"level\":\"%s\",\"component\":\"%s\",\"message\":\"", level_names[level], component);
        add_clean(line, text, true);
        buf_add_lit(line, "\"}\n");
        return;
    }
    buf_add_format(line, " %-5s [%s] ", level_names[level], component);
    add_clean(line, text, false);
    buf_add_char(line, '\n');
}

void log_write(struct log *log, enum log_level level, const char *component, const char *format, ...)
{
    if (!log_wants(log, level) || !wants_component(log, component)) {
        return;
    }
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct buf line;
    buf_init(&line, NULL, 4 * LINE_MAX_BYTES);
    add_line(&line, log, level, component, text);
    pthread_mutex_lock(&log->lock);
    ssize_t written = write(log->fd, line.ptr, line.len);
    (void)written; /* a full disk must not stop the server */
    pthread_mutex_unlock(&log->lock);
    buf_fini(&line);
}
