/* off: ends one subscription, all on a channel, or all of the session. */

#include <stdio.h>
#include <stdlib.h>

#include "core/dispatch.h"
#include "core/session.h"
#include "json/scan.h"

/* The number behind the last separator of "<instance>/<number>"; 0 names all of the channel. */
static uint64_t reference_number(struct request *request)
{
    struct str id = json_string(&request->arena, request->options.reference_id);
    if (id.ptr == NULL || id.len < 2) {
        return 0;
    }
    size_t at = id.len;
    while (at > 0 && id.ptr[at - 1] >= '0' && id.ptr[at - 1] <= '9') {
        at--;
    }
    size_t instance = strlen(request->core->instance);
    bool ours = at == instance + 1 && at < id.len && memcmp(id.ptr, request->core->instance, instance) == 0;
    uint64_t number = 0;
    for (size_t i = at; ours && i < id.len && i < at + 19; i++) {
        number = number * 10 + (uint64_t)(id.ptr[i] - '0');
    }
    return ours ? number : UINT64_MAX; /* a foreign handle ends nothing */
}

void action_off(struct request *request)
{
    if (!request->path_is_text) {
        core_fail(request, HAPPN_E_PATH, "Error", 0, "Bad path, must be a string");
        return;
    }
    uint64_t number = reference_number(request);
    size_t removed;
    if (str_is(request->channel, "*")) {
        removed = session_unsubscribe_all(request->session);
    } else if (number == 0 && request->options.listener >= 0) {
        removed = session_unsubscribe_listener(request->session, request->channel, request->options.listener);
    } else {
        removed = session_unsubscribe(request->session, request->channel, number);
    }
    struct str id = request->options.reference_id;
    bool named = json_type_of(id) == JSON_STRING;
    if (!named) {
        id = STR_LIT("false");
    }
    char *text = arena_alloc(&request->arena, id.len + 64);
    if (text == NULL) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    const char *list = removed == 0 ? "[]" : named ? "[{\"id\":" : "[{\"id\":null";
    int len = snprintf(text, id.len + 64, "{\"id\":%.*s,\"removed\":", (int)id.len, id.ptr);
    request->reply.kind = REPLY_DATA;
    struct buf out;
    buf_init(&out, request->core->allocator, id.len * 2 + 128);
    buf_add(&out, text, (size_t)len);
    buf_add_text(&out, list);
    if (removed != 0) {
        if (named) {
            buf_add_str(&out, id);
        }
        buf_add_lit(&out, "}]");
    }
    buf_add_char(&out, '}');
    request->reply.data = arena_str(&request->arena, buf_str(&out));
    buf_fini(&out);
    core_reply(request);
}
