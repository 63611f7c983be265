#include "security/http_path.h"

#include "base/utf8.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static struct str without_query(struct str target)
{
    size_t len = 0;
    while (len < target.len && target.ptr[len] != '?' && target.ptr[len] != '#') {
        len++;
    }
    return str_make(target.ptr, len);
}

/* One byte of the text behind %xx; -1: it is none. */
static int byte_at(struct str text, size_t *i)
{
    if (text.ptr[*i] != '%') {
        return (unsigned char)text.ptr[(*i)++];
    }
    int high = *i + 2 < text.len ? digit_of(text.ptr[*i + 1]) : -1;
    int low = *i + 2 < text.len ? digit_of(text.ptr[*i + 2]) : -1;
    *i += 3;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static happn_status decode(struct str text, char *out, size_t *len, happn_error *error)
{
    *len = 0;
    for (size_t i = 0; i < text.len;) {
        int byte = byte_at(text, &i);
        if (byte < 0) {
            return error_set(error, HAPPN_E_PATH, "Bad path, a %% is not followed by two hexadecimal digits");
        }
        if (byte < 0x20 || byte == 0x7f) {
            return error_set(error, HAPPN_E_PATH, "Bad path, it has a control character");
        }
        if (*len == HTTP_PATH_MOST) {
            return error_set(error, HAPPN_E_PATH, "Bad path, longer than %d bytes", HTTP_PATH_MOST);
        }
        out[(*len)++] = (char)byte;
    }
    if (!utf8_is_valid(str_make(out, *len))) {
        return error_set(error, HAPPN_E_PATH, "Bad path, it is not UTF-8");
    }
    return HAPPN_OK;
}

/* Back to behind the slash before the last segment; false: there is none. */
static bool climb(const char *text, size_t *len)
{
    if (*len <= 1) {
        return false;
    }
    (*len)--; /* the slash behind it */
    while (text[*len - 1] != '/') {
        (*len)--;
    }
    return true;
}

/* In place: what is written never gets ahead of what is read. */
static happn_status resolve(char *text, size_t *len, happn_error *error)
{
    size_t out = 1;
    for (size_t i = 1; i < *len;) {
        const char *slash = memchr(text + i, '/', *len - i);
        size_t end = slash != NULL ? (size_t)(slash - text) : *len;
        struct str segment = str_make(text + i, end - i);
        if (str_is(segment, "..")) {
            if (!climb(text, &out)) {
                return error_set(error, HAPPN_E_PATH, "Bad path, it leads out above the root");
            }
        } else if (segment.len != 0 && !str_is(segment, ".")) {
            memmove(text + out, segment.ptr, segment.len);
            out += segment.len;
            if (slash != NULL) {
                text[out++] = '/';
            }
        }
        i = end + 1;
    }
    *len = out;
    return HAPPN_OK;
}

happn_status http_path_normalise(struct arena *arena, struct str target, struct str *out, happn_error *error)
{
    struct str raw = without_query(target);
    if (raw.len == 0 || raw.ptr[0] != '/') {
        return error_set(error, HAPPN_E_PATH, "Bad path, it must begin with /");
    }
    char *text = arena_alloc(arena, (raw.len < HTTP_PATH_MOST ? raw.len : HTTP_PATH_MOST) + 1);
    size_t len;
    if (text == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    happn_status status = decode(raw, text, &len, error);
    status = status == HAPPN_OK ? resolve(text, &len, error) : status;
    if (status == HAPPN_OK) {
        text[len] = '\0';
        *out = str_make(text, len);
    }
    return status;
}
