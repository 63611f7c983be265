/* What is in the store and what is in memory say the same: everything is read at the start, and every later change is put into the
 * directory when it is stored. Rights are compiled from the directory when somebody needs them, and thrown away when something they
 * were made of changes. Whoever is logged in and concerned is told once for each change, not once for each document of it. */

#include "security/security.h"

#include <stdio.h>

#include "base/error.h"
#include "base/id.h"
#include "json/write.h"
#include "security/activity.h"
#include "security/change.h"
#include "security/crypto.h"
#include "security/hashing.h"
#include "security/names.h"

enum { TIDY_MS = 1000, MOST_TIDIED = 100 };

#define KEY_PAIR_PATH SECURITY_ROOT "_SETTINGS/KEYPAIR"
#define PERMISSIONS_ROOT SECURITY_ROOT "_PERMISSIONS/"
#define SECRET_PATH SECURITY_ROOT "SESSION_TOKEN_SECRET"

/* The directory says that the rights of this user may be others now. */
static void on_touched(struct user *user, void *arg)
{
    struct security *security = arg;
    permission_set_unref(user->rights);
    user->rights = NULL;
    if (user->is_gone || !str_is_set(user->record)) {
        while (user->identities != NULL) {
            struct identity *identity = user->identities;
            user->identities = identity->next_of_user;
            identity->user = NULL;
            identity_end(identity, &refused_gone);
        }
    } else if (user->identities != NULL && !user->is_touched) {
        user->is_touched = true;
        user->next_touched = security->touched;
        security->touched = user;
    }
    if (user->is_gone && user->is_touched) { /* it must not stay in the list */
        struct user **at = &security->touched;
        while (*at != user) {
            at = &(*at)->next_touched;
        }
        *at = user->next_touched;
        user->is_touched = false;
    }
}

happn_status security_new(struct loop *loop, const struct allocator *allocator, struct log *log, struct datastores *stores,
                          const struct security_settings *settings, struct security **out, happn_error *error)
{
    struct security *security = memory_zalloc(allocator, sizeof *security);
    if (security == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    *security = (struct security){.loop = loop, .allocator = allocator, .log = log, .stores = stores, .settings = *settings};
    arena_init(&security->arena, allocator);
    directory_init(&security->directory, allocator);
    security->directory.touched = on_touched;
    security->directory.touched_arg = security;
    lockout_init(&security->lockout, allocator);
    security->lockout.is_off = settings->lockout_is_off;
    security->lockout.attempts = settings->lockout_attempts;
    security->lockout.retry_ms = settings->lockout_retry_ms;
    security->lockout.per_minute = settings->logins_per_minute;
    revoked_init(&security->revoked, allocator);
    nonces_init(&security->nonces, allocator);
    security->hashing = hashing_new(loop, allocator);
    security->activity = activity_new(allocator);
    security->lookup = lookup_new(allocator);
    happn_status status = security->hashing != NULL && security->activity != NULL && security->lookup != NULL
                              ? profiles_read(&security->arena, settings->profiles, &security->profiles, error)
                              : error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    if (status != HAPPN_OK) {
        security_free(security);
        return status;
    }
    *out = security;
    return HAPPN_OK;
}

void security_watch(struct security *security, const struct security_host *host, void *arg)
{
    security->host = host;
    security->host_arg = arg;
}

void security_free(struct security *security)
{
    if (security == NULL) {
        return;
    }
    hashing_free(security->hashing);
    activity_free(security->activity);
    lockout_fini(&security->lockout);
    revoked_fini(&security->revoked);
    nonces_fini(&security->nonces);
    lookup_free(security->lookup);
    directory_fini(&security->directory);
    arena_fini(&security->arena);
    for (size_t i = 0; i < security->secret_count; i++) {
        memory_free(security->allocator, (char *)security->secrets[i].key.ptr);
    }
    memory_free(security->allocator, security);
}

void security_happened(struct security *security, const char *event, struct str detail)
{
    if (security->host != NULL) {
        security->host->happened(security->host_arg, event, detail);
    }
}

static void tell_all(struct security *security, struct user *user, const char *what, struct str detail)
{
    for (struct identity *identity = user->identities, *next; identity != NULL; identity = next) {
        next = identity->next_of_user;
        if (identity->owner != NULL && security->host != NULL) {
            security->host->rights_changed(identity, what, detail);
        }
    }
}

void security_settle(struct security *security, const char *what, struct str detail)
{
    while (security->touched != NULL) {
        struct user *user = security->touched;
        security->touched = user->next_touched;
        user->is_touched = false;
        tell_all(security, user, what, detail);
    }
    if (what != NULL) {
        struct buf text;
        buf_init(&text, security->allocator, 1 << 24);
        buf_add_format(&text, "{\"whatHappnd\":\"%s\",\"changedData\":", what);
        buf_add_str(&text, str_is_set(detail) ? detail : STR_LIT("null"));
        buf_add_char(&text, '}');
        if (text.status == HAPPN_OK) {
            security_happened(security, "security-data-changed", buf_str(&text));
        }
        buf_fini(&text);
    }
}

/* --- documents */

static void touch_group(struct idmap_node *node, void *arg)
{
    struct security *security = arg;
    struct group *group = (struct group *)node;
    for (struct member *member = lookup_concerns(security->lookup, group->name) ? group->members : NULL; member != NULL; member = member->next_of_group) {
        on_touched(member->user, security);
    }
}

/* Members of groups with lookup permissions; which of them a table concerns is not worth finding out. */
static void touch_those_who_look_up(struct security *security)
{
    if (lookup_is_used(security->lookup) && !security->is_loading) {
        idmap_each(&security->directory.groups, touch_group, security);
    }
}

happn_status security_put(struct security *security, struct str path, struct str data, int64_t created, int64_t modified)
{
    if (!lookup_means(path)) {
        return directory_put(&security->directory, path, data, created, modified);
    }
    happn_error error = {.status = HAPPN_OK};
    touch_those_who_look_up(security);
    happn_status status = lookup_put(security->lookup, path, data, &error);
    touch_those_who_look_up(security);
    if (status != HAPPN_OK && status != HAPPN_E_MEMORY) {
        log_write(security->log, LOG_WARN, "security", "the lookup permissions at %.*s allow nothing: %s", (int)path.len, path.ptr, error.message);
    }
    return status == HAPPN_E_MEMORY ? status : HAPPN_OK;
}

void security_drop(struct security *security, struct str path, struct str data)
{
    if (!lookup_means(path)) {
        directory_drop(&security->directory, path, data);
        return;
    }
    touch_those_who_look_up(security);
    lookup_drop(security->lookup, path);
    touch_those_who_look_up(security);
}

void security_written(struct security *security, const struct document *document)
{
    if (security_put(security, document->path, document->data, document->created, document->modified) != HAPPN_OK) {
        log_write(security->log, LOG_ERROR, "security", "out of memory: the change at %.*s counts after the next start",
                  (int)document->path.len, document->path.ptr);
    }
    security_settle(security, NULL, STR_NONE);
}

/* {{w}} back to `*`. */
static struct str show_stars(struct arena *arena, struct str hidden)
{
    char *text = arena_alloc(arena, hidden.len + 1);
    size_t len = 0;
    for (size_t i = 0; text != NULL && i < hidden.len; len++) {
        bool is_star = str_starts(str_skip(hidden, i), STR_LIT("{{w}}"));
        text[len] = is_star ? '*' : hidden.ptr[i];
        i += is_star ? 5 : 1;
    }
    return str_make(text, len);
}

/* The document of a permission is gone, and with it what it said: its path has <owner>/<action>/<path>, where an owner may have slashes. Each
 * reading is tried; the wrong ones name no permission. */
static void drop_permission(struct security *security, struct str path)
{
    struct str rest = str_skip(path, sizeof PERMISSIONS_ROOT - 1);
    struct arena arena;
    arena_init(&arena, security->allocator);
    for (size_t start = 0; start < rest.len; start++) {
        struct str behind = rest.ptr[start] == '/' ? str_skip(rest, start + 1) : STR_NONE;
        const char *end = behind.len != 0 ? memchr(behind.ptr, '/', behind.len) : NULL;
        size_t len = end != NULL ? (size_t)(end - behind.ptr) : 0;
        unsigned bit = len != 0 && len < 8 ? may_of(str_make(behind.ptr, len)) : 0;
        if (bit == 0) {
            continue;
        }
        struct str data = permission_data(&arena, may_word(bit), show_stars(&arena, str_skip(behind, len + 1)), true);
        if (str_is_set(data)) {
            security_drop(security, path, data);
        }
    }
    arena_fini(&arena);
}

void security_removed(struct security *security, struct str path)
{
    if (str_starts(path, STR_LIT(PERMISSIONS_ROOT)) && !str_starts(path, STR_LIT(PERMISSIONS_ROOT "_LOOKUP/"))) {
        drop_permission(security, path);
    } else {
        security_drop(security, path, STR_NONE);
    }
    security_settle(security, NULL, STR_NONE);
}

static void ignore_outcome(happn_status status, const happn_error *error, void *arg)
{
    (void)status, (void)error, (void)arg; /* the next start tries again */
}

/* Revocations of tokens that have ended meanwhile. */
static void tidy(struct security *security, int64_t now)
{
    const struct revoked_entry *entry;
    security->tidied = now;
    for (int i = 0; i < MOST_TIDIED && (entry = revoked_outlived(&security->revoked, now)) != NULL; i++) {
        security_restore(security, entry->id, ignore_outcome, NULL); /* it is dropped when that is stored, maybe later */
    }
}

void security_sweep(struct security *security, int64_t now)
{
    if (now - security->tidied >= TIDY_MS) {
        tidy(security, now);
    }
    for (struct identity *identity = security->live, *next; identity != NULL; identity = next) {
        next = identity->next;
        const struct denial *over = identity->ended == NULL ? identity_over(identity, now) : NULL;
        if (over != NULL) {
            identity_end(identity, over);
        }
    }
}

/* --- names */

static bool keeps_case(const struct security_settings *settings, struct str name)
{
    if (!settings->folds_names || str_is(name, ADMIN_NAME) || str_is(name, ANONYMOUS_NAME)) {
        return true;
    }
    bool is_list = json_type_of(settings->folds_except) == JSON_ARRAY;
    for (struct json_iter it = json_iter(settings->folds_except); is_list && json_next(&it);) {
        if (it.value.len >= 2 && str_equal(str_make(it.value.ptr + 1, it.value.len - 2), name)) {
            return true;
        }
    }
    return false;
}

struct str security_user_name(const struct security *security, struct arena *arena, struct str name)
{
    return keeps_case(&security->settings, name) || !str_is_set(name) ? name : name_fold(arena, name);
}

/* --- tokens and passwords */

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

static void ending_stored(happn_status status, const happn_error *error, void *arg)
{
    struct ending *ending = arg;
    struct security *security = ending->security;
    change_fn done = ending->done;
    void *done_arg = ending->arg;
    if (status == HAPPN_OK && ending->restores) {
        revoked_drop(&security->revoked, ending->id);
    } else if (status == HAPPN_OK) {
        status = revoked_add(&security->revoked, ending->id, ending->reason, ending->since, ending->until);
    }
    if (status == HAPPN_OK) {
        tell_tokens(ending);
    }
    struct str id = ending->restores || status != HAPPN_OK ? STR_NONE : ending->id;
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
    struct str path = join_texts(&ending->arena, parts, 2);
    struct buf text;
    buf_init(&text, security->allocator, 1 << 20);
    revoked_add_data(&text, ending->id, ending->reason, ending->since, ending->until);
    if (change == NULL || path.ptr == NULL || text.status != HAPPN_OK) {
        if (change != NULL) {
            change_drop(change);
        }
        happn_error error = {.status = HAPPN_E_MEMORY};
        ending_stored(HAPPN_E_MEMORY, &error, ending);
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

static struct ending *new_ending(struct security *security, struct str id, change_fn done, void *arg)
{
    struct ending *ending = memory_zalloc(security->allocator, sizeof *ending);
    if (ending == NULL) {
        return NULL;
    }
    *ending = (struct ending){.security = security, .done = done, .arg = arg, .since = loop_now_ms(security->loop)};
    arena_init(&ending->arena, security->allocator);
    ending->id = arena_str(&ending->arena, id);
    return ending;
}

void security_revoke(struct security *security, struct str text, struct str reason, change_fn done, void *arg)
{
    struct arena arena;
    arena_init(&arena, security->allocator);
    struct token token;
    happn_error error = {.status = HAPPN_OK};
    bool is_ours = token_read(&arena, text, security->secrets, security->secret_count, &token);
    struct ending *ending = is_ours ? new_ending(security, token.id, done, arg) : NULL;
    if (ending != NULL) {
        ending->reason = arena_str(&ending->arena, reason);
        ending->until = token_expiry(&token);
    }
    arena_fini(&arena);
    if (ending == NULL || ending->id.ptr == NULL) {
        happn_status status = error_set(&error, is_ours ? HAPPN_E_MEMORY : HAPPN_E_ARGUMENT, "%s", is_ours ? "out of memory" : "invalid token");
        done(status, &error, arg);
        memory_free(security->allocator, ending);
        return;
    }
    submit_ending(ending);
}

void security_restore(struct security *security, struct str token_id, change_fn done, void *arg)
{
    struct ending *ending = new_ending(security, token_id, done, arg);
    if (ending == NULL) {
        happn_error error = {.status = HAPPN_E_MEMORY};
        done(HAPPN_E_MEMORY, &error, arg);
        return;
    }
    ending->restores = true;
    submit_ending(ending);
}

bool security_is_revoked(const struct security *security, struct str token_id)
{
    return revoked_find(&security->revoked, token_id) != NULL;
}

void security_set_password(struct security *security, const struct user *user, const char *hash, change_fn done, void *arg)
{
    struct change *change = change_new(security);
    struct arena arena;
    arena_init(&arena, security->allocator);
    struct str parts[] = {STR_LIT(SECURITY_ROOT "_USER/"), user->name};
    struct str path = join_texts(&arena, parts, 2);
    struct buf text;
    buf_init(&text, security->allocator, 1 << 24);
    bool has_members = false;
    json_add_open_object(&text, user->record, "password", &has_members);
    buf_add_format(&text, "%s\"password\":\"%s\"}", has_members ? "," : "", hash);
    if (change != NULL && path.ptr != NULL && text.status == HAPPN_OK) {
        change_put(change, path, buf_str(&text));
        change_submit(change, done, arg);
    } else {
        if (change != NULL) {
            change_drop(change);
        }
        happn_error error = {.status = HAPPN_E_MEMORY};
        done(HAPPN_E_MEMORY, &error, arg);
    }
    buf_fini(&text);
    arena_fini(&arena);
}

/* --- loading */

struct load {
    struct security *security;
    struct arena arena;
    struct store_op op;
    struct hash_job job;
    void (*ready)(happn_status status, const happn_error *error, void *arg);
    void *arg;
    struct str password;
};

static void end_load(struct load *load, happn_status status, const happn_error *error)
{
    void (*ready)(happn_status, const happn_error *, void *) = load->ready;
    void *arg = load->arg;
    struct security *security = load->security;
    happn_error copy = error != NULL ? *error : (happn_error){.status = status};
    arena_fini(&load->arena);
    memory_free(security->allocator, load);
    security->is_loading = false;
    ready(status, status == HAPPN_OK ? NULL : &copy, arg);
}

static void stored_all(happn_status status, const happn_error *error, void *arg)
{
    end_load(arg, status, error);
}

static bool add_secret(struct security *security, struct str key)
{
    struct token_secret *secret = &security->secrets[security->secret_count];
    unsigned char name[SHA256_BYTES];
    char *copy = memory_strdup(security->allocator, key.ptr, key.len);
    if (copy == NULL || !crypto_hmac_sha256(key, STR_LIT("the name of this key"), name)) {
        memory_free(security->allocator, copy);
        return false;
    }
    secret->key = str_make(copy, key.len);
    snprintf(secret->id, sizeof secret->id, "%02x%02x%02x%02x%02x%02x%02x%02x", name[0], name[1], name[2], name[3], name[4], name[5],
             name[6], name[7]);
    security->secret_count++;
    return true;
}

static void put_text(struct change *change, const char *path, const char *text)
{
    change_put(change, str_of(path), str_of(text));
}

/* The group of the administrators has its right at each start, whatever was done to it. */
static void put_admin_group(struct security *security, struct change *change)
{
    const struct group *group = directory_group(&security->directory, STR_LIT(ADMIN_NAME));
    const struct rule *rule = group != NULL ? rule_find(group->rules, STR_LIT("*")) : NULL;
    if (group == NULL) {
        put_text(change, SECURITY_ROOT "_GROUP/" ADMIN_NAME,
                 "{\"name\":\"_ADMIN\",\"custom_data\":{\"description\":\"the default administration group for happn\"}}");
    }
    if (rule == NULL || (rule->allowed & MAY_STAR) == 0 || rule->prohibited != 0) {
        put_text(change, SECURITY_ROOT "_PERMISSIONS/_ADMIN/*/{{w}}", "{\"action\":\"*\",\"authorized\":true,\"path\":\"*\"}");
    }
}

static void put_admin_user(struct security *security, struct change *change, const char *hash)
{
    const struct security_settings *settings = &security->settings;
    char id[40];
    id_uuid(id);
    struct buf text;
    buf_init(&text, security->allocator, 1 << 20);
    buf_add_format(&text, "{\"username\":\"_ADMIN\",\"userid\":\"%s\",\"password\":\"%s\"", id, hash);
    if (str_is_set(settings->admin_public_key)) {
        buf_add_lit(&text, ",\"publicKey\":");
        json_add_string(&text, settings->admin_public_key);
    }
    if (str_is_set(settings->admin_custom_data)) {
        buf_add_lit(&text, ",\"custom_data\":");
        buf_add_str(&text, settings->admin_custom_data);
    }
    buf_add_char(&text, '}');
    change_put(change, STR_LIT(SECURITY_ROOT "_USER/" ADMIN_NAME), buf_str(&text));
    put_text(change, SECURITY_ROOT "_USER/" ADMIN_NAME "/_USER_GROUP/" ADMIN_NAME, "{}");
    buf_fini(&text);
}

static void put_anonymous(struct security *security, struct change *change)
{
    if (security->settings.admits_anonymous && directory_user(&security->directory, STR_LIT(ANONYMOUS_NAME)) == NULL) {
        put_text(change, SECURITY_ROOT "_USER/" ANONYMOUS_NAME, "{\"username\":\"_ANONYMOUS\"}");
    }
}

/* The configured secret signs; without one the stored one does, made when there is none. */
static bool settle_secrets(struct load *load, struct str stored, struct change *change)
{
    struct security *security = load->security;
    if (str_is_set(security->settings.token_secret)) {
        return add_secret(security, security->settings.token_secret);
    }
    if (stored.len != 0) {
        return add_secret(security, stored);
    }
    char secret[80], text[120];
    id_uuid(secret);
    id_uuid(secret + 36);
    snprintf(text, sizeof text, "{\"secret\":\"%s\"}", secret);
    put_text(change, SECRET_PATH, text);
    return add_secret(security, str_of(secret));
}

/* --- the key pair of payload encryption: {"value":"<JSON text of {privateKey, publicKey}>"} */

static bool use_keys(struct security *security, struct str private_key, struct str public_key)
{
    security->public_key = arena_str(&security->arena, public_key);
    return security->public_key.ptr != NULL && key_pair_read(&security->arena, private_key, public_key, &security->key_pair);
}

static bool use_stored_keys(struct load *load)
{
    for (size_t i = 0; i < load->op.count; i++) {
        const struct document *document = &load->op.documents[i];
        if (!str_is(document->path, KEY_PAIR_PATH)) {
            continue;
        }
        struct str text = json_string(&load->arena, json_get(document->data, "value"));
        bool is_object = str_is_set(text) && json_check(text, NULL) == HAPPN_OK && json_type_of(text) == JSON_OBJECT;
        return is_object && use_keys(load->security, json_string(&load->arena, json_get(text, "privateKey")),
                                     json_string(&load->arena, json_get(text, "publicKey")));
    }
    return false;
}

static bool make_keys(struct load *load, struct change *change)
{
    struct buf secret, point, text;
    buf_init(&secret, load->security->allocator, 256);
    buf_init(&point, load->security->allocator, 256);
    buf_init(&text, load->security->allocator, 1024);
    bool made = crypto_make_key_pair(&secret, &point);
    buf_add_format(&text, "{\"value\":\"{\\\"privateKey\\\":\\\"%.*s\\\",\\\"publicKey\\\":\\\"%.*s\\\"}\"}", (int)secret.len, secret.ptr,
                   (int)point.len, point.ptr);
    made = made && text.status == HAPPN_OK && use_keys(load->security, buf_str(&secret), buf_str(&point));
    change_put(change, STR_LIT(KEY_PAIR_PATH), buf_str(&text));
    buf_fini(&secret);
    buf_fini(&point);
    buf_fini(&text);
    return made;
}

/* The stored keys win over the configured ones, as in the original: clients may have pinned them. */
static bool settle_keys(struct load *load, struct change *change)
{
    const struct security_settings *settings = &load->security->settings;
    return use_stored_keys(load) || (str_is_set(settings->private_key) && use_keys(load->security, settings->private_key, settings->public_key)) ||
           make_keys(load, change);
}

static struct str stored_secret(struct load *load)
{
    for (size_t i = 0; i < load->op.count; i++) {
        const struct document *document = &load->op.documents[i];
        if (str_is(document->path, SECRET_PATH)) {
            return json_string(&load->arena, json_get(document->data, "secret"));
        }
    }
    return STR_NONE;
}

/* happn-3 calls the record by the token itself, or by the session's id. */
static happn_status read_revocation(struct load *load, const struct document *document, struct str key)
{
    struct security *security = load->security;
    struct str data = json_get(document->data, "data");
    int64_t since = json_int(json_get(data, "timestamp"), document->created);
    int64_t ttl = json_int(json_get(document->data, "ttl"), 0);
    struct str reason = json_string(&load->arena, json_get(data, "reason"));
    struct token token;
    bool is_token = token_read(&load->arena, key, security->secrets, security->secret_count, &token);
    return revoked_add(&security->revoked, is_token ? token.id : key, reason, since, ttl != 0 ? since + ttl : 0);
}

static happn_status read_revocations(struct load *load)
{
    static const struct str roots[] = {STR_LIT(REVOKED_ROOT), STR_LIT(REVOKED_OLD_ROOT)};
    happn_status status = HAPPN_OK;
    for (size_t i = 0; i < load->op.count && status == HAPPN_OK; i++) {
        const struct document *document = &load->op.documents[i];
        for (size_t j = 0; j < 2 && status == HAPPN_OK; j++) {
            if (str_starts(document->path, roots[j])) {
                status = read_revocation(load, document, str_skip(document->path, roots[j].len));
            }
        }
    }
    return status;
}

static void write_missing(struct load *load, const char *admin_hash)
{
    struct security *security = load->security;
    struct change *change = change_new(security);
    if (change == NULL || !settle_secrets(load, stored_secret(load), change) || !settle_keys(load, change)) {
        if (change != NULL) {
            change_drop(change);
        }
        end_load(load, HAPPN_E_MEMORY, NULL);
        return;
    }
    if (read_revocations(load) != HAPPN_OK) {
        change_drop(change);
        end_load(load, HAPPN_E_MEMORY, NULL);
        return;
    }
    put_admin_group(security, change);
    if (admin_hash != NULL) {
        put_admin_user(security, change, admin_hash);
    }
    put_anonymous(security, change);
    change_submit(change, stored_all, load);
}

static void hash_done(struct hash_job *job)
{
    struct load *load = job->arg;
    if (job->made[0] == '\0') {
        end_load(load, HAPPN_E_MEMORY, NULL);
        return;
    }
    write_missing(load, job->made);
}

static void found_all(struct load *load)
{
    struct security *security = load->security;
    for (size_t i = 0; i < load->op.count; i++) {
        const struct document *document = &load->op.documents[i];
        if (security_put(security, document->path, document->data, document->created, document->modified) != HAPPN_OK) {
            end_load(load, HAPPN_E_MEMORY, NULL);
            return;
        }
    }
    if (directory_user(&security->directory, STR_LIT(ADMIN_NAME)) != NULL) {
        write_missing(load, NULL);
        return;
    }
    bool is_set = str_is_set(security->settings.admin_password);
    load->job = (struct hash_job){.password = is_set ? security->settings.admin_password : STR_LIT("happn"),
                                  .iterations = security->settings.iterations, .done = hash_done, .arg = load};
    happn_status status = hashing_submit(security->hashing, &load->job);
    if (status != HAPPN_OK) {
        end_load(load, status, NULL);
    }
}

static void find_done(struct store_op *op)
{
    struct load *load = op->context;
    if (op->status != HAPPN_OK) {
        end_load(load, op->status, &op->error);
        return;
    }
    found_all(load);
}

void security_load(struct security *security, void (*ready)(happn_status status, const happn_error *error, void *arg), void *arg)
{
    struct load *load = memory_zalloc(security->allocator, sizeof *load);
    if (load == NULL) {
        ready(HAPPN_E_MEMORY, NULL, arg);
        return;
    }
    *load = (struct load){.security = security, .ready = ready, .arg = arg};
    arena_init(&load->arena, security->allocator);
    security->is_loading = true;
    struct store_op *op = &load->op;
    *op = (struct store_op){.kind = STORE_FIND, .path = STR_LIT("/_SYSTEM/_*"), .include_system = true, .arena = &load->arena,
                            .now = loop_now_ms(security->loop), .done = find_done, .context = load};
    happn_status status = datastores_submit(security->stores, datastores_target(security->stores, op), op);
    if (status != HAPPN_PENDING) {
        op->status = status;
        find_done(op);
    }
}
