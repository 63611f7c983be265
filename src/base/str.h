/* A slice of text that somebody else owns. Not NUL terminated. */
#ifndef HAPPN_BASE_STR_H
#define HAPPN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR_LIT(text) ((struct str){(text), sizeof(text) - 1})
#define STR_NONE ((struct str){NULL, 0})

static inline struct str str_of(const char *text)
{
    return (struct str){text, text != NULL ? strlen(text) : 0};
}

static inline struct str str_make(const char *ptr, size_t len)
{
    return (struct str){ptr, len};
}

/* NULL pointer means "not there", which is different from empty. */
static inline bool str_is_set(struct str s)
{
    return s.ptr != NULL;
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is(struct str s, const char *text)
{
    return str_equal(s, str_of(text));
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

static inline struct str str_skip(struct str s, size_t count)
{
    return count > s.len ? (struct str){s.ptr + s.len, 0} : (struct str){s.ptr + count, s.len - count};
}

/* Cuts off what stands before the character, which goes, too; all of it when the character is not there. */
static inline struct str str_take(struct str *rest, char stop)
{
    const char *at = rest->len != 0 ? (const char *)memchr(rest->ptr, stop, rest->len) : NULL;
    struct str taken = {rest->ptr, at != NULL ? (size_t)(at - rest->ptr) : rest->len};
    *rest = str_skip(*rest, at != NULL ? taken.len + 1 : taken.len);
    return taken;
}

/* An empty text counts as none. */
static inline struct str str_or_none(struct str s)
{
    return s.len != 0 ? s : STR_NONE;
}

static inline bool str_has(struct str s, char c)
{
    return s.len != 0 && memchr(s.ptr, c, s.len) != NULL;
}

/* For tables: FNV-1a. */
static inline uint64_t str_hash(struct str s)
{
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211u;
    }
    return hash;
}

/* Orders by bytes, a prefix before what it is a prefix of: the order of paths in every store. */
static inline int str_compare(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter != 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

#endif
