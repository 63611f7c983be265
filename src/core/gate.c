#include "core/gate.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "core/events.h"
#include "json/write.h"
#include "paths/path.h"
#include "paths/wildcard.h"
#include "security/activity.h"
#include "security/change.h"
#include "security/login.h"
#include "security/security.h"

enum { SWEEP_MS = 1000, SHOWN_NAME = 100, SHOWN_PATH = 220 };

/* --- requests */

/* The fields of the error beside its message: {"reason":"..."}. */
static void give_reason(struct request *request, const struct str *parts, size_t count)
{
    struct str reason = arena_join(&request->arena, parts, count);
    struct buf text;
    buf_init(&text, request->core->allocator, 1 << 16);
    buf_add_lit(&text, "{\"reason\":");
    json_add_string(&text, reason);
    buf_add_char(&text, '}');
    request->error_fields = text.status == HAPPN_OK && reason.ptr != NULL ? arena_str(&request->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
}

static void say(struct request *request, const struct denial *refusal)
{
    bool is_new = request->session->protocol->number >= 4; /* older ones have the cause in `reason` */
    const char *reason = refusal->reason;
    error_set(&request->error, HAPPN_E_DENIED, "%s", reason != NULL && is_new ? reason : "unauthorized");
    snprintf(request->error.name, sizeof request->error.name, "AccessDenied");
    request->error.code = 403;
    if (reason == NULL || is_new) {
        return;
    }
    const struct identity *identity = request->session->identity;
    if (refusal == &refused_revoked && identity != NULL) { /* in their own words */
        give_reason(request, (struct str[]){STR_LIT("session with id "), identity->token_id, STR_LIT(" has been revoked")}, 3);
    } else {
        give_reason(request, &(struct str){reason, strlen(reason)}, 1);
    }
}

static const struct denial *refuse_delegate(struct request *request, const char *why)
{
    static const struct denial refusal = {NULL, NULL};
    struct str name = utf8_cut(request->options.on_behalf_of, SHOWN_NAME);
    say(request, &refusal);
    give_reason(request, (struct str[]){str_of(why), STR_LIT(" request on behalf of unauthorised user: "), name}, 3);
    return &refusal;
}

/* The administrator and members of _MESH_DELEGATE may act for somebody else, with that user's rights; not with a token whose profile
 * has permissions of its own, which stand in place of all others. */
static const struct denial *pass_for_other(struct request *request, struct identity *identity, unsigned may)
{
    struct security *security = request->core->security;
    struct str name = request->options.on_behalf_of;
    bool is_delegate = identity->limits == NULL && user_is_in(identity->user, STR_LIT("_MESH_DELEGATE"));
    if (!identity_is_admin(identity) && !is_delegate) {
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
    struct str path = utf8_cut(request->path, sizeof identity->last_path - 1);
    memcpy(identity->last_path, path.ptr != NULL ? path.ptr : "", path.len);
    identity->last_path[path.len] = '\0';
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

/* Older clients of the original keep their connection when their time is up, and are told with each request. They hear nothing any more. */
static void ended(struct identity *identity, const char *reason)
{
    struct session *session = identity->owner;
    bool keeps_quiet = session->protocol->number < 4 && !session->leaves_with_login && identity->ended != &refused_gone;
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
    loop_timer_start(core->loop, &core->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)&core->sweep); /* it keeps nobody waiting */
}

/* --- HTTP */

/* NULL: *answer and message say why not; hint is for whoever sent nothing that looks like a token of ours. */
static struct identity *caller_identity(struct core *core, struct arena *arena, const struct http_caller *caller, const char *hint,
                                        enum gate_answer *answer, char message[256])
{
    happn_error error = {.status = HAPPN_OK};
    struct token token;
    struct identity *identity = NULL;
    *answer = GATE_UNAUTHORIZED;
    if (caller->token.len != 0) {
        identity = login_by_token(core->security, arena, caller->token, caller->address, &error, &token);
    }
    bool is_text = caller->token.len == 0 || (error.code == 401 && strstr(error.message, "invalid session token") != NULL);
    if (identity == NULL) {
        utf8_copy(message, 256, str_of(is_text ? hint : error.message));
        *answer = error.code == 403 ? GATE_FORBIDDEN : GATE_UNAUTHORIZED;
    }
    return identity;
}

/* Each request by itself is one use. */
static const struct denial *use(struct identity *identity, struct str path, unsigned may)
{
    struct security *security = identity->security;
    int64_t now = loop_now_ms(security->loop);
    activity_load(security->activity, identity);
    const struct denial *refusal = str_is_set(path) ? checkpoint_pass(identity, path, may, now) : checkpoint_alive(identity, now);
    activity_save(security->activity, identity);
    return refusal;
}

static enum gate_answer refuse_use(const struct identity *identity, const struct denial *refusal, struct str path, char message[256])
{
    struct str name = utf8_cut(identity->username, SHOWN_NAME), shown = utf8_cut(path, SHOWN_PATH);
    if (refusal->closing != NULL) {
        snprintf(message, 256, "authorization failed for %.*s: %s", (int)name.len, name.ptr, refusal->reason);
        return GATE_UNAUTHORIZED;
    }
    snprintf(message, 256, "unauthorized access to path %.*s", (int)shown.len, shown.ptr);
    return GATE_FORBIDDEN;
}

enum gate_answer gate_http(struct core *core, struct arena *arena, const struct http_caller *caller, const char *method, struct str path,
                           struct identity **out, char message[256])
{
    enum gate_answer answer;
    struct identity *identity = *out = caller_identity(core, arena, caller, "invalid token format or null token", &answer, message);
    if (identity == NULL) {
        return answer;
    }
    struct str asked = arena_join(arena, (struct str[]){STR_LIT("/@HTTP"), path}, 2);
    if (asked.ptr == NULL) {
        return refuse_use(identity, &refused_unauthorized, path, message);
    }
    const struct denial *refusal = use(identity, asked, may_of_method(method));
    return refusal == NULL ? GATE_OPEN : refuse_use(identity, refusal, asked, message);
}

enum gate_answer gate_admin(struct core *core, struct arena *arena, const struct http_caller *caller, char message[256])
{
    enum gate_answer answer;
    static const char hint[] = "send an administrator's token: Authorization: Bearer ...";
    struct identity *identity = caller_identity(core, arena, caller, hint, &answer, message);
    if (identity == NULL) {
        return answer;
    }
    const struct denial *refusal = use(identity, STR_NONE, 0);
    answer = refusal == NULL ? GATE_OPEN : refuse_use(identity, refusal, STR_LIT("/_admin"), message);
    if (answer == GATE_OPEN && !identity_is_admin(identity)) {
        snprintf(message, 256, "only members of the group _ADMIN may do this");
        answer = GATE_FORBIDDEN;
    }
    identity_unref(identity);
    return answer;
}
