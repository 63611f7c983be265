#include "security/names.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wctype.h>

#include "base/error.h"

static happn_status invalid(happn_error *error, const char *text)
{
    return error_set(error, HAPPN_E_ARGUMENT, "%s", text);
}

static bool has(struct str text, const char *part)
{
    return text.len != 0 && memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* What a path or a pattern would understand as something else. */
static happn_status check_characters(struct str name, const char *what, happn_error *error)
{
    if (name.len > NAME_MOST) {
        return error_set(error, HAPPN_E_ARGUMENT, "validation error: a %s name has at most %d bytes", what, NAME_MOST);
    }
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '*' || c == '{' || c == '}') {
            return error_set(error, HAPPN_E_ARGUMENT, "validation error: a %s name cannot contain *, { or }, or control characters", what);
        }
    }
    return HAPPN_OK;
}

happn_status name_check_user(struct str name, happn_error *error)
{
    if (name.len == 0) {
        return invalid(error, "validation failure: no username specified");
    }
    if (str_is(name, "_ANONYMOUS")) {
        return invalid(error, "validation failure: username cannot be reserved name _ANONYMOUS");
    }
    if (has(name, ":nogroups")) {
        return invalid(error, "validation failure: username cannot contain the ':nogroups' directive");
    }
    if (str_has(name, '/')) {
        return invalid(error, "validation error: a user name cannot contain a forward slash /");
    }
    return check_characters(name, "user", error);
}

happn_status name_check_group(struct str name, happn_error *error)
{
    static const char *const parts[] = {"/", "_SYSTEM", "_GROUP", "_PERMISSION", "_USER_GROUP", "_ADMIN", "_ANONYMOUS"};
    if (name.len == 0) {
        return invalid(error, "validation error: a group needs a name");
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (has(name, parts[i])) {
            invalid(error, "validation error: group names cannot contain the special _SYSTEM, _GROUP, _PERMISSION, _USER_GROUP, _ADMIN, "
                           "_ANONYMOUS segment or a forward slash /");
            if (error != NULL) {
                snprintf(error->name, sizeof error->name, "ValidationError");
                error->code = 500;
            }
            return HAPPN_E_ARGUMENT;
        }
    }
    if (str_is(name, "_USER") || str_is(name, "_LOOKUP")) { /* what lies there is taken for a user's permissions, or for those that ask tables */
        return invalid(error, "validation error: group names cannot be _USER or _LOOKUP");
    }
    return check_characters(name, "group", error);
}

/* --- folding */

static size_t decode(const unsigned char *p, size_t left, wint_t *out)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len > left) {
        return 0;
    }
    wint_t value = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        value = value << 6 | (p[i] & 0x3f);
    }
    *out = value;
    return len;
}

static size_t encode(wint_t value, char *out)
{
    if (value < 0x80) {
        out[0] = (char)value;
        return 1;
    }
    size_t len = value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (value & 0x3f));
        value >>= 6;
    }
    out[0] = (char)((0xf00u >> len & 0xff) | value);
    return len;
}

struct str name_fold(struct arena *arena, struct str name)
{
    char *out = arena_alloc(arena, name.len * 4 + 1);
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    size_t len = 0;
    for (size_t i = 0; out != NULL && i < name.len;) {
        wint_t value;
        size_t step = decode((const unsigned char *)name.ptr + i, name.len - i, &value);
        if (step == 0) {
            out = NULL;
            break;
        }
        len += encode(locale != (locale_t)0 ? towlower_l(value, locale) : value < 0x80 ? towlower(value) : value, out + len);
        i += step;
    }
    if (locale != (locale_t)0) {
        freelocale(locale);
    }
    return out != NULL ? str_make(out, len) : STR_NONE;
}
