/* strings | ... ^ integers, base 36 ^ floats ^ structure. The structure names entries of the three lists by their place, all
 * counted together: $key|value|...] is an object, @value|...] an array, -1 to -5 are true, false, null, "" and nothing. */

#include "security/jsonpack.h"

#include <stdio.h>
#include <stdlib.h>

#include "json/write.h"

enum { MOST_ENTRIES = 1000, MOST_DEPTH = 16 };

struct pack {
    struct str sections[3]; /* strings, integers, floats */
    struct str rest;        /* of the structure */
    struct buf *out;
};

static size_t count_of(struct str section)
{
    size_t count = section.len != 0;
    for (size_t i = 0; i < section.len; i++) {
        count += section.ptr[i] == '|';
    }
    return count;
}

static struct str entry_at(struct str section, size_t index)
{
    struct str entry = str_take(&section, '|');
    while (index-- != 0) {
        entry = str_take(&section, '|');
    }
    return entry;
}

/* What stands for characters that have a meaning here; every other % is one. */
static const struct {
    char code[4];
    char plain;
} escapes[] = {{"+", ' '}, {"%2B", '+'}, {"%7C", '|'}, {"%5E", '^'}, {"%25", '%'}};

static size_t escape_at(struct str text, char *plain)
{
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        if (str_starts(text, str_of(escapes[i].code))) {
            *plain = escapes[i].plain;
            return strlen(escapes[i].code);
        }
    }
    *plain = text.ptr[0];
    return 1;
}

static bool add_text(struct buf *out, struct str text)
{
    struct buf plain;
    buf_init(&plain, NULL, text.len + 1);
    while (text.len != 0) {
        char c;
        text = str_skip(text, escape_at(text, &c));
        buf_add_char(&plain, c);
    }
    json_add_string(out, buf_str(&plain));
    bool fits = plain.status == HAPPN_OK;
    buf_fini(&plain);
    return fits;
}

static bool add_integer(struct buf *out, struct str digits)
{
    char text[32], *end;
    if (digits.len == 0 || digits.len >= sizeof text) {
        return false;
    }
    memcpy(text, digits.ptr, digits.len);
    text[digits.len] = '\0';
    long long number = strtoll(text, &end, 36);
    buf_add_i64(out, number);
    return *end == '\0';
}

static bool add_float(struct buf *out, struct str digits)
{
    struct str number = json_trim(digits);
    bool is_number = number.len != 0 && number.len == digits.len && (number.ptr[0] == '-' || (number.ptr[0] >= '0' && number.ptr[0] <= '9'));
    buf_add_str(out, is_number ? digits : STR_LIT(""));
    return is_number && json_check(digits, NULL) == HAPPN_OK;
}

static bool add_entry(struct pack *pack, long index)
{
    static const char *const fixed[] = {"true", "false", "null", "\"\"", "null"};
    if (index < 0) {
        buf_add_text(pack->out, index >= -5 ? fixed[-index - 1] : "");
        return index >= -5;
    }
    size_t at = (size_t)index;
    for (int i = 0; i < 3; i++) {
        size_t count = count_of(pack->sections[i]);
        if (at >= count) {
            at -= count;
            continue;
        }
        struct str entry = entry_at(pack->sections[i], at);
        return i == 0 ? add_text(pack->out, entry) : i == 1 ? add_integer(pack->out, entry) : add_float(pack->out, entry);
    }
    return false;
}

static bool read_index(struct pack *pack, long *index)
{
    char text[12], *end;
    size_t len = 0;
    while (len < pack->rest.len && len < sizeof text - 1 && strchr("|$@]", pack->rest.ptr[len]) == NULL) {
        text[len] = pack->rest.ptr[len];
        len++;
    }
    text[len] = '\0';
    pack->rest = str_skip(pack->rest, len);
    /* a number that begins with a minus is one of the fixed values, and decimal */
    *index = strtol(text, &end, text[0] == '-' ? 10 : 36);
    return len != 0 && *end == '\0' && *index < MOST_ENTRIES;
}

static bool next_is(struct pack *pack, char c)
{
    return pack->rest.len != 0 && pack->rest.ptr[0] == c;
}

static bool add_value(struct pack *pack, int depth);

static bool add_members(struct pack *pack, bool is_object, int depth)
{
    pack->rest = str_skip(pack->rest, 1);
    buf_add_char(pack->out, is_object ? '{' : '[');
    for (bool first = true; !next_is(pack, ']'); first = false) {
        if (pack->rest.len == 0) {
            return false;
        }
        if (next_is(pack, '|')) {
            pack->rest = str_skip(pack->rest, 1);
        }
        buf_add_text(pack->out, first ? "" : ",");
        long key;
        if (is_object) {
            if (!read_index(pack, &key) || !add_entry(pack, key) || pack->out->status != HAPPN_OK || pack->out->ptr[pack->out->len - 1] != '"') {
                return false;
            }
            buf_add_char(pack->out, ':');
            if (next_is(pack, '|')) {
                pack->rest = str_skip(pack->rest, 1);
            }
        }
        if (!add_value(pack, depth + 1)) {
            return false;
        }
    }
    pack->rest = str_skip(pack->rest, 1);
    buf_add_char(pack->out, is_object ? '}' : ']');
    return true;
}

static bool add_value(struct pack *pack, int depth)
{
    if (depth > MOST_DEPTH || pack->out->status != HAPPN_OK) {
        return false;
    }
    if (next_is(pack, '$') || next_is(pack, '@')) {
        return add_members(pack, next_is(pack, '$'), depth);
    }
    long index;
    return read_index(pack, &index) && add_entry(pack, index);
}

bool jsonpack_read(struct str packed, struct buf *out)
{
    struct pack pack = {.rest = packed, .out = out};
    for (int i = 0; i < 3; i++) {
        pack.sections[i] = str_take(&pack.rest, '^');
    }
    return count_of(pack.sections[0]) <= MOST_ENTRIES && add_value(&pack, 0) && pack.rest.len == 0 && out->status == HAPPN_OK;
}
