/* The audit log: what concerns security, one JSON object a line, in a file that only grows. Lines are gathered on the loop and written by
 * libuv's pool, one write at a time. When the disk cannot keep up or is full, lines are dropped, and a line before the next ones says how many.
 * A line that was written in part is ended first, so that it spoils no other. */

#include "service/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "core/events.h"
#include "json/write.h"

enum { MOST_WAITING = 16 << 20 };

struct audit {
    struct core *core;
    char file[4096];
    int fd;
    struct buf gathered, writing;
    char head[160]; /* before what is written: the end of a torn line, how many are missing */
    size_t head_len;
    uv_fs_t request;
    uint64_t dropped, told; /* lines; and how many of them the head tells of */
    bool is_torn;           /* the file ends within a line */
    bool is_writing, is_closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static int open_file(const char *file)
{
    return open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void write_more(struct audit *audit);

static void finish(struct audit *audit)
{
    void (*closed)(void *) = audit->closed;
    void *arg = audit->closed_arg;
    close(audit->fd);
    buf_fini(&audit->gathered);
    buf_fini(&audit->writing);
    memory_free(audit->core->allocator, audit);
    closed(arg);
}

/* done: so many bytes are in the file, the head's and then the lines'. */
static void account(struct audit *audit, size_t done)
{
    if (done != 0 && done < audit->head_len) {
        audit->is_torn = audit->head[done - 1] != '\n';
    } else if (audit->head_len != 0 && done >= audit->head_len) {
        audit->is_torn = false;
        audit->dropped -= audit->told;
    }
    size_t from = done > audit->head_len ? done - audit->head_len : 0;
    if (from != 0) {
        audit->is_torn = audit->writing.ptr[from - 1] != '\n';
    }
    for (size_t i = from; i < audit->writing.len; i++) {
        audit->dropped += audit->writing.ptr[i] == '\n';
    }
}

static void written(uv_fs_t *request)
{
    struct audit *audit = request->data;
    ssize_t result = request->result;
    uv_fs_req_cleanup(request);
    audit->is_writing = false;
    if (result < 0 || (size_t)result < audit->head_len + audit->writing.len) {
        log_write(audit->core->log, LOG_ERROR, "audit", "%s cannot be written: %s", audit->file, result < 0 ? uv_strerror((int)result) : "the disk is full");
    }
    account(audit, result > 0 ? (size_t)result : 0);
    buf_clear(&audit->writing);
    if (audit->gathered.len != 0) {
        write_more(audit);
    }
    if (audit->is_closing && !audit->is_writing) {
        finish(audit);
    }
}

static size_t format_time(char *out, size_t size, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    size_t len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &parts));
    return len + (size_t)snprintf(out + len, size - len, ".%03dZ", (int)(ms % 1000));
}

static void make_head(struct audit *audit)
{
    char time[40];
    format_time(time, sizeof time, loop_now_ms(audit->core->loop));
    const char *end = audit->is_torn ? "\n" : "";
    audit->told = audit->dropped;
    audit->head_len = (size_t)(audit->dropped == 0
                                   ? snprintf(audit->head, sizeof audit->head, "%s", end)
                                   : snprintf(audit->head, sizeof audit->head, "%s{\"time\":\"%s\",\"event\":\"dropped\",\"detail\":{\"lines\":%llu}}\n",
                                              end, time, (unsigned long long)audit->dropped));
}

static void write_more(struct audit *audit)
{
    struct buf full = audit->gathered;
    audit->gathered = audit->writing;
    audit->writing = full;
    audit->is_writing = true;
    audit->request.data = audit;
    make_head(audit);
    uv_buf_t bytes[] = {uv_buf_init(audit->head, (unsigned)audit->head_len), uv_buf_init(audit->writing.ptr, (unsigned)audit->writing.len)};
    if (uv_fs_write(&audit->core->loop->uv, &audit->request, audit->fd, bytes, 2, -1, written) != 0) {
        audit->is_writing = false;
        account(audit, 0);
        buf_clear(&audit->writing);
    }
}

static void add_line(struct audit *audit, const char *event, struct str detail)
{
    struct buf *out = &audit->gathered;
    size_t start = out->len;
    char time[40];
    format_time(time, sizeof time, loop_now_ms(audit->core->loop));
    buf_add_format(out, "{\"time\":\"%s\",\"event\":\"%s\",\"detail\":", time, event);
    json_add_raw(out, detail);
    buf_add_lit(out, "}\n");
    if (out->status != HAPPN_OK) {
        out->status = HAPPN_OK;
        out->len = start;
        audit->dropped++;
    }
}

static void happened(const char *event, const char *json, size_t len, void *arg)
{
    struct audit *audit = arg;
    if (audit->is_closing || strcmp(event, "connect") == 0) {
        return;
    }
    add_line(audit, event, str_make(json, len));
    if (!audit->is_writing && audit->gathered.len != 0) {
        write_more(audit);
    }
}

happn_status audit_open(struct core *core, const char *file, struct audit **out, happn_error *error)
{
    struct audit *audit = memory_zalloc(core->allocator, sizeof *audit);
    if (audit == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    audit->core = core;
    audit->fd = open_file(file);
    snprintf(audit->file, sizeof audit->file, "%s", file);
    buf_init(&audit->gathered, core->allocator, MOST_WAITING);
    buf_init(&audit->writing, core->allocator, MOST_WAITING);
    happn_status status = audit->fd >= 0 ? events_watch(core, happened, audit)
                                         : error_set(error, HAPPN_E_IO, "the audit log %.300s cannot be opened: %s", file, strerror(errno));
    if (status != HAPPN_OK) {
        if (audit->fd >= 0) {
            close(audit->fd);
        }
        memory_free(core->allocator, audit);
        return status;
    }
    *out = audit;
    return HAPPN_OK;
}

void audit_reopen(struct audit *audit)
{
    int fd = open_file(audit->file);
    if (fd < 0) {
        log_write(audit->core->log, LOG_ERROR, "audit", "%s cannot be opened anew, the old file goes on: %s", audit->file, strerror(errno));
        return;
    }
    (void)dup3(fd, audit->fd, O_CLOEXEC); /* a write that is under way ends in one of the two */
    close(fd);
    audit->is_torn = false;
}

void audit_close(struct audit *audit, void (*closed)(void *arg), void *arg)
{
    audit->is_closing = true;
    audit->closed = closed;
    audit->closed_arg = arg;
    if (!audit->is_writing) {
        finish(audit);
    }
}
