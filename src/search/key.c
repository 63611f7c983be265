#include "search/key.h"

/* Big-endian; the sign turned so that negative numbers come first, and among them the largest ones. */
static void add_number(struct buf *out, double number)
{
    uint64_t bits;
    number = number == 0 ? 0 : number; /* -0 */
    memcpy(&bits, &number, sizeof bits);
    bits = bits >> 63 != 0 ? ~bits : bits | 1ull << 63;
    for (int shift = 56; shift >= 0; shift -= 8) {
        buf_add_char(out, (char)(bits >> shift));
    }
}

/* By UTF-16 units, see value_compare_texts: the lead bytes EE and EF go behind F0 to F4. */
static void add_text(struct buf *out, struct str text)
{
    size_t len = text.len < KEY_MAX ? text.len : KEY_MAX;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        buf_add_char(out, (char)(c == 0xee ? 0xfd : c == 0xef ? 0xfe : c));
    }
}

void key_add(struct buf *out, const struct value *value)
{
    buf_add_char(out, (char)('0' + value->type));
    switch (value->type) {
    case VALUE_NUMBER:
        add_number(out, value->number);
        return;
    case VALUE_STRING:
        add_text(out, value->text);
        return;
    case VALUE_BOOL:
        buf_add_char(out, value->boolean ? '1' : '0');
        return;
    default:
        return;
    }
}

struct keys {
    struct arena *scratch;
    void (*visit)(void *arg, struct str key);
    void *arg;
    struct buf key;
    size_t values;
};

static void give(struct keys *keys, const struct value *value)
{
    buf_clear(&keys->key);
    key_add(&keys->key, value);
    if (keys->key.status == HAPPN_OK) {
        keys->visit(keys->arg, buf_str(&keys->key));
    }
}

static bool visit_value(void *arg, const struct value *value)
{
    struct keys *keys = arg;
    keys->values++;
    give(keys, value);
    if (value->type == VALUE_ARRAY) {
        for (struct json_iter it = json_iter(value->text); json_next(&it);) {
            struct value element = value_of(keys->scratch, it.value);
            give(keys, &element);
        }
    }
    return false;
}

bool key_each(const struct field *field, const struct document *document, struct arena *scratch, void (*visit)(void *arg, struct str key), void *arg)
{
    struct keys keys = {.scratch = scratch, .visit = visit, .arg = arg};
    buf_init(&keys.key, scratch->allocator, KEY_MAX + 16);
    field_each(field, document, scratch, visit_value, &keys);
    if (keys.values == 0) {
        give(&keys, &(struct value){.type = VALUE_MISSING});
    } else if (keys.values > 1) {
        give(&keys, &(struct value){.type = VALUE_ARRAY});
    }
    bool is_fine = keys.key.status == HAPPN_OK;
    buf_fini(&keys.key);
    return is_fine;
}
