/* configure-session, describe, disconnect: what a client says before and after the real work. */

#include "core/dispatch.h"
#include "core/session.h"
#include "core/session_text.h"
#include "json/scan.h"
#include "security/security.h"

static void reply_null(struct request *request)
{
    request->reply.kind = REPLY_DATA;
    request->reply.data = STR_LIT("null");
    core_reply(request);
}

void action_configure_session(struct request *request)
{
    struct session *session = request->session;
    struct str name = json_string(&request->arena, json_get(request->data, "protocol"));
    session->protocol = session->core->wire->find(session->core, name);
    session->leaves_with_login = json_true(json_get(request->data, "leavesWithLogin"));
    reply_null(request);
}

void action_describe(struct request *request)
{
    struct buf text;
    buf_init(&text, request->core->allocator, 4096);
    session_add_description(&text, request->session);
    request->reply.data = text.status == HAPPN_OK ? arena_str(&request->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    if (request->reply.data.ptr == NULL) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    request->reply.kind = REPLY_DATA;
    core_reply(request);
}

static void token_revoked(happn_status status, const happn_error *error, void *arg)
{
    (void)status, (void)error; /* it leaves in any case */
    reply_null(arg);
}

void action_disconnect(struct request *request)
{
    struct identity *identity = request->session->identity;
    if (request->options.revokes && request->core->security != NULL && identity != NULL) {
        security_revoke(request->core->security, identity->token, STR_LIT("CLIENT"), token_revoked, request);
        return;
    }
    reply_null(request);
}
