/* Protocol 1: happn-3 1.1 to 4.x, and whatever never configures its session. */

#include "wire/protocol.h"

static const struct shape shape = {.protocol = "happn_1",
                                   .outbound_mark = true,
                                   .ids = true,
                                   .remove_time = true,
                                   .reason_object = false,
                                   .login_session = false};

static void encode_reply(const struct request *request, struct buf *out)
{
    shape_reply(&shape, request, out);
}

static void encode_publication(const struct publication *publication, const struct channel *channel,
                               struct buf *out)
{
    shape_publication(&shape, publication, channel, out);
}

static void encode_disconnect(struct str reason, struct buf *out)
{
    shape_disconnect(&shape, reason, out);
}

const struct protocol protocol_1 = {.name = "happn_1",
                                     .number = 1,
                                     .heartbeat = HEARTBEAT_BY_CLIENT,
                                     .language = WILDCARD_STRING,
                                     .encode_reply = encode_reply,
                                     .encode_publication = encode_publication,
                                     .encode_disconnect = encode_disconnect};
