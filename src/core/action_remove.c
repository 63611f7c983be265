/* remove: one document or all that match a pattern; one event, with the path as it was passed. Whoever needs to know which
 * documents went asks for publishEach (or the configuration does): then an event for each of them follows. */

#include <stdio.h>

#include "core/dispatch.h"
#include "core/gate.h"
#include "core/publisher.h"

static struct publication publication_of(struct request *request, struct str path, struct str data, int64_t rev)
{
    return (struct publication){.core = request->core,
                                .publisher = request->session,
                                .arena = &request->arena,
                                .event = EVENT_REMOVE,
                                .path = path,
                                .data = data,
                                .event_id = request->event_id,
                                .meta = request->options.meta,
                                .targets = request->options.targets,
                                .has_timestamp = true,
                                .timestamp = request->op.now,
                                .rev = rev,
                                .consistency = request->options.consistency};
}

static struct publication *make_each(struct request *request)
{
    struct publication *each = arena_alloc(&request->arena, (request->op.count + 1) * sizeof *each);
    for (size_t i = 0; each != NULL && i < request->op.count; i++) {
        const struct document *document = &request->op.documents[i];
        each[i] = publication_of(request, document->path, STR_LIT("{\"removed\":1}"), document->rev);
    }
    return each;
}

static void finish(struct request *request)
{
    char text[40];
    int len = snprintf(text, sizeof text, "{\"removed\":%lld}", (long long)request->op.removed);
    struct reply *reply = &request->reply;
    reply->kind = REPLY_DATA;
    reply->data = arena_str(&request->arena, str_make(text, (size_t)len));
    struct publication *each = request->op.lists_removed ? make_each(request) : NULL;
    if (reply->data.ptr == NULL || (request->op.lists_removed && each == NULL)) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    reply->has_timestamp = true;
    reply->timestamp = request->op.now;
    reply->has_path = true;
    reply->path = request->path;
    gate_removed(request);
    struct publication publication = publication_of(request, request->path, reply->data, request->op.snapshot_rev);
    publisher_answer(request, &publication, each, each != NULL ? request->op.count : 0);
}

/* Some stores could not remove their part, others have. */
static void tell_part(struct request *request)
{
    if (request->op.removed == 0) {
        return;
    }
    gate_removed(request);
    if (request->options.no_publish) {
        return;
    }
    char text[40];
    int len = snprintf(text, sizeof text, "{\"removed\":%lld}", (long long)request->op.removed);
    struct publication publication = publication_of(request, request->path, str_make(text, (size_t)len), request->op.snapshot_rev);
    struct publication *each = request->op.lists_removed ? make_each(request) : NULL;
    publication_deliver(&publication);
    for (size_t i = 0; each != NULL && i < request->op.count; i++) {
        publication_deliver(&each[i]);
    }
}

void action_remove(struct request *request)
{
    bool has_wildcard = path_has_wildcard(request->path);
    if (!has_wildcard && path_is_system(request->path) && !request->session->may_see_system) {
        core_fail(request, HAPPN_E_DENIED, "AccessDenied", 403, "unauthorized: /_SYSTEM belongs to the server");
        return;
    }
    if (!options_compile_search(request, false)) {
        return;
    }
    request->op.lists_removed = has_wildcard && (request->options.publish_each || request->core->publishes_each_remove);
    request->undo = tell_part;
    dispatch_store(request, STORE_REMOVE, finish);
}
