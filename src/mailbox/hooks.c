/* Messages that wait for the host. Each has a token; who completes one names it, so answers that come late, twice or out of thin air find
 * nothing and do nothing. One timer serves all deadlines: those of one layer are as long as each other, so its first is its earliest. */

#include "mailbox/hooks.h"

#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "json/scan.h"
#include "json/write.h"

static happn_verdict refuse(happn_message *message, happn_status status, const char *text)
{
    happn_message_set_error(message, happn_status_name(status), text, 0, NULL, 0);
    return HAPPN_FAIL;
}

/* --- what waits */

static void forget(struct hook *hook)
{
    struct host_layer *layer = hook->layer;
    *(hook->previous != NULL ? &hook->previous->next : &layer->first) = hook->next;
    *(hook->next != NULL ? &hook->next->previous : &layer->last) = hook->previous;
    layer->pending--;
    idmap_remove(&layer->mailbox->hooks.pending, &hook->node);
    memory_free(NULL, hook);
}

static void resume(struct hook *hook, happn_verdict verdict)
{
    happn_message *message = hook->message;
    forget(hook); /* first: what comes next on this session may wait here, too */
    happn_message_resume(message, verdict);
}

/* Tells the host that nobody wants its answer any more. Without memory it learns it from the answer's status. */
static void tell_cancel(const struct hook *hook)
{
    char meta[48];
    int len = snprintf(meta, sizeof meta, "{\"token\":%llu}", (unsigned long long)hook->node.id);
    struct mail *mail = mailbox_new_mail(HAPPN_EV_CANCEL, hook->layer->ticket, str_make(meta, (size_t)len), STR_LIT("null"));
    if (mail != NULL) {
        mailbox_post(hook->layer->mailbox, mail);
    }
}

static void refuse_waiting(struct hook *hook, happn_status status, const char *text)
{
    tell_cancel(hook);
    resume(hook, refuse(hook->message, status, text));
}

/* --- deadlines */

static void on_timer(uv_timer_t *timer);

static void set_timer(struct hooks *hooks)
{
    uint64_t due = UINT64_MAX, now = loop_ticks(hooks->loop);
    for (struct host_layer *layer = hooks->layers; layer != NULL; layer = layer->next) {
        if (layer->first != NULL && layer->first->due < due) {
            due = layer->first->due;
        }
    }
    if (due == UINT64_MAX || hooks->is_closing) {
        uv_timer_stop(&hooks->timer);
    } else {
        loop_timer_start(hooks->loop, &hooks->timer, on_timer, due > now ? due - now : 0, 0);
    }
}

static void end_late(struct host_layer *layer, uint64_t now)
{
    while (layer->first != NULL && layer->first->due <= now) {
        if (layer->lets_through) {
            tell_cancel(layer->first);
            resume(layer->first, HAPPN_NEXT);
        } else {
            refuse_waiting(layer->first, HAPPN_E_TIMEOUT, "a layer did not answer in time");
        }
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct hooks *hooks = timer->data;
    uint64_t now = loop_ticks(hooks->loop);
    for (struct host_layer *layer = hooks->layers; layer != NULL; layer = layer->next) {
        end_late(layer, now);
    }
    set_timer(hooks);
}

/* --- begin and complete */

static struct hook *hook_new(struct host_layer *layer, happn_message *message)
{
    struct hooks *hooks = &layer->mailbox->hooks;
    struct hook *hook = memory_zalloc(NULL, sizeof *hook);
    if (hook == NULL || idmap_add(&hooks->pending, &hook->node, hooks->last_token + 1) != HAPPN_OK) {
        memory_free(NULL, hook);
        return NULL;
    }
    hooks->last_token++;
    hook->layer = layer;
    hook->message = message;
    hook->due = loop_ticks(hooks->loop) + layer->deadline_ms;
    hook->previous = layer->last;
    *(layer->last != NULL ? &layer->last->next : &layer->first) = hook;
    layer->last = hook;
    layer->pending++;
    return hook;
}

happn_verdict hooks_begin(struct host_layer *layer, happn_message *message)
{
    struct hooks *hooks = &layer->mailbox->hooks;
    if (layer->is_closing) {
        return refuse(message, HAPPN_E_CLOSED, "the server is stopping");
    }
    if (layer->pending >= layer->max_pending) {
        return refuse(message, HAPPN_E_BUSY, happn_status_text(HAPPN_E_BUSY));
    }
    struct mail *mail = host_layer_mail(layer, message, hooks->last_token + 1);
    struct hook *hook = mail != NULL ? hook_new(layer, message) : NULL;
    if (hook == NULL) {
        mailbox_drop_mail(mail);
        return refuse(message, HAPPN_E_MEMORY, happn_status_text(HAPPN_E_MEMORY));
    }
    if (hook == layer->first) { /* else the timer is set for an earlier one */
        set_timer(hooks);
    }
    mailbox_post(layer->mailbox, mail);
    return HAPPN_LATER;
}

static happn_status set_error(happn_message *message, struct str json)
{
    struct arena arena;
    if (str_is_set(json) && (json_check(json, NULL) != HAPPN_OK || json_type_of(json) != JSON_OBJECT)) {
        return HAPPN_E_JSON;
    }
    arena_init(&arena, NULL);
    struct str name = arena_str(&arena, json_string(&arena, json_get(json, "name")));
    struct str text = arena_str(&arena, json_string(&arena, json_get(json, "message")));
    happn_message_set_error(message, name.len != 0 ? name.ptr : happn_status_name(HAPPN_E_REFUSED),
                            text.len != 0 ? text.ptr : happn_status_text(HAPPN_E_REFUSED), (int)json_int(json_get(json, "code"), 0), NULL, 0);
    arena_fini(&arena);
    return HAPPN_OK;
}

/* Changes the message as the verdict wants it. */
static happn_status prepare(happn_message *message, int verdict, struct str json)
{
    switch (verdict) {
    case HAPPN_NEXT:
        return str_is_set(json) ? happn_message_set_data(message, json.ptr, json.len) : HAPPN_OK;
    case HAPPN_REPLY:
        json = str_is_set(json) ? json : STR_LIT("null");
        return happn_message_set_data(message, json.ptr, json.len);
    case HAPPN_FAIL:
        return set_error(message, json);
    default:
        return HAPPN_E_ARGUMENT;
    }
}

happn_status hooks_complete(happn_mailbox *mailbox, uint64_t token, int verdict, struct str json)
{
    struct hook *hook = (struct hook *)idmap_find(&mailbox->hooks.pending, token);
    if (hook == NULL) {
        return HAPPN_E_NOT_FOUND;
    }
    happn_status status = prepare(hook->message, verdict, json);
    if (status == HAPPN_OK) {
        resume(hook, (happn_verdict)verdict);
    }
    return status;
}

/* --- life */

void hooks_close_layer(struct host_layer *layer)
{
    layer->is_closing = true;
    while (layer->first != NULL) {
        refuse_waiting(layer->first, HAPPN_E_CLOSED, "the server is stopping");
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct hooks *hooks = handle->data;
    happn_mailbox *mailbox = hooks->mailbox;
    runtime_remove(mailbox->runtime, &hooks->part);
    mailbox_leave(mailbox);
}

void hooks_close(happn_mailbox *mailbox)
{
    struct hooks *hooks = &mailbox->hooks;
    if (!hooks->is_open || hooks->is_closing) {
        return;
    }
    hooks->is_closing = true;
    for (struct host_layer *layer = hooks->layers; layer != NULL; layer = layer->next) {
        hooks_close_layer(layer);
    }
    uv_close((uv_handle_t *)&hooks->timer, on_timer_closed);
}

/* The runtime closes before the mailbox does. */
static void close_part(struct runtime_part *part)
{
    struct hooks *hooks = (struct hooks *)((char *)part - offsetof(struct hooks, part));
    hooks_close(hooks->mailbox);
}

happn_status hooks_open(happn_mailbox *mailbox)
{
    struct hooks *hooks = &mailbox->hooks;
    if (hooks->is_open) {
        return hooks->is_closing ? HAPPN_E_CLOSED : HAPPN_OK;
    }
    hooks->is_open = true;
    hooks->mailbox = mailbox;
    hooks->loop = runtime_loop(mailbox->runtime);
    uv_timer_init(&hooks->loop->uv, &hooks->timer);
    hooks->timer.data = hooks;
    hooks->part.close = close_part;
    runtime_add(mailbox->runtime, &hooks->part);
    mailbox->open++;
    return HAPPN_OK;
}

void hooks_add_layer(struct host_layer *layer)
{
    struct hooks *hooks = &layer->mailbox->hooks;
    layer->next = hooks->layers;
    hooks->layers = layer;
}
