/* A growing buffer with a mandatory maximum. After a failed append it stays failed, so that
 * a chain of appends needs one check at its end. */
#ifndef HAPPN_BASE_BUF_H
#define HAPPN_BASE_BUF_H

#include "base/memory.h"
#include "base/str.h"
#include "happn/status.h"

struct buf {
    char *ptr;
    size_t len;
    size_t capacity;
    size_t max;
    const struct allocator *allocator;
    happn_status status; /* HAPPN_OK, or why the first failing append failed */
};

void buf_init(struct buf *buf, const struct allocator *allocator, size_t max);
void buf_fini(struct buf *buf);

/* Forgets the content and an earlier failure, keeps the memory. */
void buf_clear(struct buf *buf);

bool buf_grow(struct buf *buf, size_t more);

/* Makes room for `more` bytes after buf->len; false sets buf->status (E_LIMIT or E_MEMORY). */
static inline bool buf_reserve(struct buf *buf, size_t more)
{
    bool has_room = buf->status == HAPPN_OK && more <= buf->capacity - buf->len;
    return has_room || buf_grow(buf, more);
}

static inline void buf_add(struct buf *buf, const void *bytes, size_t len)
{
    if (len != 0 && buf_reserve(buf, len)) {
        memcpy(buf->ptr + buf->len, bytes, len);
        buf->len += len;
    }
}

void buf_add_str(struct buf *buf, struct str text);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_add_i64(struct buf *buf, int64_t number);
void buf_add_format(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define buf_add_lit(buf, text) buf_add((buf), (text), sizeof(text) - 1)

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->ptr != NULL ? buf->ptr : "", buf->len};
}

#endif
