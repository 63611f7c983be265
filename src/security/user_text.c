#include "security/user_text.h"

#include <stdlib.h>

#include "json/write.h"
#include "security/crypto.h"
#include "security/permissions.h"

static void add_words(struct buf *out, const char *name, unsigned bits)
{
    buf_add_format(out, "\"%s\":[", name);
    for (unsigned bit = 1, first = 1; bit <= MAY_STAR; bit <<= 1) {
        if ((bits & bit) != 0) {
            buf_add_format(out, "%s\"%s\"", first ? "" : ",", may_word(bit));
            first = 0;
        }
    }
    buf_add_char(out, ']');
}

void rules_add_text(struct buf *out, const struct rule *rules)
{
    buf_add_char(out, '{');
    for (const struct rule *rule = rules; rule != NULL; rule = rule->next) {
        json_add_string(out, rule->path);
        buf_add_lit(out, ":{");
        if (rule->allowed != 0) {
            add_words(out, "actions", rule->allowed);
        }
        if (rule->prohibited != 0) {
            buf_add_text(out, rule->allowed != 0 ? "," : "");
            add_words(out, "prohibit", rule->prohibited);
        }
        buf_add_text(out, rule->next != NULL ? "}," : "}");
    }
    buf_add_char(out, '}');
}

static void add_groups(struct buf *out, const struct user *user)
{
    bool first = true;
    for (const struct member *member = user->members; member != NULL; member = member->next_of_user) {
        if (!str_is_set(member->group->record)) {
            continue;
        }
        buf_add_text(out, first ? "" : ",");
        first = false;
        json_add_string(out, member->group->name);
        buf_add_lit(out, ":{\"data\":");
        buf_add_str(out, str_is_set(member->data) ? member->data : STR_LIT("{}"));
        buf_add_char(out, '}');
    }
}

void user_add_text(struct buf *out, const struct user *user, bool with_groups, bool with_permissions)
{
    bool has_members = false;
    json_add_open_object(out, user->record, "password", &has_members);
    if (with_groups) {
        buf_add_text(out, has_members ? ",\"groups\":{" : "\"groups\":{");
        add_groups(out, user);
        buf_add_char(out, '}');
        has_members = true;
    }
    if (with_permissions) {
        buf_add_text(out, has_members ? ",\"permissions\":" : "\"permissions\":");
        rules_add_text(out, user->rules);
    }
    buf_add_char(out, '}');
}

void group_add_text(struct buf *out, const struct group *group, bool with_permissions)
{
    bool has_members = false;
    json_add_open_object(out, group->record, "permissions", &has_members);
    if (with_permissions) {
        buf_add_text(out, has_members ? ",\"permissions\":" : "\"permissions\":");
        rules_add_text(out, group->rules);
    }
    buf_add_char(out, '}');
}

static int by_name(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

void user_add_set_key(struct buf *out, const struct user *user)
{
    size_t count = 0;
    for (const struct member *member = user->members; member != NULL; member = member->next_of_user) {
        count++;
    }
    struct arena arena;
    arena_init(&arena, out->allocator);
    struct str *names = arena_alloc(&arena, (count + 1) * sizeof *names);
    struct buf joined;
    buf_init(&joined, out->allocator, 1 << 24);
    count = 0;
    for (const struct member *member = user->members; names != NULL && member != NULL; member = member->next_of_user) {
        names[count++] = member->group->name;
    }
    if (names != NULL) {
        qsort(names, count, sizeof *names, by_name);
    }
    for (size_t i = 0; i < count; i++) {
        buf_add_text(&joined, i != 0 ? "/" : "");
        buf_add_str(&joined, names[i]);
    }
    unsigned char hash[SHA1_BYTES];
    if (names != NULL && joined.status == HAPPN_OK && crypto_sha1(buf_str(&joined), hash)) {
        crypto_add_base64(out, str_make((char *)hash, sizeof hash));
    } else {
        out->status = HAPPN_E_MEMORY;
    }
    buf_fini(&joined);
    arena_fini(&arena);
}
