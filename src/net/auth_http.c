/* Logging in and out over HTTP. The answers have the original's spaces: older clients look for them by text. */

#include <stdio.h>
#include <strings.h>

#include "base/form.h"
#include "base/id.h"
#include "base/utf8.h"
#include "core/events.h"
#include "json/scan.h"
#include "json/write.h"
#include "net/secured.h"
#include "security/crypto.h"
#include "security/header.h"
#include "security/login.h"
#include "security/nonces.h"
#include "security/security.h"

static void answer(happn_http *http, int status, const char *message, struct str data, const happn_error *error)
{
    struct buf text;
    buf_init(&text, http_core(http)->allocator, 1 << 20);
    buf_add_format(&text, "{\"message\":\"%s\", \"data\":", message);
    if (str_is_set(data)) {
        json_add_string(&text, data);
    } else {
        buf_add_lit(&text, "null");
    }
    if (error != NULL) {
        buf_add_format(&text, ", \"error\":{\"name\":\"%s\",\"code\":%d,\"message\":", error->code != 0 ? "AccessDenied" : "SystemError",
                       error->code != 0 ? (int)error->code : 500);
        json_add_string(&text, str_of(error->message));
        buf_add_lit(&text, "}}");
    } else {
        buf_add_lit(&text, ", \"error\":null}");
    }
    happn_http_respond(http, text.status == HAPPN_OK ? status : 500, "application/json", buf_str(&text).ptr, text.len);
    buf_fini(&text);
}

/* --- what was sent: query, form or JSON, under any of the names the original knows */

static const char *const user_names[] = {"username", "user", "u", NULL};
static const char *const password_names[] = {"password", "pwd", "pass", "p", NULL};
static const char *const key_names[] = {"publicKey", "public_key", "public", "key", "public-key", "pk", NULL};
static const char *const digest_names[] = {"digest", NULL};
static const char *const token_names[] = {"token", "happn_token", "t", NULL};

static struct str find_json(struct arena *arena, struct str body, const char *const *names)
{
    for (; *names != NULL; names++) {
        struct str value = json_string(arena, json_get(body, *names));
        if (str_is_set(value)) {
            return value;
        }
    }
    return STR_NONE;
}

static struct str find_form(struct arena *arena, struct str form, const char *const *names)
{
    for (; form.len != 0 && *names != NULL; names++) {
        struct str value = form_find(arena, form, str_of(*names));
        if (str_is_set(value)) {
            return value;
        }
    }
    return STR_NONE;
}

struct sent {
    struct arena *arena;
    struct str query, body;
    bool is_json;
};

static bool is_object(struct str body)
{
    return str_is_set(body) && utf8_is_valid(body) && json_check(body, NULL) == HAPPN_OK && json_type_of(body) == JSON_OBJECT;
}

static struct sent sent_of(happn_http *http)
{
    struct sent sent = {.arena = http_arena(http)};
    struct str type = http_header(http, "content-type");
    sent.query = http_query(http);
    sent.body = http_sent_body(http);
    sent.is_json = type.len >= 16 && strncasecmp(type.ptr, "application/json", 16) == 0;
    bool is_form = type.len >= 33 && strncasecmp(type.ptr, "application/x-www-form-urlencoded", 33) == 0;
    bool is_readable = is_form || (sent.is_json && is_object(sent.body));
    sent.body = is_readable ? sent.body : STR_NONE;
    return sent;
}

static struct str sent_text(const struct sent *sent, const char *const *names)
{
    struct str value = STR_NONE;
    if (str_is_set(sent->body)) {
        value = sent->is_json ? find_json(sent->arena, sent->body, names) : find_form(sent->arena, sent->body, names);
    }
    return str_is_set(value) ? value : find_form(sent->arena, sent->query, names);
}

static void add_member(struct buf *out, const char *name, struct str text)
{
    if (str_is_set(text)) {
        buf_add_format(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
        json_add_string(out, text);
    }
}

static struct str credentials_of(const struct sent *sent, const struct allocator *allocator)
{
    struct buf text;
    buf_init(&text, allocator, 1 << 20);
    buf_add_char(&text, '{');
    add_member(&text, "username", sent_text(sent, user_names));
    add_member(&text, "password", sent_text(sent, password_names));
    add_member(&text, "publicKey", sent_text(sent, key_names));
    add_member(&text, "digest", sent_text(sent, digest_names));
    add_member(&text, "token", sent_text(sent, token_names));
    buf_add_char(&text, '}');
    struct str copy = text.status == HAPPN_OK ? arena_str(sent->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return copy;
}

/* --- login */

struct http_login {
    happn_http *http;
    struct happn_login login;
    char id[40];
    unsigned char nonce[NONCE_BYTES];
};

/* token empty: the cookie is taken back. */
static bool set_cookie(happn_http *http, struct str token)
{
    const struct core *core = http_core(http);
    struct cookie cookie = {.name = secured_cookie_name(core), .value = token, .domain = core->cookie_domain,
                            .max_age_ms = token.len == 0 ? -1 : 0, .is_secure = http_is_encrypted(http)};
    struct buf text;
    buf_init(&text, core->allocator, 1 << 16);
    bool is_set = cookie_add(&text, &cookie);
    buf_add_char(&text, '\0');
    is_set = is_set && text.status == HAPPN_OK && happn_http_add_header(http, "Set-Cookie", text.ptr) == HAPPN_OK;
    buf_fini(&text);
    return is_set;
}

static int refused_status(const struct core *core, const happn_error *error)
{
    bool is_denied = error->status == HAPPN_E_DENIED;
    return error->status == HAPPN_E_BUSY ? 503 : !is_denied || core->compat != 13 ? 500 : error->code;
}

static void login_done(struct happn_login *login)
{
    struct http_login *self = login->arg;
    happn_http *http = self->http;
    struct core *core = http_core(http);
    http_end_work(http);
    if (login->identity == NULL) {
        core->stats.refused_logins++;
        events_login_refused(core, login);
        answer(http, refused_status(core, &login->error), "login failed", STR_NONE, &login->error);
        return;
    }
    struct identity *identity = login->identity;
    events_authentic(core, login);
    struct str token = arena_str(http_arena(http), identity->token);
    identity_unref(identity);
    /* A page of another site does not choose who the browser is from now on. */
    if (token.ptr != NULL && (secured_is_foreign(http) || set_cookie(http, token))) {
        answer(http, 200, "login successful", token, NULL);
    } else {
        answer(http, 500, "login failed", STR_NONE, &(happn_error){.status = HAPPN_E_MEMORY, .message = "out of memory"});
    }
}

static void find_nonce(struct http_login *self)
{
    struct security *security = self->login.security;
    struct arena *arena = self->login.arena;
    struct str digest = json_string(arena, json_get(self->login.credentials, "digest"));
    struct str key = json_string(arena, json_get(self->login.credentials, "publicKey"));
    struct str signature = digest.len != 0 ? crypto_base64_decode(arena, digest) : STR_NONE;
    if (str_is_set(signature) && key.len != 0 &&
        nonces_take(&security->nonces, key, signature, loop_now_ms(security->loop), self->nonce)) {
        self->login.nonce = str_make((char *)self->nonce, sizeof self->nonce);
    }
}

static void begin_login(happn_http *http)
{
    struct core *core = http_core(http);
    struct http_login *self = arena_alloc(http_arena(http), sizeof *self);
    struct sent sent = sent_of(http);
    struct str credentials = self != NULL ? credentials_of(&sent, core->allocator) : STR_NONE;
    if (credentials.ptr == NULL) {
        answer(http, 500, "login failed", STR_NONE, &(happn_error){.status = HAPPN_E_MEMORY, .message = "out of memory"});
        return;
    }
    self->http = http;
    id_uuid(self->id);
    self->login = (struct happn_login){.security = core->security, .arena = http_arena(http), .credentials = credentials,
                                 .session_id = str_of(self->id), .address = str_of(happn_http_address(http)), .type = SESSION_STATELESS,
                                 .is_forwarded = str_is_set(http_header(http, "x-forwarded-for")), .done = login_done, .arg = self};
    find_nonce(self);
    http_begin_work(http);
    login_begin(&self->login);
}

/* --- nonce, logout */

static void give_nonce(happn_http *http)
{
    struct security *security = http_core(http)->security;
    struct sent sent = sent_of(http);
    struct str key = sent_text(&sent, key_names);
    unsigned char nonce[NONCE_BYTES];
    if (key.len == 0) {
        answer(http, 400, "request for nonce failed", STR_NONE, &(happn_error){.message = "no public key with request"});
        return;
    }
    struct buf text;
    buf_init(&text, security->allocator, 256);
    if (nonces_make(&security->nonces, key, loop_now_ms(security->loop) + security->settings.nonce_ms, nonce)) {
        crypto_add_base64(&text, str_make((char *)nonce, sizeof nonce));
        answer(http, 200, "nonce generated", buf_str(&text), NULL);
    } else {
        answer(http, 500, "request for nonce failed", STR_NONE, &(happn_error){.message = "out of memory"});
    }
    buf_fini(&text);
}

struct logout {
    happn_http *http;
    struct str token;
};

static void logged_out(happn_status status, const happn_error *error, void *arg)
{
    const struct logout *self = arg;
    happn_http *http = self->http;
    http_end_work(http);
    if (status != HAPPN_OK) {
        answer(http, 500, "logout failed", STR_NONE, error);
    } else if (set_cookie(http, STR_LIT(""))) {
        answer(http, 200, "logout successful", self->token, NULL);
    } else {
        answer(http, 500, "logout failed", STR_NONE, &(happn_error){.message = "out of memory"});
    }
}

static void log_out(happn_http *http)
{
    struct listener *listener = http_listener(http);
    struct security *security = listener->core->security;
    bool from_cookie;
    struct str token = secured_token(http, &from_cookie);
    if (from_cookie && secured_is_foreign(http)) {
        answer(http, 403, "logout failed", STR_NONE, &(happn_error){.code = 403, .message = "this request comes from a page of another site"});
        return;
    }
    happn_error error = {.status = HAPPN_OK};
    struct token claims;
    struct identity *identity = login_by_token(security, http_arena(http), token, str_of(happn_http_address(http)), &error, &claims);
    if (identity == NULL) {
        secured_refuse(http, 401, "invalid token format or null token");
        return;
    }
    identity_unref(identity);
    if (!listener->options.http_logout) {
        answer(http, 403, "logout failed", STR_NONE, &(happn_error){.code = 403, .message = "logouts over http are not allowed"});
        return;
    }
    struct logout *self = arena_alloc(http_arena(http), sizeof *self);
    if (self == NULL) {
        answer(http, 500, "logout failed", STR_NONE, &(happn_error){.message = "out of memory"});
        return;
    }
    *self = (struct logout){http, token};
    http_begin_work(http);
    security_revoke(security, token, STR_LIT("CLIENT"), logged_out, self);
}

bool auth_has(happn_http *http, struct str path)
{
    return http_core(http)->security != NULL && (str_is(path, "/auth/login") || str_is(path, "/auth/request-nonce") || str_is(path, "/auth/logout"));
}

bool auth_route(happn_http *http, struct str path)
{
    if (!auth_has(http, path)) {
        return false;
    }
    if (str_is(path, "/auth/login")) {
        begin_login(http);
    } else if (str_is(path, "/auth/request-nonce")) {
        give_nonce(http);
    } else {
        log_out(http);
    }
    return true;
}
