/* A store may be read while others write to it, and several stores are read one after the other. So the subscription begins
 * before the values are fetched, and each event that comes meanwhile is kept with its path and rev. Afterwards an event whose
 * document was fetched with that rev, or a later one, is dropped: the value told it already.
 *
 * A remove by pattern is about many documents, and what was fetched does not say whether it was there before or after it. It is
 * told, and so is everything behind it: whoever takes the values first and then the events ends with what the store has. */

#include "core/opening.h"

#include <stdlib.h>

#include "core/held.h"

struct opening {
    struct held held;
};

happn_status opening_begin(struct channel *channel)
{
    struct opening *opening = memory_zalloc(channel->session->core->allocator, sizeof *opening);
    if (opening == NULL) {
        return HAPPN_E_MEMORY;
    }
    channel->opening = opening;
    return HAPPN_OK;
}

bool opening_hold(struct channel *channel, const struct publication *publication, struct payload *payload)
{
    return held_add(&channel->opening->held, channel->session->core->allocator, publication, payload);
}

static int by_path(const void *a, const void *b)
{
    return str_compare(((const struct document *)a)->path, ((const struct document *)b)->path);
}

struct values {
    const struct document *documents;
    size_t count;
};

static bool is_news(const struct held_event *event, const void *arg)
{
    const struct values *values = arg;
    struct document wanted = {.path = event->path};
    const struct document *found = values->count != 0 ? bsearch(&wanted, values->documents, values->count, sizeof wanted, by_path) : NULL;
    return found == NULL || event->rev == 0 || event->rev > found->rev;
}

struct opening *opening_take(struct channel *channel, const struct document *documents, size_t count)
{
    struct opening *opening = channel->opening;
    struct values values = {documents, count};
    channel->opening = NULL;
    held_filter(&opening->held, channel->session->core->allocator, is_news, &values);
    return opening;
}

void opening_end(struct opening *opening, struct session *session)
{
    held_send(&opening->held, session);
    memory_free(session->core->allocator, opening);
}

void opening_drop(struct channel *channel)
{
    struct opening *opening = channel->opening;
    if (opening == NULL) {
        return;
    }
    held_drop(&opening->held, channel->session->core->allocator);
    memory_free(channel->session->core->allocator, opening);
    channel->opening = NULL;
}
