#include "security/header.h"

#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct str trim(struct str text)
{
    while (text.len != 0 && is_blank(text.ptr[0])) {
        text = str_skip(text, 1);
    }
    while (text.len != 0 && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

static struct str without_quotes(struct str value)
{
    bool is_quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
    return is_quoted ? str_make(value.ptr + 1, value.len - 2) : value;
}

struct str cookie_read(struct str header, struct str name)
{
    while (header.len != 0) {
        struct str value = str_take(&header, ';');
        bool has_value = str_has(value, '=');
        struct str key = trim(str_take(&value, '='));
        if (has_value && key.len != 0 && str_equal(key, name)) {
            return without_quotes(trim(value));
        }
    }
    return STR_NONE;
}

struct str bearer_read(struct str authorization)
{
    struct str text = trim(authorization);
    if (text.len < 8 || strncasecmp(text.ptr, "bearer", 6) != 0 || !is_blank(text.ptr[6])) {
        return STR_NONE;
    }
    struct str token = trim(str_skip(text, 7));
    return token.len != 0 && !str_has(token, ' ') && !str_has(token, ',') ? token : STR_NONE;
}

/* RFC 6265: a name is a token, a value has no blanks, quotes, commas, semicolons or backslashes, an attribute no semicolon. */
bool header_is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= 0x20 || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c) != NULL) {
            return false;
        }
    }
    return name.len != 0;
}

static bool is_value(struct str value, const char *without)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c <= 0x20 || c >= 0x7f || strchr(without, c) != NULL) {
            return false;
        }
    }
    return true;
}

static void add_attribute(struct buf *out, const char *name, struct str value)
{
    if (value.len != 0) {
        buf_add_format(out, "; %s=", name);
        buf_add_str(out, value);
    }
}

bool cookie_add(struct buf *out, const struct cookie *cookie)
{
    static const char *const same_site[] = {"Lax", "Strict", "None"};
    if (!header_is_name(cookie->name) || !is_value(cookie->value, "\",;\\") || !is_value(cookie->domain, "\",;\\=/") || !is_value(cookie->path, ";")) {
        return false;
    }
    buf_add_str(out, cookie->name);
    buf_add_char(out, '=');
    buf_add_str(out, cookie->value);
    add_attribute(out, "Path", cookie->path.len != 0 ? cookie->path : STR_LIT("/"));
    add_attribute(out, "Domain", cookie->domain);
    if (cookie->max_age_ms != 0) {
        buf_add_format(out, "; Max-Age=%lld", cookie->max_age_ms > 0 ? (long long)((cookie->max_age_ms + 999) / 1000) : 0LL);
    }
    buf_add_text(out, cookie->for_scripts ? "" : "; HttpOnly");
    /* Browsers drop SameSite=None without Secure. */
    buf_add_text(out, cookie->is_secure || cookie->same_site == SAME_SITE_NONE ? "; Secure" : "");
    buf_add_format(out, "; SameSite=%s", same_site[cookie->same_site]);
    return out->status == HAPPN_OK;
}
