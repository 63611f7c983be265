#include "security/rights.h"

#include "security/template.h"

/* The word `*` stands for all. */
static unsigned all_of(unsigned words)
{
    return (words & MAY_STAR) != 0 ? MAY_ALL : words;
}

struct adding {
    struct permission_set *set;
    unsigned allowed, prohibited;
};

static happn_status take(struct str path, void *arg)
{
    const struct adding *adding = arg;
    return permission_set_add(adding->set, path, adding->allowed, adding->prohibited);
}

/* A path with holes is filled in for the user; whatever cannot be filled in gives no right. */
static happn_status add_rule(struct permission_set *set, const struct allocator *allocator, const struct user *user, const struct rule *rule)
{
    if (!template_has_holes(rule->path)) {
        return permission_set_add(set, rule->path, all_of(rule->allowed), all_of(rule->prohibited));
    }
    struct arena arena;
    arena_init(&arena, allocator);
    struct adding adding = {set, all_of(rule->allowed), all_of(rule->prohibited)};
    struct str record = str_is_set(user->record) ? user->record : STR_LIT("{}");
    happn_status status = template_fill(&arena, rule->path, record, take, &adding);
    arena_fini(&arena);
    return status;
}

static happn_status add_rules(struct permission_set *set, const struct allocator *allocator, const struct user *user, const struct rule *rules)
{
    happn_status status = HAPPN_OK;
    for (; rules != NULL && status == HAPPN_OK; rules = rules->next) {
        status = add_rule(set, allocator, user, rules);
    }
    return status;
}

struct permission_set *rights_compile(const struct allocator *allocator, const struct user *user)
{
    struct permission_set *set = permission_set_new(allocator);
    happn_status status = set != NULL ? add_rules(set, allocator, user, user->rules) : HAPPN_E_MEMORY;
    for (const struct member *member = user->members; member != NULL && status == HAPPN_OK; member = member->next_of_user) {
        if (str_is_set(member->group->record)) {
            status = add_rules(set, allocator, user, member->group->rules);
        }
    }
    if (status != HAPPN_OK) {
        permission_set_unref(set);
        return NULL;
    }
    return set;
}
