/* configure-session, describe, login, disconnect: what a client says before and after the real work. */

#include <stdio.h>

#include "core/dispatch.h"
#include "core/session.h"
#include "json/scan.h"
#include "json/write.h"

static void reply_text(struct request *request, struct buf *text)
{
    struct str data = text->status == HAPPN_OK ? arena_str(&request->arena, buf_str(text)) : STR_NONE;
    buf_fini(text);
    if (data.ptr == NULL) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    request->reply.kind = REPLY_DATA;
    request->reply.data = data;
    core_reply(request);
}

void action_configure_session(struct request *request)
{
    struct session *session = request->session;
    struct str name = json_string(&request->arena, json_get(request->data, "protocol"));
    session->protocol = session->core->wire->find(session->core, name);
    request->reply.kind = REPLY_DATA;
    request->reply.data = STR_LIT("null");
    core_reply(request);
}

static void add_description(struct buf *text, const struct request *request)
{
    buf_add_lit(text, "{\"name\":");
    json_add_string(text, str_of(request->core->name));
    buf_add_lit(text, ",\"secure\":false");
    if (request->session->protocol->number < 4) {
        buf_add_lit(text, ",\"encryptPayloads\":false");
    }
    buf_add_char(text, '}');
}

void action_describe(struct request *request)
{
    struct buf text;
    buf_init(&text, request->core->allocator, 4096);
    add_description(&text, request);
    reply_text(request, &text);
}

static void remember_info(struct session *session, struct str info)
{
    memory_free(session->core->allocator, (char *)session->info.ptr);
    session->info = STR_NONE;
    if (json_type_of(info) == JSON_OBJECT) {
        char *copy = memory_strdup(session->core->allocator, info.ptr, info.len);
        session->info = str_make(copy, copy != NULL ? info.len : 0);
    }
}

/* On an unsecured server any login is welcome; info is echoed. */
void action_login(struct request *request)
{
    struct session *session = request->session;
    remember_info(session, json_get(request->data, "info"));
    struct buf text;
    buf_init(&text, request->core->allocator, session->info.len + 4096);
    buf_add_lit(&text, "{\"id\":\"");
    buf_add_text(&text, session->id);
    buf_add_lit(&text, "\",\"protocol\":\"");
    buf_add_text(&text, session->protocol->name);
    buf_add_lit(&text, "\",\"happn\":");
    add_description(&text, request);
    if (str_is_set(session->info)) {
        buf_add_lit(&text, ",\"info\":");
        json_add_raw(&text, session->info);
    }
    buf_add_char(&text, '}');
    reply_text(request, &text);
}

void action_disconnect(struct request *request)
{
    request->reply.kind = REPLY_DATA;
    request->reply.data = STR_LIT("null");
    core_reply(request);
}
