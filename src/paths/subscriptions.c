/* Which subscriptions does an event on this path concern? With a million of them, looking at each is out of the question.
 *
 * Every match of a string pattern starts with the literal text before its first `*`. So wildcard patterns are
 * kept in a hash table under that prefix, patterns without `*` under their whole text, and for each length of prefix
 * that is in use a counter says how many there are. To match a path its hash is computed once, byte by byte; whenever
 * the number of bytes so far is a length in use, one bucket is looked up, and only its patterns are compared.
 * A path of 40 bytes with three lengths in use costs three look-ups, however many subscriptions there are.
 *
 * A segment pattern starts with literal text too: its whole segments before the first segment that is `*`, with the
 * slash after them. It is kept under that prefix, normalised to begin with a slash, in a second table. The comparison
 * itself decides, so both languages share one mechanism.
 *
 * The tables hold the subscriptions themselves, because a million of them usually have a million different keys, and a key is
 * the start of its pattern. Those with the same key form a list, of which only the first one is in the table:
 *
 *     slot -> first of key A -> first of key B        by `link`, of those with is_first
 *                  |                 |
 *              second of A       second of B          down by `next_same`, up by `link`
 *
 * So a slot's chain is short although a thousand sessions may share one pattern.
 *
 * Promised: a subscription is visited once, never for a path it does not match. Adding and removing is O(1). Not promised: an
 * order. */

#include "paths/subscriptions.h"

/* Where the subscriptions of one language lie. */
struct table {
    struct subscription **slots;
    size_t slot_count, key_count;
    size_t *lengths; /* how many keys have this length */
    size_t length_count;
};

struct subscriptions {
    const struct allocator *allocator;
    struct table tables[2];
    size_t count;
};

enum {
    FIRST_SLOTS = 64,
    LONGEST_KEY = 65534 /* the rest of a longer one is left to the comparison */
};

static const uint64_t HASH_START = 1469598103934665603u;

static uint64_t hash_byte(uint64_t hash, char c)
{
    return (hash ^ (unsigned char)c) * 1099511628211u;
}

/* What a subscription keeps of it: enough for four thousand million slots. */
static uint32_t short_hash(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 31);
}

static struct subscription **slot_of(const struct table *table, uint32_t hash)
{
    return &table->slots[hash & (table->slot_count - 1)];
}

struct subscriptions *subscriptions_new(const struct allocator *allocator)
{
    struct subscriptions *index = memory_zalloc(allocator, sizeof *index);
    if (index != NULL) {
        index->allocator = allocator;
    }
    return index;
}

void subscriptions_free(struct subscriptions *index)
{
    for (int language = 0; language < 2; language++) {
        memory_free(index->allocator, index->tables[language].slots);
        memory_free(index->allocator, index->tables[language].lengths);
    }
    memory_free(index->allocator, index);
}

size_t subscriptions_count(const struct subscriptions *index)
{
    return index->count;
}

/* The literal start of a segment pattern ends with a whole segment, because `a*` is no wildcard there. */
static struct str segment_prefix(struct str pattern)
{
    size_t start = 0;
    for (size_t i = 0; i <= pattern.len; i++) {
        if (i < pattern.len && pattern.ptr[i] != '/') {
            continue;
        }
        struct str segment = str_make(pattern.ptr + start, i - start);
        if (str_is(segment, "*") || str_is(segment, "**")) {
            return str_make(pattern.ptr, start);
        }
        start = i + 1;
    }
    return pattern;
}

/* Keys of the segment language begin with a slash, as do the paths looked up there. `*` alone has the empty key. */
static bool lacks_slash(const struct subscription *subscription)
{
    struct str pattern = subscription->pattern;
    return subscription->language == WILDCARD_SEGMENT && !str_starts(pattern, STR_LIT("/")) && !str_is(pattern, "*");
}

static void note_key(struct subscription *subscription)
{
    struct str pattern = subscription->pattern;
    bool is_string = subscription->language == WILDCARD_STRING;
    struct str key = is_string ? wildcard_literal_prefix(pattern) : segment_prefix(pattern);
    key.len = key.len < LONGEST_KEY ? key.len : LONGEST_KEY;
    bool slash = lacks_slash(subscription);
    uint64_t hash = slash ? hash_byte(HASH_START, '/') : HASH_START;
    for (size_t i = 0; i < key.len; i++) {
        hash = hash_byte(hash, key.ptr[i]);
    }
    subscription->hash = short_hash(hash);
    subscription->key_len = (uint16_t)(key.len + slash);
}

/* The key is the whole pattern: there is no `*` in it, and nothing to compare but the key. */
static bool is_exact(const struct subscription *subscription)
{
    return subscription->key_len == subscription->pattern.len + lacks_slash(subscription);
}

/* Whole patterns and prefixes of the same text are different keys, and so are those that lack their slash. */
static bool same_key(const struct subscription *a, const struct subscription *b)
{
    bool slash = lacks_slash(a);
    return a->hash == b->hash && a->key_len == b->key_len && slash == lacks_slash(b) && is_exact(a) == is_exact(b) &&
           memcmp(a->pattern.ptr, b->pattern.ptr, a->key_len - slash) == 0;
}

static bool grow_slots(struct subscriptions *index, struct table *table)
{
    size_t count = table->slot_count == 0 ? FIRST_SLOTS : table->slot_count * 2;
    struct subscription **old = table->slots, **slots = memory_zalloc(index->allocator, count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    size_t old_count = table->slot_count;
    table->slots = slots;
    table->slot_count = count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct subscription *first = old[i], **at = slot_of(table, first->hash);
            old[i] = first->link;
            first->link = *at;
            *at = first;
        }
    }
    memory_free(index->allocator, old);
    return true;
}

static bool grow_lengths(struct subscriptions *index, struct table *table, size_t len)
{
    if (len < table->length_count) {
        return true;
    }
    size_t count = len + 16;
    size_t *lengths = memory_resize(index->allocator, table->lengths, count * sizeof *lengths);
    if (lengths == NULL) {
        return false;
    }
    memset(lengths + table->length_count, 0, (count - table->length_count) * sizeof *lengths);
    table->lengths = lengths;
    table->length_count = count;
    return true;
}

static struct subscription *find_first(const struct table *table, const struct subscription *like)
{
    struct subscription *first = table->slot_count != 0 ? *slot_of(table, like->hash) : NULL;
    while (first != NULL && !same_key(first, like)) {
        first = first->link;
    }
    return first;
}

static happn_status add_first(struct subscriptions *index, struct table *table, struct subscription *subscription)
{
    if ((table->key_count >= table->slot_count && !grow_slots(index, table)) ||
        !grow_lengths(index, table, subscription->key_len)) {
        return HAPPN_E_MEMORY;
    }
    struct subscription **at = slot_of(table, subscription->hash);
    subscription->is_first = true;
    subscription->next_same = NULL;
    subscription->link = *at;
    *at = subscription;
    table->key_count++;
    table->lengths[subscription->key_len]++;
    return HAPPN_OK;
}

/* Behind the first one, which stays where it is. */
static void add_same(struct subscription *first, struct subscription *subscription)
{
    subscription->is_first = false;
    subscription->next_same = first->next_same;
    subscription->link = first;
    if (first->next_same != NULL) {
        first->next_same->link = subscription;
    }
    first->next_same = subscription;
}

happn_status subscriptions_add(struct subscriptions *index, struct subscription *subscription)
{
    struct table *table = &index->tables[subscription->language];
    note_key(subscription);
    struct subscription *first = find_first(table, subscription);
    if (first != NULL) {
        add_same(first, subscription);
    } else if (add_first(index, table, subscription) != HAPPN_OK) {
        return HAPPN_E_MEMORY;
    }
    subscription->is_linked = true;
    index->count++;
    return HAPPN_OK;
}

/* The second of its key, if there is one, takes its place. */
static void remove_first(struct table *table, struct subscription *subscription)
{
    struct subscription **at = slot_of(table, subscription->hash), *second = subscription->next_same;
    while (*at != subscription) {
        at = &(*at)->link;
    }
    if (second != NULL) {
        second->is_first = true;
        second->link = subscription->link;
        *at = second;
        return;
    }
    *at = subscription->link;
    table->key_count--;
    table->lengths[subscription->key_len]--;
}

void subscriptions_remove(struct subscriptions *index, struct subscription *subscription)
{
    if (!subscription->is_linked) {
        return;
    }
    subscription->is_linked = false;
    index->count--;
    if (subscription->is_first) {
        remove_first(&index->tables[subscription->language], subscription);
        return;
    }
    subscription->link->next_same = subscription->next_same;
    if (subscription->next_same != NULL) {
        subscription->next_same->link = subscription->link;
    }
}

struct match {
    struct str path;
    struct str keyed; /* the path as keys are written: with its slash in the segment language */
    int event;
    subscriptions_visit visit;
    void *arg;
};

static void visit_key(const struct match *match, struct subscription *first, bool exact)
{
    for (struct subscription *s = first, *next; s != NULL; s = next) {
        next = s->next_same;
        if ((s->events & match->event) == 0) {
            continue;
        }
        if (exact || wildcard_matches((enum wildcard_language)s->language, s->pattern, match->path, s->depth)) {
            match->visit(s, match->arg);
        }
    }
}

static bool starts_with_key(struct str path, const struct subscription *first)
{
    bool slash = lacks_slash(first);
    return (!slash || path.ptr[0] == '/') && memcmp(first->pattern.ptr, path.ptr + slash, first->key_len - slash) == 0;
}

static void look_up(const struct table *table, const struct match *match, uint32_t hash, size_t len)
{
    for (struct subscription *first = *slot_of(table, hash); first != NULL; first = first->link) {
        if (first->hash != hash || first->key_len != len || !starts_with_key(match->keyed, first)) {
            continue;
        }
        bool exact = is_exact(first);
        if (!exact || len == match->keyed.len) {
            visit_key(match, first, exact);
        }
    }
}

static void match_table(const struct table *table, const struct match *match)
{
    if (table->key_count == 0) {
        return;
    }
    uint64_t hash = HASH_START;
    for (size_t len = 0; len < table->length_count; len++) {
        if (table->lengths[len] != 0) {
            look_up(table, match, short_hash(hash), len);
        }
        if (len == match->keyed.len) {
            break;
        }
        hash = hash_byte(hash, match->keyed.ptr[len]);
    }
}

void subscriptions_match(struct subscriptions *index, struct str path, int event, subscriptions_visit visit, void *arg)
{
    struct match match = {path, path, event, visit, arg};
    match_table(&index->tables[WILDCARD_STRING], &match);
    char text[4200];
    if (!str_starts(path, STR_LIT("/")) && path.len < sizeof text - 1) {
        text[0] = '/';
        memcpy(text + 1, path.ptr, path.len);
        match.keyed = str_make(text, path.len + 1);
    }
    match_table(&index->tables[WILDCARD_SEGMENT], &match);
}
