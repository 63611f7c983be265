/* Protocol 4: happn-3 8.3 to 13. */

#include "wire/protocol.h"

static const struct shape shape = {.protocol = "happn_4",
                                   .outbound_mark = false,
                                   .ids = false,
                                   .remove_time = false,
                                   .reason_object = true,
                                   .login_session = true};

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

const struct protocol protocol_4 = {.name = "happn_4",
                                     .number = 4,
                                     .heartbeat = HEARTBEAT_BY_SERVER,
                                     .language = WILDCARD_SEGMENT,
                                     .encode_reply = encode_reply,
                                     .encode_publication = encode_publication,
                                     .encode_disconnect = encode_disconnect};
