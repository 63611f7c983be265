#include "store/routing.h"

#include <stdlib.h>

#include "paths/wildcard.h"

struct routing {
    size_t refs;
    const struct allocator *allocator;
    const void *fallback;
    size_t count;
    struct route_entry entries[]; /* longest first; behind them the texts */
};

static struct str tags = STR_LIT("/_TAGS");

static int longest_first(const void *a, const void *b)
{
    const struct route_entry *x = a, *y = b;
    if (x->pattern.len != y->pattern.len) {
        return x->pattern.len > y->pattern.len ? -1 : 1;
    }
    return str_compare(x->pattern, y->pattern);
}

static size_t size_of_texts(const struct route_entry *entries, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += 2 * entries[i].pattern.len + tags.len + 1;
    }
    return size;
}

static struct str add_text(char **at, struct str text)
{
    struct str copy = str_make(*at, text.len);
    memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

/* The pattern itself and, right behind it, what tags its documents. */
static void add_entry(struct routing *routing, const struct route_entry *entry, char **at)
{
    struct route_entry *place = &routing->entries[routing->count];
    place[0] = (struct route_entry){add_text(at, entry->pattern), entry->store};
    place[1] = (struct route_entry){{*at, 0}, entry->store};
    add_text(at, tags);
    if (!str_starts(entry->pattern, STR_LIT("/"))) {
        add_text(at, STR_LIT("/"));
    }
    add_text(at, entry->pattern);
    place[1].pattern.len = (size_t)(*at - place[1].pattern.ptr);
    routing->count += 2;
}

happn_status routing_new(const struct allocator *allocator, const struct route_entry *entries, size_t count,
                         const void *fallback, struct routing **out)
{
    size_t head = sizeof(struct routing) + 2 * count * sizeof *entries;
    struct routing *routing = memory_alloc(allocator, head + size_of_texts(entries, count));
    if (routing == NULL) {
        return HAPPN_E_MEMORY;
    }
    *routing = (struct routing){.refs = 1, .allocator = allocator, .fallback = fallback};
    char *at = (char *)routing + head;
    for (size_t i = 0; i < count; i++) {
        add_entry(routing, &entries[i], &at);
    }
    qsort(routing->entries, routing->count, sizeof *routing->entries, longest_first);
    *out = routing;
    return HAPPN_OK;
}

void routing_ref(struct routing *routing)
{
    routing->refs++;
}

void routing_unref(struct routing *routing)
{
    if (--routing->refs == 0) {
        memory_free(routing->allocator, routing);
    }
}

const void *routing_find(const struct routing *routing, struct str path)
{
    for (size_t i = 0; i < routing->count; i++) {
        if (wildcard_matches(WILDCARD_STRING, routing->entries[i].pattern, path, 0)) {
            return routing->entries[i].store;
        }
    }
    return routing->fallback;
}

bool routing_may_match(const struct routing *routing, struct str pattern, const void *store)
{
    for (size_t i = 0; i < routing->count; i++) {
        const struct route_entry *entry = &routing->entries[i];
        if (entry->store == store && wildcard_overlaps(entry->pattern, pattern)) {
            return true;
        }
        if (wildcard_matches(WILDCARD_STRING, entry->pattern, pattern, 0)) {
            return false; /* it matches the stars, too, and so whatever they stand for: nothing is left for those behind it */
        }
    }
    return store == routing->fallback;
}
