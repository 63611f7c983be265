/* The table of what is open, and how an entry ends. */

#include "base/buf.h"
#include "base/memory.h"
#include "json/write.h"
#include "mailbox/calls.h"
#include "mailbox/hooks.h"

struct ticket *ticket_find(struct call *call, uint64_t number, int kind)
{
    struct idmap_node *node = idmap_find(&call->mailbox->tickets, number);
    struct ticket *ticket = (struct ticket *)node;
    return ticket != NULL && (int)ticket->kind == kind && !ticket->is_closing && !ticket->is_over ? ticket : NULL;
}

/* Subscriptions and layers go with what they belong to. */
static bool is_counted(const struct ticket *ticket)
{
    return ticket->kind == TICKET_SERVICE || ticket->kind == TICKET_CLIENT;
}

struct ticket *ticket_add(struct call *call, int kind)
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
    mailbox->open += is_counted(ticket);
    call->opened = ticket;
    return ticket;
}

void ticket_join(struct ticket *child, struct ticket *parent)
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
void ticket_end(struct ticket *ticket, happn_status status, const char *reason)
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
    bool counts = is_counted(ticket);
    host_layer_free(ticket->layer);
    memory_free(NULL, ticket);
    if (counts) {
        mailbox_leave(mailbox);
    }
}

void ticket_end_children(struct ticket *parent, happn_status status, const char *reason)
{
    while (parent->first_child != NULL) {
        ticket_end(parent->first_child, status, reason);
    }
}

/* An opening call that opened nothing has its END as well. Only a number that is taken already has not: its END is to come. */
void ticket_refuse(struct call *call, happn_status status)
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
