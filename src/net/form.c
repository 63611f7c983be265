#include "net/form.h"

#include <strings.h>

#include "base/utf8.h"

static struct str until(struct str text, char c)
{
    const char *at = text.len != 0 ? memchr(text.ptr, c, text.len) : NULL;
    return at != NULL ? str_make(text.ptr, (size_t)(at - text.ptr)) : text;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static struct str decode(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        char c = text.ptr[i] == '+' ? ' ' : text.ptr[i];
        if (c == '%' && i + 2 < text.len && hex(text.ptr[i + 1]) >= 0 && hex(text.ptr[i + 2]) >= 0) {
            c = (char)(hex(text.ptr[i + 1]) * 16 + hex(text.ptr[i + 2]));
            i += 2;
        }
        out[len++] = c;
    }
    return str_make(out, len);
}

struct str form_find(struct arena *arena, struct str form, struct str name)
{
    while (form.len != 0) {
        struct str pair = until(form, '&');
        form = str_skip(form, pair.len + 1);
        struct str key = until(pair, '=');
        if (key.len == name.len && strncasecmp(key.ptr, name.ptr, key.len) == 0) {
            struct str value = decode(arena, str_skip(pair, key.len + 1));
            return utf8_is_valid(value) ? value : STR_NONE;
        }
    }
    return STR_NONE;
}
