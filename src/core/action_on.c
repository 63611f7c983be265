/* on: subscribes, and may answer with the values that are there already. */

#include <stdio.h>

#include "base/error.h"
#include "core/dispatch.h"
#include "core/opening.h"
#include "core/session.h"
#include "json/scan.h"

static enum wildcard_language language_of(const struct request *request)
{
    if (str_is(request->options.wildcard, "string")) {
        return WILDCARD_STRING;
    }
    if (str_is(request->options.wildcard, "segment")) {
        return WILDCARD_SEGMENT;
    }
    return (enum wildcard_language)request->session->protocol->language;
}

static int depth_of(const struct request *request)
{
    return request->options.depth > 0 ? request->options.depth : WILDCARD_DEFAULT_DEPTH;
}

static bool subscribe(struct request *request, uint64_t *reference)
{
    struct request_options *options = &request->options;
    struct subscribing how = {.events = request->events,
                              .language = language_of(request),
                              .depth = depth_of(request),
                              .listener = options->listener,
                              .merge = options->merge};
    happn_status status = session_subscribe(request->session, request->channel, request->path, &how, reference);
    if (status == HAPPN_OK) {
        return true;
    }
    const char *text = status == HAPPN_E_LIMIT ? "this session has too many subscriptions" : happn_status_text(status);
    core_fail(request, status, NULL, 500, text);
    return false;
}

static struct str reference_text(struct request *request, uint64_t reference)
{
    char text[64];
    char separator = request->session->protocol->number <= 2 ? '/' : '-';
    int len = snprintf(text, sizeof text, "\"%s%c%llu\"", request->core->instance, separator,
                       (unsigned long long)reference);
    return arena_str(&request->arena, str_make(text, (size_t)len));
}

static void reply_plain(struct request *request)
{
    uint64_t reference;
    if (!subscribe(request, &reference)) {
        return;
    }
    struct str id = reference_text(request, reference);
    char *text = id.ptr != NULL ? arena_alloc(&request->arena, id.len + 16) : NULL;
    if (text == NULL) {
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    int len = snprintf(text, id.len + 16, "{\"id\":%.*s}", (int)id.len, id.ptr);
    request->reply.kind = REPLY_DATA;
    request->reply.data = str_make(text, (size_t)len);
    core_reply(request);
}

static void undo_initial(struct request *request)
{
    session_unsubscribe(request->session, request->channel, request->reference);
}

/* What waited is compared with the values while these are in the order of paths, which is that of the store. */
static struct opening *settle(struct request *request)
{
    struct channel *channel = session_channel(request->session, request->channel);
    bool has_opening = channel != NULL && channel->opening != NULL; /* the session may have closed */
    return has_opening ? opening_take(channel, request->op.documents, request->op.count) : NULL;
}

/* The store knows no depth: two stars at the end mean there whatever is below. */
static void drop_too_deep(struct request *request)
{
    if (language_of(request) != WILDCARD_SEGMENT || !str_ends(request->path, STR_LIT("/**"))) {
        return;
    }
    struct document *documents = request->op.documents;
    size_t kept = 0;
    for (size_t i = 0; i < request->op.count; i++) {
        if (wildcard_matches(WILDCARD_SEGMENT, request->path, documents[i].path, depth_of(request))) {
            documents[kept++] = documents[i];
        }
    }
    request->op.count = kept;
}

/* The values leave first, then the events that came while they were fetched: see opening. Answering may end the session. */
static void finish_initial(struct request *request)
{
    struct session *session = request->session;
    drop_too_deep(request);
    struct opening *opening = settle(request);
    struct reply *reply = &request->reply;
    reply->kind = REPLY_INITIAL;
    reply->data = reference_text(request, request->reference);
    reply->documents = request->op.documents;
    reply->count = request->op.count;
    session->holds++;
    bool is_taken = dispatch_answer(request);
    if (opening != NULL) {
        opening_end(opening, session);
    }
    if (!is_taken) {
        core_end(request);
    }
    session_release(session);
}

static void subscribe_with_values(struct request *request)
{
    bool is_new = session_channel(request->session, request->channel) == NULL;
    uint64_t reference;
    if (!subscribe(request, &reference)) {
        return;
    }
    request->reference = reference;
    request->undo = undo_initial;
    struct channel *channel = session_channel(request->session, request->channel);
    if (is_new && opening_begin(channel) != HAPPN_OK) {
        undo_initial(request);
        core_fail(request, HAPPN_E_MEMORY, NULL, 500, happn_status_text(HAPPN_E_MEMORY));
        return;
    }
    dispatch_store(request, STORE_FIND, finish_initial);
}

void action_on(struct request *request)
{
    if (request->events == 0) {
        core_fail(request, HAPPN_E_REFUSED, "SystemError", 500, "subscribe failed: the event must be SET, REMOVE or ALL");
        return;
    }
    if (wildcard_check_subscription(language_of(request), request->path, &request->error) != HAPPN_OK) {
        happn_error error = request->error;
        core_fail(request, error.status, error.name, error.code, error.message);
        return;
    }
    if (request->options.initial_callback || request->options.initial_emit) {
        subscribe_with_values(request);
        return;
    }
    reply_plain(request);
}
