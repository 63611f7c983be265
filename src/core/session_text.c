#include "core/session_text.h"

#include "json/write.h"
#include "security/login.h"
#include "security/security.h"
#include "security/user_text.h"

void session_add_description(struct buf *out, const struct session *session)
{
    buf_add_lit(out, "{\"name\":");
    json_add_string(out, str_of(session->core->name));
    buf_add_text(out, session->core->security != NULL && !session->is_trusted ? ",\"secure\":true" : ",\"secure\":false");
    const struct security *security = session->core->security;
    if (session->protocol->number < 4) {
        buf_add_text(out, security != NULL && security->settings.encrypts_payloads ? ",\"encryptPayloads\":true" : ",\"encryptPayloads\":false");
    }
    if (session->protocol->number < 4 && security != NULL) {
        buf_add_lit(out, ",\"publicKey\":");
        json_add_string(out, security->public_key);
    }
    buf_add_char(out, '}');
}

static void add_string(struct buf *out, const char *name, struct str text)
{
    if (str_is_set(text)) {
        buf_add_format(out, ",\"%s\":", name);
        json_add_string(out, text);
    }
}

/* 1.x to 7.x: with groups and the record's own `_meta`; 8: neither; 13: with its own permissions. */
static void add_user(struct buf *out, const struct user *user, int protocol)
{
    buf_add_lit(out, ",\"user\":");
    user_add_text(out, user, protocol <= 2, protocol >= 4);
    if (protocol > 2 || out->status != HAPPN_OK) {
        return;
    }
    out->len--; /* its closing brace */
    buf_add_format(out, ",\"_meta\":{\"created\":%lld,\"modified\":%lld,\"path\":", (long long)user->created, (long long)user->modified);
    size_t quote = out->len;
    buf_add_lit(out, "\"" SECURITY_ROOT "_USER/");
    size_t name = out->len;
    json_add_string(out, user->name);
    if (out->status == HAPPN_OK) { /* the name continues the string that was opened: take its quote out */
        memmove(out->ptr + name, out->ptr + name + 1, out->len - name - 1);
        out->len--;
    }
    struct str path = str_make(out->ptr + quote, out->len - quote);
    buf_add_lit(out, ",\"_id\":");
    size_t len = path.len;
    if (buf_reserve(out, len)) { /* the buffer may have moved */
        memcpy(out->ptr + out->len, out->ptr + quote, len);
        out->len += len;
    }
    buf_add_lit(out, "}}");
}

static void add_policies(struct buf *out, const struct token *token)
{
    buf_add_lit(out, ",\"policy\":{\"0\":");
    policy_add(out, &token->policy[0]);
    buf_add_lit(out, ",\"1\":");
    policy_add(out, &token->policy[1]);
    buf_add_char(out, '}');
}

static void add_identity(struct buf *out, const struct session *session, const struct happn_login *login)
{
    const struct identity *identity = login->identity;
    const struct token *token = &login->token;
    int protocol = session->protocol->number;
    buf_add_format(out, ",\"type\":%d", SESSION_STATEFUL);
    add_user(out, identity->user, protocol);
    buf_add_format(out, ",\"timestamp\":%lld", (long long)token->issued);
    bool is_encrypted = session->secret[0] != '\0';
    buf_add_text(out, protocol >= 4 ? "" : is_encrypted ? ",\"isEncrypted\":true" : ",\"isEncrypted\":false");
    add_string(out, "origin", session->core->security->settings.name);
    if (protocol >= 4) {
        add_string(out, "parentId", token->id);
    }
    add_policies(out, token);
    buf_add_lit(out, ",\"permissionSetKey\":\"");
    user_add_set_key(out, identity->user);
    buf_add_char(out, '"');
    add_string(out, "token", identity->token);
    if (is_encrypted) {
        buf_add_format(out, ",\"secret\":\"%s\"", session->secret);
    }
    if (protocol >= 4) {
        buf_add_lit(out, ",\"authType\":\"happn\"");
    }
    add_string(out, "cookieName", protocol >= 4 && !str_is_set(session->core->cookie_name) ? STR_LIT("happn_token") : session->core->cookie_name);
    add_string(out, "cookieDomain", session->core->cookie_domain);
}

void session_add_text(struct buf *out, const struct session *session, const struct happn_login *login)
{
    buf_add_format(out, "{\"id\":\"%s\",\"protocol\":\"%s\",\"happn\":", session->id, session->protocol->name);
    session_add_description(out, session);
    if (str_is_set(session->info)) {
        buf_add_lit(out, ",\"info\":");
        json_add_raw(out, session->info);
    }
    if (login != NULL) {
        add_identity(out, session, login);
    }
    buf_add_char(out, '}');
}
