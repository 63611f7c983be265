/* Who is logged in, and ending that. */

#include "json/scan.h"
#include "json/write.h"
#include "security/admin_call.h"

static void add_text(struct buf *out, const char *name, struct str text)
{
    buf_add_format(out, ",\"%s\":", name);
    json_add_string(out, text);
}

static void add_activity(struct buf *out, const struct identity *identity)
{
    if (identity->last_action != NULL) {
        buf_add_format(out, ",\"activity\":{\"action\":\"%s\",\"authorized\":%s", identity->last_action, identity->last_refused ? "false" : "true");
        add_text(out, "path", str_of(identity->last_path));
        buf_add_char(out, '}');
    }
}

void admin_list_sessions(struct admin_call *call)
{
    struct admin_list list = {.call = call, .prefix = STR_LIT("")};
    struct buf text;
    bool failed = false;
    buf_init(&text, call->security->allocator, 1 << 20);
    for (const struct identity *identity = call->security->live; identity != NULL && !failed; identity = identity->next) {
        if (identity->ended != NULL) {
            continue;
        }
        buf_clear(&text);
        buf_add_format(&text, "{\"id\":\"%s\"", identity->session_id);
        add_text(&text, "username", identity->username);
        add_text(&text, "tokenId", identity->token_id);
        buf_add_format(&text, ",\"type\":%d,\"timestamp\":%lld,\"lastActivity\":%lld,\"uses\":%lld", identity->type, (long long)identity->issued,
                       (long long)identity->last_used, (long long)identity->used);
        add_activity(&text, identity);
        buf_add_char(&text, '}');
        failed = text.status != HAPPN_OK || !admin_list_add(&list, str_of(identity->session_id), buf_str(&text), identity->issued, identity->last_used);
    }
    buf_fini(&text);
    if (failed) {
        admin_fail_memory(call);
        return;
    }
    admin_list_reply(&list);
}

static struct identity *session_of(struct admin_call *call)
{
    struct str id = admin_text(call, "id");
    struct identity *identity = call->security->live;
    while (identity != NULL && !(str_is_set(id) && str_is(id, identity->session_id))) {
        identity = identity->next;
    }
    if (identity == NULL) {
        admin_fail(call, HAPPN_E_NOT_FOUND, "session not defined: nobody is connected with this id");
    }
    return identity;
}

void admin_disconnect_session(struct admin_call *call)
{
    struct identity *identity = session_of(call);
    if (identity == NULL) {
        return;
    }
    struct str reason = admin_text(call, "reason");
    if (call->security->host != NULL) {
        call->security->host->disconnect(identity, reason.len != 0 ? arena_str(&call->arena, reason).ptr : "disconnected by an administrator");
    }
    buf_add_lit(&call->result, "{\"disconnected\":true}");
    admin_reply(call);
}

static void ended(happn_status status, const happn_error *error, void *arg)
{
    struct admin_call *call = arg;
    if (status != HAPPN_OK) {
        admin_fail(call, status, "%s", error->message[0] != '\0' ? error->message : happn_status_text(status));
        return;
    }
    buf_add_lit(&call->result, "{\"done\":true}");
    admin_reply(call);
}

static struct str reason_of(struct admin_call *call)
{
    struct str reason = admin_text(call, "reason");
    return reason.len != 0 ? reason : STR_LIT("SYSTEM");
}

void admin_revoke_session(struct admin_call *call)
{
    const struct identity *identity = session_of(call);
    if (identity != NULL) {
        security_revoke(call->security, identity->token, reason_of(call), ended, call);
    }
}

void admin_revoke_token(struct admin_call *call)
{
    struct str token = admin_text(call, "token");
    if (token.len == 0) {
        admin_fail(call, HAPPN_E_ARGUMENT, "token not defined");
        return;
    }
    security_revoke(call->security, token, reason_of(call), ended, call);
}

/* By its id, or by itself, as happn-3 has it. */
static struct str revoked_id(struct admin_call *call)
{
    struct str id = admin_text(call, "id"), text = admin_text(call, "token");
    struct token token;
    bool is_ours = id.len == 0 && text.len != 0 && token_read(&call->arena, text, call->security->secrets, call->security->secret_count, &token);
    return is_ours ? token.id : id;
}

void admin_restore_token(struct admin_call *call)
{
    struct str id = revoked_id(call);
    if (id.len == 0 || !security_is_revoked(call->security, id)) {
        admin_fail(call, HAPPN_E_NOT_FOUND, "there is no revoked token with this id");
        return;
    }
    security_restore(call->security, id, ended, call);
}

struct walk {
    struct admin_list list;
    struct buf text;
    bool failed;
};

static void visit(struct idmap_node *node, void *arg)
{
    struct walk *walk = arg;
    const struct revoked_entry *entry = (const struct revoked_entry *)node;
    buf_clear(&walk->text);
    buf_add_lit(&walk->text, "{\"id\":");
    json_add_string(&walk->text, entry->id);
    add_text(&walk->text, "reason", entry->reason);
    buf_add_format(&walk->text, ",\"timestamp\":%lld,\"ttl\":%lld}", (long long)entry->since, entry->until != 0 ? (long long)(entry->until - entry->since) : 0);
    bool is_added = walk->text.status == HAPPN_OK && admin_list_add(&walk->list, entry->id, buf_str(&walk->text), entry->since, entry->since);
    walk->failed = walk->failed || !is_added;
}

void admin_list_revoked(struct admin_call *call)
{
    struct walk walk = {.list = {.call = call, .prefix = STR_LIT("")}};
    buf_init(&walk.text, call->security->allocator, 1 << 20);
    idmap_each(&call->security->revoked.entries, visit, &walk);
    buf_fini(&walk.text);
    if (walk.failed) {
        admin_fail_memory(call);
        return;
    }
    admin_list_reply(&walk.list);
}
