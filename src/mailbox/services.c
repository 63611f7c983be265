/* Services: opened, loaded anew, closed. */

#include <stdio.h>

#include "mailbox/calls.h"
#include "mailbox/hooks.h"

static void on_service_closed(void *arg)
{
    struct ticket *ticket = arg;
    struct call *closing = ticket->closing;
    ticket_end_children(ticket, HAPPN_OK, "");
    if (closing != NULL) {
        answer_status(closing, HAPPN_OK);
    }
    ticket_end(ticket, HAPPN_OK, "");
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

void service_await(struct ticket *ticket, struct call *call)
{
    call->next = NULL;
    *ticket->waiting_tail = call;
    ticket->waiting_tail = &call->next;
}

void service_close(struct ticket *ticket, struct call *call)
{
    ticket->is_closing = true;
    ticket->closing = call;
    for (struct ticket *child = ticket->first_child; child != NULL; child = child->next) {
        hooks_close_layer(child->layer); /* so nothing is in flight that only the host could end */
    }
    if (ticket->is_starting) {
        return; /* once it has started or failed to */
    }
    happn_service_close(ticket->service, call == NULL || call->other != 0, on_service_closed, ticket);
    run_waiting(ticket); /* for a start that does not come any more */
}

static void on_started(happn_status status, const happn_error *error, void *arg)
{
    struct call *call = arg;
    struct ticket *ticket = call->opened;
    bool must_close = ticket->is_closing || status != HAPPN_OK;
    char meta[40];
    int len = snprintf(meta, sizeof meta, "{\"port\":%d}", status == HAPPN_OK ? happn_service_port(ticket->service) : 0);
    ticket->is_ready = true;
    ticket->is_starting = false;
    if (status == HAPPN_OK) {
        answer_call(call, status, str_make(meta, (size_t)len), STR_LIT("null"));
    } else if (error != NULL) {
        answer_error(call, error, STR_NONE);
    } else {
        answer_status(call, status);
    }
    if (must_close) {
        service_close(ticket, ticket->closing);
    }
    run_waiting(ticket);
}

static void start(struct ticket *ticket, struct call *call)
{
    call->opened = ticket;
    ticket->is_starting = true;
    happn_service_start(ticket->service, on_started, call);
}

/* NULL: it could not be made, which the call is answered with. */
static struct ticket *make(struct call *call)
{
    struct ticket *ticket = ticket_add(call, TICKET_SERVICE);
    if (ticket == NULL) {
        ticket_refuse(call, HAPPN_E_MEMORY);
        return NULL;
    }
    happn_error error = {.status = HAPPN_OK};
    const char *config = call->json != NULL ? call->json : "{}";
    size_t len = call->json != NULL ? call->json_len : 2;
    happn_status status = happn_service_new(call->mailbox->runtime, config, len, NULL, &ticket->service, &error);
    if (status != HAPPN_OK) {
        error.status = status;
        answer_error(call, &error, STR_NONE);
        ticket_end(ticket, status, error.message);
        return NULL;
    }
    return ticket;
}

void run_service_open(struct call *call)
{
    struct ticket *ticket = make(call);
    if (ticket != NULL) {
        start(ticket, call);
    }
}

void run_service_new(struct call *call)
{
    if (make(call) != NULL) {
        answer_status(call, HAPPN_OK);
    }
}

void run_service_start(struct call *call)
{
    struct ticket *ticket = ticket_find(call, call->object, TICKET_SERVICE);
    if (ticket == NULL || ticket->is_starting || ticket->is_ready) {
        answer_status(call, ticket == NULL ? HAPPN_E_CLOSED : HAPPN_E_ARGUMENT);
        return;
    }
    start(ticket, call);
}

void run_service_reload(struct call *call)
{
    struct ticket *ticket = ticket_find(call, call->object, TICKET_SERVICE);
    happn_error error = {.status = HAPPN_OK};
    happn_status status = ticket != NULL && ticket->is_ready ? happn_reload(ticket->service, &error) : HAPPN_E_CLOSED;
    if (error.status != HAPPN_OK) {
        answer_error(call, &error, STR_NONE);
    } else {
        answer_status(call, status);
    }
}

void run_service_close(struct call *call)
{
    struct ticket *ticket = ticket_find(call, call->object, TICKET_SERVICE);
    if (ticket == NULL) {
        answer_status(call, HAPPN_E_CLOSED);
        return;
    }
    service_close(ticket, call);
}
