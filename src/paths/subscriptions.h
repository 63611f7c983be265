/* The index of subscriptions: which of them does an event on this path concern? */
#ifndef HAPPN_PATHS_SUBSCRIPTIONS_H
#define HAPPN_PATHS_SUBSCRIPTIONS_H

#include "base/memory.h"
#include "paths/wildcard.h"

/* Which kinds of events a subscription wants. */
enum { EVENT_SET = 1, EVENT_REMOVE = 2, EVENT_ALL = 3 };

/* The first member of what the subscriber allocates (a channel, a permission), linked into the index while subscribed. There may be
 * millions: every byte counts, so what is small is kept small, and what is the index's own stands between. */
struct subscription {
    struct str pattern;      /* must stay valid and unmoved while subscribed */
    struct subscription *next_same, *link; /* the index's: see its essay */
    uint32_t hash;           /* the index's */
    uint16_t key_len;        /* the index's */
    unsigned char depth;     /* segment language, patterns ending in slash star star: up to WILDCARD_MAX_DEPTH */
    unsigned char events : 2;   /* EVENT_SET, EVENT_REMOVE or EVENT_ALL */
    unsigned char language : 1; /* enum wildcard_language */
    unsigned char is_first : 1; /* the index's: of its key */
    unsigned char is_linked : 1; /* the index's */
};

struct subscriptions;

/* NULL when memory is out. */
struct subscriptions *subscriptions_new(const struct allocator *allocator);
void subscriptions_free(struct subscriptions *index);

/* OK or E_MEMORY; then nothing changed. Adding costs O(1). */
happn_status subscriptions_add(struct subscriptions *index, struct subscription *subscription);
void subscriptions_remove(struct subscriptions *index, struct subscription *subscription);

typedef void (*subscriptions_visit)(struct subscription *subscription, void *arg);

/* Calls visit for every subscription that matches, each once. visit must not add or remove. The path of a remove
 * may be a pattern: it is matched as if `*` were an ordinary character. */
void subscriptions_match(struct subscriptions *index, struct str path, int event, subscriptions_visit visit, void *arg);

size_t subscriptions_count(const struct subscriptions *index);

#endif
