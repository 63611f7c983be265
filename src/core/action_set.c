/* set: stores a document (or lays it over what is there) and tells the subscribers. */

#include "core/dispatch.h"
#include "core/publication.h"
#include "json/write.h"

/* Only objects are stored as they are: anything else becomes {"value": it}. `_meta` is ours, so it is dropped. */
static bool wrap_data(struct request *request, struct str *out)
{
    struct str data = request->data;
    if (!str_is_set(data)) {
        *out = STR_LIT("{}");
        return true;
    }
    bool is_object = json_type_of(data) == JSON_OBJECT;
    if (is_object && memmem(data.ptr, data.len, "_meta", 5) == NULL && !str_has(data, '\\')) {
        *out = data;
        return true;
    }
    struct buf text;
    buf_init(&text, request->core->allocator, data.len + 64);
    if (is_object) {
        bool has_members = false;
        json_add_open_object(&text, data, "_meta", &has_members);
    } else {
        buf_add_lit(&text, "{\"value\":");
        buf_add_str(&text, data);
    }
    buf_add_char(&text, '}');
    *out = text.status == HAPPN_OK ? arena_str(&request->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return out->ptr != NULL;
}

static void publish(struct request *request, const struct document *document, bool is_stored)
{
    struct publication publication = {.core = request->core,
                                      .publisher = request->session,
                                      .arena = &request->arena,
                                      .event = EVENT_SET,
                                      .path = request->path,
                                      .data = document->data,
                                      .posted = str_is_set(request->data) ? request->data : document->data,
                                      .event_id = request->event_id,
                                      .meta = request->options.meta,
                                      .has_dates = is_stored,
                                      .created = document->created,
                                      .modified = document->modified,
                                      .consistency = request->options.consistency};
    publication_deliver(&publication);
}

static void finish(struct request *request)
{
    struct reply *reply = &request->reply;
    bool is_stored = !request->options.no_store;
    reply->kind = REPLY_DOCUMENT;
    reply->document = request->op.document;
    reply->path = request->path;
    reply->has_path = true;
    reply->is_stored = is_stored;
    if (request->options.no_publish) {
        core_reply(request);
        return;
    }
    /* The publication looks at the request, which is gone after the reply: level 0 only differs in what it says. */
    publish(request, &request->op.document, is_stored);
    reply->published = request->options.consistency != 0 || request->session->protocol->number == 3; /* as each did */
    core_reply(request);
}

void action_set(struct request *request)
{
    struct str data;
    if (!wrap_data(request, &data)) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    if (path_is_system(request->path) && !request->session->may_see_system) {
        core_fail(request, HAPPN_E_DENIED, "AccessDenied", 403, "unauthorized: /_SYSTEM belongs to the server");
        return;
    }
    if (request->options.no_store) {
        request->op.document = (struct document){.path = request->path, .data = data};
        finish(request);
        return;
    }
    request->op.data = data;
    dispatch_store(request, request->options.merge ? STORE_MERGE : STORE_SET, finish);
}
