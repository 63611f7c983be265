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
 * Promised: a subscription is visited once, never for a path it does not match. Adding is O(1); removing costs the length
 * of its bucket's list, which is doubly linked through the subscription: O(1). Not promised: an order. */

#include "paths/subscriptions.h"

struct bucket {
    struct bucket *next;
    struct subscription *first;
    size_t hash;
    size_t len;
    bool exact; /* the key is the whole pattern: no `*` in it */
    unsigned char language;
    char key[];
};

/* Where prefixes of one language lie. */
struct table {
    struct bucket **slots;
    size_t slot_count, bucket_count;
    size_t *lengths; /* how many buckets have a key of this length */
    size_t length_count;
};

struct subscriptions {
    const struct allocator *allocator;
    struct table tables[2];
    size_t count;
};

enum { FIRST_SLOTS = 64 };

static const size_t HASH_START = 1469598103934665603u;

static size_t hash_byte(size_t hash, char c)
{
    return (hash ^ (unsigned char)c) * 1099511628211u;
}

static size_t slot_of(const struct table *table, size_t hash)
{
    return (hash ^ hash >> 31) & (table->slot_count - 1);
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
        struct table *table = &index->tables[language];
        for (size_t i = 0; i < table->slot_count; i++) {
            while (table->slots[i] != NULL) {
                struct bucket *next = table->slots[i]->next;
                memory_free(index->allocator, table->slots[i]);
                table->slots[i] = next;
            }
        }
        memory_free(index->allocator, table->slots);
        memory_free(index->allocator, table->lengths);
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

static struct str key_of(const struct subscription *subscription)
{
    struct str pattern = subscription->pattern;
    return subscription->language == WILDCARD_STRING ? wildcard_literal_prefix(pattern) : segment_prefix(pattern);
}

/* Keys of the segment language begin with a slash, as do the paths looked up there. `*` alone has the empty key. */
static bool needs_slash(int language, struct str key, struct str whole)
{
    return language == WILDCARD_SEGMENT && !str_starts(key, STR_LIT("/")) && !str_is(whole, "*");
}

static size_t hash_key(struct str key, bool slash)
{
    size_t hash = slash ? hash_byte(HASH_START, '/') : HASH_START;
    for (size_t i = 0; i < key.len; i++) {
        hash = hash_byte(hash, key.ptr[i]);
    }
    return hash;
}

static bool has_key(const struct bucket *bucket, struct str key, bool slash)
{
    return bucket->len == key.len + slash && (!slash || bucket->key[0] == '/') &&
           memcmp(bucket->key + slash, key.ptr, key.len) == 0;
}

static bool grow_slots(struct subscriptions *index, struct table *table)
{
    size_t count = table->slot_count == 0 ? FIRST_SLOTS : table->slot_count * 2;
    struct bucket **old = table->slots, **slots = memory_zalloc(index->allocator, count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    size_t old_count = table->slot_count;
    table->slots = slots;
    table->slot_count = count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct bucket *bucket = old[i];
            old[i] = bucket->next;
            struct bucket **at = &slots[slot_of(table, bucket->hash)];
            bucket->next = *at;
            *at = bucket;
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

static struct bucket *make_bucket(struct subscriptions *index, struct table *table, struct str key, bool slash)
{
    size_t len = key.len + slash;
    if ((table->bucket_count >= table->slot_count && !grow_slots(index, table)) || !grow_lengths(index, table, len)) {
        return NULL;
    }
    struct bucket *bucket = memory_zalloc(index->allocator, sizeof *bucket + len);
    if (bucket == NULL) {
        return NULL;
    }
    bucket->hash = hash_key(key, slash);
    bucket->len = len;
    if (slash) {
        bucket->key[0] = '/';
    }
    memcpy(bucket->key + slash, key.ptr, key.len);
    struct bucket **at = &table->slots[slot_of(table, bucket->hash)];
    bucket->next = *at;
    *at = bucket;
    table->bucket_count++;
    table->lengths[len]++;
    return bucket;
}

/* Whole patterns and prefixes of the same text are different buckets: an exact one needs no comparison. */
static struct bucket *find_bucket(struct table *table, struct str key, bool slash, bool exact)
{
    if (table->slot_count == 0) {
        return NULL;
    }
    size_t hash = hash_key(key, slash);
    struct bucket *bucket = table->slots[slot_of(table, hash)];
    while (bucket != NULL && !(bucket->hash == hash && bucket->exact == exact && has_key(bucket, key, slash))) {
        bucket = bucket->next;
    }
    return bucket;
}

happn_status subscriptions_add(struct subscriptions *index, struct subscription *subscription)
{
    struct table *table = &index->tables[subscription->language];
    struct str key = key_of(subscription);
    bool exact = key.len == subscription->pattern.len;
    bool slash = needs_slash(subscription->language, key, subscription->pattern);
    struct bucket *bucket = find_bucket(table, key, slash, exact);
    if (bucket == NULL) {
        bucket = make_bucket(index, table, key, slash);
        if (bucket == NULL) {
            return HAPPN_E_MEMORY;
        }
        bucket->exact = exact;
        bucket->language = subscription->language;
    }
    subscription->bucket = bucket;
    subscription->bucket_previous = NULL;
    subscription->bucket_next = bucket->first;
    if (bucket->first != NULL) {
        bucket->first->bucket_previous = subscription;
    }
    bucket->first = subscription;
    index->count++;
    return HAPPN_OK;
}

static void drop_bucket(struct subscriptions *index, struct table *table, struct bucket *bucket)
{
    struct bucket **at = &table->slots[slot_of(table, bucket->hash)];
    while (*at != bucket) {
        at = &(*at)->next;
    }
    *at = bucket->next;
    table->bucket_count--;
    table->lengths[bucket->len]--;
    memory_free(index->allocator, bucket);
}

void subscriptions_remove(struct subscriptions *index, struct subscription *subscription)
{
    struct bucket *bucket = subscription->bucket;
    if (bucket == NULL) {
        return;
    }
    if (subscription->bucket_previous != NULL) {
        subscription->bucket_previous->bucket_next = subscription->bucket_next;
    } else {
        bucket->first = subscription->bucket_next;
    }
    if (subscription->bucket_next != NULL) {
        subscription->bucket_next->bucket_previous = subscription->bucket_previous;
    }
    subscription->bucket = NULL;
    index->count--;
    if (bucket->first == NULL) {
        drop_bucket(index, &index->tables[bucket->language], bucket);
    }
}

struct match {
    struct str path;
    struct str keyed; /* the path as keys are written: with its slash in the segment language */
    int event;
    subscriptions_visit visit;
    void *arg;
};

static void visit_bucket(const struct match *match, const struct bucket *bucket)
{
    for (struct subscription *s = bucket->first, *next; s != NULL; s = next) {
        next = s->bucket_next;
        if ((s->events & match->event) == 0) {
            continue;
        }
        if (bucket->exact || wildcard_matches((enum wildcard_language)s->language, s->pattern, match->path, s->depth)) {
            match->visit(s, match->arg);
        }
    }
}

static void look_up(const struct table *table, const struct match *match, size_t hash, size_t len)
{
    for (const struct bucket *bucket = table->slots[slot_of(table, hash)]; bucket != NULL; bucket = bucket->next) {
        bool same = bucket->hash == hash && bucket->len == len && memcmp(bucket->key, match->keyed.ptr, len) == 0;
        if (same && (!bucket->exact || len == match->keyed.len)) {
            visit_bucket(match, bucket);
        }
    }
}

static void match_table(const struct table *table, const struct match *match)
{
    if (table->bucket_count == 0) {
        return;
    }
    size_t hash = HASH_START;
    for (size_t len = 0; len < table->length_count; len++) {
        if (table->lengths[len] != 0) {
            look_up(table, match, hash, len);
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
