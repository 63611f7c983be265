#include "json/scan.h"

#include <math.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
        p++;
    }
    return p;
}

static bool is_hex4(const char *p)
{
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
            return false;
        }
    }
    return true;
}

/* p is behind a backslash; returns the end of the escape or NULL. */
static const char *scan_escape(const char *p, const char *end)
{
    if (p >= end) {
        return NULL;
    }
    switch (*p) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return p + 1;
    case 'u':
        return end - p >= 5 && is_hex4(p + 1) ? p + 5 : NULL;
    default:
        return NULL;
    }
}

enum { STEP = 16 };

/* How many of the next STEP bytes are neither a quote nor a backslash nor a control character; STEP: all. */
#ifdef __SSE2__
static inline size_t count_plain(const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    unsigned hits = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control));
    return hits == 0 ? STEP : (size_t)__builtin_ctz(hits);
}
#else
/* The lowest bit that is found is exact, those above it may be false. */
static inline size_t count_plain_8(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t word;
    memcpy(&word, p, 8);
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    uint64_t hits = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word);
    hits &= highs;
    return hits == 0 ? 8 : (size_t)__builtin_ctzll(hits) / 8;
}

static inline size_t count_plain(const char *p)
{
    size_t plain = count_plain_8(p);
    return plain == 8 ? 8 + count_plain_8(p + 8) : plain;
}
#endif

/* p is at the opening quote; returns what follows the closing one or NULL. */
static const char *scan_string(const char *p, const char *end, bool *has_escapes)
{
    for (p++; p < end;) {
        if (end - p >= STEP) {
            size_t plain = count_plain(p);
            p += plain;
            if (plain == STEP) {
                continue;
            }
        }
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            return p + 1;
        }
        if (c == '\\') {
            *has_escapes = true;
            p = scan_escape(p + 1, end);
            if (p == NULL) {
                return NULL;
            }
        } else if (c < 0x20) {
            return NULL;
        } else {
            p++;
        }
    }
    return NULL;
}

static const char *scan_digits(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p > start ? p : NULL;
}

static bool is_infinite(const char *start, const char *end)
{
    char *copy = malloc((size_t)(end - start) + 1);
    if (copy == NULL) {
        return true;
    }
    memcpy(copy, start, (size_t)(end - start));
    copy[end - start] = '\0';
    double value = strtod(copy, NULL);
    free(copy);
    return !isfinite(value);
}

static const char *scan_number(const char *p, const char *end, happn_status *status)
{
    const char *start = p;
    bool has_exponent = false;
    p += *p == '-';
    if (p < end && *p == '0') {
        p++;
    } else if ((p = scan_digits(p, end)) == NULL) {
        return NULL;
    }
    if (p < end && *p == '.' && (p = scan_digits(p + 1, end)) == NULL) {
        return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        has_exponent = true;
        p++;
        p += p < end && (*p == '+' || *p == '-');
        if ((p = scan_digits(p, end)) == NULL) {
            return NULL;
        }
    }
    if ((has_exponent || p - start > 300) && is_infinite(start, p)) {
        *status = HAPPN_E_NUMBER; /* the scan goes on: the request may still be named */
    }
    return p;
}

static const char *scan_word(const char *p, const char *end, struct str word)
{
    bool same = (size_t)(end - p) >= word.len && memcmp(p, word.ptr, word.len) == 0;
    return same ? p + word.len : NULL;
}

static const char *scan_scalar(const char *p, const char *end, happn_status *status)
{
    bool has_escapes;
    switch (*p) {
    case '"':
        return scan_string(p, end, &has_escapes);
    case 't':
        return scan_word(p, end, STR_LIT("true"));
    case 'f':
        return scan_word(p, end, STR_LIT("false"));
    case 'n':
        return scan_word(p, end, STR_LIT("null"));
    default:
        return *p == '-' || (*p >= '0' && *p <= '9') ? scan_number(p, end, status) : NULL;
    }
}

/* The open containers as a stack of bits: set for an object. The depth is bounded, so nothing recurses. */
struct scan {
    const char *end;
    int depth;
    unsigned char is_object[JSON_MAX_DEPTH / 8];
    happn_status status;
    struct json_member *wanted; /* of the outermost object */
    size_t count;
    struct json_member *current;
    const char *value;
    const struct json_member *whole; /* whose parts are wanted; NULL: nobody's */
    struct json_parts *parts;
    bool is_in_part;
};

static bool in_object(const struct scan *scan)
{
    int bit = scan->depth - 1;
    return (scan->is_object[bit / 8] >> (bit % 8) & 1) != 0;
}

static bool push(struct scan *scan, bool object)
{
    if (scan->depth == JSON_MAX_DEPTH) {
        scan->status = HAPPN_E_DEPTH;
        return false;
    }
    int bit = scan->depth++;
    unsigned char mask = (unsigned char)(1 << (bit % 8));
    scan->is_object[bit / 8] = (unsigned char)(object ? scan->is_object[bit / 8] | mask : scan->is_object[bit / 8] & ~mask);
    return true;
}

static struct json_member *find_wanted(struct scan *scan, struct str key, bool has_escapes)
{
    for (size_t i = 0; i < scan->count; i++) {
        struct str name = scan->wanted[i].name;
        if (has_escapes ? json_text_is(key, name) : str_equal(key, name)) {
            return &scan->wanted[i];
        }
    }
    return NULL;
}

static void begin_member(struct scan *scan, struct str key, bool has_escapes)
{
    scan->current = find_wanted(scan, key, has_escapes);
    if (scan->current != NULL && scan->current == scan->whole) {
        scan->parts->object = STR_NONE; /* of a doubled name the last wins */
        scan->parts->count = 0;
    }
}

static bool wants_parts(const struct scan *scan)
{
    return scan->depth == 2 && scan->current != NULL && scan->current == scan->whole;
}

static void begin_part(struct scan *scan, struct str key, const char *value)
{
    struct json_parts *parts = scan->parts;
    if (parts->count < JSON_PARTS) {
        parts->items[parts->count].key = key;
        parts->items[parts->count].value.ptr = value;
    }
    parts->count++;
    scan->is_in_part = true;
}

static void end_part(struct scan *scan, const char *p)
{
    struct json_parts *parts = scan->parts;
    if (parts->count <= JSON_PARTS) {
        struct str *value = &parts->items[parts->count - 1].value;
        value->len = (size_t)(p - value->ptr);
    }
    scan->is_in_part = false;
}

/* The whole has ended: parts that are not all are none. */
static void end_parts(struct scan *scan, struct str whole)
{
    bool is_complete = whole.ptr[0] == '{' && scan->parts->count <= JSON_PARTS;
    scan->parts->object = is_complete ? whole : STR_NONE;
}

/* p is at a key; returns the start of its value or NULL. */
static const char *scan_key(struct scan *scan, const char *p)
{
    if (p >= scan->end || *p != '"') {
        return NULL;
    }
    bool has_escapes = false;
    const char *after = scan_string(p, scan->end, &has_escapes);
    if (after == NULL) {
        return NULL;
    }
    struct str key = str_make(p + 1, (size_t)(after - p) - 2);
    if (scan->depth == 1 && scan->count != 0) {
        begin_member(scan, key, has_escapes);
    }
    p = skip_space(after, scan->end);
    if (p >= scan->end || *p != ':') {
        return NULL;
    }
    p = skip_space(p + 1, scan->end);
    if (scan->depth == 1) {
        scan->value = p;
    } else if (wants_parts(scan)) {
        begin_part(scan, key, p);
    }
    return p;
}

static void member_ended(struct scan *scan, const char *p)
{
    if (scan->depth == 1 && scan->current != NULL) {
        scan->current->value = str_make(scan->value, (size_t)(p - scan->value));
        if (scan->current == scan->whole) {
            end_parts(scan, scan->current->value);
        }
        scan->current = NULL;
    } else if (scan->depth == 2 && scan->is_in_part) {
        end_part(scan, p);
    }
}

/* A value has ended at p: closes what closes, returns the start of the next value, scan->end when all is
 * read, NULL on an error. */
static const char *after_value(struct scan *scan, const char *p)
{
    while (scan->depth != 0) {
        member_ended(scan, p);
        p = skip_space(p, scan->end);
        if (p >= scan->end) {
            return NULL;
        }
        bool object = in_object(scan);
        if (*p == ',') {
            p = skip_space(p + 1, scan->end);
            return object ? scan_key(scan, p) : p;
        }
        if (*p != (object ? '}' : ']')) {
            return NULL;
        }
        p++;
        scan->depth--;
    }
    return skip_space(p, scan->end) == scan->end ? scan->end : NULL;
}

/* p is at an opening bracket; returns the first value inside or, when it is empty, goes on behind it. */
static const char *enter(struct scan *scan, const char *p)
{
    bool object = *p == '{';
    if (!push(scan, object)) {
        return NULL;
    }
    p = skip_space(p + 1, scan->end);
    if (p < scan->end && *p == (object ? '}' : ']')) {
        scan->depth--;
        return after_value(scan, p + 1);
    }
    return object ? scan_key(scan, p) : p;
}

static happn_status run(struct scan *scan, struct str text, size_t *at)
{
    const char *p = text.len != 0 ? skip_space(text.ptr, scan->end) : scan->end;
    const char *last = p;
    bool first = true;
    while (p != NULL && (first || p < scan->end)) {
        last = p;
        if (p >= scan->end) {
            p = NULL;
        } else if (*p == '{' || *p == '[') {
            p = enter(scan, p);
        } else {
            p = scan_scalar(p, scan->end, &scan->status);
            p = p != NULL ? after_value(scan, p) : NULL;
        }
        first = false;
    }
    if (p == NULL || scan->depth != 0) {
        if (at != NULL) {
            *at = text.ptr != NULL ? (size_t)(last - text.ptr) : 0;
        }
        return scan->status == HAPPN_E_DEPTH ? HAPPN_E_DEPTH : HAPPN_E_JSON;
    }
    return scan->status;
}

happn_status json_scan(struct str text, struct json_member *wanted, size_t count, size_t *at)
{
    struct scan scan = {.end = text.ptr + text.len, .wanted = wanted, .count = count};
    return run(&scan, text, at);
}

happn_status json_scan_parts(struct str text, struct json_member *wanted, size_t count, size_t of, struct json_parts *parts)
{
    struct scan scan = {.end = text.ptr + text.len, .wanted = wanted, .count = count, .whole = &wanted[of], .parts = parts};
    parts->object = STR_NONE;
    parts->count = 0;
    return run(&scan, text, NULL);
}

happn_status json_check(struct str text, size_t *at)
{
    return json_scan(text, NULL, 0, at);
}
