/* Replies: the stored text with `_meta` beside it, nothing is parsed again. */

#include "json/scan.h"
#include "json/write.h"
#include "search/search.h"
#include "wire/protocol.h"

static void add_member(struct buf *out, const char *name, struct str raw)
{
    buf_add_lit(out, ",\"");
    buf_add_text(out, name);
    buf_add_lit(out, "\":");
    json_add_raw(out, raw);
}

static void add_int(struct buf *out, const char *name, int64_t number)
{
    buf_add_char(out, '"');
    buf_add_text(out, name);
    buf_add_lit(out, "\":");
    buf_add_i64(out, number);
    buf_add_char(out, ',');
}

static void add_path(struct buf *out, struct str path)
{
    buf_add_lit(out, "\"path\":");
    json_add_string(out, path);
    buf_add_char(out, ',');
}

static bool repeats_session(const struct shape *shape, const struct request *request)
{
    if (!str_is_set(request->session_id)) {
        return false;
    }
    return shape->login_session || (request->action != ACTION_LOGIN && request->action != ACTION_DESCRIBE);
}

static void add_results(const struct reply *reply, struct buf *out)
{
    buf_add_format(out, ",\"publishResults\":{\"successful\":%zu,\"failed\":%zu,\"skipped\":0,\"queued\":%zu}", reply->successful, reply->failed,
                   reply->queued);
}

/* The members that every reply has; no braces. */
static void add_response_meta(const struct shape *shape, const struct request *request, struct buf *out)
{
    buf_add_text(out, request->reply.kind == REPLY_ERROR ? "\"type\":\"response\",\"status\":\"error\",\"published\":"
                                                         : "\"type\":\"response\",\"status\":\"ok\",\"published\":");
    buf_add_text(out, request->reply.published ? "true" : "false");
    if (str_is_set(request->event_id)) {
        add_member(out, "eventId", request->event_id);
    }
    if (repeats_session(shape, request)) {
        add_member(out, "sessionId", request->session_id);
    }
    if (request->action_text.ptr != NULL) {
        buf_add_lit(out, ",\"action\":");
        json_add_string(out, request->action_text);
    }
    if (request->reply.has_results) {
        add_results(&request->reply, out);
    }
    if (request->reply.explanation != NULL) {
        buf_add_lit(out, ",\"explain\":");
        buf_add_text(out, request->reply.explanation);
    }
}

/* With a projection only what it names. */
static void add_document_meta(const struct request *request, const struct document *document, struct buf *out)
{
    const struct search *search = request->op.search;
    if (search_shows(search, SEARCH_CREATED)) {
        add_int(out, "created", document->created);
    }
    if (search_shows(search, SEARCH_MODIFIED)) {
        add_int(out, "modified", document->modified);
    }
    if (document->rev != 0 && (request->session->shows_rev || request->options.shows_rev)) {
        add_int(out, "rev", document->rev);
    }
    if (document->tag.len != 0 && search_shows(search, SEARCH_TAG)) {
        buf_add_lit(out, "\"tag\":");
        json_add_string(out, document->tag);
        buf_add_char(out, ',');
    }
    if (!search_shows(search, SEARCH_MODIFIED_BY)) {
        return;
    }
    if (document->modified_by.len != 0) {
        buf_add_lit(out, "\"modifiedBy\":");
        json_add_string(out, document->modified_by);
        buf_add_char(out, ',');
    }
}

static void add_error(const struct request *request, struct buf *out)
{
    const happn_error *error = &request->error;
    buf_add_lit(out, ",\"error\":{\"name\":");
    json_add_string(out, str_of(error->name[0] != '\0' ? error->name : happn_status_name(error->status)));
    buf_add_lit(out, ",\"message\":");
    json_add_string(out, str_of(error->message[0] != '\0' ? error->message : happn_status_text(error->status)));
    if (error->code != 0) {
        buf_add_lit(out, ",\"code\":");
        buf_add_i64(out, error->code);
    }
    struct json_iter it = json_iter(request->error_fields);
    while (str_is_set(request->error_fields) && json_next(&it)) {
        if (json_text_is(it.key, STR_LIT("name")) || json_text_is(it.key, STR_LIT("message"))) {
            continue;
        }
        buf_add_lit(out, ",\"");
        buf_add_str(out, it.key);
        buf_add_lit(out, "\":");
        json_add_raw(out, it.value);
    }
    buf_add_char(out, '}');
}

static void add_item_meta(const struct shape *shape, const struct request *request, const struct document *document,
                          struct buf *out)
{
    buf_add_lit(out, "\"_meta\":{");
    if (!request->options.path_only) {
        add_document_meta(request, document, out);
    }
    buf_add_lit(out, "\"path\":");
    json_add_string(out, document->path);
    if (shape->ids) {
        buf_add_lit(out, ",\"_id\":");
        json_add_string(out, document->path);
    }
    buf_add_char(out, '}');
}

static void add_item(const struct shape *shape, const struct request *request, const struct document *document,
                     struct buf *out)
{
    if (request->options.path_only) {
        buf_add_char(out, '{');
    } else {
        bool has_members = false;
        json_add_open_object(out, document->data, NULL, &has_members);
        if (has_members) {
            buf_add_char(out, ',');
        }
    }
    add_item_meta(shape, request, document, out);
    buf_add_char(out, '}');
}

void shape_items(const struct shape *shape, const struct request *request, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < request->reply.count; i++) {
        buf_add_text(out, i != 0 ? "," : "");
        add_item(shape, request, &request->reply.documents[i], out);
    }
    buf_add_char(out, ']');
}

/* How every object ends. */
static void add_tail(const struct shape *shape, struct buf *out)
{
    buf_add_lit(out, ",\"protocol\":\"");
    buf_add_text(out, shape->protocol);
    buf_add_text(out, shape->outbound_mark ? "\",\"__outbound\":true}" : "\"}");
}

/* One of the values that were there; `at` counts twice through them: they stand in `data` and once more, as pairs of data and meta, in what older
 * clients read. */
static void add_initial_value(const struct shape *shape, const struct request *request, size_t at, struct buf *out)
{
    size_t count = request->reply.count;
    const struct document *document = &request->reply.documents[at % count];
    buf_add_text(out, at % count != 0 ? "," : "");
    if (at < count) {
        add_item(shape, request, document, out);
        return;
    }
    buf_add_lit(out, "{\"data\":");
    add_item(shape, request, document, out);
    buf_add_char(out, ',');
    add_item_meta(shape, request, document, out);
    buf_add_char(out, '}');
}

static void add_initial_meta(const struct shape *shape, const struct request *request, struct buf *out)
{
    buf_add_lit(out, "],\"_meta\":{");
    add_response_meta(shape, request, out);
    add_member(out, "referenceId", request->reply.data);
    buf_add_lit(out, "},\"initialValues\":[");
}

static bool add_initial(const struct shape *shape, const struct request *request, size_t *next, size_t bytes, struct buf *out)
{
    size_t count = request->reply.count, start = out->len;
    if (*next == 0) {
        buf_add_lit(out, "{\"data\":[");
    }
    for (; *next < count * 2 && out->len - start < bytes && out->status == HAPPN_OK; (*next)++) {
        if (*next == count) {
            add_initial_meta(shape, request, out);
        }
        add_initial_value(shape, request, *next, out);
    }
    if (*next < count * 2) {
        return false;
    }
    if (count == 0) {
        add_initial_meta(shape, request, out);
    }
    buf_add_char(out, ']');
    add_tail(shape, out);
    return true;
}

static bool add_list(const struct shape *shape, const struct request *request, size_t *next, size_t bytes, struct buf *out)
{
    const struct reply *reply = &request->reply;
    size_t start = out->len;
    for (; *next < reply->count && out->len - start < bytes && out->status == HAPPN_OK; (*next)++) {
        buf_add_char(out, *next == 0 ? '[' : ',');
        add_item(shape, request, &reply->documents[*next], out);
    }
    if (*next < reply->count) {
        return false;
    }
    buf_add_text(out, reply->count != 0 ? ",{" : "[{");
    add_response_meta(shape, request, out);
    buf_add_lit(out, "}]");
    return true;
}

bool shape_list(const struct shape *shape, const struct request *request, size_t *next, size_t bytes, struct buf *out)
{
    bool is_list = request->reply.kind == REPLY_LIST;
    return is_list ? add_list(shape, request, next, bytes, out) : add_initial(shape, request, next, bytes, out);
}

static void add_data(const struct request *request, struct buf *out)
{
    const struct reply *reply = &request->reply;
    switch (reply->kind) {
    case REPLY_DOCUMENT:
        buf_add_lit(out, "\"data\":");
        shape_data(reply->document.data, reply->lending, out);
        break;
    case REPLY_DATA:
        buf_add_lit(out, "\"data\":");
        json_add_raw(out, reply->data);
        break;
    case REPLY_PATH:
        return; /* the original has no data here */
    default:
        buf_add_lit(out, "\"data\":null");
        break;
    }
    buf_add_char(out, ',');
}

/* What noDataResponse leaves. */
static void add_short(const struct request *request, struct buf *out)
{
    buf_add_lit(out, "{\"_meta\":{");
    add_path(out, request->reply.path);
    buf_add_lit(out, "\"type\":\"response\",\"status\":\"ok\",\"published\":");
    buf_add_text(out, request->reply.published ? "true" : "false");
    if (str_is_set(request->event_id)) {
        add_member(out, "eventId", request->event_id);
    }
    if (request->reply.has_results) {
        add_results(&request->reply, out);
    }
    buf_add_lit(out, "}}");
}

void shape_reply(const struct shape *shape, const struct request *request, struct buf *out)
{
    const struct reply *reply = &request->reply;
    if (reply->kind == REPLY_LIST || reply->kind == REPLY_INITIAL) {
        (void)shape_list(shape, request, &(size_t){0}, SIZE_MAX, out);
        return;
    }
    if (reply->kind == REPLY_SHORT) {
        add_short(request, out);
        return;
    }
    buf_add_char(out, '{');
    if (request->action == ACTION_REQUEST_NONCE && reply->kind == REPLY_DATA) { /* clients look for it at two places */
        buf_add_lit(out, "\"nonce\":");
        json_add_raw(out, json_get(reply->data, "nonce"));
        buf_add_char(out, ',');
    }
    add_data(request, out);
    buf_add_lit(out, "\"_meta\":{");
    if (reply->kind == REPLY_DOCUMENT && reply->is_stored) {
        add_document_meta(request, &reply->document, out);
    }
    if (reply->kind != REPLY_ERROR && reply->has_timestamp) {
        add_int(out, "timestamp", reply->timestamp);
    }
    if (reply->kind != REPLY_ERROR && reply->has_path) {
        add_path(out, reply->path);
    }
    add_response_meta(shape, request, out);
    if (reply->kind == REPLY_ERROR) {
        add_error(request, out);
    }
    buf_add_char(out, '}');
    add_tail(shape, out);
}
