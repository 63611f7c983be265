#include "core/gate.h"

#include <stdio.h>

#include "base/error.h"
#include "core/events.h"
#include "json/write.h"
#include "paths/path.h"
#include "paths/wildcard.h"
#include "security/activity.h"
#include "security/change.h"
#include "security/login.h"
#include "security/security.h"

enum { SWEEP_MS = 1000 };

/* --- requests */

static void say(struct request *request, const struct denial *refusal)
{
    bool is_new = request->session->protocol->number >= 4; /* older ones have the cause in `reason` */
    const char *reason = refusal->reason;
    error_set(&request->error, HAPPN_E_DENIED, "%s", reason != NULL && is_new ? reason : "unauthorized");
    snprintf(request->error.name, sizeof request->error.name, "AccessDenied");
    request->error.code = 403;
    if (reason != NULL && !is_new) {
        char fields[200];
        const struct identity *identity = request->session->identity;
        bool is_revoked = refusal == &refused_revoked && identity != NULL && identity->token_id.len < 100; /* in their own words */
        int len = is_revoked ? snprintf(fields, sizeof fields, "{\"reason\":\"session with id %.*s has been revoked\"}", (int)identity->token_id.len,
                                        identity->token_id.ptr)
                             : snprintf(fields, sizeof fields, "{\"reason\":\"%s\"}", reason);
        request->error_fields = arena_str(&request->arena, str_make(fields, (size_t)len));
    }
}

static const struct denial *refuse_delegate(struct request *request, const char *why)
{
    static const struct denial refusal = {NULL, NULL};
    char fields[400];
    struct str name = request->options.on_behalf_of;
    struct buf text;
    buf_init(&text, request->core->allocator, 4096);
    json_add_string(&text, str_make(name.ptr, name.len < 100 ? name.len : 100));
    int len = snprintf(fields, sizeof fields, "{\"reason\":\"%s request on behalf of unauthorised user: %.*s}", why,
                       text.len > 2 ? (int)text.len - 1 : 1, text.len > 2 ? text.ptr + 1 : "\"");
    buf_fini(&text);
    say(request, &refusal);
    request->error_fields = arena_str(&request->arena, str_make(fields, (size_t)len));
    return &refusal;
}

/* The administrator and members of _MESH_DELEGATE may act for somebody else, with that user's rights. */
static const struct denial *pass_for_other(struct request *request, struct identity *identity, unsigned may)
{
    struct security *security = request->core->security;
    struct str name = request->options.on_behalf_of;
    if (!identity_is_admin(identity) && !user_is_in(identity->user, STR_LIT("_MESH_DELEGATE"))) {
        return refuse_delegate(request, "session attempting to act on behalf of is not authorized");
    }
    struct user *user = directory_user(&security->directory, name);
    if (user == NULL) {
        return refuse_delegate(request, "on behalf of user does not exist");
    }
    struct permission_set *rights = user_rights(security, user);
    if (!checkpoint_allows(security, user, rights, request->path, may)) {
        return refuse_delegate(request, "");
    }
    request->modified_by = arena_str(&request->arena, user->name);
    if (permission_set_has_prohibitions(rights, may)) {
        permission_set_ref(rights);
        request->sight = (struct sight){rights, may, false};
    }
    return NULL;
}

static bool acts_for_other(const struct request *request)
{
    struct str name = request->options.on_behalf_of;
    return name.len != 0 && !str_is(name, ADMIN_NAME) && !str_equal(name, request->session->identity->username);
}

static const struct denial *pass(struct request *request, unsigned may)
{
    struct identity *identity = request->session->identity;
    int64_t now = loop_now_ms(request->core->loop);
    if (identity != NULL && acts_for_other(request)) {
        const struct denial *refusal = checkpoint_alive(identity, now);
        return refusal != NULL ? refusal : pass_for_other(request, identity, may);
    }
    const struct denial *refusal = checkpoint_pass(identity, request->path, may, now);
    if (refusal == NULL) {
        request->modified_by = identity->username;
        (void)checkpoint_sight(identity, request->path, may, &request->sight);
    }
    return refusal;
}

/* What somebody did last, for administrators. */
static void note_activity(const struct request *request, bool is_refused)
{
    struct identity *identity = request->session->identity;
    if (!request->core->security->settings.logs_activity || identity == NULL) {
        return;
    }
    static const char *const words[] = {[ACTION_SET] = "set", [ACTION_GET] = "get", [ACTION_COUNT] = "count", [ACTION_REMOVE] = "remove", [ACTION_ON] = "on"};
    size_t action = (size_t)request->action;
    identity->last_action = action < sizeof words / sizeof words[0] && words[action] != NULL ? words[action] : "other";
    identity->last_refused = is_refused;
    size_t len = request->path.len < sizeof identity->last_path ? request->path.len : sizeof identity->last_path - 1;
    while (len != request->path.len && len != 0 && ((unsigned char)request->path.ptr[len] & 0xc0) == 0x80) {
        len--; /* not in the middle of a character */
    }
    memcpy(identity->last_path, request->path.ptr != NULL ? request->path.ptr : "", len);
    identity->last_path[len] = '\0';
}

const struct denial *gate_request(struct request *request, enum gate_need need)
{
    struct session *session = request->session;
    if (request->core->security == NULL || session->is_trusted || need == GATE_NOTHING) {
        return NULL;
    }
    const struct denial *refusal = need == GATE_LOGIN
                                        ? checkpoint_alive(session->identity, loop_now_ms(request->core->loop))
                                        : pass(request, (unsigned)need >> 8);
    if (refusal != NULL && request->error.status != HAPPN_E_DENIED) {
        say(request, refusal);
    }
    note_activity(request, refusal != NULL);
    if (refusal != NULL) {
        events_refused(request);
    }
    return refusal;
}

/* --- what the host does to the directory by its documents */

static bool concerns_directory(const struct request *request, struct str path)
{
    return request->core->security != NULL && request->session->is_trusted && !request->options.no_store && str_starts(path, STR_LIT(SECURITY_ROOT));
}

void gate_written(const struct request *request, const struct document *document)
{
    if (concerns_directory(request, document->path)) {
        security_written(request->core->security, document);
    }
}

void gate_removed(const struct request *request)
{
    bool is_wide = request->core->security != NULL && request->session->is_trusted && path_has_wildcard(request->path) && request->op.removed != 0 &&
                   wildcard_matches(WILDCARD_STRING, STR_LIT("/_SYSTEM/_SECURITY/*"), request->path, 0);
    if (is_wide) {
        log_write(request->core->log, LOG_WARN, "security", "documents of the directory were removed by a pattern: that counts after the next start");
    } else if (concerns_directory(request, request->path) && request->op.removed != 0) {
        security_removed(request->core->security, request->path);
    }
}

/* --- events */

bool gate_hears(const struct channel *channel, struct str path)
{
    const struct session *session = channel->session;
    struct identity *identity = session->identity;
    if (session->is_trusted) {
        return true;
    }
    if (identity == NULL || channel->is_muted) {
        return false;
    }
    struct permission_set *rights = identity_rights(identity);
    if (rights == NULL) {
        return false;
    }
    if (channel->is_nested) {
        return permission_set_allows(rights, path, MAY_ON);
    }
    return !permission_set_has_prohibitions(rights, MAY_ON) || !permission_set_prohibits(rights, path, MAY_ON);
}

void gate_look_at(struct channel *channel)
{
    struct session *session = channel->session;
    if (session->core->security == NULL || session->is_trusted) {
        return;
    }
    struct permission_set *rights = session->identity != NULL ? identity_rights(session->identity) : NULL;
    struct str pattern = channel->subscription.pattern;
    bool is_allowed = rights != NULL && checkpoint_permits(session->identity, pattern, MAY_ON);
    channel->is_nested = rights != NULL && !is_allowed && checkpoint_nests(session->core->security, pattern, MAY_ON);
    channel->is_muted = !is_allowed && !channel->is_nested;
}

static void look_at_all(struct session *session)
{
    for (size_t i = 0; i < session->channel_slots; i++) {
        for (struct channel *channel = session->channels[i]; channel != NULL; channel = channel->next) {
            gate_look_at(channel);
        }
    }
}

/* --- what security tells */

static void tell(struct session *session, const char *what, struct str detail)
{
    struct buf *out = what != NULL && session->link != NULL && session->protocol->encode_system != NULL
                          ? session->link->ops->begin(session->link)
                          : NULL;
    if (out == NULL) {
        return;
    }
    struct buf data;
    buf_init(&data, session->core->allocator, 1 << 24);
    buf_add_format(&data, "{\"whatHappnd\":\"%s\",\"changedData\":", what);
    buf_add_str(&data, str_is_set(detail) ? detail : STR_LIT("null"));
    buf_add_char(&data, '}');
    session->protocol->encode_system(session, "security-data-changed", buf_str(&data), out);
    session->link->ops->commit(session->link);
    buf_fini(&data);
}

static void rights_changed(struct identity *identity, const char *what, struct str detail)
{
    struct session *session = identity->owner;
    look_at_all(session);
    tell(session, what, detail);
}

/* Older clients keep their connection when their time is up, and are told with each request. They hear nothing any more. */
static void ended(struct identity *identity, const char *reason)
{
    struct session *session = identity->owner;
    bool keeps_quiet = session->protocol->number < 4 && identity->ended != &refused_gone;
    events_session(session->core, "session-ended", session, reason);
    if (!keeps_quiet) {
        session_disconnect(session, false, reason);
    }
}

static void disconnect(struct identity *identity, const char *reason)
{
    session_disconnect(identity->owner, false, reason);
}

static void happened(void *arg, const char *event, struct str detail)
{
    events_emit(arg, event, detail);
}

const struct security_host gate_host = {rights_changed, ended, disconnect, happened};

void gate_identify(struct session *session, struct identity *identity)
{
    struct identity *before = session->identity;
    session->identity = identity;
    if (identity != NULL) {
        identity_keep(identity, session, session->id);
    }
    if (before != NULL && before->owner == session) {
        identity_leave(before);
    }
    identity_unref(before);
    if (identity != NULL) {
        look_at_all(session);
    }
}

static void drop_strangers(struct core *core, int64_t now)
{
    for (struct session *session = core->sessions, *next; session != NULL; session = next) {
        next = session->next;
        bool is_stranger = session->identity == NULL && !session->is_trusted && !session->is_local && !session->is_logging_in;
        if (is_stranger && now - session->opened >= core->login_ms) {
            session_disconnect(session, false, "no login in time");
        }
    }
}

void gate_sweep(struct core *core)
{
    int64_t now = loop_now_ms(core->loop);
    security_sweep(core->security, now);
    if (core->login_ms != 0) {
        drop_strangers(core, now);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    gate_sweep(timer->data);
}

void gate_start(struct core *core)
{
    uv_timer_start(&core->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)&core->sweep); /* it keeps nobody waiting */
}

/* --- HTTP */

enum gate_answer gate_http(struct core *core, struct arena *arena, struct str token_text, const char *method, struct str path,
                           struct identity **out, char message[256])
{
    struct security *security = core->security;
    *out = NULL;
    if (token_text.len == 0) {
        snprintf(message, 256, "invalid token format or null token");
        return GATE_UNAUTHORIZED;
    }
    happn_error error = {.status = HAPPN_OK};
    struct token token;
    struct identity *identity = login_by_token(security, arena, token_text, SESSION_STATELESS, &error, &token);
    if (identity == NULL) {
        bool is_text = error.code == 401 && strstr(error.message, "invalid session token") != NULL;
        snprintf(message, 256, "%.255s", is_text ? "invalid token format or null token" : error.message);
        return error.code == 403 ? GATE_FORBIDDEN : GATE_UNAUTHORIZED;
    }
    *out = identity;
    struct str parts[] = {STR_LIT("/@HTTP"), path};
    struct str asked = join_texts(arena, parts, 2);
    const struct denial *refusal = &refused_unauthorized;
    if (asked.ptr != NULL) {
        activity_load(security->activity, identity);
        refusal = checkpoint_pass(identity, asked, may_of_method(method), loop_now_ms(core->loop));
        activity_save(security->activity, identity);
    }
    if (refusal == NULL) {
        return GATE_OPEN;
    }
    if (refusal->closing != NULL) {
        snprintf(message, 256, "authorization failed for %.*s: %s", (int)(identity->username.len < 100 ? identity->username.len : 100),
                 identity->username.ptr, refusal->reason);
        return GATE_UNAUTHORIZED;
    }
    snprintf(message, 256, "unauthorized access to path %.*s", (int)(asked.len < 220 ? asked.len : 220), asked.ptr != NULL ? asked.ptr : "");
    return GATE_FORBIDDEN;
}
