#include "search/value.h"

#include <string.h>

struct value value_of(struct arena *arena, struct str json)
{
    switch (json_type_of(json)) {
    case JSON_NULL:
        return (struct value){.type = VALUE_NULL};
    case JSON_NUMBER:
        return value_number(json_number(json, 0));
    case JSON_BOOL:
        return (struct value){.type = VALUE_BOOL, .boolean = json_true(json)};
    case JSON_STRING:
        return (struct value){.type = VALUE_STRING, .text = json_string(arena, json)};
    case JSON_ARRAY:
        return (struct value){.type = VALUE_ARRAY, .text = json};
    case JSON_OBJECT:
        return (struct value){.type = VALUE_OBJECT, .text = json};
    default:
        return (struct value){.type = VALUE_MISSING};
    }
}

struct value value_number(double number)
{
    return (struct value){.type = VALUE_NUMBER, .number = number};
}

struct value value_text(struct str text)
{
    return (struct value){.type = str_is_set(text) ? VALUE_STRING : VALUE_MISSING, .text = text};
}

static size_t count_of(struct str container)
{
    size_t count = 0;
    for (struct json_iter it = json_iter(container); json_next(&it);) {
        count++;
    }
    return count;
}

static bool arrays_equal(struct arena *arena, struct str a, struct str b)
{
    struct json_iter x = json_iter(a), y = json_iter(b);
    for (;;) {
        bool has_x = json_next(&x), has_y = json_next(&y);
        if (!has_x || !has_y) {
            return has_x == has_y;
        }
        struct value left = value_of(arena, x.value), right = value_of(arena, y.value);
        if (!value_equals(arena, &left, &right)) {
            return false;
        }
    }
}

static struct str member(struct arena *arena, struct str object, struct str raw_key)
{
    struct str quoted = str_make(raw_key.ptr - 1, raw_key.len + 2); /* with its quotes, which stand around it */
    struct str name = json_string(arena, quoted);
    struct str found = STR_NONE;
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        found = json_text_is(it.key, name) ? it.value : found;
    }
    return found;
}

static bool objects_equal(struct arena *arena, struct str a, struct str b)
{
    if (count_of(a) != count_of(b)) {
        return false;
    }
    for (struct json_iter it = json_iter(a); json_next(&it);) {
        struct value left = value_of(arena, it.value), right = value_of(arena, member(arena, b, it.key));
        if (!value_equals(arena, &left, &right)) {
            return false;
        }
    }
    return true;
}

bool value_equals(struct arena *arena, const struct value *a, const struct value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case VALUE_NUMBER:
        return a->number == b->number;
    case VALUE_STRING:
        return str_is_set(a->text) && str_is_set(b->text) && str_equal(a->text, b->text);
    case VALUE_BOOL:
        return a->boolean == b->boolean;
    case VALUE_ARRAY:
        return arrays_equal(arena, a->text, b->text);
    case VALUE_OBJECT:
        return objects_equal(arena, a->text, b->text);
    default:
        return true;
    }
}

/* UTF-8 sorts by code point. UTF-16 does the same but for one thing: what needs two units (lead byte F0 and up) begins with
 * D800, and so comes before U+E000 to U+FFFF (lead bytes EE and EF). */
int value_compare_texts(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len, at = 0;
    while (at < shorter && a.ptr[at] == b.ptr[at]) {
        at++;
    }
    if (at == shorter) {
        return a.len < b.len ? -1 : a.len > b.len;
    }
    unsigned char x = (unsigned char)a.ptr[at], y = (unsigned char)b.ptr[at];
    bool swapped = x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0);
    return (x < y) != swapped ? -1 : 1;
}

bool value_compare(const struct value *a, const struct value *b, int *order)
{
    if (a->type == VALUE_NUMBER && b->type == VALUE_NUMBER) {
        *order = a->number < b->number ? -1 : a->number > b->number;
        return true;
    }
    if (a->type == VALUE_STRING && b->type == VALUE_STRING && str_is_set(a->text) && str_is_set(b->text)) {
        *order = value_compare_texts(a->text, b->text);
        return true;
    }
    return false;
}

static int sort_arrays(struct arena *arena, struct str a, struct str b)
{
    struct json_iter x = json_iter(a), y = json_iter(b);
    for (;;) {
        bool has_x = json_next(&x), has_y = json_next(&y);
        if (!has_x || !has_y) {
            return has_x - has_y;
        }
        struct value left = value_of(arena, x.value), right = value_of(arena, y.value);
        int order = value_sort(arena, &left, &right);
        if (order != 0) {
            return order;
        }
    }
}

int value_sort(struct arena *arena, const struct value *a, const struct value *b)
{
    int order;
    if (a->type != b->type) {
        return a->type < b->type ? -1 : 1;
    }
    switch (a->type) {
    case VALUE_NUMBER:
    case VALUE_STRING:
        return value_compare(a, b, &order) ? order : 0;
    case VALUE_BOOL:
        return a->boolean - b->boolean;
    case VALUE_ARRAY:
        return sort_arrays(arena, a->text, b->text);
    case VALUE_OBJECT:
        return str_compare(a->text, b->text); /* any order, but always the same */
    default:
        return 0;
    }
}
