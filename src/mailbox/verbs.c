/* What is done over a client, and administration. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/memory.h"
#include "happn/security.h"
#include "json/scan.h"
#include "json/write.h"
#include "mailbox/calls.h"

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
    answer_result(result, reporting->call);
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

/* What a verb failed with, in words when it is the path. */
static void answer_verb(struct call *call, const char *action, happn_status status)
{
    happn_error error = {.status = status};
    if (status == HAPPN_E_PATH && happn_client_check_path(call->path, action, &error) != HAPPN_OK) {
        error.name[0] = '\0'; /* its own, not the original's "Error" */
        answer_error(call, &error, STR_NONE);
    } else {
        answer_failure(call, status);
    }
}

void run_set(struct call *call)
{
    happn_client *client = client_of(call);
    answer_verb(call, "set", client == NULL       ? HAPPN_E_CLOSED
                             : wants_report(call) ? ask_reported(call, client, true)
                                                  : happn_client_set(client, call->path, call->json, call->json_len, call->options, answer_result, call));
}

void run_get(struct call *call)
{
    happn_client *client = client_of(call);
    answer_verb(call, "get", client == NULL ? HAPPN_E_CLOSED : happn_client_get(client, call->path, call->options, answer_result, call));
}

void run_get_paths(struct call *call)
{
    happn_client *client = client_of(call);
    answer_verb(call, "get", client == NULL ? HAPPN_E_CLOSED : happn_client_get_paths(client, call->path, answer_result, call));
}

void run_count(struct call *call)
{
    happn_client *client = client_of(call);
    answer_verb(call, "get", client == NULL ? HAPPN_E_CLOSED : happn_client_count(client, call->path, call->options, answer_result, call));
}

void run_remove(struct call *call)
{
    happn_client *client = client_of(call);
    answer_verb(call, "remove", client == NULL       ? HAPPN_E_CLOSED
                                : wants_report(call) ? ask_reported(call, client, false)
                                                     : happn_client_remove(client, call->path, call->options, answer_result, call));
}

/* No DATA comes any more; END waits for the answer to on. */
static void end_subscription(struct ticket *ticket)
{
    if (ticket->is_ready) {
        ticket_end(ticket, HAPPN_OK, "");
    } else {
        ticket->is_over = true;
    }
}

static void on_data(const char *data, size_t data_len, const char *meta, size_t meta_len, void *arg)
{
    struct ticket *ticket = arg;
    mailbox_post_data(ticket->mailbox, ticket->node.id, str_make(meta, meta_len), str_make(data, data_len));
    if (!happn_client_is_subscribed(ticket->parent->client, ticket->handle)) {
        end_subscription(ticket); /* that was the last of its count */
    }
}

static void on_subscribed(const happn_result *result, void *arg)
{
    struct call *call = arg;
    struct ticket *ticket = call->opened;
    bool is_over = ticket->is_over || result->status != HAPPN_OK;
    ticket->is_ready = true;
    answer_result(result, arg);
    if (is_over) {
        ticket_end(ticket, HAPPN_OK, "");
    }
}

void run_on(struct call *call)
{
    struct ticket *client = ticket_find(call, call->object, TICKET_CLIENT);
    if (client == NULL) {
        ticket_refuse(call, HAPPN_E_CLOSED);
        return;
    }
    struct ticket *ticket = ticket_add(call, TICKET_SUBSCRIPTION);
    if (ticket == NULL) {
        ticket_refuse(call, HAPPN_E_MEMORY);
        return;
    }
    ticket_join(ticket, client);
    happn_status status = happn_client_on(client->client, call->path, call->options, on_data, ticket, on_subscribed, call, &ticket->handle);
    if (status != HAPPN_OK) {
        answer_verb(call, "on", status);
        ticket_end(ticket, HAPPN_OK, "");
    }
}

/* After off no DATA comes any more, so END can be said before the server has answered; but not before the answer to on. */
void run_off(struct call *call)
{
    happn_client *client = client_of(call);
    struct ticket *ticket = ticket_find(call, call->other, TICKET_SUBSCRIPTION);
    if (client == NULL || ticket == NULL || ticket->parent == NULL || ticket->parent->client != client) {
        answer_status(call, HAPPN_E_CLOSED);
        return;
    }
    happn_status status = happn_client_off(client, ticket->handle, answer_result, call);
    if (status != HAPPN_OK) {
        answer_status(call, status);
        return;
    }
    end_subscription(ticket);
}

/* --- administration */

static void on_administered(const happn_error *error, const char *json, size_t len, void *arg)
{
    struct call *call = arg;
    if (error != NULL) {
        answer_error(call, error, STR_NONE);
    } else {
        answer_call(call, HAPPN_OK, STR_LIT("{}"), str_make(json, len));
    }
}

void run_administer(struct call *call)
{
    struct ticket *service = ticket_find(call, call->object, TICKET_SERVICE);
    happn_client *client = client_of(call);
    const char *json = call->json != NULL ? call->json : "{}";
    size_t len = call->json != NULL ? call->json_len : 2;
    happn_status status = HAPPN_E_CLOSED;
    if (client != NULL) {
        status = happn_client_administer(client, call->path, json, len, answer_result, call);
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
                                                                  : happn_client_change_password(client, before.ptr, after.ptr, answer_result, call);
    arena_fini(&arena);
    return status;
}

void run_change_password(struct call *call)
{
    happn_client *client = client_of(call);
    answer_failure(call, client == NULL ? HAPPN_E_CLOSED : change_password(call, client));
}

void run_revoke_token(struct call *call)
{
    happn_client *client = client_of(call);
    answer_failure(call, client == NULL ? HAPPN_E_CLOSED : happn_client_revoke_token(client, answer_result, call));
}
