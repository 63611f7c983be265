/* Cookies: the first line is a Cookie header (and an Authorization), the second a name, the third a value. What is written is one header with
 * one value, and is read again. */
#include <stdint.h>

#include "security/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str line(struct str *rest)
{
    const char *end = rest->len != 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    struct str text = str_make(rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len);
    *rest = str_skip(*rest, text.len + (end != NULL));
    return text;
}

static bool is_inside(struct str part, struct str whole)
{
    return !str_is_set(part) || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_written(struct str name, struct str value)
{
    struct buf out;
    buf_init(&out, &memory_default, 1 << 16);
    struct cookie cookie = {.name = name, .value = value, .domain = value, .path = value};
    if (cookie_add(&out, &cookie)) {
        struct str text = buf_str(&out);
        if (str_has(text, '\r') || str_has(text, '\n') || str_has(text, '\0') || !str_equal(cookie_read(text, name), value)) {
            __builtin_trap();
        }
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_make((const char *)data, size), header = line(&rest), name = line(&rest), value = line(&rest);
    if (!is_inside(cookie_read(header, name), header) || !is_inside(bearer_read(header), header)) {
        __builtin_trap();
    }
    check_written(name, value);
    check_written(STR_LIT("t"), header);
    return 0;
}
