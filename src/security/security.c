/* What is in the store and what is in memory say the same: everything is read at the start, and every later change is put into the
 * directory when it is stored. Rights are compiled from the directory when somebody needs them, and thrown away when something they
 * were made of changes. Whoever is logged in and concerned is told once for each change, not once for each document of it. */

#include "security/security.h"

#include "base/error.h"
#include "json/write.h"
#include "security/activity.h"
#include "security/change.h"
#include "security/hashing.h"
#include "security/names.h"

enum { TIDY_MS = 1000, MOST_TIDIED = 100 };

#define PERMISSIONS_ROOT SECURITY_ROOT "_PERMISSIONS/"

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

/* --- passwords */

/* What it takes to write it when its turn comes. */
struct password_change {
    struct turn turn; /* first */
    struct security *security;
    struct arena arena;
    struct str username, before;
    const char *hash;
    change_fn done;
    void *arg;
};

static void end_password_change(happn_status status, const happn_error *error, void *arg)
{
    struct password_change *password = arg;
    change_fn done = password->done;
    void *done_arg = password->arg;
    const struct allocator *allocator = password->security->allocator;
    arena_fini(&password->arena);
    memory_free(allocator, password);
    done(status, error, done_arg);
}

static void refuse_password_change(struct password_change *password, happn_status status, const char *text)
{
    happn_error error;
    error_set(&error, status, "%s", text);
    end_password_change(status, &error, password);
}

static void write_password(struct password_change *password, const struct user *user)
{
    struct security *security = password->security;
    struct change *change = change_new(security);
    struct str parts[] = {STR_LIT(SECURITY_ROOT "_USER/"), user->name};
    struct str path = arena_join(&password->arena, parts, 2);
    struct buf text;
    buf_init(&text, security->allocator, 1 << 24);
    bool has_members = false;
    json_add_open_object(&text, user->record, "password", &has_members);
    buf_add_format(&text, "%s\"password\":\"%s\"}", has_members ? "," : "", password->hash);
    if (change != NULL && path.ptr != NULL && text.status == HAPPN_OK) {
        change_put(change, path, buf_str(&text));
        change_submit(change, end_password_change, password);
    } else {
        if (change != NULL) {
            change_drop(change);
        }
        refuse_password_change(password, HAPPN_E_MEMORY, happn_status_text(HAPPN_E_MEMORY));
    }
    buf_fini(&text);
}

static void begin_password_change(struct turn *turn)
{
    struct password_change *password = (struct password_change *)turn;
    const struct user *user = directory_user(&password->security->directory, password->username);
    struct str stored = user != NULL ? json_string(&password->arena, json_get(user->record, "password")) : STR_NONE;
    if (user == NULL) {
        refuse_password_change(password, HAPPN_E_NOT_FOUND, "the user has gone meanwhile");
    } else if (str_is_set(password->before) && !str_equal(stored, password->before)) {
        refuse_password_change(password, HAPPN_E_CONFLICT, "the password was changed meanwhile");
    } else {
        write_password(password, user);
    }
}

void security_set_password(struct security *security, struct str username, const char *hash, struct str before, change_fn done, void *arg)
{
    struct password_change *password = memory_zalloc(security->allocator, sizeof *password);
    if (password == NULL) {
        happn_error error;
        error_set(&error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
        done(HAPPN_E_MEMORY, &error, arg);
        return;
    }
    *password = (struct password_change){.security = security, .done = done, .arg = arg};
    arena_init(&password->arena, security->allocator);
    password->username = arena_str(&password->arena, username);
    password->hash = arena_str(&password->arena, str_of(hash)).ptr;
    password->before = str_is_set(before) ? arena_str(&password->arena, before) : STR_NONE;
    if (password->username.ptr == NULL || password->hash == NULL || (str_is_set(before) && password->before.ptr == NULL)) {
        refuse_password_change(password, HAPPN_E_MEMORY, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    change_in_turn(security, &password->turn, begin_password_change);
}
