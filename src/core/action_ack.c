/* ack: a recipient has got a publication of level 3. Late and unknown ones are welcome, too: nothing depends on them. */

#include "core/acknowledgement.h"
#include "core/dispatch.h"
#include "json/scan.h"

void action_ack(struct request *request)
{
    struct str id = json_string(&request->arena, request->data);
    if (id.ptr != NULL) {
        acknowledgement_take(request->core, request->session, id);
    }
    request->reply.kind = REPLY_DATA;
    request->reply.data = STR_LIT("null");
    core_reply(request);
}
