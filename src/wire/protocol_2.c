/* Protocol 2: happn-3 5 to 7. */

#include "wire/protocol.h"

static const struct shape shape = {.protocol = "happn_2",
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

const struct protocol protocol_2 = {.name = "happn_2",
                                     .number = 2,
                                     .heartbeat = HEARTBEAT_BY_CLIENT,
                                     .language = WILDCARD_STRING,
                                     .encode_reply = encode_reply,
                                     .encode_publication = encode_publication,
                                     .encode_disconnect = encode_disconnect};
