/* What a host asks for: checked and copied on its thread, carried out on the loop's, answered by one DONE.
 *
 * Services, clients and subscriptions are entries of a table that only the loop's thread sees; a number that is not in it is
 * answered with E_CLOSED, so late, doubled and invented numbers do no harm. */


#include <string.h>

#include "base/memory.h"
#include "mailbox/calls.h"
#include "mailbox/hooks.h"

static const uint64_t MAX_TICKET = ((uint64_t)1 << 53) - 1;

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

void call_free(struct call *call)
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
    return run == run_service_open || run == run_service_new || run == run_client_open || run == run_on || run == run_layer_add;
}

static int ask(happn_mailbox *mailbox, uint64_t ticket, uint64_t object, uint64_t other, void (*run)(struct call *call),
               struct texts texts)
{
    happn_status status = mailbox_check(mailbox);
    if (status != HAPPN_OK) {
        return status;
    }
    bool is_silent = ticket == 0 && run == run_hook_complete; /* the only one that need not be answered */
    bool numbers = (ticket != 0 || is_silent) && ticket <= MAX_TICKET && object <= MAX_TICKET && other <= MAX_TICKET;
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

int happn_mb_service_new(happn_mailbox *mailbox, uint64_t ticket, const char *config, size_t config_len)
{
    return ask(mailbox, ticket, 0, 0, run_service_new, (struct texts){.json = config, .json_len = config_len});
}

int happn_mb_service_start(happn_mailbox *mailbox, uint64_t ticket, uint64_t service)
{
    return ask(mailbox, ticket, service, 0, run_service_start, (struct texts){0});
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

int happn_mb_layer_add(happn_mailbox *mailbox, uint64_t ticket, uint64_t service, const char *options, size_t options_len)
{
    return ask(mailbox, ticket, service, 0, run_layer_add, (struct texts){.options = options, .options_len = options_len});
}

int happn_mb_hook_complete(happn_mailbox *mailbox, uint64_t ticket, uint64_t token, int verdict, const char *json, size_t json_len)
{
    if (verdict < 0) {
        return HAPPN_E_ARGUMENT;
    }
    return ask(mailbox, ticket, token, (uint64_t)verdict, run_hook_complete, (struct texts){.json = json, .json_len = json_len});
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
        client_close(ticket, NULL);
    }
}

static void visit_service(struct idmap_node *node, void *arg)
{
    (void)arg;
    struct ticket *ticket = (struct ticket *)node;
    if (ticket->kind == TICKET_SERVICE && !ticket->is_closing) {
        service_close(ticket, NULL);
    }
}

void calls_shut(happn_mailbox *mailbox)
{
    mailbox->is_shutting = true;
    if (mailbox->open == 0) {
        mailbox_shut(mailbox);
        return;
    }
    hooks_close(mailbox);
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
        host_layer_free(ticket->layer);
        idmap_remove(&mailbox->tickets, node);
        memory_free(NULL, ticket);
    }
    while (mailbox->calls != NULL) {
        struct call *next = mailbox->calls->next;
        call_free(mailbox->calls);
        mailbox->calls = next;
    }
}
