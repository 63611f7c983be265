#include "core/answer.h"

#include <stdlib.h>

#include "search/sorting.h"

enum {
    SORT_STEPS = 8000, /* about a millisecond, too */
    LONG_BYTES = 512 << 10, /* a shorter list is encoded at once, in about two milliseconds */
    OVERHEAD = 150,         /* of one document: its path, its dates, their names */
    MOST_LIST = 1 << 30     /* links end much earlier */
};

/* Sealed replies are another text. */
static bool is_plain(const struct request *request)
{
    return request->session->secret[0] == '\0' && !request->is_sealed;
}

/* False: the reply is encoded into the link like any other. */
static bool lend_reply(struct request *request, struct link *link)
{
    struct session *session = request->session;
    struct lending lending;
    bool may_lend = session->protocol->lends && is_plain(request);
    if (!may_lend || request->reply.kind != REPLY_DOCUMENT ||
        !lending_begin(&lending, &request->arena, request->reply.document.data)) {
        return false;
    }
    struct buf text;
    buf_init(&text, request->core->allocator, request->core->limits.message_bytes + 65536);
    request->reply.lending = &lending;
    session->protocol->encode_reply(request, &text);
    request->reply.lending = NULL;
    struct payload *payload = lending_end(&lending, &text);
    buf_fini(&text);
    if (payload == NULL) {
        return false;
    }
    link->ops->send(link, payload);
    payload_unref(payload);
    return true;
}

static int by_modified(const void *a, const void *b)
{
    const struct document *x = a, *y = b;
    if (x->modified != y->modified) {
        return x->modified < y->modified ? -1 : 1;
    }
    return str_compare(x->path, y->path);
}

static void order_values(struct request *request)
{
    struct reply *reply = &request->reply;
    if (reply->kind == REPLY_INITIAL && reply->count > 1) {
        qsort(reply->documents, reply->count, sizeof *reply->documents, by_modified);
    }
}

static void drop_sorting(struct answer_parts *parts)
{
    if (parts->sorting != NULL) {
        sorting_free(parts->sorting);
        parts->sorting = NULL;
    }
}

/* False: not yet. */
static bool order_some(struct request *request, struct answer_parts *parts, size_t steps)
{
    static const struct sort_order order = {.fields = {{.source = FIELD_MODIFIED}}, .count = 1};
    struct reply *reply = &request->reply;
    if (parts->is_ordered || reply->kind != REPLY_INITIAL) {
        return true;
    }
    if (parts->sorting == NULL) {
        parts->sorting = sorting_new(&order, request->core->allocator, reply->documents, reply->count);
    }
    if (parts->sorting == NULL) { /* that takes no memory */
        order_values(request);
    }
    parts->is_ordered = parts->sorting == NULL || sorting_go(parts->sorting, steps);
    if (parts->is_ordered) {
        drop_sorting(parts);
    }
    return parts->is_ordered;
}

void answer_parts_fini(struct answer_parts *parts)
{
    drop_sorting(parts);
    buf_fini(&parts->text);
    *parts = (struct answer_parts){.next = 0};
}

/* Clients of protocol 1 do not look for initial values in the reply: they get each as an event of its own before it. */
static size_t values_to_emit(const struct request *request)
{
    bool emits = request->reply.kind == REPLY_INITIAL && request->options.initial_emit;
    return emits && request->session->protocol->encode_value != NULL ? request->reply.count : 0;
}

/* The link may end while it is written to: then nothing more is encoded. */
static void emit_values(const struct request *request, size_t *next, size_t bytes, struct link *link)
{
    size_t count = values_to_emit(request), written = 0;
    while (*next < count && written < bytes && !request->session->is_closed) {
        struct buf *out = link->ops->begin(link);
        if (out == NULL) {
            *next = count;
            return;
        }
        size_t start = out->len;
        request->session->protocol->encode_value(request, &request->reply.documents[(*next)++], out);
        written += out->len - start;
        link->ops->commit(link);
    }
}

void answer_encode(struct request *request, struct link *link)
{
    order_values(request);
    emit_values(request, &(size_t){0}, SIZE_MAX, link);
    if (request->session->is_closed || lend_reply(request, link)) {
        return;
    }
    struct buf *out = link->ops->begin(link);
    if (out != NULL) {
        request->session->protocol->encode_reply(request, out);
        link->ops->commit(link);
    }
}

bool answer_is_long(const struct request *request)
{
    const struct reply *reply = &request->reply;
    bool is_list = reply->kind == REPLY_LIST || reply->kind == REPLY_INITIAL;
    if (!is_list || request->session->protocol->encode_list == NULL || !is_plain(request)) {
        return false;
    }
    size_t bytes = 0, times = reply->kind == REPLY_INITIAL ? 2 : 1; /* initial values stand in it twice */
    for (size_t i = 0; i < reply->count && bytes < LONG_BYTES; i++) {
        bytes += (reply->documents[i].data.len + OVERHEAD) * times;
    }
    return bytes >= LONG_BYTES;
}

void answer_give_up(struct link *link)
{
    struct buf *out = link->ops->begin(link);
    if (out != NULL) {
        out->status = HAPPN_E_LIMIT;
        link->ops->commit(link);
    }
}

static void send_list(struct buf *text, struct link *link)
{
    struct payload *payload = payload_end(text);
    if (payload == NULL) {
        answer_give_up(link);
        return;
    }
    link->ops->send(link, payload);
    payload_unref(payload);
}

bool answer_encode_some(struct request *request, struct answer_parts *parts, size_t bytes, struct link *link)
{
    if (!order_some(request, parts, bytes == SIZE_MAX ? 0 : SORT_STEPS)) {
        return false;
    }
    if (parts->emitted < values_to_emit(request)) {
        emit_values(request, &parts->emitted, bytes, link);
        if (bytes != SIZE_MAX) {
            return request->session->is_closed;
        }
    }
    if (request->session->is_closed) {
        return true;
    }
    if (parts->next == 0) {
        payload_begin(&parts->text, request->core->allocator, MOST_LIST);
    }
    bool is_whole = request->session->protocol->encode_list(request, &parts->next, bytes, &parts->text);
    if (!is_whole && parts->text.status == HAPPN_OK) {
        return false;
    }
    send_list(&parts->text, link);
    return true;
}
