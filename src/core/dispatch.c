/* The way of a request, hop by hop. Read this first.
 *
 *   net/websocket or client/link_inprocess   has one whole message and calls core_receive
 *   wire/message                             validates it, slices it, fills a struct request
 *   core_dispatch (here)                     keeps the session's order, or starts it at once:
 *     layers_inbound                           may change, refuse, answer or park it
 *     the table of actions                     checks the path and calls action_set, action_get, ...
 *     dispatch_store                           hands request->op to the provider: done now or later
 *     publication_deliver                      tells the subscribers what was committed
 *   core_reply (here)                        outbound layers, then the protocol encodes into the link
 *
 * Order. The requests of one session take effect in the order they came. Operations of the store may be under
 * way together, because a provider keeps their order; everything else waits until the store has answered the
 * session's earlier operations. A request parked by a layer holds back the later ones of its session and of no
 * other session. */

#include "core/dispatch.h"

#include <stdio.h>

#include "base/error.h"
#include "core/layers.h"
#include "core/session.h"
#include "json/scan.h"

struct action_entry {
    enum action action;
    void (*run)(struct request *request);
    bool uses_store;
    bool needs_path;
    enum path_use path_use;
};

static const struct action_entry table[] = {
    {ACTION_SET, action_set, true, true, PATH_FOR_SET},
    {ACTION_GET, action_get, true, true, PATH_FOR_GET},
    {ACTION_REMOVE, action_remove, true, true, PATH_FOR_REMOVE},
    {ACTION_ON, action_on, false, true, PATH_FOR_ON},
    {ACTION_OFF, action_off, false, false, PATH_FOR_ON},
    {ACTION_CONFIGURE_SESSION, action_configure_session, false, false, PATH_FOR_GET},
    {ACTION_DESCRIBE, action_describe, false, false, PATH_FOR_GET},
    {ACTION_LOGIN, action_login, false, false, PATH_FOR_GET},
    {ACTION_DISCONNECT, action_disconnect, false, false, PATH_FOR_GET},
};

static const struct action_entry *find_action(enum action action)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].action == action) {
            return &table[i];
        }
    }
    return NULL;
}

/* The options by their names. Those whose behaviour is still to come are refused by name: silently doing something else
 * would be worse. */
enum option { NO_STORE, NO_PUBLISH, MERGE, PATH_ONLY, INITIAL_CALLBACK, INITIAL_EMIT, CONSISTENCY, DEPTH, REFERENCE_ID, META, WILDCARD,
              NESTED, TO_COME };

static const struct {
    struct str name;
    enum option option;
} options[] = {
    {STR_LIT("noStore"), NO_STORE},
    {STR_LIT("noPublish"), NO_PUBLISH},
    {STR_LIT("merge"), MERGE},
    {STR_LIT("path_only"), PATH_ONLY},
    {STR_LIT("initialCallback"), INITIAL_CALLBACK},
    {STR_LIT("initialEmit"), INITIAL_EMIT},
    {STR_LIT("consistency"), CONSISTENCY},
    {STR_LIT("depth"), DEPTH},
    {STR_LIT("referenceId"), REFERENCE_ID},
    {STR_LIT("meta"), META},
    {STR_LIT("wildcard"), WILDCARD},
    {STR_LIT("options"), NESTED},
    {STR_LIT("criteria"), TO_COME},
    {STR_LIT("tag"), TO_COME},
    {STR_LIT("set_type"), TO_COME},
    {STR_LIT("increment"), TO_COME},
    {STR_LIT("targetClients"), TO_COME},
    {STR_LIT("fields"), TO_COME},
    {STR_LIT("sort"), TO_COME},
};

static int find_option(struct str key)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (str_equal(key, options[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

static void read_consistency(struct request_options *out, struct str value)
{
    out->consistency = (int)json_int(value, 2);
    if (out->consistency == 1 || out->consistency == 3) {
        out->to_come = "consistency";
    }
}

static void read_option(struct request *request, int index, struct str value)
{
    struct request_options *out = &request->options;
    switch (options[index].option) {
    case NO_STORE:
        out->no_store = json_true(value);
        return;
    case NO_PUBLISH:
        out->no_publish = json_true(value);
        return;
    case MERGE:
        out->merge = json_true(value);
        return;
    case PATH_ONLY:
        out->path_only = json_true(value) || out->path_only;
        return;
    case INITIAL_CALLBACK:
        out->initial_callback = json_true(value);
        return;
    case INITIAL_EMIT:
        out->initial_emit = json_true(value);
        return;
    case CONSISTENCY:
        read_consistency(out, value);
        return;
    case DEPTH:
        out->depth = (int)json_int(value, 0);
        return;
    case REFERENCE_ID:
        out->reference_id = value;
        return;
    case META:
        out->meta = json_type_of(value) == JSON_OBJECT ? value : STR_NONE;
        return;
    case WILDCARD:
        out->wildcard = json_string(&request->arena, value);
        return;
    case NESTED:
        out->path_only = out->path_only || json_true(json_get(value, "path_only"));
        return;
    case TO_COME:
        if (json_type_of(value) != JSON_NULL) {
            out->to_come = options[index].name.ptr;
        }
        return;
    }
}

void dispatch_read_options(struct request *request)
{
    request->options = (struct request_options){.consistency = 2};
    if (json_type_of(request->options_raw) != JSON_OBJECT) {
        return;
    }
    for (struct json_iter it = json_iter(request->options_raw); json_next(&it);) {
        int index = find_option(it.key);
        if (index >= 0) {
            read_option(request, index, it.value);
        }
    }
}

static bool check_path(struct request *request, enum path_use use)
{
    if (!request->path_is_text) {
        struct str raw = str_is_set(request->path_raw) ? request->path_raw : STR_LIT("undefined");
        error_set(&request->error, HAPPN_E_PATH, "Bad path [%.*s], must be a string", (int)(raw.len > 200 ? 200 : raw.len),
                  raw.ptr);
        snprintf(request->error.name, sizeof request->error.name, "Error");
        return false;
    }
    if (path_check(request->path, use, &request->error) == HAPPN_OK) {
        return true;
    }
    snprintf(request->error.name, sizeof request->error.name, "Error");
    return false;
}

static void reply_error(struct request *request)
{
    request->reply.kind = REPLY_ERROR;
    request->core->stats.refused++;
    core_reply(request);
}

static void carry_out(struct request *request)
{
    const struct action_entry *entry = find_action(request->action);
    if (entry == NULL) {
        error_set(&request->error, HAPPN_E_UNSUPPORTED, "unknown action: %.*s",
                  (int)(request->action_text.len > 100 ? 100 : request->action_text.len), request->action_text.ptr);
        snprintf(request->error.name, sizeof request->error.name, "Error");
        reply_error(request);
        return;
    }
    if (entry->needs_path && !check_path(request, entry->path_use)) {
        reply_error(request);
        return;
    }
    const char *option = entry->needs_path ? request->options.to_come : NULL;
    if (option != NULL) {
        error_set(&request->error, HAPPN_E_UNSUPPORTED, "the option %s is not available in this version", option);
        reply_error(request);
        return;
    }
    entry->run(request);
}

static void after_layers(struct request *request, happn_verdict verdict)
{
    switch (verdict) {
    case HAPPN_NEXT:
        carry_out(request);
        return;
    case HAPPN_LATER:
        request->in_layer = true;
        request->session->in_layer = true;
        return;
    case HAPPN_REPLY:
        request->reply.kind = REPLY_DATA;
        request->reply.data = request->data;
        core_reply(request);
        return;
    default:
        if (request->error.status == HAPPN_OK) {
            error_set(&request->error, HAPPN_E_REFUSED, "%s", happn_status_text(HAPPN_E_REFUSED));
        }
        reply_error(request);
        return;
    }
}

static void start(struct request *request)
{
    after_layers(request, request->core->inbound != NULL ? layers_inbound(request) : HAPPN_NEXT);
}

static bool must_wait(const struct session *session, const struct request *request)
{
    if (session->in_layer) {
        return true;
    }
    const struct action_entry *entry = find_action(request->action);
    bool uses_store = entry != NULL && entry->uses_store && !request->options.no_store;
    return session->in_store != 0 && !uses_store;
}

/* Starts what may start. Replies come back here, so a flag keeps it from running inside itself. */
static void pump(struct session *session)
{
    if (session->is_pumping) {
        return;
    }
    session->is_pumping = true;
    session->holds++;
    while (session->waiting != NULL && !must_wait(session, session->waiting)) {
        struct request *request = session->waiting;
        session->waiting = request->next;
        session->waiting_count--;
        if (session->waiting == NULL) {
            session->waiting_tail = &session->waiting;
        }
        start(request);
    }
    session->is_pumping = false;
    session_release(session);
}

void core_dispatch(struct request *request)
{
    struct session *session = request->session;
    dispatch_read_options(request);
    if (session->waiting == NULL && !session->is_pumping && !must_wait(session, request)) {
        start(request);
        return;
    }
    request->next = NULL;
    *session->waiting_tail = request;
    session->waiting_tail = &request->next;
    session->waiting_count++;
}

void dispatch_resumed(struct request *request, happn_verdict verdict)
{
    struct session *session = request->session;
    session->holds++;
    session->in_layer = false;
    request->in_layer = false;
    if (verdict == HAPPN_NEXT) {
        verdict = layers_inbound(request);
    }
    after_layers(request, verdict);
    pump(session);
    session_release(session);
}

static void store_done(struct store_op *op)
{
    struct request *request = op->context;
    struct session *session = request->session;
    session->holds++;
    session->in_store--;
    if (op->status != HAPPN_OK) {
        request->error = op->error;
        request->error.status = op->status;
        reply_error(request);
    } else {
        request->finish(request);
    }
    if (session->waiting != NULL) {
        pump(session);
    }
    session_release(session);
}

void dispatch_store(struct request *request, enum store_kind kind, void (*finish)(struct request *request))
{
    struct store_op *op = &request->op;
    op->kind = kind;
    op->path = request->path;
    op->now = loop_now_ms(request->core->loop);
    op->include_system = request->session->may_see_system;
    op->arena = &request->arena;
    op->done = store_done;
    op->context = request;
    op->in_order = request->session->in_store != 0; /* a session's answers keep their order */
    request->finish = finish;
    request->session->in_store++;
    op->status = HAPPN_OK;
    happn_status status = provider_submit(request->core->provider, op);
    if (status != HAPPN_PENDING) {
        op->status = status;
        store_done(op);
    }
}

static void encode_reply(struct request *request, struct link *link)
{
    struct buf *out = link->ops->begin(link);
    if (out != NULL) {
        request->session->protocol->encode_reply(request, out);
        link->ops->commit(link);
    }
}

void core_reply(struct request *request)
{
    struct core *core = request->core;
    if (core->outbound != NULL && request->reply.kind != REPLY_ERROR && !layers_reply(request)) {
        if (request->error.status == HAPPN_OK) {
            error_set(&request->error, HAPPN_E_REFUSED, "%s", happn_status_text(HAPPN_E_REFUSED));
        }
        request->reply.kind = REPLY_ERROR;
    }
    struct session *session = request->session;
    if (session->link != NULL) {
        encode_reply(request, session->link);
    }
    session->holds++;
    core_request_free(request);
    if (session->waiting != NULL) {
        pump(session);
    }
    session_release(session);
}

void core_fail(struct request *request, happn_status status, const char *name, int code, const char *message)
{
    error_set(&request->error, status, "%s", message);
    if (name != NULL) {
        snprintf(request->error.name, sizeof request->error.name, "%s", name);
    }
    request->error.code = code;
    reply_error(request);
}
