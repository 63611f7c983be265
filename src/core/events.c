#include "core/events.h"

#include "json/write.h"
#include "security/login.h"

happn_status events_watch(struct core *core, happn_system_fn fn, void *arg)
{
    struct watcher *watcher = memory_zalloc(core->allocator, sizeof *watcher);
    if (watcher == NULL) {
        return HAPPN_E_MEMORY;
    }
    *watcher = (struct watcher){NULL, fn, arg};
    struct watcher **at = &core->watchers;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = watcher;
    return HAPPN_OK;
}

void events_unwatch(struct core *core, happn_system_fn fn, void *arg)
{
    struct watcher **at = &core->watchers;
    while (*at != NULL && !((*at)->fn == fn && (*at)->arg == arg)) {
        at = &(*at)->next;
    }
    struct watcher *watcher = *at;
    if (watcher != NULL) {
        *at = watcher->next;
        memory_free(core->allocator, watcher);
    }
}

void events_forget_all(struct core *core)
{
    while (core->watchers != NULL) {
        struct watcher *next = core->watchers->next;
        memory_free(core->allocator, core->watchers);
        core->watchers = next;
    }
}

void events_emit(struct core *core, const char *event, struct str detail)
{
    for (struct watcher *watcher = core->watchers; watcher != NULL; watcher = watcher->next) {
        watcher->fn(event, detail.ptr, detail.len, watcher->arg);
    }
}

static void add_text(struct buf *out, const char *name, struct str text)
{
    if (text.len != 0) {
        buf_add_format(out, ",\"%s\":", name);
        json_add_string(out, text);
    }
}

void events_session(struct core *core, const char *event, const struct session *session, const char *reason)
{
    if (core->watchers == NULL) {
        return;
    }
    struct buf text;
    buf_init(&text, core->allocator, 1 << 20);
    buf_add_format(&text, "{\"id\":\"%s\",\"protocol\":\"%s\",\"isLocal\":%s", session->id, session->protocol->name,
                   session->is_local ? "true" : "false");
    if (session->identity != NULL) {
        add_text(&text, "username", session->identity->username);
        add_text(&text, "tokenId", session->identity->token_id);
    }
    add_text(&text, "address", str_of(session->peer.address));
    add_text(&text, "reason", str_of(reason));
    if (str_is_set(session->info)) {
        buf_add_lit(&text, ",\"info\":");
        buf_add_str(&text, session->info);
    }
    buf_add_char(&text, '}');
    if (text.status == HAPPN_OK) {
        events_emit(core, event, buf_str(&text));
    }
    buf_fini(&text);
}

void events_login_refused(struct core *core, const struct happn_login *login)
{
    if (core->watchers == NULL) {
        return;
    }
    struct buf text;
    buf_init(&text, core->allocator, 1 << 16);
    buf_add_format(&text, "{\"code\":%d", (int)login->error.code);
    add_text(&text, "username", login->username.len <= 256 ? login->username : STR_NONE);
    add_text(&text, "address", login->address);
    add_text(&text, "message", str_of(login->error.message));
    buf_add_char(&text, '}');
    if (text.status == HAPPN_OK) {
        events_emit(core, "login-refused", buf_str(&text));
    }
    buf_fini(&text);
}

void events_connected(struct session *session)
{
    session->is_announced = true;
    events_session(session->core, "connect", session, NULL);
}

void events_refused(const struct request *request)
{
    const struct session *session = request->session;
    if (request->core->watchers == NULL) {
        return;
    }
    struct buf text;
    buf_init(&text, request->core->allocator, 1 << 20);
    buf_add_format(&text, "{\"id\":\"%s\"", session->id);
    add_text(&text, "username", session->identity != NULL ? session->identity->username : STR_NONE);
    add_text(&text, "address", str_of(session->peer.address));
    add_text(&text, "action", request->action_text);
    add_text(&text, "path", request->path.len <= 4096 ? request->path : STR_NONE);
    add_text(&text, "message", str_of(request->error.message));
    buf_add_text(&text, session->script_depth != 0 ? ",\"byScript\":true}" : "}");
    if (text.status == HAPPN_OK) {
        events_emit(request->core, "refused", buf_str(&text));
    }
    buf_fini(&text);
}

void events_authentic(struct core *core, const struct happn_login *login)
{
    if (core->watchers == NULL) {
        return;
    }
    struct buf text;
    buf_init(&text, core->allocator, 1 << 16);
    buf_add_format(&text, "{\"type\":%d", (int)login->type);
    add_text(&text, "username", login->identity->username);
    add_text(&text, "tokenId", login->identity->token_id);
    add_text(&text, "address", login->address);
    buf_add_char(&text, '}');
    if (text.status == HAPPN_OK) {
        events_emit(core, "authentic", buf_str(&text));
    }
    buf_fini(&text);
}
