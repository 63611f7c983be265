/* Layers of a host: their options, which messages they want, how a message looks to them; and the verbs. */

#include "base/buf.h"
#include "json/scan.h"
#include "json/write.h"
#include "mailbox/calls.h"
#include "mailbox/hooks.h"
#include "paths/wildcard.h"

enum { DEFAULT_DEADLINE_MS = 10000, MOST_DEADLINE_MS = 3600000, DEFAULT_PENDING = 1000, MOST_TEXTS = 100 };

static const char *const known_actions[] = {"set", "get", "count", "remove", "on", "off", "login", "describe", "configure-session", "disconnect"};
static const char *const known_options[] = {"actions", "path", "deadline", "onDeadline", "maxPending", "outbound"};

/* --- options */

static bool is_one_of(struct str text, const char *const *names, size_t count)
{
    size_t i = 0;
    while (i < count && !str_is(text, names[i])) {
        i++;
    }
    return i < count;
}

#define IS_ONE_OF(text, names) is_one_of((text), (names), sizeof(names) / sizeof(names)[0])

static happn_status add_text(struct arena *arena, struct str value, struct str *texts, size_t *count)
{
    if (json_type_of(value) != JSON_STRING || *count == MOST_TEXTS) {
        return HAPPN_E_ARGUMENT;
    }
    texts[*count] = arena_str(arena, json_string(arena, value));
    return texts[(*count)++].ptr != NULL ? HAPPN_OK : HAPPN_E_MEMORY;
}

/* One text or a list of them. */
static happn_status read_texts(struct host_layer *layer, struct str value, const char *name, struct str **out, size_t *count, happn_error *error)
{
    if (!str_is_set(value) || json_type_of(value) == JSON_NULL) {
        return HAPPN_OK;
    }
    happn_status status = HAPPN_E_ARGUMENT;
    struct str *texts = arena_alloc(&layer->arena, MOST_TEXTS * sizeof *texts);
    if (texts == NULL) {
        return HAPPN_E_MEMORY;
    }
    if (json_type_of(value) == JSON_STRING) {
        status = add_text(&layer->arena, value, texts, count);
    } else if (json_type_of(value) == JSON_ARRAY) {
        struct json_iter it = json_iter(value);
        status = HAPPN_OK;
        while (status == HAPPN_OK && json_next(&it)) {
            status = add_text(&layer->arena, it.value, texts, count);
        }
    }
    *out = texts;
    return status == HAPPN_E_ARGUMENT || *count == 0 ? error_set(error, HAPPN_E_ARGUMENT, "a layer's %s must be a text or a list of texts", name) : status;
}

static happn_status read_actions(struct host_layer *layer, struct str options, happn_error *error)
{
    happn_status status = read_texts(layer, json_get(options, "actions"), "actions", &layer->actions, &layer->action_count, error);
    for (size_t i = 0; status == HAPPN_OK && i < layer->action_count; i++) {
        struct str action = layer->actions[i];
        if (!IS_ONE_OF(action, known_actions)) {
            status = error_set(error, HAPPN_E_ARGUMENT, "a layer's actions: there is no action \"%.*s\"", (int)(action.len < 100 ? action.len : 100), action.ptr);
        }
    }
    return status;
}

static happn_status read_number(struct str options, const char *name, int64_t most, int64_t *out, happn_error *error)
{
    struct str value = json_get(options, name);
    if (!str_is_set(value) || json_type_of(value) == JSON_NULL) {
        return HAPPN_OK;
    }
    int64_t number = json_type_of(value) == JSON_NUMBER ? json_int(value, 0) : 0;
    if (number < 1 || number > most) {
        return error_set(error, HAPPN_E_ARGUMENT, "a layer's %s must be a number from 1 to %lld", name, (long long)most);
    }
    *out = number;
    return HAPPN_OK;
}

static happn_status read_deadline(struct host_layer *layer, struct str options, happn_error *error)
{
    int64_t deadline = DEFAULT_DEADLINE_MS, pending = DEFAULT_PENDING;
    struct str verdict = json_get(options, "onDeadline");
    happn_status status = read_number(options, "deadline", MOST_DEADLINE_MS, &deadline, error);
    if (status == HAPPN_OK) {
        status = read_number(options, "maxPending", INT32_MAX, &pending, error);
    }
    layer->deadline_ms = (uint64_t)deadline;
    layer->max_pending = (size_t)pending;
    layer->lets_through = str_is(verdict, "\"next\"");
    if (status == HAPPN_OK && str_is_set(verdict) && !layer->lets_through && !str_is(verdict, "\"refuse\"")) {
        status = error_set(error, HAPPN_E_ARGUMENT, "a layer's onDeadline must be \"refuse\" or \"next\"");
    }
    return status;
}

static happn_status check_names(struct str options, happn_error *error)
{
    struct json_iter it = json_iter(options);
    while (json_next(&it)) {
        if (!IS_ONE_OF(it.key, known_options)) {
            return error_set(error, HAPPN_E_ARGUMENT, "a layer has no option \"%.*s\"", (int)(it.key.len < 100 ? it.key.len : 100), it.key.ptr);
        }
    }
    if (json_true(json_get(options, "outbound"))) { /* what leaves cannot wait */
        return error_set(error, HAPPN_E_UNSUPPORTED, "layers of a host see what comes in; what goes out cannot wait for them: a script can change it");
    }
    return HAPPN_OK;
}

static happn_status read_options(struct host_layer *layer, struct str options, happn_error *error)
{
    if (!str_is_set(options)) {
        options = STR_LIT("{}");
    }
    if (json_check(options, NULL) != HAPPN_OK || json_type_of(options) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_JSON, "a layer's options must be a JSON object");
    }
    happn_status status = check_names(options, error);
    if (status == HAPPN_OK) {
        status = read_actions(layer, options, error);
    }
    if (status == HAPPN_OK) {
        status = read_texts(layer, json_get(options, "path"), "path", &layer->paths, &layer->path_count, error);
    }
    return status == HAPPN_OK ? read_deadline(layer, options, error) : status;
}

happn_status host_layer_new(happn_mailbox *mailbox, uint64_t ticket, struct str options, struct host_layer **out, happn_error *error)
{
    struct host_layer *layer = memory_zalloc(NULL, sizeof *layer);
    if (layer == NULL) {
        return HAPPN_E_MEMORY;
    }
    layer->mailbox = mailbox;
    layer->ticket = ticket;
    arena_init(&layer->arena, NULL);
    happn_status status = read_options(layer, options, error);
    if (status != HAPPN_OK) {
        arena_fini(&layer->arena);
        memory_free(NULL, layer);
        return status;
    }
    *out = layer;
    return HAPPN_OK;
}

void host_layer_free(struct host_layer *layer)
{
    if (layer == NULL) {
        return;
    }
    struct host_layer **at = &layer->mailbox->hooks.layers;
    while (*at != NULL && *at != layer) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = layer->next;
    }
    arena_fini(&layer->arena);
    memory_free(NULL, layer);
}

/* --- messages */

static bool wants(const struct host_layer *layer, const happn_message *message)
{
    struct str action, path;
    action.ptr = happn_message_action(message, &action.len);
    path.ptr = happn_message_path(message, &path.len);
    if (str_is(action, "ack")) {
        return false; /* it overtakes what waits, so it cannot wait itself */
    }
    bool fits = layer->action_count == 0;
    for (size_t i = 0; !fits && i < layer->action_count; i++) {
        fits = str_equal(layer->actions[i], action);
    }
    bool matches = layer->path_count == 0;
    for (size_t i = 0; fits && !matches && path.ptr != NULL && i < layer->path_count; i++) {
        matches = wildcard_matches(WILDCARD_STRING, layer->paths[i], path, 0);
    }
    return fits && matches;
}

happn_verdict host_layer_run(happn_message *message, void *arg)
{
    struct host_layer *layer = arg;
    return wants(layer, message) ? hooks_begin(layer, message) : HAPPN_NEXT;
}

static void add_string(struct buf *buf, const char *name, const char *text, size_t len)
{
    buf_add_format(buf, "\"%s\":", name);
    json_add_string(buf, text != NULL ? str_make(text, len) : STR_LIT(""));
    buf_add_char(buf, ',');
}

struct mail *host_layer_mail(const struct host_layer *layer, const happn_message *message, uint64_t token)
{
    struct buf meta;
    struct str action, path, id, username, options, data;
    action.ptr = happn_message_action(message, &action.len);
    path.ptr = happn_message_path(message, &path.len);
    id.ptr = happn_message_session_id(message, &id.len);
    username.ptr = happn_message_username(message, &username.len);
    options.ptr = happn_message_options(message, &options.len);
    data.ptr = happn_message_data(message, &data.len);
    buf_init(&meta, NULL, SIZE_MAX / 4);
    buf_add_format(&meta, "{\"token\":%llu,", (unsigned long long)token);
    add_string(&meta, "action", action.ptr, action.len);
    add_string(&meta, "path", path.ptr, path.len);
    buf_add_lit(&meta, "\"session\":{");
    add_string(&meta, "id", id.ptr, id.len);
    buf_add_lit(&meta, "\"username\":");
    json_add_string(&meta, username.ptr != NULL ? username : STR_LIT(""));
    buf_add_lit(&meta, "},\"options\":");
    buf_add_str(&meta, options.ptr != NULL ? options : STR_LIT("null"));
    buf_add_char(&meta, '}');
    struct mail *mail = NULL;
    if (meta.status == HAPPN_OK) {
        mail = mailbox_new_mail(HAPPN_EV_HOOK, layer->ticket, buf_str(&meta), data.ptr != NULL ? data : STR_LIT("null"));
    }
    buf_fini(&meta);
    return mail;
}

/* --- the verbs */

static happn_status add_layer(struct call *call, struct ticket *service, struct ticket *ticket, happn_error *error)
{
    happn_mailbox *mailbox = call->mailbox;
    struct host_layer *layer = NULL;
    happn_status status = hooks_open(mailbox);
    if (status == HAPPN_OK) {
        status = host_layer_new(mailbox, ticket->node.id, str_make(call->options, call->options_len), &layer, error);
    }
    if (status != HAPPN_OK) {
        return status;
    }
    ticket->layer = layer; /* goes with it */
    status = happn_service_add_layer(service->service, 0, host_layer_run, layer);
    if (status == HAPPN_OK) {
        hooks_add_layer(layer);
        ticket_join(ticket, service);
    }
    return status;
}

void run_layer_add(struct call *call)
{
    struct ticket *service = ticket_find(call, call->object, TICKET_SERVICE);
    if (service == NULL) {
        ticket_refuse(call, HAPPN_E_CLOSED);
        return;
    }
    if (service->is_starting) { /* its scripts come first */
        service_await(service, call);
        return;
    }
    struct ticket *ticket = ticket_add(call, TICKET_LAYER);
    if (ticket == NULL) {
        ticket_refuse(call, HAPPN_E_MEMORY);
        return;
    }
    happn_error error = {.status = HAPPN_OK};
    happn_status status = add_layer(call, service, ticket, &error);
    error.status = status;
    if (status == HAPPN_OK) {
        answer_status(call, status);
        return;
    }
    answer_error(call, &error, STR_NONE);
    ticket_end(ticket, status, error.message);
}

void run_hook_complete(struct call *call)
{
    happn_status status = hooks_complete(call->mailbox, call->object, (int)call->other, str_make(call->json, call->json_len));
    if (call->ticket != 0) {
        answer_status(call, status);
    } else {
        call_free(call);
    }
}
