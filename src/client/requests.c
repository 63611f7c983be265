/* Requests on their way: written, sent, answered, forgotten by the server, given up. */

#include "base/clock.h"
#include "base/error.h"
#include "client/client.h"
#include "json/write.h"

enum { KEPT_TEXT = 1 << 16 };

struct pending *request_new(happn_client *client, const char *action, happn_result_fn done, void *arg)
{
    struct pending *pending = memory_zalloc(client->allocator, sizeof *pending);
    if (pending != NULL) {
        pending->action = action;
        pending->done = done;
        pending->arg = arg;
    }
    return pending;
}

void request_free(happn_client *client, struct pending *pending)
{
    memory_free(client->allocator, pending);
}

void request_begin(happn_client *client, struct pending *pending)
{
    struct buf *out = &client->out;
    if (out->capacity > KEPT_TEXT) {
        buf_fini(out);
    }
    buf_clear(out);
    buf_add_lit(out, "{\"action\":\"");
    buf_add_text(out, pending->action);
    buf_add_lit(out, "\",\"eventId\":");
    buf_add_i64(out, (int64_t)++client->last_event_id);
}

void request_add(happn_client *client, const char *member, struct str json)
{
    if (!str_is_set(json)) {
        return;
    }
    buf_add_lit(&client->out, ",\"");
    buf_add_text(&client->out, member);
    buf_add_lit(&client->out, "\":");
    json_add_raw(&client->out, json);
}

void request_add_string(happn_client *client, const char *member, struct str plain)
{
    buf_add_lit(&client->out, ",\"");
    buf_add_text(&client->out, member);
    buf_add_lit(&client->out, "\":");
    json_add_string(&client->out, plain);
}

static void unlink_deadline(struct pending *pending)
{
    struct deadlines *list = pending->deadlines;
    if (list == NULL) {
        return;
    }
    *(pending->previous != NULL ? &pending->previous->next : &list->first) = pending->next;
    *(pending->next != NULL ? &pending->next->previous : &list->last) = pending->previous;
    pending->deadlines = NULL;
}

static void insert_after(struct deadlines *list, struct pending *before, struct pending *pending)
{
    pending->deadlines = list;
    pending->previous = before;
    pending->next = before != NULL ? before->next : list->first;
    *(before != NULL ? &before->next : &list->first) = pending;
    *(pending->next != NULL ? &pending->next->previous : &list->last) = pending;
}

static uint64_t next_due(const happn_client *client)
{
    uint64_t due = UINT64_MAX;
    for (int i = 0; i < 2; i++) {
        const struct pending *first = client->deadlines[i].first;
        if (first != NULL && first->due < due) {
            due = first->due;
        }
    }
    return due;
}

/* The timer only ever has to ring early enough: answers leave it alone, and when it rings too early it is set again. */
static void set_timer(happn_client *client)
{
    uint64_t due = next_due(client), now = loop_ticks(client->loop);
    if (due == UINT64_MAX) {
        return;
    }
    uint64_t wait = due > now ? due - now : 0;
    if (!uv_is_active((uv_handle_t *)&client->timer) || loop_timer_due_in(client->loop, &client->timer) > wait) {
        loop_timer_start(client->loop, &client->timer, requests_on_timer, wait, 0);
    }
}

static void add_deadline(happn_client *client, struct pending *pending, uint64_t timeout_ms)
{
    bool usual = timeout_ms == 0 || timeout_ms == client->timeout_ms;
    struct deadlines *list = &client->deadlines[usual ? USUAL : SPECIAL];
    pending->due = loop_ticks(client->loop) + (timeout_ms != 0 ? timeout_ms : client->timeout_ms);
    struct pending *before = list->last;
    while (before != NULL && before->due > pending->due) {
        before = before->previous;
    }
    insert_after(list, before, pending);
    set_timer(client);
}

happn_status request_send(happn_client *client, struct pending *pending, uint64_t timeout_ms)
{
    buf_add_char(&client->out, '}');
    if (client->out.status != HAPPN_OK) {
        return client->out.status;
    }
    if (client->pending.count >= CLIENT_MAX_PENDING) {
        return HAPPN_E_BUSY;
    }
    happn_status status = idmap_add(&client->pending, &pending->node, client->last_event_id);
    if (status != HAPPN_OK) {
        return status;
    }
    status = client->link->ops->send(client->link, buf_str(&client->out));
    if (status != HAPPN_OK) {
        idmap_remove(&client->pending, &pending->node);
        return status;
    }
    add_deadline(client, pending, timeout_ms);
    return HAPPN_OK;
}

/* A request that failed publishes nothing: its report does not come. */
static bool drop_report_of_failure(happn_client *client, struct pending *pending, const happn_result *result)
{
    struct pending *report = pending->context;
    if (result->status != HAPPN_OK && report != NULL) {
        idmap_remove(&client->reports, &report->node);
        unlink_deadline(report);
        request_free(client, report);
    }
    return true;
}

happn_status request_send_reported(happn_client *client, struct pending *pending, struct pending *report, uint64_t timeout_ms)
{
    happn_status status = idmap_add(&client->reports, &report->node, client->last_event_id);
    if (status != HAPPN_OK) {
        return status;
    }
    report->is_report = true;
    pending->hook = drop_report_of_failure;
    pending->context = report;
    status = request_send(client, pending, timeout_ms);
    if (status != HAPPN_OK) {
        idmap_remove(&client->reports, &report->node);
        return status;
    }
    add_deadline(client, report, timeout_ms);
    return HAPPN_OK;
}

/* Servers answer first: a report before the answer is nobody's. */
void request_reported(happn_client *client, uint64_t event_id, const happn_result *result)
{
    struct idmap_node *node = idmap_find(&client->reports, event_id);
    if (node == NULL || idmap_find(&client->pending, event_id) != NULL) {
        return;
    }
    idmap_remove(&client->reports, node);
    request_finish(client, (struct pending *)node, result);
}

void request_answer_later(happn_client *client, struct pending *pending)
{
    insert_after(&client->local, client->local.last, pending);
    uv_idle_start(&client->later, requests_on_later);
}

void request_finish(happn_client *client, struct pending *pending, const happn_result *result)
{
    unlink_deadline(pending);
    bool tell = pending->hook == NULL || pending->hook(client, pending, result);
    if (tell && pending->done != NULL) {
        pending->done(result, pending->arg);
    }
    request_free(client, pending);
}

bool request_answered(happn_client *client, uint64_t event_id, const happn_result *result)
{
    struct idmap_node *node = idmap_find(&client->pending, event_id);
    if (node == NULL) {
        return false;
    }
    idmap_remove(&client->pending, node);
    request_finish(client, (struct pending *)node, result);
    return true;
}

static void fail_first(happn_client *client, struct deadlines *list, const happn_error *error)
{
    struct pending *pending = list->first;
    if (list != &client->local) {
        idmap_remove(pending->is_report ? &client->reports : &client->pending, &pending->node);
    }
    happn_result result = result_of(error);
    request_finish(client, pending, &result);
}

/* In the order in which they were sent. */
void requests_fail_all(happn_client *client, const happn_error *error)
{
    struct deadlines *usual = &client->deadlines[USUAL], *special = &client->deadlines[SPECIAL];
    while (usual->first != NULL || special->first != NULL) {
        bool from_usual = special->first == NULL ||
                          (usual->first != NULL && usual->first->node.id <= special->first->node.id);
        fail_first(client, from_usual ? usual : special, error);
    }
    bool is_over = client->is_closing || client->is_ended; /* else what is answered here is true all the same */
    while (is_over && client->local.first != NULL) {
        fail_first(client, &client->local, error);
    }
}

void requests_on_timer(uv_timer_t *timer)
{
    happn_client *client = timer->data;
    uint64_t now = loop_ticks(client->loop);
    for (int i = 0; i < 2; i++) {
        struct deadlines *list = &client->deadlines[i];
        while (!client->is_closing && list->first != NULL && list->first->due <= now) {
            happn_error error;
            error_set(&error, HAPPN_E_TIMEOUT, "%s was not answered in time", list->first->action);
            fail_first(client, list, &error);
        }
    }
    if (!client->is_closing) {
        set_timer(client);
    }
}

void requests_on_later(uv_idle_t *idle)
{
    happn_client *client = idle->data;
    struct pending *last = client->local.last, *pending;
    happn_result result = result_ok();
    do {
        pending = client->local.first;
        if (pending != NULL && !client->is_closing) {
            request_finish(client, pending, &result);
        }
    } while (pending != NULL && pending != last && !client->is_closing);
    if (client->local.first == NULL || client->is_closing) {
        uv_idle_stop(idle);
    }
}
