/* Validates JSON strictly (RFC 8259, UTF-8 checked elsewhere) and slices it without allocating. */
#ifndef HAPPN_JSON_SCAN_H
#define HAPPN_JSON_SCAN_H

#include "base/arena.h"
#include "base/str.h"
#include "happn/status.h"

enum { JSON_MAX_DEPTH = 128 };

enum json_type { JSON_NONE, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* A wanted member of the outermost object: name in, raw value out (STR_NONE when absent).
 * Of a doubled name the last wins, as in JavaScript. */
struct json_member {
    struct str name;
    struct str value;
};

/* The members of the value of a wanted member, when that is an object of few: they are passed anyway. */
enum { JSON_PARTS = 8 };
struct json_parts {
    struct str object; /* whose they are; not set: there are none, or too many */
    size_t count;
    struct json_part {
        struct str key;   /* raw text between the quotes */
        struct str value; /* raw, trimmed */
    } items[JSON_PARTS];
};

/* Checks that text is exactly one JSON value: OK, E_JSON, E_DEPTH (deeper than JSON_MAX_DEPTH)
 * or E_NUMBER (a number such as 1e400 that is infinite as a double). On failure *at is its offset
 * when `at` is not NULL. Never recurses. */
happn_status json_check(struct str text, size_t *at);

/* As json_check, and finds the raw values of the wanted members when text is an object. Names in
 * the text may contain escapes; they are compared decoded. */
happn_status json_scan(struct str text, struct json_member *wanted, size_t count, size_t *at);

/* As json_scan, and lists the members inside wanted[of]. */
happn_status json_scan_parts(struct str text, struct json_member *wanted, size_t count, size_t of, struct json_parts *parts);

/* The functions below take *validated* JSON text. Of any other they make no sense, but end, and stay within it. */

/* Type of the value, by its first byte that is not white space. JSON_NONE for an unset slice. */
enum json_type json_type_of(struct str value);

/* Without the white space around. */
struct str json_trim(struct str value);

/* Steps through the members of an object or the elements of an array:
 *   struct json_iter it = json_iter(text); while (json_next(&it)) { it.key (raw, without quotes), it.value } */
struct json_iter {
    const char *at;
    const char *end;
    struct str key;   /* raw text between the quotes; not set in arrays */
    struct str value; /* raw, trimmed */
};
struct json_iter json_iter(struct str container);
bool json_next(struct json_iter *it);

/* The raw value of a member of an object, last one wins; STR_NONE when absent or not an object. */
struct str json_get(struct str object, const char *name);

/* Compares a raw key or string body (between the quotes, escapes not decoded) with plain text. */
bool json_text_is(struct str raw, struct str plain);

/* Decodes a raw string value *with its quotes* into arena memory (escapes resolved, lone surrogates
 * become U+FFFD); without escapes the slice points into the text and nothing is allocated.
 * ptr NULL when memory is out or value is not a string. */
struct str json_string(struct arena *arena, struct str value);

/* Numbers and booleans of raw values; the fallback for any other type. */
double json_number(struct str value, double fallback);
int64_t json_int(struct str value, int64_t fallback);
bool json_true(struct str value); /* exactly the literal true */

#endif
