#include "base/form.h"

#include <strings.h>

#include "base/hex.h"
#include "base/utf8.h"

bool form_next(struct str *form, struct str *name, struct str *value)
{
    if (form->len == 0) {
        return false;
    }
    *value = str_take(form, '&');
    *name = str_take(value, '=');
    return true;
}

size_t form_decode(struct str text, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i] == '+' ? ' ' : text.ptr[i];
        if (c == '%' && i + 2 < text.len && hex_value(text.ptr[i + 1]) >= 0 && hex_value(text.ptr[i + 2]) >= 0) {
            c = (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2]));
            i += 2;
        }
        out[len++] = c;
    }
    return len;
}

struct str form_find(struct arena *arena, struct str form, struct str name)
{
    struct str key, value;
    while (form_next(&form, &key, &value)) {
        if (key.len == name.len && strncasecmp(key.ptr, name.ptr, key.len) == 0) {
            char *out = arena_alloc(arena, value.len + 1);
            struct str decoded = str_make(out, out != NULL ? form_decode(value, out) : 0);
            return utf8_is_valid(decoded) ? decoded : STR_NONE;
        }
    }
    return STR_NONE;
}
