/* The four protocols that happn-3's clients speak: one table, for they differ in a few shapes only.
 *
 *   1  happn-3 1.1 to 4.x, and whatever never configures its session
 *   2  happn-3 5 to 7
 *   3  happn-3 8.0 to 8.2
 *   4  happn-3 8.3 to 13 */

#include "wire/protocol.h"

#include "wire/host_protocol.h"
#include "wire/sealed.h"

static const struct shape shapes[] = {
    {.protocol = "happn_1", .outbound_mark = true, .ids = true, .remove_time = true, .event_author = true},
    {.protocol = "happn_2", .outbound_mark = true, .ids = true, .remove_time = true, .event_author = true},
    {.protocol = "happn_3", .ids = true, .reason_object = true},
    {.protocol = "happn_4", .reason_object = true, .login_session = true, .event_origin = true},
};

static const struct shape *shape_of(const struct session *session)
{
    return &shapes[session->protocol->number - 1];
}

static void encode_reply(const struct request *request, struct buf *out)
{
    if (request->session->secret[0] != '\0' || request->is_sealed) {
        sealed_reply(shape_of(request->session), request, out);
        return;
    }
    shape_reply(shape_of(request->session), request, out);
}

static bool encode_list(const struct request *request, size_t *next, size_t bytes, struct buf *out)
{
    return shape_list(shape_of(request->session), request, next, bytes, out);
}

static void encode_publication(const struct publication *publication, const struct channel *channel, struct buf *out)
{
    shape_publication(shape_of(channel->session), publication, channel, out);
}

static void encode_value(const struct request *request, const struct document *document, struct buf *out)
{
    shape_value(shape_of(request->session), request, document, out);
}

static void encode_report(const struct session *session, struct str id, struct str event_id,
                          const struct publication_results *results, bool acknowledged, struct buf *out)
{
    shape_report(shape_of(session), id, event_id, results, acknowledged, out);
}

static void encode_disconnect(const struct session *session, struct str reason, struct buf *out)
{
    shape_disconnect(shape_of(session), reason, out);
}

static void encode_system(const struct session *session, const char *event, struct str data, struct buf *out)
{
    shape_system(shape_of(session), event, data, out);
}

#define PROTOCOL(number_, heartbeat_, language_, value_, system_)                                                     \
    {.name = "happn_" #number_, .number = number_, .heartbeat = heartbeat_, .language = language_, .returns_in_silence = number_ >= 3, .lends = true, \
     .encode_reply = encode_reply, .encode_list = encode_list, .encode_publication = encode_publication, .encode_value = value_, \
     .encode_report = encode_report, .encode_disconnect = encode_disconnect, .encode_system = system_}

const struct protocol protocols[] = {
    PROTOCOL(1, HEARTBEAT_BY_CLIENT, WILDCARD_STRING, encode_value, NULL),
    PROTOCOL(2, HEARTBEAT_BY_CLIENT, WILDCARD_STRING, NULL, NULL),
    PROTOCOL(3, HEARTBEAT_BY_CLIENT, WILDCARD_SEGMENT, NULL, encode_system),
    PROTOCOL(4, HEARTBEAT_BY_SERVER, WILDCARD_SEGMENT, NULL, encode_system),
};

const struct protocol *protocol_find(const struct core *core, struct str name)
{
    const struct protocol *host = str_is_set(name) ? host_protocol_find(core, name) : NULL;
    if (host != NULL) {
        return host;
    }
    struct str head = STR_LIT("happn_");
    if (!str_is_set(name) || !str_starts(name, head)) {
        return &protocols[0];
    }
    struct str digits = str_skip(name, head.len);
    int number = 0;
    for (size_t i = 0; i < digits.len && digits.ptr[i] >= '0' && digits.ptr[i] <= '9' && number < 1000; i++) {
        number = number * 10 + (digits.ptr[i] - '0');
    }
    switch (number) {
    case 0:
    case 1:
        return &protocols[0];
    case 2:
        return &protocols[1];
    case 3:
        return &protocols[2];
    default:
        return &protocols[3];
    }
}
