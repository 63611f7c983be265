/* configure-session, describe, disconnect: what a client says before and after the real work. */

#include "core/dispatch.h"
#include "core/session.h"
#include "core/session_text.h"
#include "json/scan.h"

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

void action_disconnect(struct request *request)
{
    reply_null(request);
}
