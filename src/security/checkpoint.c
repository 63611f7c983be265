#include "security/checkpoint.h"

#include "security/security.h"

const struct denial *checkpoint_alive(struct identity *identity, int64_t now)
{
    if (identity == NULL) {
        return &refused_no_login;
    }
    const struct denial *over = identity_over(identity, now);
    if (over != NULL) {
        return over;
    }
    if (identity->policy.usage_limit != 0 && identity->used >= identity->policy.usage_limit) {
        return &refused_used_up;
    }
    identity->used++;
    identity->last_used = now;
    return NULL;
}

bool checkpoint_nests(const struct security *security, struct str path, unsigned may)
{
    return security->settings.nests_permissions && (may & (MAY_GET | MAY_ON)) != 0 && path.len >= 2 &&
           memmem(path.ptr, path.len, "**", 2) != NULL;
}

bool checkpoint_allows(struct security *security, const struct user *user, struct permission_set *rights, struct str path, unsigned may)
{
    if (rights == NULL || permission_set_allows(rights, path, may)) {
        return rights != NULL;
    }
    return user != NULL && lookup_is_used(security->lookup) && !permission_set_prohibits(rights, path, may) &&
           lookup_allows(security->lookup, user, path, may);
}

bool checkpoint_permits(struct identity *identity, struct str path, unsigned may)
{
    const struct user *user = identity->limits == NULL ? identity->user : NULL;
    return checkpoint_allows(identity->security, user, identity_rights(identity), path, may);
}

const struct denial *checkpoint_pass(struct identity *identity, struct str path, unsigned may, int64_t now)
{
    const struct denial *refusal = checkpoint_alive(identity, now);
    if (refusal != NULL) {
        return refusal;
    }
    if (checkpoint_permits(identity, path, may) || (checkpoint_nests(identity->security, path, may) && identity_rights(identity) != NULL)) {
        return NULL;
    }
    return identity->limits != NULL ? &refused_limited : &refused_unauthorized;
}

bool checkpoint_sight(struct identity *identity, struct str path, unsigned may, struct sight *out)
{
    struct permission_set *rights = identity_rights(identity);
    bool nests = checkpoint_nests(identity->security, path, may) && rights != NULL && !checkpoint_permits(identity, path, may);
    if (rights == NULL || (!nests && !permission_set_has_prohibitions(rights, may))) {
        return false;
    }
    permission_set_ref(rights);
    *out = (struct sight){rights, may, nests};
    return true;
}

void sight_fini(struct sight *sight)
{
    permission_set_unref(sight->rights);
    sight->rights = NULL;
}

bool sight_shows(const void *arg, struct str path)
{
    const struct sight *sight = arg;
    return sight->permitted_only ? permission_set_permits(sight->rights, path, sight->may)
                                 : !permission_set_prohibits(sight->rights, path, sight->may);
}
