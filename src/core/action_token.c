/* What somebody who is logged in does with its own login: end it, end what was opened with it, change the password. */

#include <stdio.h>

#include "core/dispatch.h"
#include "core/events.h"
#include "core/gate.h"
#include "core/session.h"
#include "json/scan.h"
#include "json/write.h"
#include "security/change.h"
#include "security/hashing.h"
#include "security/security.h"

static void reply_null(struct request *request)
{
    request->reply.kind = REPLY_DATA;
    request->reply.data = STR_LIT("null");
    core_reply(request);
}

static bool is_secured(struct request *request)
{
    if (request->core->security != NULL && request->session->identity != NULL) {
        return true;
    }
    char text[120];
    bool is_old = request->action == ACTION_REVOKE_SESSION;
    snprintf(text, sizeof text, "Cannot %.*s Not Secure", (int)(request->action_text.len < 60 ? request->action_text.len : 60),
             request->action_text.ptr);
    core_fail(request, HAPPN_E_UNSUPPORTED, "Error", 0, is_old ? "invalid session token" : text);
    return false;
}

static void revoked(happn_status status, const happn_error *error, void *arg)
{
    struct request *request = arg;
    if (status != HAPPN_OK) {
        core_fail(request, status, NULL, 500, error->message);
        return;
    }
    reply_null(request);
}

/* The answer leaves before the connection ends: the token counts as revoked when the store has it. */
void action_revoke(struct request *request)
{
    if (!is_secured(request)) {
        return;
    }
    struct identity *identity = request->session->identity;
    security_revoke(request->core->security, identity->token, STR_LIT("CLIENT"), revoked, request);
}

/* An unsecured server knows no parents: there is nobody to disconnect, and that is no error (as 13 says). */
void action_disconnect_children(struct request *request)
{
    struct session *own = request->session;
    if (own->identity == NULL) {
        reply_null(request);
        return;
    }
    for (struct session *session = own->core->sessions, *next; session != NULL; session = next) {
        next = session->next;
        if (session != own && session->identity != NULL && str_equal(session->identity->token_id, own->identity->token_id)) {
            session_disconnect(session, false, "parent session disconnected");
        }
    }
    reply_null(request);
}

/* --- change-password */

struct password_change {
    struct request *request;
    struct hash_job check, make;
    struct str password, stored;
};

static const char locked_out[] = "Account locked out";

static void fail(struct request *request, const char *text)
{
    core_fail(request, HAPPN_E_DENIED, "SystemError", 500, text);
}

static void written(happn_status status, const happn_error *error, void *arg)
{
    struct request *request = arg;
    if (status != HAPPN_OK) {
        core_fail(request, status, NULL, 500, error->message);
        return;
    }
    reply_null(request);
}

static void made(struct hash_job *job)
{
    struct password_change *change = job->arg;
    struct request *request = change->request;
    struct security *security = request->core->security;
    struct identity *identity = request->session->identity;
    struct user *user = identity != NULL ? identity->user : NULL;
    if (user == NULL || job->made[0] == '\0') {
        fail(request, "the password was not changed");
        return;
    }
    security_set_password(security, user->name, job->made, change->stored, written, request);
}

/* Whoever took over a session must not find out its password: wrong ones count as those of logins. False: it has failed. */
static bool may_guess(struct request *request)
{
    struct lockout *lockout = &request->core->security->lockout;
    const struct session *session = request->session;
    const struct identity *identity = session->identity;
    bool may = identity != NULL && !lockout_is_locked(lockout, identity->username, str_of(session->peer.address), loop_now_ms(request->core->loop));
    if (!may) {
        fail(request, identity != NULL ? locked_out : "the password was not changed");
    }
    return may;
}

static void guessed_wrong(struct request *request)
{
    struct lockout *lockout = &request->core->security->lockout;
    const struct session *session = request->session;
    bool locks = lockout_failed(lockout, session->identity->username, str_of(session->peer.address), loop_now_ms(request->core->loop));
    fail(request, locks ? locked_out : "Invalid old password");
}

static void checked(struct hash_job *job)
{
    struct password_change *change = job->arg;
    struct request *request = change->request;
    if (!may_guess(request)) {
        return;
    }
    if (!job->fits) {
        guessed_wrong(request);
        return;
    }
    lockout_succeeded(&request->core->security->lockout, request->session->identity->username, str_of(request->session->peer.address));
    change->make = (struct hash_job){.password = change->password, .iterations = job->iterations, .done = made, .arg = change};
    if (hashing_submit(request->core->security->hashing, &change->make) != HAPPN_OK) {
        fail(request, happn_status_text(HAPPN_E_BUSY));
    }
}

void action_change_password(struct request *request)
{
    if (!is_secured(request)) {
        return;
    }
    struct security *security = request->core->security;
    struct arena *arena = &request->arena;
    const struct user *user = request->session->identity->user;
    struct str old = json_string(arena, json_get(request->data, "oldPassword"));
    struct str password = json_string(arena, json_get(request->data, "newPassword"));
    struct password_change *change = arena_alloc(arena, sizeof *change);
    if (change == NULL || user == NULL) {
        fail(request, "the password was not changed");
    } else if (old.len == 0 || password.len == 0 || password.len > PASSWORD_MOST) {
        fail(request, "Invalid parameters: oldPassword and newPassword required");
    } else if (str_is(user->name, ADMIN_NAME)) {
        fail(request, "updates to the _ADMIN user are forbidden");
    } else if (may_guess(request)) {
        struct str stored = json_string(arena, json_get(user->record, "password"));
        *change = (struct password_change){.request = request, .password = password, .stored = stored};
        change->stored = arena_str(arena, str_is_set(stored) ? stored : STR_LIT("none"));
        change->check = (struct hash_job){.password = old, .stored = change->stored, .iterations = security->settings.iterations,
                                          .done = checked, .arg = change};
        /* Without a stored hash nothing would be compared. */
        if (change->stored.ptr == NULL || hashing_submit(security->hashing, &change->check) != HAPPN_OK) {
            fail(request, happn_status_text(change->stored.ptr == NULL ? HAPPN_E_MEMORY : HAPPN_E_BUSY));
        }
    }
}
