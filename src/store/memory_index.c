/* Each field has a skip list of entries in the order of key, then path. So the documents of one key stand there in the order of their paths:
 * equality walks along them, a few keys are walked side by side. A range of keys is not in that order: what it holds is gathered and
 * sorted, as long as it is not too much. Beyond that walking along all documents is the better way, which can be cut into slices. */

#include "store/memory_index.h"

#include <stdlib.h>

#include "base/error.h"
#include "search/key.h"
#include "search/plan.h"
#include "store/skip_list.h"

enum {
    MOST_SIDE_BY_SIDE = 64,
    MOST_GATHERED = 10000, /* sorted in a few milliseconds */
    MOST_KEYS = 1000,      /* of one document and field: who has more is looked at in each search */
    KEYS_ROOM = 1 << 30
};

/* See search/key: every array has the first, no value the second, which comes behind all others. */
static const struct str array_key = {(const char[]){'0' + VALUE_ARRAY}, 1};
static const struct str wide_key = {"\xff\xff", 2};

struct index_entry {
    struct index_entry *next; /* of the same document */
    struct indexed *indexed;
    uint32_t field;
    uint16_t key_len, height;
    void *forward[]; /* the tower; behind it the key */
};

struct memory_index {
    const struct allocator *allocator;
    struct arena arena; /* the fields */
    struct field *fields;
    struct skip_list *lists; /* one a field */
    size_t count;
    uint64_t random;
    struct buf keys; /* of the document that is being made: their lengths and texts, one after the other */
};

static struct str key_of(const struct index_entry *entry)
{
    return str_make((const char *)&entry->forward[entry->height], entry->key_len);
}

/* ---- the lists */

struct place {
    struct str key, path;
    const struct index_entry *entry; /* NULL: before all of this key and path */
};

static int order(const void *node, const void *wanted)
{
    const struct index_entry *entry = node;
    const struct place *place = wanted;
    int keys = str_compare(key_of(entry), place->key);
    if (keys != 0) {
        return keys;
    }
    int paths = str_compare(entry->indexed->path, place->path);
    if (paths != 0) {
        return paths;
    }
    return (uintptr_t)entry < (uintptr_t)place->entry ? -1 : entry != place->entry; /* a list may have a key twice */
}

static const struct skip_list_kind by_key = {offsetof(struct index_entry, forward), order};

static void link_entry(struct memory_index *index, struct index_entry *entry)
{
    struct place place = {key_of(entry), entry->indexed->path, entry};
    skip_list_add(&index->lists[entry->field], &by_key, entry, entry->height, &place);
}

static void unlink_entry(struct memory_index *index, struct index_entry *entry)
{
    struct place place = {key_of(entry), entry->indexed->path, entry};
    skip_list_remove(&index->lists[entry->field], &by_key, entry, entry->height, &place);
}

/* ---- what a document has */

struct key_head {
    uint32_t field;
    uint16_t len;
};

/* Gathers the keys of one document in index->keys. */
struct making {
    struct memory_index *index;
    uint32_t field;
    size_t count; /* of this field */
};

static void add_key(struct making *making, struct str key)
{
    struct key_head head = {.field = making->field, .len = (uint16_t)key.len};
    buf_add(&making->index->keys, &head, sizeof head);
    buf_add_str(&making->index->keys, key);
}

static void note_key(void *arg, struct str key)
{
    struct making *making = arg;
    if (++making->count <= MOST_KEYS) {
        add_key(making, key);
    }
}

/* In place of thousands of keys: that it has several, and that it may have any. */
static void note_wide(struct making *making, size_t start)
{
    making->index->keys.len = start;
    add_key(making, array_key);
    add_key(making, wide_key);
}

static bool gather_keys(struct memory_index *index, const struct document *document)
{
    struct arena scratch;
    arena_init(&scratch, index->allocator);
    buf_clear(&index->keys);
    bool is_fine = true;
    for (size_t i = 0; i < index->count && is_fine; i++) {
        struct making making = {.index = index, .field = (uint32_t)i};
        size_t start = index->keys.len;
        is_fine = key_each(&index->fields[i], document, &scratch, note_key, &making);
        if (making.count > MOST_KEYS) {
            note_wide(&making, start);
        }
    }
    arena_fini(&scratch);
    return is_fine && index->keys.status == HAPPN_OK;
}

/* One key of index->keys; false: it was the last. */
static bool next_key(const struct memory_index *index, size_t *at, struct key_head *head, struct str *key)
{
    if (*at == index->keys.len) {
        return false;
    }
    memcpy(head, index->keys.ptr + *at, sizeof *head);
    *key = str_make(index->keys.ptr + *at + sizeof *head, head->len);
    *at += sizeof *head + head->len;
    return true;
}

/* Most writes change other members than those with an index. */
static bool are_the_same(const struct memory_index *index, const struct index_entry *entry)
{
    struct key_head head;
    struct str key;
    size_t at = 0;
    while (next_key(index, &at, &head, &key)) {
        if (entry == NULL || entry->field != head.field || !str_equal(key_of(entry), key)) {
            return false;
        }
        entry = entry->next;
    }
    return entry == NULL;
}

static struct index_entry *new_entry(struct memory_index *index, const struct key_head *head, struct str key)
{
    uint16_t height = (uint16_t)skip_list_draw(&index->random);
    struct index_entry *entry = memory_alloc(index->allocator, sizeof *entry + height * sizeof(void *) + key.len);
    if (entry != NULL) {
        *entry = (struct index_entry){.field = head->field, .key_len = head->len, .height = height};
        memcpy(&entry->forward[height], key.ptr, key.len);
    }
    return entry;
}

static void free_entries(struct memory_index *index, struct index_entry *entry)
{
    while (entry != NULL) {
        struct index_entry *next = entry->next;
        memory_free(index->allocator, entry);
        entry = next;
    }
}

bool memory_index_make(struct memory_index *index, const struct indexed *indexed, const struct document *document, struct index_entry **entries)
{
    if (!gather_keys(index, document)) {
        return false;
    }
    if (are_the_same(index, indexed->entries)) {
        *entries = indexed->entries;
        return true;
    }
    struct key_head head;
    struct str key;
    struct index_entry *first = NULL, **tail = &first;
    for (size_t at = 0; next_key(index, &at, &head, &key); tail = &(*tail)->next) {
        *tail = new_entry(index, &head, key);
        if (*tail == NULL) {
            free_entries(index, first);
            return false;
        }
    }
    *entries = first;
    return true;
}

void memory_index_discard(struct memory_index *index, const struct indexed *indexed, struct index_entry *entries)
{
    if (entries != indexed->entries) {
        free_entries(index, entries);
    }
}

void memory_index_drop(struct memory_index *index, struct indexed *indexed)
{
    for (struct index_entry *entry = indexed->entries; entry != NULL; entry = entry->next) {
        unlink_entry(index, entry);
    }
    free_entries(index, indexed->entries);
    indexed->entries = NULL;
}

void memory_index_free_entries(struct memory_index *index, struct indexed *indexed)
{
    free_entries(index, indexed->entries);
    indexed->entries = NULL;
}

void memory_index_replace(struct memory_index *index, struct indexed *indexed, struct index_entry *entries)
{
    if (entries == indexed->entries) {
        return;
    }
    memory_index_drop(index, indexed);
    indexed->entries = entries;
    for (struct index_entry *entry = entries; entry != NULL; entry = entry->next) {
        entry->indexed = indexed;
        link_entry(index, entry);
    }
}

/* ---- asking */

static struct index_entry *first_of(struct memory_index *index, size_t field, struct str key, struct str path)
{
    return skip_list_seek(&index->lists[field], &by_key, &(struct place){.key = key, .path = path}, NULL);
}

static bool has_arrays(void *arg, size_t field)
{
    struct index_entry *entry = first_of(arg, field, array_key, STR_LIT(""));
    return entry != NULL && str_equal(key_of(entry), array_key);
}

/* The walk, and what it is narrowed to. */
struct narrowed {
    struct memory_index *index;
    const struct shelf_walk *walk;
    size_t field;
    const struct key_range *ranges; /* those of the plan, and the one of documents that may have any key */
    size_t count;
};

/* Entries of one key, from a path on. NULL: there are none left. */
static struct index_entry *only(const struct narrowed *narrowed, struct index_entry *entry, struct str key)
{
    bool belongs = entry != NULL && str_equal(key_of(entry), key) && str_starts(entry->indexed->path, narrowed->walk->prefix);
    return belongs ? entry : NULL;
}

static bool has_single_keys(const struct narrowed *narrowed)
{
    bool are_single = narrowed->count <= MOST_SIDE_BY_SIDE;
    for (size_t i = 0; i < narrowed->count && are_single; i++) {
        are_single = str_equal(narrowed->ranges[i].first, narrowed->ranges[i].last);
    }
    return are_single;
}

/* Each time the smallest path of all is next; whoever stands at it moves on. */
static void walk_side_by_side(const struct narrowed *narrowed, bool (*visit)(void *arg, struct indexed *indexed), void *arg)
{
    struct index_entry *at[MOST_SIDE_BY_SIDE];
    for (size_t i = 0; i < narrowed->count; i++) {
        struct str key = narrowed->ranges[i].first;
        at[i] = only(narrowed, first_of(narrowed->index, narrowed->field, key, narrowed->walk->from), key);
    }
    for (;;) {
        struct indexed *least = NULL;
        for (size_t i = 0; i < narrowed->count; i++) {
            if (at[i] != NULL && (least == NULL || str_compare(at[i]->indexed->path, least->path) < 0)) {
                least = at[i]->indexed;
            }
        }
        if (least == NULL || !visit(arg, least)) {
            return;
        }
        for (size_t i = 0; i < narrowed->count; i++) {
            while (at[i] != NULL && at[i]->indexed == least) {
                at[i] = only(narrowed, at[i]->forward[0], narrowed->ranges[i].first);
            }
        }
    }
}

static int by_path(const void *a, const void *b)
{
    return str_compare((*(struct indexed *const *)a)->path, (*(struct indexed *const *)b)->path);
}

/* How many were gathered; SIZE_MAX: too many, walk along all. */
static size_t gather(const struct narrowed *narrowed, struct indexed **found)
{
    const struct shelf_walk *walk = narrowed->walk;
    size_t count = 0, looked = narrowed->count;
    for (size_t i = 0; i < narrowed->count && looked < MOST_GATHERED; i++) {
        struct index_entry *entry = first_of(narrowed->index, narrowed->field, narrowed->ranges[i].first, STR_LIT(""));
        for (; entry != NULL && str_compare(key_of(entry), narrowed->ranges[i].last) <= 0 && looked < MOST_GATHERED; looked++) {
            if (str_starts(entry->indexed->path, walk->prefix) && str_compare(entry->indexed->path, walk->from) >= 0) {
                found[count++] = entry->indexed;
            }
            entry = entry->forward[0];
        }
    }
    return looked < MOST_GATHERED ? count : SIZE_MAX;
}

static bool walk_sorted(const struct narrowed *narrowed, bool (*visit)(void *arg, struct indexed *indexed), void *arg)
{
    struct indexed **found = memory_alloc(narrowed->index->allocator, MOST_GATHERED * sizeof *found);
    size_t count = found != NULL ? gather(narrowed, found) : SIZE_MAX;
    if (count != SIZE_MAX && count > 1) {
        qsort(found, count, sizeof *found, by_path);
    }
    for (size_t i = 0; count != SIZE_MAX && i < count; i++) {
        bool is_double = i != 0 && found[i] == found[i - 1];
        if (!is_double && !visit(arg, found[i])) {
            break;
        }
    }
    memory_free(narrowed->index->allocator, found);
    return count != SIZE_MAX;
}

/* Wide documents may have any key. */
static bool narrow(struct memory_index *index, const struct shelf_walk *walk, struct arena *scratch, struct narrowed *out)
{
    struct plan plan;
    if (!plan_make(walk->search, index->fields, index->count, has_arrays, index, scratch, &plan) || plan.count >= MOST_GATHERED) {
        return false;
    }
    struct key_range *ranges = arena_alloc(scratch, (plan.count + 1) * sizeof *ranges);
    if (ranges == NULL) {
        return false;
    }
    if (plan.count != 0) {
        memcpy(ranges, plan.ranges, plan.count * sizeof *ranges);
    }
    ranges[plan.count] = (struct key_range){wide_key, wide_key};
    *out = (struct narrowed){index, walk, plan.index, ranges, plan.count + 1};
    return true;
}

bool memory_index_walk(struct memory_index *index, const struct shelf_walk *walk, bool (*visit)(void *arg, struct indexed *indexed), void *arg)
{
    struct narrowed narrowed;
    struct arena scratch;
    arena_init(&scratch, index->allocator);
    bool helps = narrow(index, walk, &scratch, &narrowed);
    if (helps && has_single_keys(&narrowed)) {
        walk_side_by_side(&narrowed, visit, arg);
    } else if (helps) {
        helps = walk_sorted(&narrowed, visit, arg);
    }
    if (helps && walk->index != NULL) {
        *walk->index = index->fields[narrowed.field].name;
    }
    arena_fini(&scratch);
    return helps;
}

/* ---- opening */

static happn_status no_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static happn_status read_fields(struct memory_index *index, const struct str *names, size_t count, happn_error *error)
{
    index->fields = arena_alloc(&index->arena, count * sizeof *index->fields);
    index->lists = arena_alloc(&index->arena, count * sizeof *index->lists);
    if (index->fields == NULL || index->lists == NULL) {
        return no_memory(error);
    }
    memset(index->lists, 0, count * sizeof *index->lists);
    for (size_t i = 0; i < count; i++) {
        struct str name = arena_str(&index->arena, names[i]);
        happn_status status = name.ptr != NULL ? field_read(&index->arena, name, &index->fields[i], error) : no_memory(error);
        if (status != HAPPN_OK) {
            return status;
        }
        index->count++;
    }
    return HAPPN_OK;
}

happn_status memory_index_new(const struct allocator *allocator, const struct str *names, size_t count, struct memory_index **out,
                              happn_error *error)
{
    struct memory_index *index = memory_zalloc(allocator, sizeof *index);
    if (index == NULL) {
        return no_memory(error);
    }
    index->allocator = allocator;
    index->random = (uintptr_t)index * 2685821657736338717u | 1;
    arena_init(&index->arena, allocator);
    buf_init(&index->keys, allocator, KEYS_ROOM);
    happn_status status = read_fields(index, names, count, error);
    if (status != HAPPN_OK) {
        memory_index_free(index);
        return status;
    }
    *out = index;
    return HAPPN_OK;
}

void memory_index_free(struct memory_index *index)
{
    if (index == NULL) {
        return;
    }
    buf_fini(&index->keys);
    arena_fini(&index->arena);
    memory_free(index->allocator, index);
}
