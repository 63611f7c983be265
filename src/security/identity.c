#include "security/identity.h"

#include <stdio.h>

#include "security/rights.h"
#include "security/security.h"

const struct denial refused_unauthorized = {NULL, NULL};
const struct denial refused_no_login = {"no policy attached to session", "no-session-policy"};
const struct denial refused_expired = {"expired session token", "token-expired"};
const struct denial refused_inactive = {"session inactivity threshold reached", "inactivity-threshold"};
const struct denial refused_used_up = {"session usage limit reached", "usage-limit"};
const struct denial refused_limited = {"token permissions limited", NULL};
const struct denial refused_gone = {"user deleted", "security directory update: user deleted"};
const struct denial refused_revoked = {"token has been revoked", "token-revoked"};

static bool copy(const struct allocator *allocator, struct str text, struct str *out)
{
    char *bytes = memory_strdup(allocator, text.ptr != NULL ? text.ptr : "", text.len);
    *out = str_make(bytes, bytes != NULL ? text.len : 0);
    return bytes != NULL;
}

/* A profile's permissions stand in place of the user's. */
static bool compile_limits(struct identity *identity, struct str permissions)
{
    if (!str_is_set(permissions)) {
        return true;
    }
    identity->limits = permission_set_new(identity->security->allocator);
    return identity->limits != NULL && policy_add_permissions(permissions, identity->limits, NULL) == HAPPN_OK;
}

struct identity *identity_new(struct security *security, struct user *user, const struct token *token, struct str token_text,
                              enum session_type type)
{
    struct identity *identity = memory_zalloc(security->allocator, sizeof *identity);
    if (identity == NULL) {
        return NULL;
    }
    *identity = (struct identity){.refs = 1, .security = security, .user = user, .next_of_user = user->identities, .policy = token->policy[type],
                                  .type = type, .issued = token->issued, .last_used = loop_now_ms(security->loop)};
    user->identities = identity;
    struct str permissions = identity->policy.permissions;
    identity->policy.permissions = identity->policy.addresses = STR_NONE; /* they belong to the token or the configuration */
    if (copy(security->allocator, user->name, &identity->username) && copy(security->allocator, token_text, &identity->token) &&
        copy(security->allocator, token->id, &identity->token_id) && compile_limits(identity, permissions)) {
        return identity;
    }
    identity_unref(identity);
    return NULL;
}

static void leave_user(struct identity *identity)
{
    if (identity->user == NULL) {
        return;
    }
    struct identity **at = &identity->user->identities;
    while (*at != identity) {
        at = &(*at)->next_of_user;
    }
    *at = identity->next_of_user;
    identity->user = NULL;
}

void identity_leave(struct identity *identity)
{
    if (identity->owner == NULL) {
        return;
    }
    if (identity->previous != NULL) {
        identity->previous->next = identity->next;
    } else {
        identity->security->live = identity->next;
    }
    if (identity->next != NULL) {
        identity->next->previous = identity->previous;
    }
    identity->owner = NULL;
    identity->previous = identity->next = NULL;
}

void identity_ref(struct identity *identity)
{
    identity->refs++;
}

void identity_unref(struct identity *identity)
{
    if (identity == NULL || --identity->refs != 0) {
        return;
    }
    const struct allocator *allocator = identity->security->allocator;
    leave_user(identity);
    identity_leave(identity);
    permission_set_unref(identity->limits);
    memory_free(allocator, (char *)identity->username.ptr);
    memory_free(allocator, (char *)identity->token.ptr);
    memory_free(allocator, (char *)identity->token_id.ptr);
    memory_free(allocator, identity);
}

void identity_keep(struct identity *identity, void *owner, const char *session_id)
{
    struct security *security = identity->security;
    identity->owner = owner;
    snprintf(identity->session_id, sizeof identity->session_id, "%s", session_id);
    identity->next = security->live;
    if (security->live != NULL) {
        security->live->previous = identity;
    }
    security->live = identity;
}

struct permission_set *user_rights(struct security *security, struct user *user)
{
    if (user->rights == NULL) {
        user->rights = rights_compile(security->allocator, user);
    }
    return user->rights;
}

struct permission_set *identity_rights(struct identity *identity)
{
    if (identity->user == NULL || identity->ended != NULL) {
        return NULL;
    }
    return identity->limits != NULL ? identity->limits : user_rights(identity->security, identity->user);
}

bool identity_is_admin(const struct identity *identity)
{
    return identity->user != NULL && identity->ended == NULL && identity->limits == NULL &&
           (str_is(identity->username, ADMIN_NAME) || user_is_in(identity->user, STR_LIT(ADMIN_NAME)));
}

const struct denial *identity_over(const struct identity *identity, int64_t now)
{
    const struct policy *policy = &identity->policy;
    if (identity->ended != NULL || identity->user == NULL) {
        return identity->ended != NULL ? identity->ended : &refused_unauthorized;
    }
    if (policy->ttl != 0 && now >= identity->issued + policy->ttl) {
        return &refused_expired;
    }
    if (policy->inactivity != 0 && now > identity->last_used + policy->inactivity) {
        return &refused_inactive;
    }
    return NULL;
}

void identity_end(struct identity *identity, const struct denial *why)
{
    struct security *security = identity->security;
    if (identity->ended != NULL) {
        return;
    }
    identity->ended = why;
    if (identity->owner != NULL && security->host != NULL) {
        security->host->ended(identity, why->closing);
    }
}
