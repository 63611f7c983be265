/* set: stores a document, lays it over what is there, counts, or tags a snapshot; and tells the subscribers. */

#include "core/dispatch.h"

#include <stdio.h>

#include "base/error.h"
#include "core/gate.h"
#include "core/publisher.h"
#include "json/write.h"

/* Somewhere, maybe. Most documents have few of its first character: memmem was a tenth of a large set. */
static bool mentions_meta(struct str data)
{
    const char *end = data.ptr + data.len;
    for (const char *at = data.ptr; (at = memchr(at, '_', (size_t)(end - at))) != NULL; at++) {
        if (str_starts(str_make(at, (size_t)(end - at)), STR_LIT("_meta"))) {
            return true;
        }
    }
    return str_has(data, '\\');
}

/* Only objects are stored as they are: anything else becomes {"value": it}. `_meta` is ours, so it is dropped. */
static bool wrap_data(struct request *request, struct str *out)
{
    struct str data = request->data;
    if (!str_is_set(data)) {
        *out = STR_LIT("{}");
        return true;
    }
    bool is_object = json_type_of(data) == JSON_OBJECT;
    if (is_object && !mentions_meta(data)) {
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
    *out = text.status == HAPPN_OK ? arena_take(&request->arena, &text) : STR_NONE;
    buf_fini(&text);
    return out->ptr != NULL;
}

static void no_memory(struct request *request)
{
    core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
}

/* What the reply and the publication have in common. */
static struct publication publication_of(struct request *request, const struct document *document)
{
    bool is_stored = !request->options.no_store;
    return (struct publication){.core = request->core,
                                .publisher = request->session,
                                .arena = &request->arena,
                                .event = EVENT_SET,
                                .path = document->path,
                                .data = document->data,
                                .posted = str_is_set(request->data) ? request->data : document->data,
                                .event_id = request->event_id,
                                .meta = request->options.meta,
                                .targets = request->options.targets,
                                .has_dates = is_stored,
                                .created = document->created,
                                .modified = document->modified,
                                .modified_by = document->modified_by,
                                .tag = document->tag,
                                .rev = document->rev,
                                .consistency = request->options.consistency};
}

static void finish(struct request *request)
{
    struct reply *reply = &request->reply;
    const struct document *document = &request->op.document;
    reply->kind = request->options.no_data_response ? REPLY_SHORT : REPLY_DOCUMENT;
    reply->document = *document;
    reply->path = document->path;
    reply->has_path = true;
    reply->is_stored = !request->options.no_store;
    gate_written(request, document);
    struct publication publication = publication_of(request, document);
    if (request->options.is_sibling) {
        publication.asked_path = request->path;
    }
    publisher_answer(request, &publication, NULL, 0);
}

/* {"value":6,"gauge":"counter"}: all that is told of a counter. */
static void finish_increment(struct request *request)
{
    struct buf text;
    buf_init(&text, request->core->allocator, request->op.field.len * 6 + 128);
    buf_add_lit(&text, "{\"value\":");
    buf_add_str(&text, request->op.number);
    buf_add_lit(&text, ",\"gauge\":");
    json_add_string(&text, request->op.field);
    buf_add_char(&text, '}');
    struct document document = request->op.document;
    document.data = text.status == HAPPN_OK ? arena_str(&request->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    if (document.data.ptr == NULL) {
        no_memory(request);
        return;
    }
    request->reply.kind = REPLY_DATA;
    request->reply.data = document.data;
    struct publication publication = publication_of(request, &document);
    publication.posted = document.data;
    publisher_answer(request, &publication, NULL, 0);
}

/* "<path>/<22 characters>-<number>" below `head`. */
static struct str new_path(struct request *request, struct str head)
{
    struct str path = request->path;
    struct str slash = str_ends(path, STR_LIT("/")) ? STR_LIT("") : STR_LIT("/");
    struct str between = str_is_set(head) && !str_starts(path, STR_LIT("/")) ? STR_LIT("/") : STR_LIT("");
    struct buf text;
    buf_init(&text, request->core->allocator, path.len + 128);
    buf_add_str(&text, head);
    buf_add_str(&text, between);
    buf_add_str(&text, path);
    buf_add_str(&text, slash);
    buf_add_format(&text, "%s-%llu", request->core->instance, (unsigned long long)request->core->last_sibling++);
    struct str made = text.status == HAPPN_OK ? arena_str(&request->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return made;
}

static void tag(struct request *request)
{
    if (str_is_set(request->data) && json_type_of(request->data) != JSON_NULL) {
        core_fail(request, HAPPN_E_ARGUMENT, "SystemError", 500, "a tag keeps a snapshot of what is there: data must be null");
        return;
    }
    request->op.tag = request->options.tag;
    request->op.target = new_path(request, STR_LIT("/_TAGS"));
    if (request->op.target.ptr == NULL) {
        no_memory(request);
        return;
    }
    dispatch_store(request, STORE_TAG, finish);
}

/* data is the counter's name. */
static void increment(struct request *request)
{
    enum json_type type = json_type_of(request->data);
    request->op.by = request->options.increment;
    if (type == JSON_STRING) {
        request->op.field = json_string(&request->arena, request->data);
    } else if (type == JSON_NULL || type == JSON_NONE) {
        request->op.field = STR_LIT("counter");
    } else {
        core_fail(request, HAPPN_E_ARGUMENT, "SystemError", 500, "invalid increment counter field name, must be a string");
        return;
    }
    if (str_is(request->op.field, "_meta")) {
        core_fail(request, HAPPN_E_ARGUMENT, "SystemError", 500, "invalid increment counter field name: _meta belongs to the server");
        return;
    }
    dispatch_store(request, STORE_INCREMENT, finish_increment);
}

static void store(struct request *request, struct str path, struct str data)
{
    if (request->options.no_store) {
        request->op.document = (struct document){.path = path, .data = data};
        finish(request);
        return;
    }
    request->op.path = path;
    request->op.data = data;
    dispatch_store(request, request->options.merge ? STORE_MERGE : STORE_SET, finish);
}

void action_set(struct request *request)
{
    if (path_is_system(request->path) && !request->session->may_see_system) {
        core_fail(request, HAPPN_E_DENIED, "AccessDenied", 403, "unauthorized: /_SYSTEM belongs to the server");
        return;
    }
    if (str_is_set(request->options.tag)) {
        tag(request);
        return;
    }
    if (str_is_set(request->options.increment)) {
        increment(request);
        return;
    }
    struct str data, path = request->options.is_sibling ? new_path(request, STR_NONE) : request->path;
    if (path.ptr == NULL || !wrap_data(request, &data)) {
        no_memory(request);
        return;
    }
    store(request, path, data);
}
