/* get and getPaths: one document by its path, or all that match a pattern, in the order and the form that was asked for. */

#include "core/dispatch.h"
#include "core/session.h"

static void explain(struct request *request)
{
    if (request->options.explain) {
        request->reply.explanation = dispatch_explanation(request);
    }
}

static void reply_one(struct request *request)
{
    struct reply *reply = &request->reply;
    explain(request);
    if (request->op.count == 0) {
        reply->kind = REPLY_DATA;
        reply->data = STR_LIT("null");
        core_reply(request);
        return;
    }
    reply->document = request->op.documents[0];
    reply->path = reply->document.path;
    reply->has_path = true;
    reply->is_stored = true;
    reply->kind = request->options.path_only ? REPLY_PATH : REPLY_DOCUMENT;
    core_reply(request);
}

static void reply_list(struct request *request)
{
    explain(request);
    request->reply.kind = REPLY_LIST;
    request->reply.documents = request->op.documents;
    request->reply.count = request->op.count;
    core_reply(request);
}

void action_get(struct request *request)
{
    if (!options_compile_search(request, false)) {
        return;
    }
    request->op.paths_only = request->options.path_only;
    if (path_has_wildcard(request->path)) {
        dispatch_store(request, STORE_FIND, reply_list);
        return;
    }
    if (path_is_system(request->path) && !request->session->may_see_system) {
        reply_one(request); /* as if nothing were there */
        return;
    }
    dispatch_store(request, STORE_GET, reply_one);
}
