/* Clients: opened, lost, back again, closed. */

#include "base/buf.h"
#include "base/utf8.h"
#include "json/write.h"
#include "mailbox/calls.h"

static void on_client_closed(void *arg)
{
    struct ticket *ticket = arg;
    struct call *closing = ticket->closing;
    ticket_end_children(ticket, HAPPN_OK, "");
    if (closing != NULL) {
        answer_status(closing, HAPPN_OK);
    }
    ticket_end(ticket, HAPPN_OK, "");
}

void client_close(struct ticket *ticket, struct call *call)
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
    ticket_end_children(ticket, HAPPN_E_CLOSED, copy);
    buf_init(&meta, NULL, 4096);
    buf_add_lit(&meta, "{\"reason\":");
    json_add_string(&meta, str_of(copy));
    buf_add_char(&meta, '}');
    if (meta.status == HAPPN_OK) {
        mail_fill(ticket->end, HAPPN_E_CLOSED, buf_str(&meta), STR_LIT("null"));
    }
    buf_fini(&meta);
    if (!ticket->is_closing) {
        client_close(ticket, NULL);
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
        answer_call(call, status, STR_LIT("{}"), str_of(happn_client_session(ticket->client)));
        return;
    }
    if (error != NULL) {
        answer_error(call, error, STR_NONE);
    } else {
        answer_status(call, status);
    }
    if (!ticket->is_closing) {
        client_close(ticket, NULL);
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

void run_client_open(struct call *call)
{
    struct ticket *service = call->object != 0 ? ticket_find(call, call->object, TICKET_SERVICE) : NULL;
    if (call->object != 0 && service == NULL) {
        ticket_refuse(call, HAPPN_E_CLOSED);
        return;
    }
    if (service != NULL && !service->is_ready) {
        service_await(service, call);
        return;
    }
    struct ticket *ticket = ticket_add(call, TICKET_CLIENT);
    if (ticket == NULL) {
        ticket_refuse(call, HAPPN_E_MEMORY);
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

void run_client_close(struct call *call)
{
    struct ticket *ticket = ticket_find(call, call->object, TICKET_CLIENT);
    if (ticket == NULL) {
        answer_status(call, HAPPN_E_CLOSED);
        return;
    }
    client_close(ticket, call);
}

happn_client *client_of(struct call *call)
{
    struct ticket *ticket = ticket_find(call, call->object, TICKET_CLIENT);
    return ticket != NULL ? ticket->client : NULL;
}
