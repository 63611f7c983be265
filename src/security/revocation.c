/* Ending tokens for good, and taking that back: what the store has counts, then those who are connected with it go. */

#include "base/error.h"
#include "security/change.h"
#include "security/security.h"

struct ending {
    struct security *security;
    change_fn done;
    void *arg;
    struct str id, reason;
    int64_t since, until;
    bool restores;
    struct arena arena;
};

static void end_tokens(struct security *security, struct str id)
{
    for (struct identity *identity = security->live, *next; identity != NULL; identity = next) {
        next = identity->next;
        if (str_equal(identity->token_id, id)) {
            identity_end(identity, &refused_revoked);
        }
    }
}

static void tell_tokens(const struct ending *ending)
{
    struct buf text;
    buf_init(&text, ending->security->allocator, 1 << 20);
    revoked_add_data(&text, ending->id, ending->reason, ending->since, ending->until);
    security_settle(ending->security, ending->restores ? "token-restored" : "token-revoked",
                    text.status == HAPPN_OK ? buf_str(&text) : STR_NONE);
    buf_fini(&text);
}

static happn_status out_of_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

/* What is stored counts for those who are connected now even when it cannot be remembered for those who come. */
static void ending_stored(happn_status status, const happn_error *error, void *arg)
{
    struct ending *ending = arg;
    struct security *security = ending->security;
    change_fn done = ending->done;
    void *done_arg = ending->arg;
    happn_error own;
    struct str id = ending->restores || status != HAPPN_OK ? STR_NONE : ending->id;
    if (status == HAPPN_OK && ending->restores) {
        revoked_drop(&security->revoked, ending->id);
    } else if (status == HAPPN_OK && revoked_add(&security->revoked, ending->id, ending->reason, ending->since, ending->until) != HAPPN_OK) {
        status = out_of_memory(&own);
        error = &own;
    }
    if (status == HAPPN_OK) {
        tell_tokens(ending);
    }
    done(status, error, done_arg);
    if (str_is_set(id)) {
        end_tokens(security, id); /* whoever asked has its answer first */
    }
    arena_fini(&ending->arena);
    memory_free(security->allocator, ending);
}

static void submit_ending(struct ending *ending)
{
    struct security *security = ending->security;
    struct change *change = change_new(security);
    struct str parts[] = {STR_LIT(REVOKED_ROOT), ending->id};
    struct str path = arena_join(&ending->arena, parts, 2);
    struct buf text;
    buf_init(&text, security->allocator, 1 << 20);
    revoked_add_data(&text, ending->id, ending->reason, ending->since, ending->until);
    if (change == NULL || path.ptr == NULL || text.status != HAPPN_OK) {
        if (change != NULL) {
            change_drop(change);
        }
        happn_error error;
        ending_stored(out_of_memory(&error), &error, ending);
    } else {
        if (ending->restores) {
            change_remove(change, path, STR_NONE);
        } else {
            change_put(change, path, buf_str(&text));
        }
        change_submit(change, ending_stored, ending);
    }
    buf_fini(&text);
}

static struct ending *new_ending(struct security *security, struct str id, struct str reason, change_fn done, void *arg)
{
    struct ending *ending = memory_zalloc(security->allocator, sizeof *ending);
    if (ending == NULL) {
        return NULL;
    }
    *ending = (struct ending){.security = security, .done = done, .arg = arg, .since = loop_now_ms(security->loop)};
    arena_init(&ending->arena, security->allocator);
    ending->id = arena_str(&ending->arena, id);
    ending->reason = arena_str(&ending->arena, reason);
    if (ending->id.ptr == NULL || ending->reason.ptr == NULL) {
        arena_fini(&ending->arena);
        memory_free(security->allocator, ending);
        return NULL;
    }
    return ending;
}

void security_revoke(struct security *security, struct str text, struct str reason, change_fn done, void *arg)
{
    struct arena arena;
    arena_init(&arena, security->allocator);
    struct token token;
    happn_error error;
    bool is_ours = token_read(&arena, text, security->secrets, security->secret_count, &token);
    struct ending *ending = is_ours ? new_ending(security, token.id, reason, done, arg) : NULL;
    if (ending != NULL) {
        ending->until = token_expiry(&token);
    }
    arena_fini(&arena);
    if (ending != NULL) {
        submit_ending(ending);
    } else {
        happn_status status = is_ours ? out_of_memory(&error) : error_set(&error, HAPPN_E_ARGUMENT, "invalid token");
        done(status, &error, arg);
    }
}

void security_restore(struct security *security, struct str token_id, change_fn done, void *arg)
{
    struct ending *ending = new_ending(security, token_id, STR_LIT(""), done, arg);
    if (ending == NULL) {
        happn_error error;
        done(out_of_memory(&error), &error, arg);
        return;
    }
    ending->restores = true;
    submit_ending(ending);
}

bool security_is_revoked(const struct security *security, struct str token_id)
{
    return revoked_find(&security->revoked, token_id) != NULL;
}
