/* Publications and system messages. */

#include "json/scan.h"
#include "json/write.h"
#include "wire/protocol.h"

/* Everything the server sets itself: a publisher's own meta cannot pretend to be one of these. */
static bool is_reserved(struct str key)
{
    static const char *const names[] = {"created",       "modified",  "path", "action", "type",  "published",
                                        "status",        "eventId",   "sessionId", "consistency", "publicationId",
                                        "timestamp",     "tag",       "_id",  "depth",  "acknowledged", "channel"};
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
static void add_publication_id(const struct publication *publication, struct buf *out)
{
    struct str id = publication->event_id;
    buf_add_lit(out, ",\"publicationId\":\"");
    buf_add_text(out, publication->publisher->id);
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
    if (publication->has_timestamp && shape->remove_time) {
        buf_add_lit(out, "\"timestamp\":");
        buf_add_i64(out, publication->timestamp);
        buf_add_char(out, ',');
    }
}

void shape_publication(const struct shape *shape, const struct publication *publication, const struct channel *channel,
                       struct buf *out)
{
    const struct subscription *subscription = &channel->subscription;
    buf_add_lit(out, "{\"data\":");
    json_add_raw(out, publication->data);
    buf_add_lit(out, ",\"_meta\":{");
    add_dates(shape, publication, out);
    buf_add_lit(out, "\"path\":");
    json_add_string(out, publication->path);
    buf_add_lit(out, ",\"channel\":");
    json_add_string(out, channel->text);
    buf_add_text(out, publication->event == EVENT_SET ? ",\"action\":\"/SET@" : ",\"action\":\"/REMOVE@");
    size_t quote = out->len;
    json_add_string(out, publication->path);
    if (out->status == HAPPN_OK) { /* the path continues the string that was opened: take its quote out */
        memmove(out->ptr + quote, out->ptr + quote + 1, out->len - quote - 1);
        out->len--;
    }
    buf_add_lit(out, ",\"type\":\"data\",\"sessionId\":\"");
    buf_add_text(out, publication->publisher->id);
    buf_add_lit(out, "\",\"consistency\":");
    buf_add_i64(out, publication->consistency);
    add_publication_id(publication, out);
    if (subscription->language == WILDCARD_SEGMENT && str_ends(subscription->pattern, STR_LIT("/**"))) {
        buf_add_lit(out, ",\"depth\":");
        buf_add_i64(out, subscription->depth);
    }
    add_custom_meta(publication->meta, out);
    buf_add_lit(out, "},\"protocol\":\"");
    buf_add_text(out, shape->protocol);
    buf_add_text(out, shape->outbound_mark ? "\",\"__outbound\":true}" : "\"}");
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
