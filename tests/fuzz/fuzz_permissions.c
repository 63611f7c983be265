/* Permission paths and templates. The lines are: the path that is asked for, a user's custom_data (JSON), and permission paths; one that begins
 * with ! prohibits. A set must say what a matcher of four lines says, and what fills a hole must not bring a wildcard or a slash along. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "json/scan.h"
#include "security/permissions.h"
#include "security/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_PATTERNS = 12, MOST_LENGTH = 48 };

static struct str line(struct str *rest)
{
    const char *end = rest->len != 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    struct str text = str_make(rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len);
    *rest = str_skip(*rest, text.len + (end != NULL));
    return text;
}

static bool fits(struct str pattern, struct str path)
{
    if (pattern.len != 0 && pattern.ptr[0] == '*') {
        while (pattern.len > 1 && pattern.ptr[1] == '*') {
            pattern = str_skip(pattern, 1);
        }
        return fits(str_skip(pattern, 1), path) || (path.len != 0 && fits(pattern, str_skip(path, 1)));
    }
    if (pattern.len == 0 || path.len == 0) {
        return pattern.len == path.len;
    }
    return pattern.ptr[0] == path.ptr[0] && fits(str_skip(pattern, 1), str_skip(path, 1));
}

struct filling {
    struct permission_set *set;
    struct str asked;
    size_t stars, slashes; /* of the template */
    bool prohibits, *matched;
};

static size_t count(struct str text, char c)
{
    size_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        number += text.ptr[i] == c;
    }
    return number;
}

static happn_status take(struct str path, void *arg)
{
    struct filling *filling = arg;
    if (count(path, '*') > filling->stars || count(path, '/') > filling->slashes) {
        __builtin_trap();
    }
    *filling->matched = *filling->matched || (path.len <= 2 * MOST_LENGTH && fits(path, filling->asked));
    /* Longer ones are left out on both sides: the matcher here takes its time. */
    return path.len <= 2 * MOST_LENGTH ? permission_set_add(filling->set, path, filling->prohibits ? 0 : MAY_GET, filling->prohibits ? MAY_GET : 0) : HAPPN_OK;
}

static void add(struct arena *arena, struct permission_set *set, struct str pattern, struct str asked, struct str user, bool *allowed, bool *prohibited)
{
    bool prohibits = str_starts(pattern, STR_LIT("!"));
    pattern = str_skip(pattern, prohibits);
    struct filling filling = {set, asked, count(pattern, '*'), count(pattern, '/'), prohibits, prohibits ? prohibited : allowed};
    if (pattern.len != 0 && pattern.len <= MOST_LENGTH && count(pattern, '*') <= 6) {
        (void)template_fill(arena, pattern, user, take, &filling);
    }
}

static struct str user_of(struct arena *arena, struct str custom)
{
    struct buf text;
    buf_init(&text, NULL, 1 << 16);
    buf_add_lit(&text, "{\"username\":\"bob\",\"custom_data\":");
    bool is_json = utf8_is_valid(custom) && json_check(custom, NULL) == HAPPN_OK;
    buf_add_str(&text, is_json ? custom : STR_LIT("{\"v\":[\"x\",\"*\",\"a/b\",7]}"));
    buf_add_char(&text, '}');
    struct str user = arena_str(arena, buf_str(&text));
    buf_fini(&text);
    return user;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, &memory_default);
    struct str rest = arena_str(&arena, str_make((const char *)data, size)), asked = line(&rest), user = user_of(&arena, line(&rest));
    asked.len = asked.len <= MOST_LENGTH ? asked.len : MOST_LENGTH;
    struct permission_set *set = permission_set_new(&memory_default);
    bool allowed = false, prohibited = false;
    for (int i = 0; i < MOST_PATTERNS && rest.len != 0; i++) {
        add(&arena, set, line(&rest), asked, user, &allowed, &prohibited);
    }
    bool wanted = allowed && !prohibited;
    if (permission_set_allows(set, asked, MAY_GET) != wanted || permission_set_permits(set, asked, MAY_GET) != wanted ||
        permission_set_prohibits(set, asked, MAY_GET) != prohibited || permission_set_allows(set, asked, MAY_SET)) {
        __builtin_trap();
    }
    permission_set_unref(set);
    arena_fini(&arena);
    return 0;
}
