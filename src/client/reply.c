/* What the server says: answers, arrays, publications, system messages. Everything stays a slice of the message's text. */

#include <stdio.h>

#include "base/error.h"
#include "base/utf8.h"
#include "client/client.h"
#include "json/scan.h"
#include "json/write.h"

enum { F_DATA, F_META, F_EVENT_KEY, F_INITIAL, FRAME_MEMBERS };
enum { M_TYPE, M_STATUS, M_EVENT_ID, M_CHANNEL, M_ERROR, META_MEMBERS };

struct frame {
    struct str data, meta, event_key, type, status, event_id, channel, error;
};

static const happn_result plain_ok = {
    .size = sizeof(happn_result), .status = HAPPN_OK, .data = "null", .data_len = 4, .meta = "{}", .meta_len = 2};

happn_result result_ok(void)
{
    return plain_ok;
}

happn_result result_of(const happn_error *error)
{
    happn_result result = plain_ok;
    result.status = error->status;
    result.error = error;
    return result;
}

static bool text_is(struct str raw, const char *plain)
{
    return json_type_of(raw) == JSON_STRING && raw.len >= 2 && json_text_is(str_make(raw.ptr + 1, raw.len - 2), str_of(plain));
}

static void read_meta(struct frame *frame)
{
    struct json_member members[META_MEMBERS] = {{STR_LIT("type"), {0}},
                                                {STR_LIT("status"), {0}},
                                                {STR_LIT("eventId"), {0}},
                                                {STR_LIT("channel"), {0}},
                                                {STR_LIT("error"), {0}}};
    if (json_type_of(frame->meta) == JSON_OBJECT) {
        (void)!json_scan(frame->meta, members, META_MEMBERS, NULL);
    }
    frame->type = members[M_TYPE].value;
    frame->status = members[M_STATUS].value;
    frame->event_id = members[M_EVENT_ID].value;
    frame->channel = members[M_CHANNEL].value;
    frame->error = members[M_ERROR].value;
}

/* An array's last element is the meta of the answer; the others are its data. */
static bool split_array(happn_client *client, struct str text, struct frame *frame)
{
    struct json_iter it = json_iter(text);
    size_t count = 0;
    struct str before = STR_NONE;
    while (json_next(&it)) {
        before = frame->meta;
        frame->meta = it.value;
        count++;
    }
    if (count == 0) {
        return false;
    }
    struct buf *in = &client->in;
    buf_clear(in);
    const char *start = memchr(text.ptr, '[', text.len);
    const char *end = count > 1 ? before.ptr + before.len : start + 1;
    buf_add(in, start, (size_t)(end - start));
    buf_add_char(in, ']');
    frame->data = buf_str(in);
    return in->status == HAPPN_OK;
}

/* An explicit path's getPaths has no data at all: the path is in the meta. */
static void make_path_data(happn_client *client, struct frame *frame)
{
    struct str path = json_get(frame->meta, "path");
    struct buf *in = &client->in;
    if (!str_is_set(path)) {
        frame->data = STR_LIT("null");
        return;
    }
    buf_clear(in);
    buf_add_lit(in, "{\"_meta\":{\"path\":");
    buf_add_str(in, path);
    buf_add_lit(in, "}}");
    frame->data = buf_str(in);
}

static bool read_frame(happn_client *client, struct str text, struct frame *frame)
{
    struct json_member members[FRAME_MEMBERS] = {{STR_LIT("data"), {0}},
                                                 {STR_LIT("_meta"), {0}},
                                                 {STR_LIT("eventKey"), {0}},
                                                 {STR_LIT("initialValues"), {0}}};
    happn_status status = json_scan(text, members, FRAME_MEMBERS, NULL);
    if (status != HAPPN_OK && status != HAPPN_E_NUMBER) {
        return false;
    }
    *frame = (struct frame){.data = members[F_DATA].value, .meta = members[F_META].value, .event_key = members[F_EVENT_KEY].value};
    if (json_type_of(text) == JSON_ARRAY && !split_array(client, text, frame)) {
        return false;
    }
    read_meta(frame);
    return json_type_of(frame->meta) == JSON_OBJECT;
}

static happn_status status_named(struct str name)
{
    static const struct {
        const char *name;
        happn_status status;
    } names[] = {
#define X(symbol, code, name, text) {name, HAPPN_##symbol},
#include "happn/status.def"
#undef X
        {"TimeoutError", HAPPN_E_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].status < 0 && str_is(name, names[i].name)) {
            return names[i].status;
        }
    }
    return HAPPN_E_REFUSED;
}

static void read_error(happn_client *client, struct str raw, happn_error *error)
{
    struct str name = json_string(&client->arena, json_get(raw, "name"));
    struct str message = json_string(&client->arena, json_get(raw, "message"));
    if (json_type_of(raw) == JSON_STRING) {
        message = json_string(&client->arena, raw);
    }
    memset(error, 0, sizeof *error);
    error->code = (int32_t)json_int(json_get(raw, "code"), 0);
    error->status = status_named(name);
    if (error->code == 401 || error->code == 403) {
        error->status = HAPPN_E_DENIED;
    } else if (str_starts(message, STR_LIT("Bad path"))) {
        error->status = HAPPN_E_PATH; /* the original's name for it is just "Error" */
    }
    utf8_copy(error->name, sizeof error->name, name);
    utf8_copy(error->message, sizeof error->message,
              str_is_set(message) ? message : str_of(happn_status_text(error->status)));
}

static void answer(happn_client *client, struct frame *frame)
{
    uint64_t event_id = (uint64_t)json_int(frame->event_id, 0);
    happn_error error;
    happn_result result = result_ok();
    if (text_is(frame->status, "error")) {
        read_error(client, frame->error, &error);
        result.status = error.status;
        result.error = &error;
    }
    if (!str_is_set(frame->data)) {
        make_path_data(client, frame);
    }
    result.data = frame->data.ptr;
    result.data_len = frame->data.len;
    result.meta = frame->meta.ptr;
    result.meta_len = frame->meta.len;
    (void)request_answered(client, event_id, &result);
}

/* The report of a publication: to be told to who published. */
static void report(happn_client *client, const struct frame *frame, struct str text)
{
    happn_error error;
    happn_result result = result_ok();
    struct str data = json_get(text, "result");
    if (text_is(json_get(text, "status"), "error")) {
        read_error(client, json_get(text, "error"), &error);
        result.status = error.status;
        result.error = &error;
    }
    result.data = str_is_set(data) ? data.ptr : "null";
    result.data_len = str_is_set(data) ? data.len : 4;
    result.meta = frame->meta.ptr;
    result.meta_len = frame->meta.len;
    request_reported(client, (uint64_t)json_int(frame->event_id, 0), &result);
}

static void remember_farewell(happn_client *client, const struct frame *frame)
{
    if (!text_is(frame->event_key, "server-side-disconnect")) {
        return;
    }
    struct str reason = json_type_of(frame->data) == JSON_OBJECT ? json_get(frame->data, "reason") : frame->data;
    utf8_copy(client->farewell, sizeof client->farewell, json_string(&client->arena, reason));
}

/* The publisher waits for this when it asked for consistency 3: one ack for each subscription here. */
static void acknowledge(happn_client *client, struct str meta, struct str channel)
{
    for (size_t i = channels_count(client, channel); i > 0; i--) {
        struct pending *pending = request_new(client, "ack", NULL, NULL);
        if (pending == NULL) {
            return;
        }
        request_begin(client, pending);
        request_add(client, "data", json_get(meta, "publicationId"));
        request_add_string(client, "sessionId", str_of(client->session_id));
        if (request_send(client, pending, 0) != HAPPN_OK) {
            request_free(client, pending);
        }
    }
}

static void publication(happn_client *client, const struct frame *frame)
{
    struct str channel = json_string(&client->arena, frame->channel);
    if (!str_is_set(channel)) {
        return;
    }
    if (json_int(json_get(frame->meta, "consistency"), 0) == 3) {
        acknowledge(client, frame->meta, channel);
    }
    channels_deliver(client, channel, str_is_set(frame->data) ? frame->data : STR_LIT("null"), frame->meta);
}

void reply_received(happn_client *client, struct str text)
{
    struct frame frame;
    arena_reset(&client->arena);
    if (str_is(text, "\"primus::server::close\"")) {
        client->is_final = true;
        return;
    }
    if (!read_frame(client, text, &frame)) {
        return; /* not one of ours: ignored, as the original does */
    }
    if (text_is(frame.type, "system")) {
        remember_farewell(client, &frame);
    } else if (text_is(frame.type, "data")) {
        publication(client, &frame);
    } else if (text_is(frame.type, "ack")) {
        report(client, &frame, text);
    } else {
        answer(client, &frame);
    }
    if (client->in.capacity > 1 << 20) {
        buf_fini(&client->in);
    }
}
