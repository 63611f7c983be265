#include "json/write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* U+2028 and U+2029 are E2 80 A8 and E2 80 A9: they break JavaScript that was written before 2019. */
static bool is_line_separator(const char *p, const char *end)
{
    return end - p >= 3 && (unsigned char)p[0] == 0xe2 && (unsigned char)p[1] == 0x80 &&
           ((unsigned char)p[2] == 0xa8 || (unsigned char)p[2] == 0xa9);
}

static void add_line_separator(struct buf *buf, const char *p)
{
    buf_add_text(buf, (unsigned char)p[2] == 0xa8 ? "\\u2028" : "\\u2029");
}

static void add_escaped(struct buf *buf, char c)
{
    switch (c) {
    case '"':
        buf_add_lit(buf, "\\\"");
        break;
    case '\\':
        buf_add_lit(buf, "\\\\");
        break;
    case '\b':
        buf_add_lit(buf, "\\b");
        break;
    case '\f':
        buf_add_lit(buf, "\\f");
        break;
    case '\n':
        buf_add_lit(buf, "\\n");
        break;
    case '\r':
        buf_add_lit(buf, "\\r");
        break;
    case '\t':
        buf_add_lit(buf, "\\t");
        break;
    default:
        buf_add_format(buf, "\\u%04x", (unsigned char)c);
        break;
    }
}

void json_add_string(struct buf *buf, struct str plain)
{
    buf_add_char(buf, '"');
    const char *end = plain.ptr + plain.len, *start = plain.ptr;
    for (const char *p = start; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        bool separator = c == 0xe2 && is_line_separator(p, end);
        if (c >= 0x20 && c != '"' && c != '\\' && !separator) {
            continue;
        }
        buf_add(buf, start, (size_t)(p - start));
        if (separator) {
            add_line_separator(buf, p);
            p += 2;
        } else {
            add_escaped(buf, *p);
        }
        start = p + 1;
    }
    buf_add(buf, start, (size_t)(end - start));
    buf_add_char(buf, '"');
}

void json_add_raw(struct buf *buf, struct str json)
{
    const char *end = json.ptr + json.len, *start = json.ptr, *p = start;
    while (p < end && (p = memchr(p, 0xe2, (size_t)(end - p))) != NULL) {
        if (is_line_separator(p, end)) {
            buf_add(buf, start, (size_t)(p - start));
            add_line_separator(buf, p);
            start = p + 3;
            p += 2;
        }
        p++;
    }
    buf_add(buf, start, (size_t)(end - start));
}

bool json_is_plain(struct str json)
{
    const char *end = json.ptr + json.len, *p = json.ptr;
    while (p < end && (p = memchr(p, 0xe2, (size_t)(end - p))) != NULL) {
        if (is_line_separator(p, end)) {
            return false;
        }
        p++;
    }
    return true;
}

static void add_open_without(struct buf *buf, struct str object, struct str without, bool *has_members)
{
    buf_add_char(buf, '{');
    struct json_iter it = json_iter(object);
    while (json_next(&it)) {
        if (json_text_is(it.key, without)) {
            continue;
        }
        buf_add_text(buf, *has_members ? ",\"" : "\"");
        json_add_raw(buf, it.key);
        buf_add_lit(buf, "\":");
        json_add_raw(buf, it.value);
        *has_members = true;
    }
}

void json_add_open_object(struct buf *buf, struct str object, const char *without, bool *has_members)
{
    object = json_trim(object);
    *has_members = false;
    if (without != NULL) {
        add_open_without(buf, object, str_of(without), has_members);
        return;
    }
    *has_members = json_trim(str_make(object.ptr + 1, object.len - 2)).len != 0;
    json_add_raw(buf, str_make(object.ptr, object.len - 1));
}

/* "1e+21" as C prints it, "1e+21" as JavaScript does: only the zeros C puts before short exponents differ. */
static void add_exponent(struct buf *buf, const char *text)
{
    const char *e = strchr(text, 'e');
    if (e == NULL) {
        buf_add_text(buf, text);
        return;
    }
    buf_add(buf, text, (size_t)(e - text));
    buf_add_format(buf, "e%+ld", strtol(e + 1, NULL, 10));
}

void json_add_number(struct buf *buf, double number)
{
    if (number == floor(number) && fabs(number) < 1e15) {
        buf_add_i64(buf, (int64_t)number);
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    add_exponent(buf, text);
}
