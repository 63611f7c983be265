#include "base/utf8.h"

#include <stdint.h>

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* Length of the character at p, 0 when it is none. */
static size_t character(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    if (c >= 0xC2 && c <= 0xDF) {
        return left >= 2 && is_tail(p[1]) ? 2 : 0;
    }
    if (c >= 0xE0 && c <= 0xEF) {
        unsigned char least = c == 0xE0 ? 0xA0 : 0x80, most = c == 0xED ? 0x9F : 0xBF;
        return left >= 3 && p[1] >= least && p[1] <= most && is_tail(p[2]) ? 3 : 0;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        unsigned char least = c == 0xF0 ? 0x90 : 0x80, most = c == 0xF4 ? 0x8F : 0xBF;
        return left >= 4 && p[1] >= least && p[1] <= most && is_tail(p[2]) && is_tail(p[3]) ? 4 : 0;
    }
    return 0;
}

bool utf8_is_valid(struct str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.len;
    while (p < end) {
        while (end - p >= 8) {
            uint64_t word;
            memcpy(&word, p, 8);
            if ((word & 0x8080808080808080u) != 0) {
                break;
            }
            p += 8;
        }
        while (p < end && *p < 0x80) {
            p++;
        }
        if (p == end) {
            return true;
        }
        size_t length = character(p, (size_t)(end - p));
        if (length == 0) {
            return false;
        }
        p += length;
    }
    return true;
}

struct str utf8_cut(struct str text, size_t most)
{
    size_t len = text.len < most ? text.len : most;
    while (len != text.len && len != 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return str_make(text.ptr, len);
}

void utf8_copy(char *out, size_t size, struct str text)
{
    struct str front = utf8_cut(text, size - 1);
    if (front.len != 0) {
        memcpy(out, front.ptr, front.len);
    }
    out[front.len] = '\0';
}

void utf8_mend(char *text)
{
    if (utf8_is_valid(str_of(text))) {
        return;
    }
    char *to = text;
    const char *end = text + strlen(text);
    for (const char *p = text; p < end;) {
        size_t length = (unsigned char)*p < 0x80 ? 1 : character((const unsigned char *)p, (size_t)(end - p));
        memmove(to, p, length);
        to += length;
        p += length != 0 ? length : 1;
    }
    *to = '\0';
}
