/* Reading validated JSON text: what json/scan.h promises below its line. */

#include <stdlib.h>

#include "json/scan.h"
#include "json/skip.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

struct str json_trim(struct str value)
{
    while (value.len != 0 && is_space(*value.ptr)) {
        value = str_skip(value, 1);
    }
    while (value.len != 0 && is_space(value.ptr[value.len - 1])) {
        value.len--;
    }
    return value;
}

enum json_type json_type_of(struct str value)
{
    value = json_trim(value);
    if (value.len == 0) {
        return JSON_NONE;
    }
    switch (*value.ptr) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't': case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

static const char *value_end(const char *p, const char *end)
{
    if (p < end && *p == '"') {
        return json_skip_string(p, end);
    }
    if (p < end && (*p == '{' || *p == '[')) {
        return json_skip_container(p, end);
    }
    while (p < end && *p != ',' && *p != '}' && *p != ']') {
        p++;
    }
    return p;
}

struct json_iter json_iter(struct str container)
{
    container = json_trim(container);
    struct json_iter it = {0};
    if (container.len >= 2 && (*container.ptr == '{' || *container.ptr == '[')) {
        it.at = container.ptr + 1;
        it.end = container.ptr + container.len - 1;
        it.key.len = *container.ptr == '{'; /* remembered until the first step */
    }
    return it;
}

static const char *skip_blank(const char *p, const char *end)
{
    while (p < end && is_space(*p)) {
        p++;
    }
    return p;
}

bool json_next(struct json_iter *it)
{
    if (it->at == NULL) {
        return false;
    }
    bool object = it->key.ptr != NULL || it->key.len != 0;
    const char *p = skip_blank(it->at, it->end);
    p = p < it->end && *p == ',' ? skip_blank(p + 1, it->end) : p;
    if (p >= it->end) {
        return false;
    }
    if (object) {
        const char *after = json_skip_string(p, it->end);
        it->key = str_make(p + 1, after - p >= 2 ? (size_t)(after - p) - 2 : 0);
        p = skip_blank(after, it->end);
        p = skip_blank(p < it->end ? p + 1 : p, it->end);
    }
    const char *end = value_end(p, it->end);
    if (end == it->at) { /* text that nobody has checked */
        return false;
    }
    it->value = json_trim(str_make(p, (size_t)(end - p)));
    it->at = end;
    return true;
}

struct str json_get(struct str object, const char *name)
{
    struct str found = STR_NONE;
    if (json_type_of(object) != JSON_OBJECT) {
        return found;
    }
    struct json_iter it = json_iter(object);
    while (json_next(&it)) {
        if (json_text_is(it.key, str_of(name))) {
            found = it.value;
        }
    }
    return found;
}

static unsigned hex4(const char *p)
{
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        code = code * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return code & 0xffff;
}

static size_t put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* One escaped character: *p is behind the backslash and moves behind the escape. A surrogate without
 * its other half becomes U+FFFD. In text that nobody has checked it may be anything, but ends where the text does. */
static size_t decode_escape(const char **p, const char *end, char *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = *p < end ? *(*p)++ : '\\';
    if (c != 'u' || end - *p < 4) {
        const char *found = strchr(from, c);
        out[0] = found != NULL && c != '\0' ? to[found - from] : c;
        return 1;
    }
    unsigned code = hex4(*p);
    *p += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        unsigned low = hex4(*p + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *p += 6;
            return put_utf8(out, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
        }
    }
    return put_utf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
}

bool json_text_is(struct str raw, struct str plain)
{
    if (!str_has(raw, '\\')) {
        return str_equal(raw, plain);
    }
    const char *p = raw.ptr, *end = raw.ptr + raw.len;
    size_t at = 0;
    while (p < end) {
        char piece[4];
        size_t len = 1;
        if (*p == '\\') {
            p++;
            len = decode_escape(&p, end, piece);
        } else {
            piece[0] = *p++;
        }
        if (plain.len - at < len || memcmp(plain.ptr + at, piece, len) != 0) {
            return false;
        }
        at += len;
    }
    return at == plain.len;
}

struct str json_string(struct arena *arena, struct str value)
{
    value = json_trim(value);
    if (value.len < 2 || *value.ptr != '"') {
        return STR_NONE;
    }
    struct str body = str_make(value.ptr + 1, value.len - 2);
    if (!str_has(body, '\\')) {
        return body;
    }
    char *out = arena_alloc(arena, body.len + 1);
    if (out == NULL) {
        return STR_NONE;
    }
    size_t len = 0;
    for (const char *p = body.ptr, *end = body.ptr + body.len; p < end;) {
        if (*p == '\\') {
            p++;
            len += decode_escape(&p, end, out + len);
        } else {
            out[len++] = *p++;
        }
    }
    return str_make(out, len);
}

/* Up to 15 digits fit into a double, and so does 10^22: one multiplication or division then rounds once, as it should. False: not so simple. */
static bool simple_number(struct str text, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool is_negative = text.len != 0 && text.ptr[0] == '-';
    size_t digits = 0, point = SIZE_MAX;
    int64_t number = 0;
    for (size_t i = is_negative; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.') {
            point = digits;
        } else if (c >= '0' && c <= '9' && digits < 15) {
            number = number * 10 + (c - '0');
            digits++;
        } else {
            return false;
        }
    }
    double value = (double)number / powers[point == SIZE_MAX ? 0 : digits - point];
    *out = is_negative ? -value : value;
    return true;
}

double json_number(struct str value, double fallback)
{
    if (json_type_of(value) != JSON_NUMBER) {
        return fallback;
    }
    char digits[64];
    double simple;
    value = json_trim(value);
    if (simple_number(value, &simple)) {
        return simple;
    }
    size_t len = value.len < sizeof digits ? value.len : sizeof digits - 1;
    memcpy(digits, value.ptr, len);
    digits[len] = '\0';
    return strtod(digits, NULL);
}

int64_t json_int(struct str value, int64_t fallback)
{
    if (json_type_of(value) != JSON_NUMBER) {
        return fallback;
    }
    double number = json_number(value, 0);
    if (number >= 9007199254740992.0 || number <= -9007199254740992.0) {
        return fallback;
    }
    return (int64_t)number;
}

bool json_true(struct str value)
{
    return str_is(json_trim(value), "true");
}
