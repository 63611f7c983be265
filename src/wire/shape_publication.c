/* Publications and system messages. */

#include "json/scan.h"
#include "json/write.h"
#include "security/identity.h"
#include "wire/protocol.h"

/* Everything the server sets itself: a publisher's own meta cannot pretend to be one of these. */
static bool is_reserved(struct str key)
{
    static const char *const names[] = {"created",       "modified",  "path", "action", "type",  "published",
                                        "status",        "eventId",   "sessionId", "consistency", "publicationId",
                                        "timestamp",     "tag",       "_id",  "depth",  "acknowledged", "channel",
                                        "modifiedBy",    "rev",       "eventOrigin"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_text_is(key, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

static void add_custom_meta(struct str meta, struct buf *out)
{
    if (!str_is_set(meta)) {
        return;
    }
    struct json_iter it = json_iter(meta);
    while (json_next(&it)) {
        if (is_reserved(it.key)) {
            continue;
        }
        buf_add_lit(out, ",\"");
        buf_add_str(out, it.key);
        buf_add_lit(out, "\":");
        json_add_raw(out, it.value);
    }
}

/* "<session>-<eventId>"; an eventId that is a text joins without its quotes. */
static void add_publication_id(const struct session *publisher, struct str id, struct buf *out)
{
    buf_add_lit(out, ",\"publicationId\":\"");
    buf_add_text(out, publisher->id);
    buf_add_char(out, '-');
    enum json_type type = json_type_of(id);
    if (type == JSON_STRING) {
        buf_add(out, id.ptr + 1, id.len - 2);
    } else if (type == JSON_NUMBER) {
        buf_add_str(out, id);
    }
    buf_add_char(out, '"');
}

static void add_dates(const struct shape *shape, const struct publication *publication, struct buf *out)
{
    if (publication->has_dates) {
        buf_add_lit(out, "\"created\":");
        buf_add_i64(out, publication->created);
        buf_add_lit(out, ",\"modified\":");
        buf_add_i64(out, publication->modified);
        buf_add_char(out, ',');
    }
    if (publication->has_dates && shape->event_author && str_is_set(publication->modified_by)) {
        buf_add_lit(out, "\"modifiedBy\":");
        json_add_string(out, publication->modified_by);
        buf_add_char(out, ',');
    }
    if (publication->rev != 0) { /* only for sessions that asked for it */
        buf_add_lit(out, "\"rev\":");
        buf_add_i64(out, publication->rev);
        buf_add_char(out, ',');
    }
    if (str_is_set(publication->tag)) {
        buf_add_lit(out, "\"tag\":");
        json_add_string(out, publication->tag);
        buf_add_char(out, ',');
    }
    if (publication->has_timestamp && shape->remove_time) {
        buf_add_lit(out, "\"timestamp\":");
        buf_add_i64(out, publication->timestamp);
        buf_add_char(out, ',');
    }
}

/* How many segments of the path stand for the last two stars of the pattern. */
static int levels_below(struct str pattern, struct str path)
{
    int levels = 0;
    bool has_slash = str_starts(path, STR_LIT("/"));
    for (size_t i = 0; i < path.len; i++) {
        levels += path.ptr[i] == '/';
    }
    levels += !has_slash;
    for (size_t i = 0; i + 3 < pattern.len; i++) {
        levels -= pattern.ptr[i] == '/';
    }
    levels -= !str_starts(pattern, STR_LIT("/"));
    return levels > 1 ? levels : 1;
}

/* With several depths on one channel the message says how deep it is: each listener of the client decides by its own. */
static void add_depth(const struct publication *publication, const struct channel *channel, struct buf *out)
{
    const struct subscription *subscription = &channel->subscription;
    if (subscription->language != WILDCARD_SEGMENT || !str_ends(subscription->pattern, STR_LIT("/**"))) {
        return;
    }
    buf_add_lit(out, ",\"depth\":");
    buf_add_i64(out, channel->has_depths ? levels_below(subscription->pattern, publication->path) : subscription->depth);
}

/* Who caused it: on a secured service, and not for what its host does itself. */
static void add_origin(const struct shape *shape, const struct publication *publication, struct buf *out)
{
    const struct identity *identity = publication->publisher->identity;
    if (!shape->event_origin || identity == NULL) {
        return;
    }
    buf_add_lit(out, ",\"eventOrigin\":{\"username\":");
    json_add_string(out, identity->username);
    buf_add_format(out, ",\"id\":\"%s\"}", publication->publisher->id);
}

void shape_data(struct str data, struct lending *lending, struct buf *out)
{
    if (lending == NULL) {
        json_add_raw(out, data);
        return;
    }
    lending->at = out->len;
    lending->is_used = true;
}

void shape_publication(const struct shape *shape, const struct publication *publication, const struct channel *channel,
                       struct buf *out)
{
    buf_add_lit(out, "{\"data\":");
    shape_data(publication->data, publication->lending, out);
    buf_add_lit(out, ",\"_meta\":{");
    add_dates(shape, publication, out);
    buf_add_lit(out, "\"path\":");
    json_add_string(out, publication->path);
    buf_add_lit(out, ",\"channel\":");
    json_add_string(out, channel_text(channel));
    buf_add_text(out, publication->event == EVENT_SET ? ",\"action\":\"/SET@" : ",\"action\":\"/REMOVE@");
    size_t quote = out->len;
    json_add_string(out, str_is_set(publication->asked_path) ? publication->asked_path : publication->path);
    if (out->status == HAPPN_OK) { /* the path continues the string that was opened: take its quote out */
        memmove(out->ptr + quote, out->ptr + quote + 1, out->len - quote - 1);
        out->len--;
    }
    buf_add_lit(out, ",\"type\":\"data\",\"sessionId\":\"");
    buf_add_text(out, publication->publisher->id);
    buf_add_lit(out, "\",\"consistency\":");
    buf_add_i64(out, publication->consistency);
    add_publication_id(publication->publisher, publication->event_id, out);
    add_depth(publication, channel, out);
    add_origin(shape, publication, out);
    add_custom_meta(publication->meta, out);
    buf_add_lit(out, "},\"protocol\":\"");
    buf_add_text(out, shape->protocol);
    buf_add_text(out, shape->outbound_mark ? "\",\"__outbound\":true}" : "\"}");
}

void shape_value(const struct shape *shape, const struct request *request, const struct document *document, struct buf *out)
{
    buf_add_lit(out, "{\"data\":");
    json_add_raw(out, document->data);
    buf_add_lit(out, ",\"_meta\":{\"channel\":");
    json_add_string(out, request->channel);
    buf_add_lit(out, ",\"action\":\"/ON@");
    size_t quote = out->len;
    json_add_string(out, request->channel);
    if (out->status == HAPPN_OK) { /* continues the string that was opened: take its quote out */
        memmove(out->ptr + quote, out->ptr + quote + 1, out->len - quote - 1);
        out->len--;
    }
    buf_add_lit(out, ",\"type\":\"data\",\"sessionId\":\"");
    buf_add_text(out, request->session->id);
    buf_add_lit(out, "\",\"consistency\":2");
    add_publication_id(request->session, request->event_id, out);
    buf_add_lit(out, "},\"protocol\":\"");
    buf_add_text(out, shape->protocol);
    buf_add_lit(out, "\",\"__outbound\":true}");
}

void shape_report(const struct shape *shape, struct str id, struct str event_id, const struct publication_results *results,
                  bool acknowledged, struct buf *out)
{
    bool is_fine = results->error[0] == '\0';
    buf_add_lit(out, "{\"id\":\"");
    buf_add_str(out, id); /* escaped already: it is made of an id of ours and a raw text */
    buf_add_format(out, "\",\"action\":\"publication-ack\",\"result\":{\"successful\":%zu,\"failed\":%zu,\"skipped\":0,\"queued\":%zu",
                   results->successful, results->failed, results->queued);
    if (acknowledged) {
        buf_add_format(out, ",\"acknowledged\":%zu", results->acknowledged);
    }
    if (results->failed != 0) {
        buf_add_lit(out, ",\"lastError\":{\"message\":");
        json_add_string(out, str_of(results->error));
        buf_add_char(out, '}');
    }
    buf_add_text(out, is_fine ? "},\"status\":\"ok\",\"_meta\":{\"type\":\"ack\"" : "},\"status\":\"error\",\"_meta\":{\"type\":\"ack\"");
    if (str_is_set(event_id) && event_id.len != 0) {
        buf_add_lit(out, ",\"eventId\":");
        buf_add_str(out, event_id);
    }
    buf_add_char(out, '}');
    if (!is_fine) {
        buf_add_lit(out, ",\"error\":");
        json_add_string(out, str_of(results->error));
    }
    buf_add_lit(out, ",\"protocol\":\"");
    buf_add_text(out, shape->protocol);
    buf_add_text(out, shape->outbound_mark ? "\",\"__outbound\":true}" : "\"}");
}

void shape_system(const struct shape *shape, const char *event, struct str data, struct buf *out)
{
    buf_add_format(out, "{\"_meta\":{\"type\":\"system\"},\"eventKey\":\"%s\",\"data\":", event);
    json_add_raw(out, data);
    buf_add_format(out, ",\"protocol\":\"%s\"}", shape->protocol);
}

void shape_disconnect(const struct shape *shape, struct str reason, struct buf *out)
{
    buf_add_lit(out, "{\"_meta\":{\"type\":\"system\"},\"eventKey\":\"server-side-disconnect\",\"data\":");
    if (shape->reason_object) {
        buf_add_lit(out, "{\"reason\":");
    }
    json_add_string(out, reason);
    buf_add_text(out, shape->reason_object ? "}" : "");
    buf_add_text(out, shape->outbound_mark ? ",\"__outbound\":true}" : "}");
}
