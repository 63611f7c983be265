/* The start: everything is read from the store, and what a new store lacks is made: the secret that tokens are signed with, the key pair of payload
 * encryption, the administrator. */

#include <stdio.h>

#include "base/id.h"
#include "json/write.h"
#include "security/change.h"
#include "security/crypto.h"
#include "security/hashing.h"
#include "security/security.h"

#define KEY_PAIR_PATH SECURITY_ROOT "_SETTINGS/KEYPAIR"
#define SECRET_PATH SECURITY_ROOT "SESSION_TOKEN_SECRET"

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
