#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

void buf_init(struct buf *buf, const struct allocator *allocator, size_t max)
{
    *buf = (struct buf){.allocator = allocator, .max = max};
}

void buf_fini(struct buf *buf)
{
    memory_free(buf->allocator, buf->ptr);
    buf->ptr = NULL;
    buf->len = buf->capacity = 0;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->status = HAPPN_OK;
}

static bool grow(struct buf *buf, size_t need)
{
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity < need) {
        capacity += capacity / 2 + 64;
    }
    if (capacity > buf->max) {
        capacity = buf->max;
    }
    char *ptr = memory_resize(buf->allocator, buf->ptr, capacity);
    if (ptr == NULL) {
        buf->status = HAPPN_E_MEMORY;
        return false;
    }
    buf->ptr = ptr;
    buf->capacity = capacity;
    return true;
}

/* The slow way of buf_reserve. */
bool buf_grow(struct buf *buf, size_t more)
{
    if (buf->status != HAPPN_OK) {
        return false;
    }
    if (more <= buf->capacity - buf->len) {
        return true;
    }
    if (more > buf->max - buf->len) {
        buf->status = HAPPN_E_LIMIT;
        return false;
    }
    return grow(buf, buf->len + more);
}

void buf_add_str(struct buf *buf, struct str text)
{
    buf_add(buf, text.ptr, text.len);
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
    if (buf_reserve(buf, 1)) {
        buf->ptr[buf->len++] = c;
    }
}

void buf_add_i64(struct buf *buf, int64_t number)
{
    char digits[24];
    char *p = digits + sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    while (rest >= 100) {
        unsigned pair = (unsigned)(rest % 100);
        rest /= 100;
        *--p = (char)('0' + pair % 10);
        *--p = (char)('0' + pair / 10);
    }
    if (rest >= 10) {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    }
    *--p = (char)('0' + rest);
    if (number < 0) {
        *--p = '-';
    }
    buf_add(buf, p, (size_t)(digits + sizeof digits - p));
}

void buf_add_format(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !buf_reserve(buf, (size_t)len + 1)) {
        return;
    }
    va_start(args, format);
    vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
}
