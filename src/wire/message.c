/* Decoding is the same for all protocols: one scan finds the members, everything stays a slice of one text
 * in the request's arena: a copy, or the memory that a long one was received in. */

#include "wire/message.h"

#include <strings.h>

#include "base/error.h"
#include "json/scan.h"
#include "wire/protocol.h"
#include "wire/sealed.h"

enum { M_ACTION, M_EVENT_ID, M_PATH, M_DATA, M_SESSION_ID, M_OPTIONS, MEMBERS };

static const struct {
    const char *name;
    enum action action;
} actions[] = {
    {"set", ACTION_SET},       {"get", ACTION_GET},     {"count", ACTION_COUNT}, {"on", ACTION_ON},
    {"off", ACTION_OFF},       {"remove", ACTION_REMOVE}, {"configure-session", ACTION_CONFIGURE_SESSION},
    {"describe", ACTION_DESCRIBE}, {"login", ACTION_LOGIN}, {"ack", ACTION_ACK},
    {"disconnect", ACTION_DISCONNECT}, {"request-nonce", ACTION_REQUEST_NONCE}, {"revoke-session", ACTION_REVOKE_SESSION},
    {"revoke-token", ACTION_REVOKE_TOKEN}, {"change-password", ACTION_CHANGE_PASSWORD},
    {"disconnect-child-sessions", ACTION_DISCONNECT_CHILDREN}, {"administer", ACTION_ADMINISTER},
};

static enum action action_of(struct str text)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (str_is(text, actions[i].name)) {
            return actions[i].action;
        }
    }
    return ACTION_UNKNOWN;
}

static int event_of(struct str text)
{
    if (text.len == 3 && strncasecmp(text.ptr, "SET", 3) == 0) {
        return EVENT_SET;
    }
    if (text.len == 6 && strncasecmp(text.ptr, "REMOVE", 6) == 0) {
        return EVENT_REMOVE;
    }
    return text.len == 3 && strncasecmp(text.ptr, "ALL", 3) == 0 ? EVENT_ALL : 0;
}

/* A channel is known by its text with the slash in front, whether it was asked for with it or not. Without memory it stays as it is. */
static struct str with_slash(struct request *request, struct str text)
{
    char *out = text.len != 0 && text.ptr[0] != '/' ? arena_alloc(&request->arena, text.len + 1) : NULL;
    if (out == NULL) {
        return text;
    }
    out[0] = '/';
    memcpy(out + 1, text.ptr, text.len);
    return str_make(out, text.len + 1);
}

/* "/SET@/a/b" is the event SET on /a/b; only the first @ counts, and a missing leading slash is tolerated. */
static void split_channel(struct request *request)
{
    struct str text = request->path;
    request->channel = text;
    const char *at = text.len != 0 ? memchr(text.ptr, '@', text.len) : NULL;
    if (at == NULL) {
        return;
    }
    struct str event = str_make(text.ptr, (size_t)(at - text.ptr));
    if (str_starts(event, STR_LIT("/"))) {
        event = str_skip(event, 1);
    }
    request->events = event_of(event);
    request->channel = with_slash(request, text);
    request->path = str_skip(text, (size_t)(at - text.ptr) + 1);
}

void message_name(struct request *request, struct str action, struct str path)
{
    request->action_text = action;
    request->action = action_of(action);
    request->path = path;
    request->path_is_text = str_is_set(path);
    if (request->path_is_text && (request->action == ACTION_ON || request->action == ACTION_OFF)) {
        split_channel(request);
    }
}

static void fill(struct request *request, const struct json_member *members)
{
    request->event_id = members[M_EVENT_ID].value;
    request->session_id = members[M_SESSION_ID].value;
    request->data = members[M_DATA].value;
    request->options_raw = members[M_OPTIONS].value;
    request->path_raw = members[M_PATH].value;
    struct str path = json_type_of(request->path_raw) == JSON_STRING ? json_string(&request->arena, request->path_raw) : STR_NONE;
    message_name(request, json_string(&request->arena, members[M_ACTION].value), path);
}

static void name_members(struct json_member members[MEMBERS])
{
    static const struct json_member named[MEMBERS] = {{STR_LIT("action"), {NULL, 0}}, {STR_LIT("eventId"), {NULL, 0}},   {STR_LIT("path"), {NULL, 0}},
                                                      {STR_LIT("data"), {NULL, 0}},   {STR_LIT("sessionId"), {NULL, 0}}, {STR_LIT("options"), {NULL, 0}}};
    memcpy(members, named, sizeof named);
}

/* Text that cannot be named is not answered, only counted. */
static void ignore(struct session *session, struct request *request, const char *why)
{
    session->core->stats.ignored_text++;
    log_write(session->core->log, LOG_DEBUG, "wire", "ignored a message of session %s: %s", session->id, why);
    core_request_free(request);
}

/* A number such as 1e400 cannot be held: the request is refused by name when its members can be found at all. */
static void refuse_number(struct request *request, const struct json_member *members)
{
    fill(request, members);
    if (request->action_text.ptr == NULL) {
        ignore(request->session, request, "a number is out of range");
        return;
    }
    core_fail(request, HAPPN_E_NUMBER, NULL, 400, happn_status_text(HAPPN_E_NUMBER));
}

/* Nobody shall wait in vain: the error names the request by the text where it was received. Without even a request the connection ends. */
static void refuse_without_memory(struct session *session, struct request *request, struct str text)
{
    struct json_member members[MEMBERS];
    name_members(members);
    if (request == NULL) {
        session->core->stats.ignored_text++;
        if (session->link != NULL) {
            session->link->ops->close(session->link, happn_status_text(HAPPN_E_MEMORY));
        }
        return;
    }
    if (json_scan(text, members, MEMBERS, NULL) == HAPPN_OK) {
        fill(request, members);
    }
    if (request->action_text.ptr == NULL && !str_is_set(request->event_id)) {
        ignore(session, request, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
}

/* Who has layers gets what they will ask for from this one pass. */
static happn_status scan(struct request *request, struct str text, struct json_member members[MEMBERS])
{
    bool has_layers = request->core->layers[LAYERS_INBOUND] != NULL || request->core->layers[LAYERS_AUTHORIZED] != NULL;
    struct json_parts *parts = has_layers ? arena_alloc(&request->arena, sizeof *parts) : NULL;
    request->data_parts = parts;
    return parts != NULL ? json_scan_parts(text, members, MEMBERS, M_DATA, parts) : json_scan(text, members, MEMBERS, NULL);
}

void message_receive(struct session *session, struct str text, struct buf *memory)
{
    if (text.len != 0 && text.ptr[0] == '"' && primus_receive(session, text)) {
        return;
    }
    struct request *request = core_request_new(session);
    struct str copy = STR_NONE;
    if (request != NULL) {
        copy = memory != NULL ? arena_take(&request->arena, memory) : arena_str(&request->arena, text);
    }
    if (copy.ptr == NULL) {
        refuse_without_memory(session, request, memory != NULL ? buf_str(memory) : text);
        return;
    }
    struct json_member members[MEMBERS];
    name_members(members);
    happn_status status = scan(request, copy, members);
    if (status == HAPPN_E_NUMBER) {
        refuse_number(request, members);
        return;
    }
    if (status != HAPPN_OK || json_type_of(copy) != JSON_OBJECT) {
        ignore(session, request, status != HAPPN_OK ? happn_status_text(status) : "not an object");
        return;
    }
    fill(request, members);
    if (request->action_text.ptr == NULL && session->secret[0] != '\0') {
        copy = sealed_open(request, copy);
        if (str_is_set(copy)) {
            name_members(members);
            (void)!json_scan(copy, members, MEMBERS, NULL); /* it was checked */
            fill(request, members);
        }
    }
    if (request->action_text.ptr == NULL && !str_is_set(request->event_id)) {
        ignore(session, request, "neither action nor eventId");
        return;
    }
    core_dispatch(request);
}

const struct wire_ops wire_ops = {message_receive, &protocols[0], protocol_find};
