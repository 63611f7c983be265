#include "security/template.h"

#include "base/buf.h"
#include "json/scan.h"

/* Lists in several holes multiply, so there is an end to that. */
enum { MOST_HOLES = 8, MOST_VALUE = 256, MOST_TRIED = 1000 };

struct filling {
    struct arena *arena;
    struct str user;
    happn_status (*take)(struct str path, void *arg);
    void *arg;
    size_t tried; /* values so far */
};

bool template_has_holes(struct str path)
{
    return path.len > 4 && memmem(path.ptr, path.len, "{{", 2) != NULL;
}

/* "user.custom_data.site" along the members; not set: there is nothing. */
static struct str value_at(struct str user, struct str name)
{
    struct str value = user;
    if (!str_starts(name, STR_LIT("user."))) {
        return STR_NONE;
    }
    name = str_skip(name, 5);
    while (name.len != 0 && str_is_set(value)) {
        const char *dot = memchr(name.ptr, '.', name.len);
        size_t len = dot != NULL ? (size_t)(dot - name.ptr) : name.len;
        char member[128];
        if (len == 0 || len >= sizeof member) {
            return STR_NONE;
        }
        memcpy(member, name.ptr, len);
        member[len] = '\0';
        value = json_get(value, member);
        name = str_skip(name, len + (dot != NULL));
    }
    return value;
}

/* Not set: it gives nothing. E_MEMORY: a prohibition would get lost. */
static happn_status text_of(struct arena *arena, struct str value, struct str *out)
{
    enum json_type type = json_type_of(value);
    struct str text = type == JSON_STRING ? json_string(arena, value) : type == JSON_NUMBER ? value : STR_NONE;
    bool is_safe = text.len != 0 && text.len <= MOST_VALUE && !str_has(text, '*') && !str_has(text, '/') && !str_has(text, '{') &&
                   !str_has(text, '}');
    *out = is_safe ? text : STR_NONE;
    return type == JSON_STRING && text.ptr == NULL ? HAPPN_E_MEMORY : HAPPN_OK;
}

static happn_status fill(struct filling *filling, struct str path, int holes);

static happn_status fill_with(struct filling *filling, struct str head, struct str value, struct str tail, int holes)
{
    struct str text = STR_NONE;
    happn_status status = filling->tried++ < MOST_TRIED ? text_of(filling->arena, value, &text) : HAPPN_OK;
    if (!str_is_set(text)) {
        return status;
    }
    char *bytes = arena_alloc(filling->arena, head.len + text.len + tail.len + 1);
    if (bytes == NULL) {
        return HAPPN_E_MEMORY;
    }
    memcpy(bytes, head.ptr, head.len);
    memcpy(bytes + head.len, text.ptr, text.len);
    memcpy(bytes + head.len + text.len, tail.ptr, tail.len);
    return fill(filling, str_make(bytes, head.len + text.len + tail.len), holes + 1);
}

/* The first hole; those behind it follow when it is filled. */
static happn_status fill(struct filling *filling, struct str path, int holes)
{
    const char *start = path.len != 0 ? memmem(path.ptr, path.len, "{{", 2) : NULL;
    if (start == NULL) {
        return filling->take(path, filling->arg);
    }
    struct str head = str_make(path.ptr, (size_t)(start - path.ptr));
    struct str rest = str_skip(path, head.len + 2);
    const char *end = rest.len != 0 ? memmem(rest.ptr, rest.len, "}}", 2) : NULL;
    if (end == NULL || holes >= MOST_HOLES) {
        return HAPPN_OK;
    }
    struct str name = str_make(rest.ptr, (size_t)(end - rest.ptr));
    struct str tail = str_skip(rest, name.len + 2);
    struct str value = value_at(filling->user, name);
    if (json_type_of(value) != JSON_ARRAY) {
        return fill_with(filling, head, value, tail, holes);
    }
    happn_status status = HAPPN_OK;
    for (struct json_iter it = json_iter(value); status == HAPPN_OK && filling->tried < MOST_TRIED && json_next(&it);) {
        status = fill_with(filling, head, it.value, tail, holes);
    }
    return status;
}

happn_status template_fill(struct arena *arena, struct str path, struct str user, happn_status (*take)(struct str path, void *arg), void *arg)
{
    struct filling filling = {arena, user, take, arg, 0};
    return fill(&filling, path, 0);
}
