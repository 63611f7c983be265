/* Whoever is not known and whoever has the wrong password cannot be told apart, by no text and by no clock: for names that do
 * not exist a hash is computed, too. What the identity may do is decided by the profile that matches the login, which the
 * token keeps: a later change of the profiles concerns new logins only. */

#include "security/login.h"

#include <stdio.h>

#include "base/error.h"
#include "base/id.h"
#include "json/splice.h"
#include "json/write.h"
#include "security/address.h"
#include "security/change.h"
#include "security/crypto.h"
#include "security/security.h"
#include "security/user_text.h"

static happn_status deny(happn_error *error, int code, const char *text)
{
    error_set(error, HAPPN_E_DENIED, "%s", text);
    error->code = code;
    return HAPPN_E_DENIED;
}

static void finish(struct happn_login *login)
{
    login->done(login);
}

static void refuse(struct happn_login *login, int code, const char *text)
{
    deny(&login->error, code, text);
    finish(login);
}

/* --- which profile */

/* What the client says of itself, but for what the connection knows better. */
static void add_info(struct buf *out, const struct happn_login *login)
{
    struct buf text;
    buf_init(&text, out->allocator, out->max);
    json_splice(&text, str_is_set(login->info) ? login->info : STR_LIT("{}"), STR_LIT("_browser"), str_of(login->is_browser ? "true" : "false"));
    if (text.status == HAPPN_OK) {
        json_splice(out, buf_str(&text), STR_LIT("_local"), str_of(login->is_local ? "true" : "false"));
    }
    out->status = out->status == HAPPN_OK ? text.status : out->status;
    buf_fini(&text);
}

static void add_session(struct buf *out, const struct happn_login *login, const struct user *user, int type)
{
    const struct security *security = login->security;
    buf_add_format(out, "{\"id\":\"%.*s\",\"type\":%d,\"isEncrypted\":false,\"timestamp\":%lld,\"origin\":", (int)login->session_id.len,
                   login->session_id.ptr, type, (long long)loop_now_ms(security->loop));
    json_add_string(out, security->settings.name);
    buf_add_lit(out, ",\"info\":");
    add_info(out, login);
    buf_add_lit(out, ",\"user\":");
    user_add_text(out, user, true, false);
    buf_add_lit(out, ",\"ip_address\":");
    json_add_string(out, login->address);
    buf_add_lit(out, ",\"address\":{\"ip\":");
    json_add_string(out, login->address);
    buf_add_lit(out, "}}");
}

static const struct profile *find_profile(struct happn_login *login, const struct user *user, int type)
{
    struct security *security = login->security;
    struct buf text;
    buf_init(&text, security->allocator, 1 << 24);
    add_session(&text, login, user, type);
    const struct profile *profile = NULL;
    if (text.status == HAPPN_OK) {
        struct search_work work;
        search_work_init(&work, security->allocator);
        profile = profiles_match(&security->profiles, buf_str(&text), &work);
        search_work_fini(&work);
    }
    buf_fini(&text);
    return profile;
}

/* --- the end of a good login */

static bool make_token(struct happn_login *login, struct user *user)
{
    struct token *token = &login->token;
    struct arena *arena = login->arena;
    *token = (struct token){.id = login->session_id, .username = user->name, .origin = login->security->settings.name,
                            .userid = json_string(arena, json_get(user->record, "userid")),
                            .issued = loop_now_ms(login->security->loop), .type = login->type};
    for (int type = 0; type < 2; type++) {
        const struct profile *profile = find_profile(login, user, type);
        if (profile == NULL) {
            return false;
        }
        token->profiles[type] = profile->name;
        token->policy[type] = profile->policy;
    }
    return true;
}

static struct str write_token(struct happn_login *login)
{
    struct buf text;
    buf_init(&text, login->security->allocator, TOKEN_MOST);
    bool written = token_write(&login->token, &login->security->secrets[0], &text);
    struct str copy = written ? arena_str(login->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return copy;
}

static const char kept_in[] = "use of _ADMIN credentials over the network is disabled";

static bool must_stay_in(const struct security *security, struct str username, bool is_local)
{
    return security->settings.admin_stays_in && !is_local && str_is(username, ADMIN_NAME);
}

static const char wrong_address[] = "Source address access restricted";

/* Some profiles let in from a few addresses only. */
static bool policy_admits_address(const struct policy *policy, struct str address)
{
    return !str_is_set(policy->addresses) || address_is_listed(policy->addresses, address);
}

static void admit(struct happn_login *login, struct user *user, struct str token_text)
{
    if (!login->is_local && !policy_admits_address(&login->token.policy[login->type], login->address)) {
        refuse(login, 401, wrong_address);
        return;
    }
    login->identity = str_is_set(token_text)
                          ? identity_new(login->security, user, &login->token, token_text, login->type)
                          : NULL;
    if (login->identity == NULL) {
        error_set(&login->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    finish(login);
}

static void admit_new(struct happn_login *login, struct user *user)
{
    admit(login, user, make_token(login, user) ? write_token(login) : STR_NONE);
}

/* --- by token */

static happn_status check_token(struct security *security, const struct token *token, const struct user *user, enum session_type type,
                                bool is_local, happn_error *error)
{
    const struct policy *policy = &token->policy[type];
    if (security_is_revoked(security, token->id)) {
        return deny(error, 403, refused_revoked.reason);
    }
    if (user == NULL) {
        return deny(error, 401, "Invalid credentials");
    }
    if (must_stay_in(security, user->name, is_local)) {
        return deny(error, 403, kept_in);
    }
    struct arena arena;
    arena_init(&arena, security->allocator);
    struct str userid = json_string(&arena, json_get(user->record, "userid"));
    bool is_other = str_is_set(token->userid) && str_is_set(userid) && !str_equal(token->userid, userid);
    arena_fini(&arena);
    if (is_other) {
        error_set(error, HAPPN_E_DENIED, "token userid does not match userid for username: %.*s", (int)token->username.len, token->username.ptr);
        error->code = 403;
        return HAPPN_E_DENIED;
    }
    if (policy->locked_to_origin && !str_equal(token->origin, security->settings.name)) {
        return deny(error, 403, "this token is locked to a different origin by policy");
    }
    if (policy->ttl != 0 && loop_now_ms(security->loop) >= token->issued + policy->ttl) {
        return deny(error, 401, refused_expired.reason);
    }
    return HAPPN_OK;
}

struct identity *login_by_token(struct security *security, struct arena *arena, struct str text, struct str address, happn_error *error,
                                struct token *token)
{
    enum session_type type = SESSION_STATELESS;
    if (!token_read(arena, text, security->secrets, security->secret_count, token)) {
        deny(error, 401, "Invalid credentials: invalid session token");
        return NULL;
    }
    struct user *user = directory_user(&security->directory, token->username);
    if (check_token(security, token, user, type, false, error) != HAPPN_OK) {
        return NULL;
    }
    if (!policy_admits_address(&token->policy[type], address)) {
        deny(error, 401, wrong_address);
        return NULL;
    }
    struct identity *identity = identity_new(security, user, token, text, type);
    if (identity == NULL) {
        error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    return identity;
}

/* A token opens what it was made for, for as long as it was made for: logging in with it does not renew it. One of happn-3 is replaced
 * by one of ours that ends when it would have ended. */
static void by_token(struct happn_login *login, struct str text)
{
    struct security *security = login->security;
    struct token *token = &login->token;
    if (!token_read(login->arena, text, security->secrets, security->secret_count, token)) {
        refuse(login, 401, "Invalid credentials: invalid session token");
        return;
    }
    struct user *user = directory_user(&security->directory, token->username);
    if (check_token(security, token, user, login->type, login->is_local, &login->error) != HAPPN_OK) {
        finish(login);
        return;
    }
    if (token->policy[login->type].no_token_logins) {
        refuse(login, 403, "logins with this token are disallowed by policy");
        return;
    }
    if (security->settings.locks_token_to_type && token->type >= 0 && token->type != (int)login->type) {
        char message[160];
        snprintf(message, sizeof message, "token was created using the login type %d, which does not match how the new token is to be created",
                 token->type);
        refuse(login, 403, message);
        return;
    }
    admit(login, user, token->is_original ? write_token(login) : text);
}

/* --- by password */

static struct str stored_password(struct happn_login *login, const struct user *user)
{
    return user != NULL ? json_string(login->arena, json_get(user->record, "password")) : STR_NONE;
}

static void ignore_outcome(happn_status status, const happn_error *error, void *arg)
{
    (void)status, (void)error, (void)arg; /* the next login tries again */
}

/* The hash in the store becomes a stronger one; when much is written just now, another time. */
static void strengthen(struct happn_login *login, const struct user *user)
{
    if (login->job.made[0] != '\0' && !change_is_under_way(login->security)) {
        security_set_password(login->security, user->name, login->job.made, str_of(login->stored), ignore_outcome, NULL);
    }
}

static bool is_near(const struct happn_login *login)
{
    return login->is_local || (!login->is_forwarded && address_is_loopback(login->address));
}

/* The default password is for a first look at one's own machine only. */
static bool is_default_from_afar(const struct happn_login *login, struct str password)
{
    return str_is(login->username, ADMIN_NAME) && str_is(password, "happn") && (!is_near(login) || login->security->settings.is_production);
}

/* The administrator cannot be locked out of the server's own machine. */
static bool may_be_locked(const struct happn_login *login)
{
    return !(str_is(login->username, ADMIN_NAME) && is_near(login));
}

static const char locked_out[] = "Account locked out";

static void refuse_failed(struct happn_login *login)
{
    struct security *security = login->security;
    bool locks = may_be_locked(login) && lockout_failed(&security->lockout, login->username, login->address, loop_now_ms(security->loop));
    if (locks) {
        log_write(security->log, LOG_WARN, "security", "the account %.*s is locked for %.*s", (int)(login->username.len < 80 ? login->username.len : 80),
                  login->username.ptr, (int)login->address.len, login->address.ptr);
    }
    refuse(login, locks ? 403 : 401, locks ? locked_out : "Invalid credentials");
}

static bool is_locked(struct happn_login *login)
{
    struct security *security = login->security;
    return may_be_locked(login) && lockout_is_locked(&security->lockout, login->username, login->address, loop_now_ms(security->loop));
}

static void by_password(struct happn_login *login, struct str password);

static void password_done(struct hash_job *job)
{
    struct happn_login *login = job->arg;
    struct security *security = login->security;
    struct user *user = directory_user(&security->directory, login->username);
    struct str stored = stored_password(login, user);
    if (str_is_set(stored) && !str_is(stored, login->stored) && stored.len < sizeof login->stored) {
        by_password(login, job->password); /* it was changed meanwhile, or only made stronger: what counts is what is stored now */
        return;
    }
    if (is_locked(login)) { /* by others that were tried meanwhile */
        refuse(login, 403, locked_out);
        return;
    }
    if (!job->fits || !str_is_set(stored)) {
        refuse_failed(login);
        return;
    }
    lockout_succeeded(&security->lockout, login->username, login->address);
    if (is_default_from_afar(login, job->password)) {
        log_write(security->log, LOG_WARN, "security", "refused a login as _ADMIN with the default password from %.*s: set adminUser.password",
                  (int)login->address.len, login->address.ptr);
        refuse(login, 403, security->settings.is_production
                               ? "the default password of the administrator is refused in production: set adminUser.password"
                               : "the default password of the administrator works on the server's own machine only: set adminUser.password");
        return;
    }
    if (str_is(login->username, ADMIN_NAME) && str_is(job->password, "happn")) {
        log_write(security->log, LOG_WARN, "security", "_ADMIN logged in with the default password: set adminUser.password");
    }
    strengthen(login, user);
    admit_new(login, user);
}

static void by_password(struct happn_login *login, struct str password)
{
    struct security *security = login->security;
    const struct user *user = directory_user(&security->directory, login->username);
    struct str stored = stored_password(login, user);
    if (str_is_set(stored) && stored.len < sizeof login->stored) {
        snprintf(login->stored, sizeof login->stored, "%.*s", (int)stored.len, stored.ptr);
    } else {
        password_dummy(security->settings.iterations, login->stored);
    }
    login->job = (struct hash_job){.password = password, .stored = str_of(login->stored), .iterations = security->settings.iterations,
                                   .done = password_done, .arg = login};
    happn_status status = hashing_submit(security->hashing, &login->job);
    if (status != HAPPN_OK) {
        error_set(&login->error, status, "%s", status == HAPPN_E_BUSY ? "too many logins at once, try again later" : happn_status_text(status));
        finish(login);
    }
}

/* --- by digest */

static void by_digest(struct happn_login *login, struct str digest)
{
    struct arena *arena = login->arena;
    struct user *user = directory_user(&login->security->directory, login->username);
    struct str given = json_string(arena, json_get(login->credentials, "publicKey"));
    struct str stored = user != NULL ? json_string(arena, json_get(user->record, "publicKey")) : STR_NONE;
    if (!str_is_set(login->nonce)) {
        refuse(login, 401, "nonce expired or public key invalid");
        return;
    }
    struct str signature = crypto_base64_decode(arena, digest);
    bool fits = str_is_set(stored) && stored.len != 0 && str_equal(stored, given) && str_is_set(signature) &&
                crypto_verify_nonce(stored, login->nonce, signature);
    if (!fits) {
        refuse_failed(login);
        return;
    }
    lockout_succeeded(&login->security->lockout, login->username, login->address);
    admit_new(login, user);
}

static bool is_kept_out(const struct happn_login *login)
{
    return must_stay_in(login->security, login->username, login->is_local);
}

bool login_may_try(struct happn_login *login)
{
    struct security *security = login->security;
    if (login->is_counted || lockout_may_try(&security->lockout, login->address, loop_now_ms(security->loop))) {
        login->is_counted = true;
        return true;
    }
    return deny(&login->error, 403, "too many logins from this address, try again in a minute") == HAPPN_OK;
}

static void by_name(struct happn_login *login)
{
    struct arena *arena = login->arena;
    struct str password = json_string(arena, json_get(login->credentials, "password"));
    struct str digest = json_string(arena, json_get(login->credentials, "digest"));
    if (!login_may_try(login)) {
        finish(login);
    } else if (is_locked(login)) {
        refuse(login, 403, locked_out);
    } else if (is_kept_out(login)) {
        refuse(login, 403, kept_in);
    } else if (str_is(login->username, ANONYMOUS_NAME)) {
        struct user *user = directory_user(&login->security->directory, login->username);
        if (!login->security->settings.admits_anonymous || user == NULL) {
            refuse(login, 401, "Anonymous access is disabled");
        } else {
            admit_new(login, user);
        }
    } else if (str_is_set(digest) && !str_is_set(password)) {
        by_digest(login, digest);
    } else if (str_is_set(password) && password.len <= PASSWORD_MOST) {
        by_password(login, password);
    } else {
        refuse(login, 401, "Invalid credentials");
    }
}

static void by_usual_way(struct happn_login *login)
{
    struct str token = json_string(login->arena, json_get(login->credentials, "token"));
    if (str_is_set(token) && token.len != 0) {
        by_token(login, token);
    } else if (str_is_set(login->username) && login->username.len != 0) {
        by_name(login);
    } else {
        refuse(login, 401, "Invalid credentials");
    }
}

void login_begin(struct happn_login *login)
{
    const struct security *security = login->security;
    struct str name = json_string(login->arena, json_get(login->credentials, "username"));
    login->username = security_user_name(security, login->arena, name);
    bool is_usual = security->auth == NULL || security->auth(login, security->auth_arg) == HAPPN_AUTH_USUAL;
    if (is_usual && security->scripted_auth != NULL) {
        is_usual = security->scripted_auth(login, security->scripted_auth_arg) == HAPPN_AUTH_USUAL;
    }
    if (is_usual) {
        by_usual_way(login);
    }
}

/* --- the host's own way */

static const char *give(struct str text, size_t *len)
{
    if (len != NULL) {
        *len = text.len;
    }
    return text.ptr;
}

const char *happn_login_credentials(const happn_login *login, size_t *len)
{
    return give(login->credentials, len);
}

const char *happn_login_info(const happn_login *login, size_t *len)
{
    return give(login->info, len);
}

const char *happn_login_address(const happn_login *login, size_t *len)
{
    return give(login->address, len);
}

void happn_login_accept(happn_login *login, const char *username)
{
    struct security *security = login->security;
    struct str name = arena_str(login->arena, str_of(username));
    login->username = str_is_set(name) ? security_user_name(security, login->arena, name) : STR_NONE;
    struct user *user = str_is_set(login->username) ? directory_user(&security->directory, login->username) : NULL;
    if (is_kept_out(login)) {
        refuse(login, 403, kept_in);
    } else if (user == NULL) {
        refuse(login, 401, "Invalid credentials");
    } else {
        lockout_succeeded(&security->lockout, login->username, login->address);
        admit_new(login, user);
    }
}

void happn_login_refuse(happn_login *login, const char *text)
{
    if (text == NULL) {
        refuse_failed(login);
        return;
    }
    refuse(login, 401, text);
}

void happn_login_usual(happn_login *login)
{
    by_usual_way(login);
}
