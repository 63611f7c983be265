/* count: how many documents a get would find. */

#include <stdio.h>

#include "core/dispatch.h"
#include "core/session.h"

static void reply_count(struct request *request)
{
    char text[48];
    int len = snprintf(text, sizeof text, "{\"value\":%lld}", (long long)request->op.count);
    request->reply.kind = REPLY_DATA;
    request->reply.data = arena_str(&request->arena, str_make(text, (size_t)len));
    if (request->reply.data.ptr == NULL) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    core_reply(request);
}

void action_count(struct request *request)
{
    if (options_compile_search(request, true)) {
        dispatch_store(request, STORE_COUNT, reply_count);
    }
}
