/* remove: one document or all that match a pattern; one event, with the path as it was passed. */

#include <stdio.h>

#include "core/dispatch.h"
#include "core/publication.h"

static void publish(struct request *request)
{
    struct publication publication = {.core = request->core,
                                      .publisher = request->session,
                                      .arena = &request->arena,
                                      .event = EVENT_REMOVE,
                                      .path = request->path,
                                      .data = request->reply.data,
                                      .event_id = request->event_id,
                                      .meta = request->options.meta,
                                      .has_timestamp = true,
                                      .timestamp = request->op.now,
                                      .consistency = request->options.consistency};
    publication_deliver(&publication);
}

static void finish(struct request *request)
{
    char text[40];
    int len = snprintf(text, sizeof text, "{\"removed\":%lld}", (long long)request->op.removed);
    struct reply *reply = &request->reply;
    reply->kind = REPLY_DATA;
    reply->data = arena_str(&request->arena, str_make(text, (size_t)len));
    if (reply->data.ptr == NULL) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    reply->has_timestamp = true;
    reply->timestamp = request->op.now;
    reply->has_path = true;
    reply->path = request->path;
    if (!request->options.no_publish) {
        publish(request);
        reply->published = request->options.consistency != 0 || request->session->protocol->number == 3; /* as each did */
    }
    core_reply(request);
}

void action_remove(struct request *request)
{
    bool system = !path_has_wildcard(request->path) && path_is_system(request->path);
    if (system && !request->session->may_see_system) {
        core_fail(request, HAPPN_E_DENIED, "AccessDenied", 403, "unauthorized: /_SYSTEM belongs to the server");
        return;
    }
    dispatch_store(request, STORE_REMOVE, finish);
}
