/* The way of a request, hop by hop. Read this first.
 *
 *   net/websocket or client/link_inprocess   has one whole message and calls core_receive
 *   wire/message                             validates it, slices it, fills a struct request
 *   core_dispatch (here)                     keeps the session's order, or starts it at once:
 *     layers_inbound                           may change, refuse, answer or park it
 *     gate_request                             on a secured service: may this session do this to that path
 *     layers_inbound, once more                those that want only what is permitted
 *     the table of actions                     checks the path and calls action_set, action_get, ...
 *     dispatch_store                           hands request->op to the provider: done now or later
 *     publication_deliver                      tells the subscribers what was committed
 *   core_reply (here)                        outbound layers, then answer: the protocol encodes into the link; outbox, slice by slice, what is long
 *
 * Order. The requests of one session take effect in the order they came. Operations of the store may be under
 * way together, because a provider keeps their order; everything else waits until the store has answered the
 * session's earlier operations. A request parked by a layer holds back the later ones of its session and of no
 * other session. */

#include "core/dispatch.h"

#include <stdio.h>

#include "base/error.h"
#include "base/watchdog.h"
#include "core/answer.h"
#include "core/budget.h"
#include "core/finding.h"
#include "core/gate.h"
#include "core/layers.h"
#include "core/outbox.h"
#include "core/publisher.h"
#include "core/session.h"
#include "json/scan.h"
#include "json/write.h"
#include "store/datastores.h"

enum { LOCAL_LIST_BYTES = 1 << 30 };

struct action_entry {
    enum action action;
    void (*run)(struct request *request);
    bool uses_store;
    bool needs_path;
    enum path_use path_use;
    enum gate_need need;
};

static const struct action_entry table[] = {
    {ACTION_SET, action_set, true, true, PATH_FOR_SET, GATE_SET},
    {ACTION_GET, action_get, true, true, PATH_FOR_GET, GATE_GET},
    {ACTION_COUNT, action_count, true, true, PATH_FOR_GET, GATE_GET},
    {ACTION_REMOVE, action_remove, true, true, PATH_FOR_REMOVE, GATE_REMOVE},
    {ACTION_ON, action_on, false, true, PATH_FOR_ON, GATE_ON},
    {ACTION_OFF, action_off, false, false, PATH_FOR_ON, GATE_NOTHING},
    {ACTION_ACK, action_ack, false, false, PATH_FOR_GET, GATE_NOTHING},
    {ACTION_CONFIGURE_SESSION, action_configure_session, false, false, PATH_FOR_GET, GATE_NOTHING},
    {ACTION_DESCRIBE, action_describe, false, false, PATH_FOR_GET, GATE_NOTHING},
    {ACTION_LOGIN, action_login, false, false, PATH_FOR_GET, GATE_NOTHING},
    {ACTION_DISCONNECT, action_disconnect, false, false, PATH_FOR_GET, GATE_NOTHING},
    {ACTION_REQUEST_NONCE, action_request_nonce, false, false, PATH_FOR_GET, GATE_NOTHING},
    {ACTION_REVOKE_SESSION, action_revoke, false, false, PATH_FOR_GET, GATE_LOGIN},
    {ACTION_REVOKE_TOKEN, action_revoke, false, false, PATH_FOR_GET, GATE_LOGIN},
    {ACTION_CHANGE_PASSWORD, action_change_password, false, false, PATH_FOR_GET, GATE_LOGIN},
    {ACTION_DISCONNECT_CHILDREN, action_disconnect_children, false, false, PATH_FOR_GET, GATE_LOGIN},
    {ACTION_ADMINISTER, action_administer, false, false, PATH_FOR_GET, GATE_LOGIN},
};

/* For the watchdog. */
static const char *const action_names[] = {
    [ACTION_UNKNOWN] = "an unknown action", [ACTION_CONFIGURE_SESSION] = "configure-session", [ACTION_DESCRIBE] = "describe",
    [ACTION_LOGIN] = "login", [ACTION_SET] = "set", [ACTION_GET] = "get", [ACTION_COUNT] = "count", [ACTION_REMOVE] = "remove",
    [ACTION_ON] = "on", [ACTION_OFF] = "off", [ACTION_ACK] = "ack", [ACTION_DISCONNECT] = "disconnect",
    [ACTION_REQUEST_NONCE] = "request-nonce", [ACTION_REVOKE_SESSION] = "revoke-session", [ACTION_REVOKE_TOKEN] = "revoke-token",
    [ACTION_CHANGE_PASSWORD] = "change-password", [ACTION_DISCONNECT_CHILDREN] = "disconnect-child-sessions",
    [ACTION_ADMINISTER] = "administer"};

static const char *const store_names[] = {[STORE_SET] = "a set in the store", [STORE_MERGE] = "a merge in the store",
                                          [STORE_INCREMENT] = "an increment in the store", [STORE_TAG] = "a tag in the store",
                                          [STORE_RESTORE] = "a restore in the store", [STORE_GET] = "a get in the store",
                                          [STORE_FIND] = "a search in the store", [STORE_COUNT] = "a count in the store",
                                          [STORE_COMPACT] = "the store's compaction", [STORE_REMOVE] = "a remove in the store"};

static const struct action_entry *find_action(enum action action)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].action == action) {
            return &table[i];
        }
    }
    return NULL;
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

/* The refused request's error is set. A session whose time is up goes after its answer. */
static void reply_refusal(struct request *request, const struct denial *refusal)
{
    struct session *session = request->session;
    const char *closing = session->protocol->number >= 4 ? refusal->closing : NULL;
    session->holds++;
    reply_error(request);
    if (closing != NULL) {
        session_disconnect(session, false, closing);
    }
    session_release(session);
}

static void after_layers(struct request *request, happn_verdict verdict);

/* It is permitted: the layers behind the checkpoint, if there are any, then the verb. */
static void carry_out_authorized(struct request *request, const struct action_entry *entry)
{
    request->is_authorized = true;
    request->layer = 0;
    if (request->core->layers[LAYERS_AUTHORIZED] == NULL) {
        entry->run(request);
    } else {
        after_layers(request, layers_inbound(request));
    }
}

static void carry_out(struct request *request)
{
    const struct action_entry *entry = find_action(request->action);
    if (request->is_authorized) {
        entry->run(request);
        return;
    }
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
    if (entry->needs_path && request->error.status != HAPPN_OK) {
        reply_error(request); /* an option that makes no sense */
        return;
    }
    const struct denial *refusal = gate_request(request, entry->need);
    if (refusal != NULL) {
        reply_refusal(request, refusal);
        return;
    }
    carry_out_authorized(request, entry);
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
    struct whereabouts *at = &request->core->loop->whereabouts;
    const char *before = whereabouts_set(&at->action, action_names[request->action]);
    after_layers(request, request->core->layers[LAYERS_INBOUND] != NULL ? layers_inbound(request) : HAPPN_NEXT);
    whereabouts_set(&at->action, before);
}

static bool must_wait(const struct session *session, const struct request *request)
{
    if (session->in_layer || session->is_logging_in || session->parked != NULL) {
        return true;
    }
    if (session->outbox != NULL && (request->action == ACTION_CONFIGURE_SESSION || request->action == ACTION_LOGIN)) {
        return true; /* the list that is being encoded speaks the session's language */
    }
    const struct action_entry *entry = find_action(request->action);
    bool uses_store = entry != NULL && entry->uses_store && !request->options.no_store;
    return uses_store ? !budget_allows(session, request) : session->in_store != 0;
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
    options_read(request);
    if (request->action == ACTION_ACK) {
        start(request); /* somebody waits for it: it overtakes */
        return;
    }
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

static void submit(struct request *request);

/* The session's earlier operations are done: one that goes to another store may begin. */
static void unpark(struct session *session)
{
    struct request *request = session->parked;
    if (request != NULL && session->in_store == 0) {
        session->parked = NULL;
        submit(request);
    }
}

static void fail_store(struct request *request)
{
    const struct store_op *op = &request->op;
    request->error = op->error;
    request->error.status = op->status;
    request->core->stats.store_failures++;
    if (op->status == HAPPN_E_CONFLICT) {
        char fields[40];
        int len = snprintf(fields, sizeof fields, "{\"rev\":%lld}", (long long)op->document.rev);
        request->error_fields = arena_str(&request->arena, str_make(fields, (size_t)len));
    }
    if (request->undo != NULL) {
        request->undo(request);
    }
    reply_error(request);
}

static void store_done(struct store_op *op)
{
    struct request *request = op->context;
    struct session *session = request->session;
    session->holds++;
    session->in_store--;
    budget_learn(request);
    if (op->status != HAPPN_OK) {
        fail_store(request);
    } else {
        request->finish(request);
    }
    unpark(session);
    if (session->waiting != NULL) {
        pump(session);
    }
    session_release(session);
}

/* A provider keeps the order of what it is given; between two of them the session's order is kept here. */
static bool must_park(const struct session *session, const struct request *request)
{
    return session->in_store != 0 &&
           (request->store == NULL || request->store != session->store || !datastore_keeps_order(request->store));
}

static bool may_be_overtaken(const struct request *request)
{
    return request->op.kind == STORE_FIND && (request->store == NULL || !datastore_keeps_order(request->store));
}

static void submit(struct request *request)
{
    struct session *session = request->session;
    struct store_op *op = &request->op;
    op->in_order = session->in_store != 0; /* a session's answers keep their order */
    session->store = request->store;
    session->in_store++;
    budget_take(request);
    request->core->stats.store_operations++;
    op->status = HAPPN_OK;
    struct loop *loop = request->core->loop;
    const char *before = whereabouts_set(&loop->whereabouts.part, store_names[op->kind]);
    happn_status status = datastores_submit(request->core->stores, request->store, op);
    whereabouts_set(&loop->whereabouts.part, before);
    if (atomic_load_explicit(&loop->whereabouts.is_stuck, memory_order_relaxed)) {
        watchdog_note(loop, store_names[op->kind], op->path.ptr, op->path.len);
    }
    if (status != HAPPN_PENDING) {
        op->status = status;
        store_done(op);
    } else if (may_be_overtaken(request)) {
        finding_begin(request);
    }
}

/* Within the process nobody is cut off for what waits. Initial values stand in their message twice. */
static size_t most_bytes(const struct request *request)
{
    size_t most = request->session->is_local ? LOCAL_LIST_BYTES : request->core->limits.list_bytes;
    return request->action == ACTION_ON ? most / 2 : most;
}

void dispatch_store(struct request *request, enum store_kind kind, void (*finish)(struct request *request))
{
    struct store_op *op = &request->op;
    op->kind = kind;
    if (!str_is_set(op->path)) {
        op->path = request->path;
    }
    op->now = loop_now_ms(request->core->loop);
    op->include_system = request->session->may_see_system;
    op->most_bytes = most_bytes(request);
    op->modified_by = request->modified_by;
    if (request->sight.rights != NULL && path_has_wildcard(op->path)) {
        op->shows = sight_shows;
        op->shows_arg = &request->sight;
    }
    op->has_if_rev = request->options.has_if_rev;
    op->if_rev = request->options.if_rev;
    op->arena = &request->arena;
    op->done = store_done;
    op->context = request;
    request->finish = finish;
    request->store = datastores_target(request->core->stores, op);
    if (must_park(request->session, request)) {
        request->session->parked = request;
        return;
    }
    submit(request);
}

const char *dispatch_explanation(struct request *request)
{
    struct buf text;
    buf_init(&text, request->core->allocator, 1 << 16);
    buf_add_lit(&text, "{\"store\":");
    if (request->store != NULL) {
        json_add_string(&text, str_of(request->store->name));
    } else {
        buf_add_lit(&text, "null");
    }
    buf_add_lit(&text, ",\"index\":");
    if (str_is_set(request->op.index)) {
        json_add_string(&text, request->op.index);
    } else {
        buf_add_lit(&text, "null");
    }
    buf_add_format(&text, ",\"examined\":%zu,\"found\":%zu}", request->op.examined, request->op.count);
    struct str copy = text.status == HAPPN_OK ? arena_str(&request->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return copy.ptr;
}

void dispatch_go_on(struct session *session)
{
    if (session->waiting != NULL) {
        pump(session);
    }
}

static void pass_outbound(struct request *request)
{
    struct core *core = request->core;
    if (core->layers[LAYERS_OUTBOUND] != NULL && request->reply.kind != REPLY_ERROR && !layers_reply(request)) {
        if (request->error.status == HAPPN_OK) {
            error_set(&request->error, HAPPN_E_REFUSED, "%s", happn_status_text(HAPPN_E_REFUSED));
        }
        request->reply.kind = REPLY_ERROR;
    }
}

static void send_reply(struct request *request)
{
    struct session *session = request->session;
    if (session->link != NULL) {
        answer_encode(request, session->link);
    }
}

void core_answer(struct request *request)
{
    pass_outbound(request);
    send_reply(request);
}

void core_end(struct request *request)
{
    struct session *session = request->session;
    session->holds++;
    core_request_free(request);
    if (session->waiting != NULL) {
        pump(session);
    }
    session_release(session);
}

bool dispatch_answer(struct request *request)
{
    pass_outbound(request);
    bool is_taken = outbox_takes(request);
    if (!is_taken) {
        send_reply(request);
    }
    if (request->session->finding == request) {
        finding_end(request->session);
    }
    return is_taken;
}

void core_reply(struct request *request)
{
    if (!dispatch_answer(request)) {
        core_end(request);
    }
}

void core_reply_text(struct request *request, struct str text)
{
    struct str data = text.ptr != NULL ? arena_str(&request->arena, text) : STR_NONE;
    if (data.ptr == NULL) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    request->reply.kind = REPLY_DATA;
    request->reply.data = data;
    core_reply(request);
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
