/* login and request-nonce. A session may log in again at any time; a login that fails leaves the one before in force. */

#include <stdio.h>

#include "base/error.h"
#include "base/id.h"
#include "core/dispatch.h"
#include "core/events.h"
#include "core/gate.h"
#include "core/session_text.h"
#include "json/scan.h"
#include "json/write.h"
#include "security/crypto.h"
#include "security/ecies.h"
#include "security/login.h"
#include "security/security.h"

static void reply_text(struct request *request, struct buf *text)
{
    core_reply_text(request, text->status == HAPPN_OK ? buf_str(text) : STR_NONE);
    buf_fini(text);
}

static void remember_info(struct session *session, struct str info)
{
    memory_free(session->core->allocator, (char *)session->info.ptr);
    session->info = STR_NONE;
    if (json_type_of(info) == JSON_OBJECT) {
        char *copy = memory_strdup(session->core->allocator, info.ptr, info.len);
        session->info = str_make(copy, copy != NULL ? info.len : 0);
    }
}

static void answer(struct request *request, const struct happn_login *login)
{
    struct session *session = request->session;
    remember_info(session, json_get(request->data, "info"));
    struct buf text;
    buf_init(&text, request->core->allocator, session->info.len * 2 + (1 << 24));
    session_add_text(&text, session, login);
    reply_text(request, &text);
}

/* Refusals of tokens as clients up to 8.x know them. */
static void word_for_older(const struct happn_login *login, happn_error *error)
{
    char text[400];
    if (strcmp(error->message, refused_revoked.reason) == 0) {
        snprintf(text, sizeof text, "session with id %.*s has been revoked", (int)(login->token.id.len < 100 ? login->token.id.len : 100), login->token.id.ptr);
    } else if (strstr(error->message, "by policy") != NULL) {
        snprintf(text, sizeof text, "Invalid credentials: %.300s", error->message);
    } else {
        return;
    }
    snprintf(error->message, sizeof error->message, "%s", text);
    error->code = 401;
}

static void refuse(struct request *request, const struct happn_login *login)
{
    request->core->stats.refused_logins++;
    events_login_refused(request->core, login);
    happn_error error = login->error;
    bool is_denied = error.status == HAPPN_E_DENIED;
    if (is_denied && request->session->protocol->number < 4) {
        word_for_older(login, &error);
    }
    if (is_denied && request->session->protocol->number == 1) {
        error.code = 403; /* 1.x tries again after any other */
    }
    core_fail(request, error.status, is_denied ? "AccessDenied" : NULL, error.code != 0 ? error.code : 500, error.message);
}

static void login_done(struct happn_login *login)
{
    struct request *request = login->arg;
    struct session *session = request->session;
    session->holds++;
    session->is_logging_in = false;
    if (login->identity != NULL && session->link == NULL) { /* it did not wait */
        identity_unref(login->identity);
        core_end(request);
    } else if (login->identity != NULL) {
        gate_identify(session, login->identity);
        session->secret[0] = '\0';
        if (request->is_sealed) {
            id_short(session->secret);
        }
        answer(request, login);
        events_session(session->core, "authentic", session, NULL);
    } else {
        refuse(request, login);
    }
    session_release(session);
}

static struct str take_nonce(struct session *session)
{
    bool is_valid = session->nonce_until != 0 && loop_now_ms(session->core->loop) <= session->nonce_until;
    session->nonce_until = 0; /* once only */
    return is_valid ? str_make((char *)session->nonce, sizeof session->nonce) : STR_NONE;
}

/* The bytes of {"type":"Buffer","data":[2,51,...]}, or of the bare list. */
static struct str read_bytes(struct arena *arena, struct str value)
{
    struct str list = json_type_of(value) == JSON_OBJECT ? json_get(value, "data") : value;
    char *bytes = json_type_of(list) == JSON_ARRAY && list.len < 8 * ECIES_MOST ? arena_alloc(arena, list.len) : NULL;
    size_t len = 0;
    for (struct json_iter it = json_iter(list); bytes != NULL && json_next(&it);) {
        int64_t byte = json_int(it.value, -1);
        if (byte < 0 || byte > 255) {
            return STR_NONE;
        }
        bytes[len++] = (char)byte;
    }
    return str_make(bytes, len);
}

static bool unseal(struct request *request, struct str sealed)
{
    struct security *security = request->core->security;
    struct str blob = read_bytes(&request->arena, sealed), text;
    bool is_open = security->settings.encrypts_payloads && str_is_set(blob) &&
                   ecies_open(&request->arena, &security->key_pair, blob, &text, request->session->peer_point) &&
                   json_check(text, NULL) == HAPPN_OK && json_type_of(text) == JSON_OBJECT;
    if (is_open) {
        request->data = text;
        request->is_sealed = true;
    }
    return is_open;
}

/* An encrypted login becomes a plain one, whose session is encrypted from its answer on. It is counted before it is opened, which is costly.
 * False: there were too many, or it cannot be read. */
static bool open_login(struct request *request, struct happn_login *login)
{
    struct str sealed = json_get(request->data, "encrypted");
    if (!str_is_set(sealed)) {
        return true;
    }
    if (!login_may_try(login)) {
        return false;
    }
    if (!unseal(request, sealed)) {
        error_set(&login->error, HAPPN_E_DENIED, "Invalid credentials: the encrypted login cannot be read");
        login->error.code = 401;
        return false;
    }
    return true;
}

/* What the connection knows; what the client says comes after. NULL: out of memory. */
static struct happn_login *new_login(struct request *request)
{
    struct session *session = request->session;
    struct happn_login *login = arena_alloc(&request->arena, sizeof *login);
    if (login != NULL) {
        *login = (struct happn_login){.security = request->core->security,
                                      .arena = &request->arena,
                                      .session_id = str_of(session->id),
                                      .address = str_of(session->peer.address),
                                      .type = SESSION_STATEFUL,
                                      .is_local = session->is_local,
                                      .is_forwarded = session->peer.is_forwarded,
                                      .is_browser = session->peer.is_browser,
                                      .done = login_done,
                                      .arg = request};
    }
    return login;
}

static void read_login(struct request *request, struct happn_login *login)
{
    bool is_object = json_type_of(request->data) == JSON_OBJECT;
    struct str info = json_get(request->data, "info");
    login->credentials = is_object ? request->data : STR_LIT("{}");
    login->info = json_type_of(info) == JSON_OBJECT ? info : STR_NONE;
    if (str_is_set(json_get(request->data, "digest"))) {
        login->nonce = take_nonce(request->session);
    }
}

void action_login(struct request *request)
{
    struct session *session = request->session;
    if (request->core->security == NULL || session->is_trusted) {
        answer(request, NULL); /* any login is welcome; info is echoed */
        return;
    }
    struct happn_login *login = new_login(request);
    if (login == NULL) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    if (!open_login(request, login)) {
        refuse(request, login);
        return;
    }
    read_login(request, login);
    session->is_logging_in = true;
    login_begin(login);
}

void action_request_nonce(struct request *request)
{
    struct session *session = request->session;
    struct str key = json_string(&request->arena, json_get(request->data, "publicKey"));
    if (key.len == 0) {
        core_fail(request, HAPPN_E_ARGUMENT, "Error", 0, "no public key with request");
        return;
    }
    int64_t lifetime = request->core->security != NULL ? request->core->security->settings.nonce_ms : 60000;
    id_random(session->nonce, sizeof session->nonce);
    session->nonce_until = loop_now_ms(request->core->loop) + lifetime;
    struct buf text;
    buf_init(&text, request->core->allocator, 256);
    buf_add_lit(&text, "{\"nonce\":\"");
    crypto_add_base64(&text, str_make((char *)session->nonce, sizeof session->nonce));
    buf_add_lit(&text, "\"}");
    reply_text(request, &text);
}
