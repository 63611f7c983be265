/* A store may be read while others write to it, and several stores are read one after the other. So the subscription begins
 * before the values are fetched, and each event that comes meanwhile is kept with its path and rev. Afterwards an event whose
 * document was fetched with that rev, or a later one, is dropped: the value told it already.
 *
 * A remove by pattern is about many documents, and what was fetched does not say whether it was there before or after it. It is
 * told, and so is everything behind it: whoever takes the values first and then the events ends with what the store has. */

#include "core/opening.h"

#include <stdlib.h>

#include "paths/path.h"

enum { MOST_BYTES = 64 << 20 };

struct held {
    struct held *next;
    struct payload *payload;
    int64_t rev;
    struct str path;
};

struct opening {
    struct held *first, **tail;
    size_t bytes;
};

happn_status opening_begin(struct channel *channel)
{
    struct opening *opening = memory_zalloc(channel->session->core->allocator, sizeof *opening);
    if (opening == NULL) {
        return HAPPN_E_MEMORY;
    }
    opening->tail = &opening->first;
    channel->opening = opening;
    return HAPPN_OK;
}

bool opening_hold(struct channel *channel, const struct publication *publication, struct payload *payload)
{
    struct opening *opening = channel->opening;
    if (opening->bytes + payload->len > MOST_BYTES) {
        return false;
    }
    struct held *held = memory_zalloc(channel->session->core->allocator, sizeof *held + publication->path.len);
    if (held == NULL) {
        return false;
    }
    if (publication->path.len != 0) {
        memcpy(held + 1, publication->path.ptr, publication->path.len);
    }
    held->path = str_make((char *)(held + 1), publication->path.len);
    held->rev = publication->rev;
    held->payload = payload;
    payload_ref(payload);
    opening->bytes += payload->len;
    *opening->tail = held;
    opening->tail = &held->next;
    return true;
}

static int by_path(const void *a, const void *b)
{
    return str_compare(((const struct document *)a)->path, ((const struct document *)b)->path);
}

static bool is_told(const struct held *held, const struct document *documents, size_t count)
{
    struct document wanted = {.path = held->path};
    const struct document *found = count != 0 ? bsearch(&wanted, documents, count, sizeof wanted, by_path) : NULL;
    return found != NULL && held->rev != 0 && held->rev <= found->rev;
}

/* Takes the first one out. */
static struct held *pop(struct opening *opening)
{
    struct held *held = opening->first;
    if (held != NULL) {
        opening->first = held->next;
    }
    return held;
}

static void forget(struct held *held, const struct allocator *allocator)
{
    payload_unref(held->payload);
    memory_free(allocator, held);
}

struct opening *opening_take(struct channel *channel, const struct document *documents, size_t count)
{
    struct opening *opening = channel->opening;
    channel->opening = NULL;
    struct held **at = &opening->first;
    while (*at != NULL && !path_has_wildcard((*at)->path)) {
        struct held *held = *at;
        if (!is_told(held, documents, count)) {
            at = &held->next;
            continue;
        }
        *at = held->next;
        forget(held, channel->session->core->allocator);
    }
    return opening;
}

void opening_end(struct opening *opening, struct session *session)
{
    const struct allocator *allocator = session->core->allocator;
    for (struct held *held = pop(opening); held != NULL; held = pop(opening)) {
        if (session->link != NULL) {
            session->link->ops->send(session->link, held->payload);
        }
        forget(held, allocator);
    }
    memory_free(allocator, opening);
}

void opening_drop(struct channel *channel)
{
    struct opening *opening = channel->opening;
    if (opening == NULL) {
        return;
    }
    const struct allocator *allocator = channel->session->core->allocator;
    for (struct held *held = pop(opening); held != NULL; held = pop(opening)) {
        forget(held, allocator);
    }
    memory_free(allocator, opening);
    channel->opening = NULL;
}
