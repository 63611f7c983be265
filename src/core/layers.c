#include "core/layers.h"

#include <stdio.h>

#include "base/error.h"
#include "base/utf8.h"
#include "base/watchdog.h"
#include "core/dispatch.h"
#include "json/scan.h"
#include "security/identity.h"

struct layer *layers_add(struct core *core, enum layer_chain chain, happn_layer_fn run, void *arg)
{
    struct layer *layer = memory_zalloc(core->allocator, sizeof *layer);
    if (layer == NULL) {
        return NULL;
    }
    layer->run = run;
    layer->arg = arg;
    struct layer **at = &core->layers[chain];
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = layer;
    return layer;
}

bool layers_wanted(const struct core *core, enum layer_chain chain)
{
    const struct layer *layer = core->layers[chain];
    while (layer != NULL && (layer->is_idle || layer->is_for_replies)) {
        layer = layer->next;
    }
    return layer != NULL;
}

happn_verdict layers_inbound(struct request *request)
{
    size_t index = 0;
    struct whereabouts *at = &request->core->loop->whereabouts;
    struct layer *layer = request->core->layers[request->is_authorized ? LAYERS_AUTHORIZED : LAYERS_INBOUND];
    for (; layer != NULL; layer = layer->next, index++) {
        if (index < request->layer || layer->is_idle) {
            continue;
        }
        request->layer = index + 1;
        request->message = (struct happn_message){.direction = HAPPN_INBOUND,
                                                  .request = request,
                                                  .session = request->session,
                                                  .arena = &request->arena,
                                                  .data = request->data};
        const char *before = whereabouts_set(&at->part, "a layer");
        happn_verdict verdict = layer->run(&request->message, layer->arg);
        whereabouts_set(&at->part, before);
        request->data = request->message.data;
        if (atomic_load_explicit(&at->is_stuck, memory_order_relaxed)) {
            watchdog_note(request->core->loop, "a layer's message", request->path.ptr, request->path.len);
        }
        if (verdict != HAPPN_NEXT) {
            return verdict;
        }
    }
    return HAPPN_NEXT;
}

static happn_verdict run_layers(const struct core *core, enum layer_chain chain, happn_message *message)
{
    for (struct layer *layer = core->layers[chain]; layer != NULL; layer = layer->next) {
        if (layer->is_idle || (layer->is_for_replies && message->publication != NULL)) {
            continue;
        }
        happn_verdict verdict = layer->run(message, layer->arg);
        if (verdict != HAPPN_NEXT) {
            return verdict;
        }
    }
    return HAPPN_NEXT;
}

static happn_verdict run_chain(struct core *core, enum layer_chain chain, happn_message *message)
{
    const char *before = whereabouts_set(&core->loop->whereabouts.part, "an outbound layer");
    happn_verdict verdict = run_layers(core, chain, message);
    whereabouts_set(&core->loop->whereabouts.part, before);
    return verdict;
}

static bool layer_data(struct request *request, struct str path, struct str *data)
{
    request->message = (struct happn_message){.direction = HAPPN_OUTBOUND_REPLY,
                                              .request = request,
                                              .session = request->session,
                                              .arena = &request->arena,
                                              .path = path,
                                              .data = *data};
    happn_verdict verdict = run_chain(request->core, LAYERS_OUTBOUND, &request->message);
    *data = request->message.data;
    return verdict != HAPPN_FAIL;
}

bool layers_reply(struct request *request)
{
    struct reply *reply = &request->reply;
    switch (reply->kind) {
    case REPLY_DATA:
        return layer_data(request, STR_NONE, &reply->data);
    case REPLY_DOCUMENT:
        return layer_data(request, STR_NONE, &reply->document.data);
    case REPLY_LIST:
    case REPLY_INITIAL: /* one call a document: a layer need not know whether a pattern was asked for */
        for (size_t i = 0; i < reply->count && !request->options.path_only; i++) {
            if (!layer_data(request, reply->documents[i].path, &reply->documents[i].data)) {
                return false;
            }
        }
        return true;
    default:
        return true;
    }
}

happn_verdict layers_publication(struct publication *publication, struct session *recipient, struct str *data,
                                 happn_error *error)
{
    happn_message message = {.direction = HAPPN_OUTBOUND_PUBLICATION,
                             .publication = publication,
                             .error = error,
                             .session = recipient,
                             .arena = publication->arena,
                             .data = *data};
    happn_verdict verdict = run_chain(publication->core, LAYERS_OUTBOUND, &message);
    *data = message.data;
    if (verdict == HAPPN_FAIL && error->status == HAPPN_OK) {
        error_set(error, HAPPN_E_REFUSED, "%s", happn_status_text(HAPPN_E_REFUSED));
    }
    return verdict;
}

/* What merge subscribers get is the event's, too. */
static happn_verdict run_published(struct publication *publication, struct str *data, happn_error *error)
{
    happn_message message = {.direction = HAPPN_OUTBOUND_PUBLICATION,
                             .publication = publication,
                             .error = error,
                             .session = publication->publisher,
                             .arena = publication->arena,
                             .is_for_all = true,
                             .data = *data};
    happn_verdict verdict = run_chain(publication->core, LAYERS_PUBLISHED, &message);
    *data = message.data;
    return verdict;
}

bool layers_published(struct publication *publication)
{
    happn_error error = {.status = HAPPN_OK};
    struct str before = publication->data;
    happn_verdict verdict = run_published(publication, &publication->data, &error);
    bool same = str_equal(before, publication->posted);
    if (verdict == HAPPN_NEXT && same) {
        publication->posted = publication->data;
    } else if (verdict == HAPPN_NEXT && str_is_set(publication->posted)) {
        verdict = run_published(publication, &publication->posted, &error);
    }
    if (verdict == HAPPN_FAIL) {
        publication->results.failed++;
        utf8_copy(publication->results.error, sizeof publication->results.error,
                  str_of(error.status != HAPPN_OK ? error.message : happn_status_text(HAPPN_E_REFUSED)));
    }
    return verdict == HAPPN_NEXT;
}

happn_direction happn_message_direction(const happn_message *message)
{
    return message->direction;
}

static const char *give(struct str text, size_t *len)
{
    if (len != NULL) {
        *len = text.len;
    }
    return text.ptr;
}

const char *happn_message_action(const happn_message *message, size_t *len)
{
    if (message->request != NULL) {
        return give(message->request->action_text, len);
    }
    bool set = message->publication->event == EVENT_SET;
    return give(set ? STR_LIT("set") : STR_LIT("remove"), len);
}

const char *happn_message_path(const happn_message *message, size_t *len)
{
    if (str_is_set(message->path)) {
        return give(message->path, len);
    }
    return give(message->request != NULL ? message->request->path : message->publication->path, len);
}

const char *happn_message_data(const happn_message *message, size_t *len)
{
    return give(message->data, len);
}

const char *happn_message_options(const happn_message *message, size_t *len)
{
    return give(message->request != NULL ? message->request->options_raw : STR_NONE, len);
}

const char *happn_message_session_id(const happn_message *message, size_t *len)
{
    return give(str_of(message->session->id), len);
}

const char *happn_message_username(const happn_message *message, size_t *len)
{
    const struct identity *identity = message->session->identity;
    return give(identity != NULL ? identity->username : STR_NONE, len);
}

happn_status happn_message_set_path(happn_message *message, const char *path, size_t len)
{
    if (message->direction != HAPPN_INBOUND || message->request->is_authorized) {
        return HAPPN_E_ARGUMENT; /* what was permitted was this path */
    }
    struct str copy = arena_str(message->arena, str_make(path, len));
    if (copy.ptr == NULL) {
        return HAPPN_E_MEMORY;
    }
    message->request->path = copy;
    message->request->path_is_text = true;
    return HAPPN_OK;
}

static happn_status copy_json(happn_message *message, struct str json, struct str *out)
{
    happn_status status = json_check(json, NULL);
    if (status != HAPPN_OK) {
        return status;
    }
    struct str copy = arena_str(message->arena, json_trim(json));
    if (copy.ptr == NULL) {
        return HAPPN_E_MEMORY;
    }
    *out = copy;
    return HAPPN_OK;
}

happn_status layers_set_written(happn_message *message, struct str json)
{
    struct str copy = arena_str(message->arena, json);
    if (copy.ptr == NULL) {
        return HAPPN_E_MEMORY;
    }
    message->data = copy;
    return HAPPN_OK;
}

happn_status happn_message_set_data(happn_message *message, const char *json, size_t len)
{
    return copy_json(message, str_make(json, len), &message->data);
}

happn_status happn_message_set_options(happn_message *message, const char *json, size_t len)
{
    if (message->direction != HAPPN_INBOUND || message->request->is_authorized) {
        return HAPPN_E_ARGUMENT;
    }
    happn_status status = copy_json(message, str_make(json, len), &message->request->options_raw);
    if (status == HAPPN_OK) {
        options_read(message->request);
    }
    return status;
}

void happn_message_set_error(happn_message *message, const char *name, const char *text, int code,
                             const char *fields, size_t fields_len)
{
    struct request *request = message->request;
    if (message->error != NULL) {
        error_set(message->error, HAPPN_E_REFUSED, "%s", text);
    }
    if (request == NULL) {
        return;
    }
    error_set(&request->error, HAPPN_E_REFUSED, "%s", text);
    snprintf(request->error.name, sizeof request->error.name, "%s", name);
    request->error.code = code;
    request->error_fields = STR_NONE;
    if (fields != NULL && json_check(str_make(fields, fields_len), NULL) == HAPPN_OK) {
        request->error_fields = arena_str(message->arena, str_make(fields, fields_len));
    }
}

void happn_message_resume(happn_message *message, happn_verdict verdict)
{
    message->request->data = message->data;
    dispatch_resumed(message->request, verdict);
}
