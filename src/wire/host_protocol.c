/* Between the host's plain structs and ours. The host sees text: what a reply or an event holds is made into JSON once, here. */

#include "wire/host_protocol.h"

#include <stdio.h>

#include "base/error.h"
#include "core/publication.h"
#include "json/scan.h"
#include "wire/message.h"
#include "wire/protocol.h"

struct host_protocol {
    struct protocol protocol; /* what sessions point at */
    struct host_protocol *next;
    const happn_protocol_ops *ops;
    void *host;
    char name[64];
};

static const struct host_protocol *of_session(const struct session *session)
{
    return (const struct host_protocol *)session->protocol;
}

static happn_text text_of(struct str text)
{
    return (happn_text){text.ptr, text.len};
}

void happn_out_add(happn_out *out, const char *text, size_t len)
{
    buf_add((struct buf *)out, text, len);
}

/* Documents with their `_meta`, as the newest clients get them; the message's own end is left off. */
static void add_list(const struct request *request, struct buf *out)
{
    static const struct shape plain = {.protocol = ""};
    shape_items(&plain, request, out);
}

static void encode_reply(const struct request *request, struct buf *out)
{
    const struct host_protocol *protocol = of_session(request->session);
    const struct reply *reply = &request->reply;
    struct buf list;
    buf_init(&list, request->core->allocator, out->max);
    happn_wire_reply given = {.action = text_of(request->action_text),
                              .event_id = text_of(request->event_id),
                              .path = text_of(reply->has_path ? reply->path : STR_NONE),
                              .data = {"null", 4},
                              .failed = reply->kind == REPLY_ERROR,
                              .error = reply->kind == REPLY_ERROR ? &request->error : NULL};
    if (reply->kind == REPLY_DOCUMENT) {
        given.data = text_of(reply->document.data);
    } else if (reply->kind == REPLY_DATA) {
        given.data = text_of(reply->data);
    } else if (reply->kind == REPLY_LIST || reply->kind == REPLY_INITIAL) {
        add_list(request, &list);
        given.data = text_of(buf_str(&list));
    }
    if (list.status == HAPPN_OK) {
        protocol->ops->encode_reply(&given, (happn_out *)out, protocol->host);
    } else {
        out->status = list.status;
    }
    buf_fini(&list);
}

static void encode_publication(const struct publication *publication, const struct channel *channel, struct buf *out)
{
    const struct host_protocol *protocol = of_session(channel->session);
    happn_wire_event event = {.removed = publication->event == EVENT_REMOVE,
                              .path = text_of(publication->path),
                              .channel = text_of(channel_text(channel)),
                              .data = text_of(publication->data)};
    protocol->ops->encode_event(&event, (happn_out *)out, protocol->host);
}

/* Reports of levels 1 and 3 are a reply to "publication-ack". */
static void encode_report(const struct session *session, struct str id, struct str event_id, const struct publication_results *results,
                          bool acknowledged, struct buf *out)
{
    const struct host_protocol *protocol = of_session(session);
    char data[160];
    int len = snprintf(data, sizeof data, "{\"successful\":%zu,\"failed\":%zu,\"queued\":%zu,\"acknowledged\":%zu}", results->successful,
                       results->failed, results->queued, acknowledged ? results->acknowledged : 0);
    happn_error error = {.status = HAPPN_E_TIMEOUT};
    snprintf(error.message, sizeof error.message, "%s", results->error);
    bool failed = results->error[0] != '\0';
    happn_wire_reply given = {.action = {"publication-ack", 15},
                              .event_id = text_of(event_id),
                              .path = text_of(id),
                              .data = {data, (size_t)len},
                              .failed = failed,
                              .error = failed ? &error : NULL};
    protocol->ops->encode_reply(&given, (happn_out *)out, protocol->host);
}

static void encode_disconnect(const struct session *session, struct str reason, struct buf *out)
{
    const struct host_protocol *protocol = of_session(session);
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)reason.len, reason.ptr);
    if (protocol->ops->encode_end != NULL) {
        protocol->ops->encode_end(text, (happn_out *)out, protocol->host);
    }
}

static struct str copy(struct arena *arena, happn_text text)
{
    return text.ptr != NULL ? arena_str(arena, str_make(text.ptr, text.len)) : STR_NONE;
}

/* JSON that the host hands over is looked at before it is believed. */
static bool copy_json(struct arena *arena, happn_text text, struct str *out)
{
    *out = copy(arena, text);
    return text.ptr == NULL || (out->ptr != NULL && json_check(*out, NULL) == HAPPN_OK);
}

static void receive(struct session *session, struct str text)
{
    const struct host_protocol *protocol = of_session(session);
    struct request *request = core_request_new(session);
    if (request == NULL) {
        session->core->stats.ignored_text++;
        return;
    }
    happn_wire_request wire = {.action = {NULL, 0}};
    struct str action = STR_NONE;
    if (protocol->ops->decode(text.ptr, text.len, &wire, protocol->host) == HAPPN_OK) {
        action = copy(&request->arena, wire.action);
    }
    if (action.ptr == NULL || !copy_json(&request->arena, wire.data, &request->data) ||
        !copy_json(&request->arena, wire.options, &request->options_raw) || !copy_json(&request->arena, wire.event_id, &request->event_id)) {
        session->core->stats.ignored_text++;
        core_request_free(request);
        return;
    }
    message_name(request, action, copy(&request->arena, wire.path));
    core_dispatch(request);
}

happn_status host_protocol_add(struct core *core, const char *name, const happn_protocol_ops *ops, void *host, happn_error *error)
{
    if (ops == NULL || ops->size < sizeof *ops || ops->decode == NULL || ops->encode_reply == NULL || ops->encode_event == NULL) {
        return error_set(error, HAPPN_E_ARGUMENT, "the protocol %.60s lacks a function: only encode_end may be NULL", name);
    }
    bool is_taken = strncmp(name, "happn", 5) == 0 || host_protocol_find(core, str_of(name)) != NULL;
    struct host_protocol *protocol = NULL;
    if (is_taken || name[0] == '\0' || strlen(name) >= sizeof protocol->name) {
        return error_set(error, HAPPN_E_ARGUMENT, "a protocol's name must be new, have 1 to 63 bytes and not begin with happn: %.100s", name);
    }
    protocol = memory_zalloc(core->allocator, sizeof *protocol);
    if (protocol == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    snprintf(protocol->name, sizeof protocol->name, "%s", name);
    protocol->ops = ops;
    protocol->host = host;
    protocol->protocol = (struct protocol){.name = protocol->name,
                                           .number = 4,
                                           .heartbeat = HEARTBEAT_BY_CLIENT,
                                           .language = WILDCARD_STRING,
                                           .receive = receive,
                                           .encode_reply = encode_reply,
                                           .encode_publication = encode_publication,
                                           .encode_report = encode_report,
                                           .encode_disconnect = encode_disconnect};
    protocol->next = core->host_protocols;
    core->host_protocols = protocol;
    return HAPPN_OK;
}

const struct protocol *host_protocol_find(const struct core *core, struct str name)
{
    for (struct host_protocol *protocol = core->host_protocols; protocol != NULL; protocol = protocol->next) {
        if (str_is(name, protocol->name)) {
            return &protocol->protocol;
        }
    }
    return NULL;
}

void host_protocol_forget_all(struct core *core)
{
    while (core->host_protocols != NULL) {
        struct host_protocol *next = core->host_protocols->next;
        memory_free(core->allocator, core->host_protocols);
        core->host_protocols = next;
    }
}
