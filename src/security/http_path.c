#include "security/http_path.h"

#include "base/utf8.h"

static bool has_control(struct str path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c < 0x20 || c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Between slashes; the last one may be empty. */
static bool has_odd_segment(struct str path)
{
    for (size_t at = 1; at < path.len;) {
        const char *slash = memchr(path.ptr + at, '/', path.len - at);
        size_t end = slash != NULL ? (size_t)(slash - path.ptr) : path.len;
        struct str segment = str_make(path.ptr + at, end - at);
        if (segment.len == 0 || str_is(segment, ".") || str_is(segment, "..")) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

happn_status http_path_check(struct str path, happn_error *error)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return error_set(error, HAPPN_E_PATH, "Bad path, it must begin with /");
    }
    if (path.len > HTTP_PATH_MOST) {
        return error_set(error, HAPPN_E_PATH, "Bad path, longer than %d bytes", HTTP_PATH_MOST);
    }
    if (has_control(path)) {
        return error_set(error, HAPPN_E_PATH, "Bad path, it has a control character");
    }
    if (!utf8_is_valid(path)) {
        return error_set(error, HAPPN_E_PATH, "Bad path, it is not UTF-8");
    }
    if (has_odd_segment(path)) {
        return error_set(error, HAPPN_E_PATH, "Bad path, it has an empty segment, or one of dots");
    }
    return HAPPN_OK;
}
