/* What a host asks for: checked and copied on its thread, carried out on the loop's, answered by one DONE.
 *
 * Services, clients and subscriptions are entries of a table that only the loop's thread sees; a number that is not in it is
 * answered with E_CLOSED, so late, doubled and invented numbers do no harm. */

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "happn/security.h"
#include "json/scan.h"
#include "json/write.h"
#include "mailbox/mailbox.h"

static const uint64_t MAX_TICKET = ((uint64_t)1 << 53) - 1;

/* --- answers */

static void answer(struct call *call, happn_status status, struct str meta, struct str body)
{
    mail_fill(&call->mail, status, meta, body);
    mailbox_post(call->mailbox, &call->mail);
}

/* The error as JSON: name, message, code, and whatever else the server's error had. */
static void answer_error(struct call *call, const happn_error *error, struct str meta)
{
    struct buf body;
    buf_init(&body, NULL, 1 << 20);
    buf_add_lit(&body, "{\"name\":");
    json_add_string(&body, str_of(error->name[0] != '\0' ? error->name : happn_status_name(error->status)));
    buf_add_lit(&body, ",\"message\":");
    json_add_string(&body, str_of(error->message[0] != '\0' ? error->message : happn_status_text(error->status)));
    if (error->code != 0) {
        buf_add_lit(&body, ",\"code\":");
        buf_add_i64(&body, error->code);
    }
    struct str fields = json_type_of(meta) == JSON_OBJECT ? json_get(meta, "error") : STR_NONE;
    struct json_iter it = json_iter(fields);
    while (json_type_of(fields) == JSON_OBJECT && json_next(&it)) {
        if (!json_text_is(it.key, STR_LIT("name")) && !json_text_is(it.key, STR_LIT("message")) &&
            !json_text_is(it.key, STR_LIT("code"))) {
            buf_add_lit(&body, ",\"");
            buf_add_str(&body, it.key);
            buf_add_lit(&body, "\":");
            buf_add_str(&body, it.value);
        }
    }
    buf_add_char(&body, '}');
    answer(call, error->status, str_is_set(meta) ? meta : STR_LIT("{}"),
           body.status == HAPPN_OK ? buf_str(&body) : STR_LIT("null"));
    buf_fini(&body);
}

static void answer_status(struct call *call, happn_status status)
{
    if (status == HAPPN_OK) {
        answer(call, status, STR_LIT("{}"), STR_LIT("null"));
        return;
    }
    happn_error error = {.status = status};
    answer_error(call, &error, STR_NONE);
}

static void on_result(const happn_result *result, void *arg)
{
    struct call *call = arg;
    struct str meta = str_make(result->meta, result->meta_len);
    if (result->status != HAPPN_OK) {
        answer_error(call, result->error, meta);
        return;
    }
    answer(call, HAPPN_OK, meta, str_make(result->data, result->data_len));
}

/* A function of the client that fails does not call back: then the answer is given here. */
static void answer_failure(struct call *call, happn_status status)
{
    if (status != HAPPN_OK) {
        answer_status(call, status);
    }
}

/* --- the table */

static struct ticket *find(struct call *call, uint64_t number, int kind)
{
    struct idmap_node *node = idmap_find(&call->mailbox->tickets, number);
    struct ticket *ticket = (struct ticket *)node;
    return ticket != NULL && (int)ticket->kind == kind && !ticket->is_closing && !ticket->is_over ? ticket : NULL;
}

static struct ticket *ticket_add(struct call *call, int kind)
{
    happn_mailbox *mailbox = call->mailbox;
    struct ticket *ticket = idmap_find(&mailbox->tickets, call->ticket) == NULL ? memory_zalloc(NULL, sizeof *ticket) : NULL;
    if (ticket == NULL || idmap_add(&mailbox->tickets, &ticket->node, call->ticket) != HAPPN_OK) {
        memory_free(NULL, ticket);
        return NULL;
    }
    ticket->kind = kind;
    ticket->mailbox = mailbox;
    ticket->end = call->end;
    call->end = NULL;
    ticket->waiting_tail = &ticket->waiting;
    mailbox->open += kind != TICKET_SUBSCRIPTION;
    call->opened = ticket;
    return ticket;
}

static void join_parent(struct ticket *child, struct ticket *parent)
{
    child->parent = parent;
    child->next = parent->first_child;
    if (child->next != NULL) {
        child->next->previous = child;
    }
    parent->first_child = child;
}

static void leave_parent(struct ticket *child)
{
    if (child->parent == NULL) {
        return;
    }
    *(child->previous != NULL ? &child->previous->next : &child->parent->first_child) = child->next;
    if (child->next != NULL) {
        child->next->previous = child->previous;
    }
    child->parent = NULL;
}

/* The last event, then the entry is gone. */
static void ticket_end(struct ticket *ticket, happn_status status, const char *reason)
{
    happn_mailbox *mailbox = ticket->mailbox;
    struct buf meta;
    buf_init(&meta, NULL, 4096);
    buf_add_lit(&meta, "{\"reason\":");
    json_add_string(&meta, str_of(reason));
    buf_add_char(&meta, '}');
    if (reason[0] != '\0' && meta.status == HAPPN_OK) {
        mail_fill(ticket->end, status, buf_str(&meta), STR_LIT("null"));
    }
    buf_fini(&meta);
    mailbox_post(mailbox, ticket->end);
    leave_parent(ticket);
    idmap_remove(&mailbox->tickets, &ticket->node);
    bool is_subscription = ticket->kind == TICKET_SUBSCRIPTION;
    memory_free(NULL, ticket);
    if (!is_subscription && --mailbox->open == 0 && mailbox->is_shutting) {
        mailbox_shut(mailbox);
    }
}

static void end_children(struct ticket *client, happn_status status, const char *reason)
{
    while (client->first_child != NULL) {
        ticket_end(client->first_child, status, reason);
    }
}

/* An opening call that opened nothing has its END as well. Only a number that is taken already has not: its END is to come. */
static void refuse_open(struct call *call, happn_status status)
{
    happn_mailbox *mailbox = call->mailbox;
    struct mail *end = call->end;
    if (idmap_find(&mailbox->tickets, call->ticket) != NULL) {
        memory_free(NULL, end);
        end = NULL;
        status = HAPPN_E_ARGUMENT;
    }
    call->end = NULL;
    answer_status(call, status);
    if (end != NULL) {
        mailbox_post(mailbox, end);
    }
}

/* --- services */

static void on_service_closed(void *arg)
{
    struct ticket *ticket = arg;
    struct call *closing = ticket->closing;
    if (closing != NULL) {
        answer_status(closing, HAPPN_OK);
    }
    ticket_end(ticket, HAPPN_OK, "");
}

static void close_service(struct ticket *ticket, struct call *call)
{
    ticket->is_closing = true;
    ticket->closing = call;
    if (ticket->is_ready) {
        happn_service_close(ticket->service, call == NULL || call->other != 0, on_service_closed, ticket);
    } /* else: once it has started or failed to */
}

static void run_waiting(struct ticket *ticket)
{
    while (ticket->waiting != NULL) {
        struct call *call = ticket->waiting;
        ticket->waiting = call->next;
        call->run(call);
    }
    ticket->waiting_tail = &ticket->waiting;
}

static void on_started(happn_status status, const happn_error *error, void *arg)
{
    struct call *call = arg;
    struct ticket *ticket = call->opened;
    bool must_close = ticket->is_closing || status != HAPPN_OK;
    char meta[40];
    int len = snprintf(meta, sizeof meta, "{\"port\":%d}", status == HAPPN_OK ? happn_service_port(ticket->service) : 0);
    ticket->is_ready = true;
    if (status == HAPPN_OK) {
        answer(call, status, str_make(meta, (size_t)len), STR_LIT("null"));
    } else if (error != NULL) {
        answer_error(call, error, STR_NONE);
    } else {
        answer_status(call, status);
    }
    if (must_close) {
        close_service(ticket, ticket->closing);
    }
    run_waiting(ticket);
}

static void run_service_open(struct call *call)
{
    struct ticket *ticket = ticket_add(call, TICKET_SERVICE);
    if (ticket == NULL) {
        refuse_open(call, HAPPN_E_MEMORY);
        return;
    }
    happn_error error = {.status = HAPPN_OK};
    const char *config = call->json != NULL ? call->json : "{}";
    size_t len = call->json != NULL ? call->json_len : 2;
    happn_status status = happn_service_new(call->mailbox->runtime, config, len, NULL, &ticket->service, &error);
    if (status != HAPPN_OK) {
        error.status = status;
        answer_error(call, &error, STR_NONE);
        ticket_end(ticket, status, error.message);
        return;
    }
    happn_service_start(ticket->service, on_started, call);
}

static void run_service_reload(struct call *call)
{
    struct ticket *ticket = find(call, call->object, TICKET_SERVICE);
    happn_error error = {.status = HAPPN_OK};
    happn_status status = ticket != NULL && ticket->is_ready ? happn_reload(ticket->service, &error) : HAPPN_E_CLOSED;
    if (error.status != HAPPN_OK) {
        answer_error(call, &error, STR_NONE);
    } else {
        answer_status(call, status);
    }
}

static void run_service_close(struct call *call)
{
    struct ticket *ticket = find(call, call->object, TICKET_SERVICE);
    if (ticket == NULL) {
        answer_status(call, HAPPN_E_CLOSED);
        return;
    }
    close_service(ticket, call);
}

/* --- clients */

static void on_client_closed(void *arg)
{
    struct ticket *ticket = arg;
    struct call *closing = ticket->closing;
    end_children(ticket, HAPPN_OK, "");
    if (closing != NULL) {
        answer_status(closing, HAPPN_OK);
    }
    ticket_end(ticket, HAPPN_OK, "");
}

static void close_client(struct ticket *ticket, struct call *call)
{
    ticket->is_closing = true;
    ticket->closing = call;
    happn_client_close(ticket->client, on_client_closed, ticket);
}

/* The peer has gone: what is left of the client is closed, END says why. */
static void on_client_ended(const char *reason, void *arg)
{
    struct ticket *ticket = arg;
    char copy[200];
    struct buf meta;
    utf8_copy(copy, sizeof copy, str_of(reason));
    end_children(ticket, HAPPN_E_CLOSED, copy);
    buf_init(&meta, NULL, 4096);
    buf_add_lit(&meta, "{\"reason\":");
    json_add_string(&meta, str_of(copy));
    buf_add_char(&meta, '}');
    if (meta.status == HAPPN_OK) {
        mail_fill(ticket->end, HAPPN_E_CLOSED, buf_str(&meta), STR_LIT("null"));
    }
    buf_fini(&meta);
    if (!ticket->is_closing) {
        close_client(ticket, NULL);
    }
}

/* What becomes of a connection that is made again. Without memory for it nobody hears of it, and the calls say how it stands. */
static void on_connection(const happn_connection *connection, void *arg)
{
    static const char *const names[] = {[HAPPN_CONNECTION_LOST] = "lost", [HAPPN_CONNECTION_RETRY] = "retry", [HAPPN_CONNECTION_BACK] = "back"};
    struct ticket *ticket = arg;
    struct buf meta;
    buf_init(&meta, NULL, 4096);
    buf_add_format(&meta, "{\"state\":\"%s\",\"attempt\":%lld,\"wait\":%lld,\"reason\":", names[connection->state],
                   (long long)connection->attempt, (long long)connection->wait_ms);
    json_add_string(&meta, str_of(connection->reason));
    buf_add_char(&meta, '}');
    struct mail *mail = meta.status == HAPPN_OK ? mailbox_new_mail(HAPPN_EV_STATE, ticket->node.id, buf_str(&meta), STR_LIT("null")) : NULL;
    if (mail != NULL) {
        mailbox_post(ticket->mailbox, mail);
    }
    buf_fini(&meta);
}

/* What a subscription with initialCallback finds after a reconnect. */
static void on_values(int64_t handle, const char *data, size_t data_len, void *event_arg, void *arg)
{
    struct ticket *ticket = event_arg;
    (void)handle, (void)arg;
    struct mail *mail = mailbox_new_mail(HAPPN_EV_STATE, ticket->node.id, STR_LIT("{\"state\":\"values\"}"), str_make(data, data_len));
    if (mail != NULL) {
        mailbox_post(ticket->mailbox, mail);
    }
}

static void on_connected(happn_status status, const happn_error *error, void *arg)
{
    struct call *call = arg;
    struct ticket *ticket = call->opened;
    if (status == HAPPN_OK) {
        answer(call, status, STR_LIT("{}"), str_of(happn_client_session(ticket->client)));
        return;
    }
    if (error != NULL) {
        answer_error(call, error, STR_NONE);
    } else {
        answer_status(call, status);
    }
    if (!ticket->is_closing) {
        close_client(ticket, NULL);
    }
}

static happn_status open_client(struct call *call, struct ticket *service, happn_client **out)
{
    if (service == NULL) {
        return happn_client_connect(call->mailbox->runtime, call->options, call->options_len, on_connected, call, out);
    }
    return call->options == NULL ? happn_client_open(service->service, on_connected, call, out)
                                 : happn_client_open_as(service->service, call->options, call->options_len, on_connected, call, out);
}

/* In words, when it is the options. */
static void refuse_options(struct call *call, const struct ticket *service, happn_status status)
{
    happn_error error = {.status = status};
    if (service == NULL && call->options != NULL && happn_client_check_options(call->options, call->options_len, &error) != HAPPN_OK) {
        answer_error(call, &error, STR_NONE);
    } else {
        answer_status(call, status);
    }
}

static void run_client_open(struct call *call)
{
    struct ticket *service = call->object != 0 ? find(call, call->object, TICKET_SERVICE) : NULL;
    if (call->object != 0 && service == NULL) {
        refuse_open(call, HAPPN_E_CLOSED);
        return;
    }
    if (service != NULL && !service->is_ready) {
        call->next = NULL;
        *service->waiting_tail = call;
        service->waiting_tail = &call->next;
        return;
    }
    struct ticket *ticket = ticket_add(call, TICKET_CLIENT);
    if (ticket == NULL) {
        refuse_open(call, HAPPN_E_MEMORY);
        return;
    }
    happn_status status = open_client(call, service, &ticket->client);
    if (status != HAPPN_OK) {
        refuse_options(call, service, status);
        ticket_end(ticket, status, happn_status_text(status));
        return;
    }
    happn_client_on_end(ticket->client, on_client_ended, ticket);
    happn_client_on_connection(ticket->client, on_connection, ticket);
    happn_client_on_values(ticket->client, on_values, NULL);
}

static void run_client_close(struct call *call)
{
    struct ticket *ticket = find(call, call->object, TICKET_CLIENT);
    if (ticket == NULL) {
        answer_status(call, HAPPN_E_CLOSED);
        return;
    }
    close_client(ticket, call);
}

static happn_client *client_of(struct call *call)
{
    struct ticket *ticket = find(call, call->object, TICKET_CLIENT);
    return ticket != NULL ? ticket->client : NULL;
}

/* --- verbs */

/* A call whose publication is reported: the call becomes its DONE, and its REPORT has memory from the beginning, too. */
struct reporting {
    struct call *call;
    happn_mailbox *mailbox;
    struct mail *report;
};

static void reporting_free(struct reporting *reporting)
{
    memory_free(NULL, reporting->report);
    memory_free(NULL, reporting);
}

static struct reporting *reporting_new(struct call *call)
{
    struct reporting *reporting = memory_zalloc(NULL, sizeof *reporting);
    if (reporting == NULL) {
        return NULL;
    }
    reporting->call = call;
    reporting->mailbox = call->mailbox;
    reporting->report = mailbox_new_mail(HAPPN_EV_REPORT, call->ticket, STR_LIT("{}"), STR_LIT("null"));
    if (reporting->report == NULL) {
        reporting_free(reporting);
        return NULL;
    }
    return reporting;
}

static void on_reported_done(const happn_result *result, void *arg)
{
    struct reporting *reporting = arg;
    on_result(result, reporting->call);
    if (result->status != HAPPN_OK) {
        reporting_free(reporting); /* nothing is published */
    }
}

static void on_report(const happn_result *result, void *arg)
{
    struct reporting *reporting = arg;
    struct buf meta;
    buf_init(&meta, NULL, 1 << 16);
    buf_add_lit(&meta, "{\"error\":");
    json_add_string(&meta, result->error != NULL ? str_of(result->error->message) : STR_LIT(""));
    buf_add_char(&meta, '}');
    bool has_error = result->error != NULL && meta.status == HAPPN_OK;
    struct str body = result->data != NULL ? str_make(result->data, result->data_len) : STR_LIT("null");
    mail_fill(reporting->report, result->status, has_error ? buf_str(&meta) : STR_LIT("{}"), body);
    mailbox_post(reporting->mailbox, reporting->report);
    buf_fini(&meta);
    memory_free(NULL, reporting);
}

static bool wants_report(const struct call *call)
{
    struct str options = str_make(call->options, call->options_len);
    return call->options != NULL && json_type_of(options) == JSON_OBJECT && json_true(json_get(options, "onPublished"));
}

static happn_status ask_reported(struct call *call, happn_client *client, bool is_set)
{
    struct reporting *reporting = reporting_new(call);
    if (reporting == NULL) {
        return HAPPN_E_MEMORY;
    }
    happn_status status = is_set ? happn_client_set_reported(client, call->path, call->json, call->json_len, call->options,
                                                             on_reported_done, on_report, reporting)
                                 : happn_client_remove_reported(client, call->path, call->options, on_reported_done, on_report, reporting);
    if (status != HAPPN_OK) {
        reporting_free(reporting);
    }
    return status;
}

static void run_set(struct call *call)
{
    happn_client *client = client_of(call);
    answer_failure(call, client == NULL      ? HAPPN_E_CLOSED
                         : wants_report(call) ? ask_reported(call, client, true)
                                              : happn_client_set(client, call->path, call->json, call->json_len, call->options, on_result, call));
}

static void run_get(struct call *call)
{
    happn_client *client = client_of(call);
    answer_failure(call, client == NULL ? HAPPN_E_CLOSED : happn_client_get(client, call->path, call->options, on_result, call));
}

static void run_get_paths(struct call *call)
{
    happn_client *client = client_of(call);
    answer_failure(call, client == NULL ? HAPPN_E_CLOSED : happn_client_get_paths(client, call->path, on_result, call));
}

static void run_count(struct call *call)
{
    happn_client *client = client_of(call);
    answer_failure(call, client == NULL ? HAPPN_E_CLOSED : happn_client_count(client, call->path, call->options, on_result, call));
}

static void run_remove(struct call *call)
{
    happn_client *client = client_of(call);
    answer_failure(call, client == NULL      ? HAPPN_E_CLOSED
                         : wants_report(call) ? ask_reported(call, client, false)
                                              : happn_client_remove(client, call->path, call->options, on_result, call));
}

static void on_data(const char *data, size_t data_len, const char *meta, size_t meta_len, void *arg)
{
    struct ticket *ticket = arg;
    mailbox_post_data(ticket->mailbox, ticket->node.id, str_make(meta, meta_len), str_make(data, data_len));
}

static void on_subscribed(const happn_result *result, void *arg)
{
    struct call *call = arg;
    struct ticket *ticket = call->opened;
    bool is_over = ticket->is_over || result->status != HAPPN_OK;
    ticket->is_ready = true;
    on_result(result, arg);
    if (is_over) {
        ticket_end(ticket, HAPPN_OK, "");
    }
}

static void run_on(struct call *call)
{
    struct ticket *client = find(call, call->object, TICKET_CLIENT);
    if (client == NULL) {
        refuse_open(call, HAPPN_E_CLOSED);
        return;
    }
    struct ticket *ticket = ticket_add(call, TICKET_SUBSCRIPTION);
    if (ticket == NULL) {
        refuse_open(call, HAPPN_E_MEMORY);
        return;
    }
    join_parent(ticket, client);
    happn_status status = happn_client_on(client->client, call->path, call->options, on_data, ticket, on_subscribed, call, &ticket->handle);
    if (status != HAPPN_OK) {
        answer_status(call, status);
        ticket_end(ticket, HAPPN_OK, "");
    }
}

/* After off no DATA comes any more, so END can be said before the server has answered; but not before the answer to on. */
static void run_off(struct call *call)
{
    happn_client *client = client_of(call);
    struct ticket *ticket = find(call, call->other, TICKET_SUBSCRIPTION);
    if (client == NULL || ticket == NULL || ticket->parent == NULL || ticket->parent->client != client) {
        answer_status(call, HAPPN_E_CLOSED);
        return;
    }
    happn_status status = happn_client_off(client, ticket->handle, on_result, call);
    if (status == HAPPN_E_NOT_FOUND) {
        answer_status(call, HAPPN_OK); /* its count was used up */
    } else if (status != HAPPN_OK) {
        answer_status(call, status);
        return;
    }
    if (ticket->is_ready) {
        ticket_end(ticket, HAPPN_OK, "");
    } else {
        ticket->is_over = true;
    }
}

/* --- administration */

static void on_administered(const happn_error *error, const char *json, size_t len, void *arg)
{
    struct call *call = arg;
    if (error != NULL) {
        answer_error(call, error, STR_NONE);
    } else {
        answer(call, HAPPN_OK, STR_LIT("{}"), str_make(json, len));
    }
}

static void run_administer(struct call *call)
{
    struct ticket *service = find(call, call->object, TICKET_SERVICE);
    happn_client *client = client_of(call);
    const char *json = call->json != NULL ? call->json : "{}";
    size_t len = call->json != NULL ? call->json_len : 2;
    happn_status status = HAPPN_E_CLOSED;
    if (client != NULL) {
        status = happn_client_administer(client, call->path, json, len, on_result, call);
    } else if (service != NULL && service->is_ready) {
        status = happn_security_call(service->service, call->path, json, len, on_administered, call);
    }
    answer_failure(call, status);
}

static happn_status change_password(struct call *call, happn_client *client)
{
    struct arena arena;
    struct str json = str_make(call->json, call->json_len);
    if (call->json == NULL || json_check(json, NULL) != HAPPN_OK || json_type_of(json) != JSON_OBJECT) {
        return HAPPN_E_ARGUMENT;
    }
    arena_init(&arena, NULL);
    struct str before = arena_str(&arena, json_string(&arena, json_get(json, "oldPassword")));
    struct str after = arena_str(&arena, json_string(&arena, json_get(json, "newPassword")));
    happn_status status = before.ptr == NULL || after.ptr == NULL ? HAPPN_E_ARGUMENT
                                                                  : happn_client_change_password(client, before.ptr, after.ptr, on_result, call);
    arena_fini(&arena);
    return status;
}

static void run_change_password(struct call *call)
{
    happn_client *client = client_of(call);
    answer_failure(call, client == NULL ? HAPPN_E_CLOSED : change_password(call, client));
}

static void run_revoke_token(struct call *call)
{
    happn_client *client = client_of(call);
    answer_failure(call, client == NULL ? HAPPN_E_CLOSED : happn_client_revoke_token(client, on_result, call));
}

/* --- on the host's thread */

struct texts {
    const char *path;
    const char *json;
    size_t json_len;
    const char *options;
    size_t options_len;
};

/* Empty text is no text. */
static const char *copy_text(char **at, const char *text, size_t len)
{
    if (text == NULL || len == 0) {
        return NULL;
    }
    char *copy = *at;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

static struct call *call_new(happn_mailbox *mailbox, uint64_t ticket, uint64_t object, const struct texts *texts)
{
    size_t path_len = texts->path != NULL ? strlen(texts->path) : 0;
    struct call *call = memory_alloc(NULL, sizeof *call + path_len + texts->json_len + texts->options_len + 3);
    if (call == NULL) {
        return NULL;
    }
    *call = (struct call){.mailbox = mailbox, .ticket = ticket, .object = object};
    call->mail.event.kind = HAPPN_EV_DONE;
    call->mail.event.ticket = ticket;
    char *at = (char *)(call + 1);
    call->path = copy_text(&at, texts->path, path_len);
    call->json = copy_text(&at, texts->json, texts->json_len);
    call->options = copy_text(&at, texts->options, texts->options_len);
    call->json_len = texts->json_len;
    call->options_len = texts->options_len;
    return call;
}

static void call_free(struct call *call)
{
    memory_free(NULL, call->end);
    memory_free(NULL, call);
}

/* Only the first call that waits has to tell the loop. */
static int submit(happn_mailbox *mailbox, struct call *call)
{
    pthread_mutex_lock(&mailbox->lock);
    happn_status status = mailbox->is_closed ? HAPPN_E_CLOSED : HAPPN_OK;
    if (status == HAPPN_OK && mailbox->calls == NULL) {
        status = happn_post(mailbox->runtime, calls_run, mailbox);
    }
    if (status == HAPPN_OK) {
        call->next = NULL;
        *mailbox->calls_tail = call;
        mailbox->calls_tail = &call->next;
    }
    pthread_mutex_unlock(&mailbox->lock);
    if (status != HAPPN_OK) {
        call_free(call);
    }
    return status;
}

/* Calls whose ticket will have an END. */
static bool opens(void (*run)(struct call *call))
{
    return run == run_service_open || run == run_client_open || run == run_on;
}

static int ask(happn_mailbox *mailbox, uint64_t ticket, uint64_t object, uint64_t other, void (*run)(struct call *call),
               struct texts texts)
{
    happn_status status = mailbox_check(mailbox);
    if (status != HAPPN_OK) {
        return status;
    }
    bool numbers = ticket != 0 && ticket <= MAX_TICKET && object <= MAX_TICKET && other <= MAX_TICKET;
    if (!numbers || (texts.json == NULL && texts.json_len != 0) || (texts.options == NULL && texts.options_len != 0)) {
        return HAPPN_E_ARGUMENT;
    }
    struct call *call = call_new(mailbox, ticket, object, &texts);
    if (call == NULL) {
        return HAPPN_E_MEMORY;
    }
    call->other = other;
    call->run = run;
    if (opens(run)) {
        call->end = memory_zalloc(NULL, sizeof *call->end);
        if (call->end == NULL) {
            memory_free(NULL, call);
            return HAPPN_E_MEMORY;
        }
        call->end->event = (happn_event){
            .kind = HAPPN_EV_END, .ticket = ticket, .meta = "{}", .meta_len = 2, .body = "null", .body_len = 4};
    }
    return submit(mailbox, call);
}

static int ask_path(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, void (*run)(struct call *call), struct texts texts)
{
    return texts.path != NULL && client != 0 ? ask(mailbox, ticket, client, 0, run, texts) : HAPPN_E_ARGUMENT;
}

int happn_mb_service_open(happn_mailbox *mailbox, uint64_t ticket, const char *config, size_t config_len)
{
    return ask(mailbox, ticket, 0, 0, run_service_open, (struct texts){.json = config, .json_len = config_len});
}

int happn_mb_service_reload(happn_mailbox *mailbox, uint64_t ticket, uint64_t service)
{
    return ask(mailbox, ticket, service, 0, run_service_reload, (struct texts){0});
}

int happn_mb_service_close(happn_mailbox *mailbox, uint64_t ticket, uint64_t service, int reconnect)
{
    return ask(mailbox, ticket, service, reconnect != 0, run_service_close, (struct texts){0});
}

int happn_mb_client_open(happn_mailbox *mailbox, uint64_t ticket, uint64_t service, const char *options, size_t options_len)
{
    return ask(mailbox, ticket, service, 0, run_client_open, (struct texts){.options = options, .options_len = options_len});
}

int happn_mb_client_close(happn_mailbox *mailbox, uint64_t ticket, uint64_t client)
{
    return ask(mailbox, ticket, client, 0, run_client_close, (struct texts){0});
}

int happn_mb_set(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *json, size_t json_len,
                 const char *options, size_t options_len)
{
    return ask_path(mailbox, ticket, client, run_set, (struct texts){path, json, json_len, options, options_len});
}

int happn_mb_get(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options, size_t options_len)
{
    return ask_path(mailbox, ticket, client, run_get, (struct texts){path, NULL, 0, options, options_len});
}

int happn_mb_get_paths(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path)
{
    return ask_path(mailbox, ticket, client, run_get_paths, (struct texts){.path = path});
}

int happn_mb_count(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options, size_t options_len)
{
    return ask_path(mailbox, ticket, client, run_count, (struct texts){path, NULL, 0, options, options_len});
}

int happn_mb_remove(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options,
                    size_t options_len)
{
    return ask_path(mailbox, ticket, client, run_remove, (struct texts){path, NULL, 0, options, options_len});
}

int happn_mb_on(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options, size_t options_len)
{
    return ask_path(mailbox, ticket, client, run_on, (struct texts){path, NULL, 0, options, options_len});
}

int happn_mb_off(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, uint64_t subscription)
{
    return ask(mailbox, ticket, client, subscription, run_off, (struct texts){0});
}

int happn_mb_administer(happn_mailbox *mailbox, uint64_t ticket, uint64_t object, const char *verb, const char *json, size_t json_len)
{
    return ask_path(mailbox, ticket, object, run_administer, (struct texts){.path = verb, .json = json, .json_len = json_len});
}

int happn_mb_change_password(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *json, size_t json_len)
{
    return ask(mailbox, ticket, client, 0, run_change_password, (struct texts){.json = json, .json_len = json_len});
}

int happn_mb_revoke_token(happn_mailbox *mailbox, uint64_t ticket, uint64_t client)
{
    return ask(mailbox, ticket, client, 0, run_revoke_token, (struct texts){0});
}

/* --- on the loop's thread */

void calls_run(void *arg)
{
    happn_mailbox *mailbox = arg;
    pthread_mutex_lock(&mailbox->lock);
    struct call *call = mailbox->calls;
    mailbox->calls = NULL;
    mailbox->calls_tail = &mailbox->calls;
    pthread_mutex_unlock(&mailbox->lock);
    while (call != NULL) {
        struct call *next = call->next;
        call->run(call);
        call = next;
    }
}

static void visit_client(struct idmap_node *node, void *arg)
{
    (void)arg;
    struct ticket *ticket = (struct ticket *)node;
    if (ticket->kind == TICKET_CLIENT && !ticket->is_closing) {
        close_client(ticket, NULL);
    }
}

static void visit_service(struct idmap_node *node, void *arg)
{
    (void)arg;
    struct ticket *ticket = (struct ticket *)node;
    if (ticket->kind == TICKET_SERVICE && !ticket->is_closing) {
        close_service(ticket, NULL);
    }
}

void calls_shut(happn_mailbox *mailbox)
{
    mailbox->is_shutting = true;
    if (mailbox->open == 0) {
        mailbox_shut(mailbox);
        return;
    }
    idmap_each(&mailbox->tickets, visit_client, NULL); /* closing calls back later, so the table stays as it is */
    idmap_each(&mailbox->tickets, visit_service, NULL);
}

void calls_fini(happn_mailbox *mailbox)
{
    struct idmap_node *node;
    while ((node = idmap_any(&mailbox->tickets)) != NULL) {
        struct ticket *ticket = (struct ticket *)node;
        memory_free(NULL, ticket->end->text);
        memory_free(NULL, ticket->end);
        idmap_remove(&mailbox->tickets, node);
        memory_free(NULL, ticket);
    }
    while (mailbox->calls != NULL) {
        struct call *next = mailbox->calls->next;
        call_free(mailbox->calls);
        mailbox->calls = next;
    }
}
