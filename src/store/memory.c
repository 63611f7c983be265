/* A hash table finds one document, a skip list keeps all of them in the order of their paths: an explicit set or get
 * costs one look-up, a pattern walks from its literal prefix on. A document is one allocation that holds its path and
 * its tower; its data is a second one, so that overwriting moves nothing. */

#include "store/memory.h"

#include <time.h>

#include "base/error.h"
#include "json/merge.h"
#include "paths/path.h"
#include "paths/wildcard.h"

enum { MAX_HEIGHT = 20, FIRST_SLOTS = 256, MAX_DOCUMENT = 256u << 20 };

struct node {
    struct node *hash_next;
    size_t hash;
    struct str path;
    char *data;
    size_t data_len;
    int64_t created, modified, rev;
    char *modified_by;
    int height;
    struct node *forward[]; /* behind the tower: the path */
};

struct memory {
    struct provider provider;
    struct loop *loop;
    const struct allocator *allocator;
    struct node **slots;
    size_t slot_count, count;
    struct node *heads[MAX_HEIGHT];
    uint64_t random;
    int64_t rev;
    void (*closed)(void *arg);
    void *closed_arg;
};

static size_t hash_path(struct str path)
{
    size_t hash = 1469598103934665603u;
    for (size_t i = 0; i < path.len; i++) {
        hash = (hash ^ (unsigned char)path.ptr[i]) * 1099511628211u;
    }
    return hash ^ hash >> 32;
}

static struct node **find_slot(struct memory *memory, struct str path, size_t hash)
{
    struct node **at = &memory->slots[hash & (memory->slot_count - 1)];
    while (*at != NULL && !((*at)->hash == hash && str_equal((*at)->path, path))) {
        at = &(*at)->hash_next;
    }
    return at;
}

static void grow(struct memory *memory)
{
    size_t count = memory->slot_count * 2;
    struct node **slots = memory_zalloc(memory->allocator, count * sizeof *slots);
    if (slots == NULL) {
        return; /* only slower */
    }
    for (size_t i = 0; i < memory->slot_count; i++) {
        while (memory->slots[i] != NULL) {
            struct node *node = memory->slots[i];
            memory->slots[i] = node->hash_next;
            node->hash_next = slots[node->hash & (count - 1)];
            slots[node->hash & (count - 1)] = node;
        }
    }
    memory_free(memory->allocator, memory->slots);
    memory->slots = slots;
    memory->slot_count = count;
}

/* Each level is kept by one node in four. */
static int draw_height(struct memory *memory)
{
    memory->random ^= memory->random << 13;
    memory->random ^= memory->random >> 7;
    memory->random ^= memory->random << 17;
    int height = 1;
    for (uint64_t bits = memory->random; (bits & 3) == 0 && height < MAX_HEIGHT; bits >>= 2) {
        height++;
    }
    return height;
}

/* Fills `links` with the pointers, one a level, that point at or behind the first path not before `path`. */
static struct node *seek(struct memory *memory, struct str path, struct node **links[MAX_HEIGHT])
{
    struct node **tower = memory->heads;
    for (int level = MAX_HEIGHT - 1; level >= 0; level--) {
        while (tower[level] != NULL && str_compare(tower[level]->path, path) < 0) {
            tower = tower[level]->forward;
        }
        if (links != NULL) {
            links[level] = &tower[level];
        }
    }
    return tower[0];
}

static struct node *insert(struct memory *memory, struct str path, size_t hash)
{
    int height = draw_height(memory);
    size_t tower = (size_t)height * sizeof(struct node *);
    struct node *node = memory_zalloc(memory->allocator, sizeof *node + tower + path.len);
    if (node == NULL) {
        return NULL;
    }
    char *text = (char *)node->forward + tower;
    memcpy(text, path.ptr, path.len);
    node->path = str_make(text, path.len);
    node->hash = hash;
    node->height = height;
    struct node **links[MAX_HEIGHT];
    seek(memory, path, links);
    for (int level = 0; level < height; level++) {
        node->forward[level] = *links[level];
        *links[level] = node;
    }
    if (memory->count >= memory->slot_count) {
        grow(memory);
    }
    node->hash_next = memory->slots[hash & (memory->slot_count - 1)];
    memory->slots[hash & (memory->slot_count - 1)] = node;
    memory->count++;
    return node;
}

static void free_node(struct memory *memory, struct node *node)
{
    memory_free(memory->allocator, node->data);
    memory_free(memory->allocator, node->modified_by);
    memory_free(memory->allocator, node);
}

static void erase(struct memory *memory, struct node *node)
{
    struct node **links[MAX_HEIGHT];
    seek(memory, node->path, links);
    for (int level = 0; level < node->height; level++) {
        *links[level] = node->forward[level];
    }
    *find_slot(memory, node->path, node->hash) = node->hash_next;
    memory->count--;
    free_node(memory, node);
}

static happn_status no_memory(struct store_op *op)
{
    return error_set(&op->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static bool copy_document(struct store_op *op, const struct node *node, struct document *out)
{
    *out = (struct document){.path = arena_str(op->arena, node->path),
                             .created = node->created,
                             .modified = node->modified,
                             .rev = node->rev};
    if (!op->paths_only) {
        out->data = arena_str(op->arena, str_make(node->data, node->data_len));
    }
    if (node->modified_by != NULL) {
        out->modified_by = arena_str(op->arena, str_of(node->modified_by));
    }
    return out->path.ptr != NULL && (op->paths_only || out->data.ptr != NULL);
}

/* Takes data over. A new node that got no data is taken out again. */
static happn_status put(struct memory *memory, struct store_op *op, struct node *node, char *data, size_t len)
{
    char *who = op->modified_by.len != 0 ? memory_strdup(memory->allocator, op->modified_by.ptr, op->modified_by.len) : NULL;
    memory_free(memory->allocator, node->data);
    memory_free(memory->allocator, node->modified_by);
    node->data = data;
    node->data_len = len;
    node->modified_by = who;
    node->modified = op->now;
    node->rev = ++memory->rev;
    op->document = (struct document){.path = op->path,
                                     .created = node->created,
                                     .modified = node->modified,
                                     .modified_by = op->modified_by,
                                     .rev = node->rev,
                                     .data = op->data};
    return HAPPN_OK;
}

static happn_status put_copy(struct memory *memory, struct store_op *op, struct node *node, struct str text)
{
    char *data = memory_alloc(memory->allocator, text.len);
    if (data == NULL) {
        return no_memory(op);
    }
    memcpy(data, text.ptr, text.len);
    return put(memory, op, node, data, text.len);
}

static happn_status set(struct memory *memory, struct store_op *op, bool merge)
{
    size_t hash = hash_path(op->path);
    struct node *node = *find_slot(memory, op->path, hash);
    op->was_created = node == NULL;
    if (node == NULL) {
        node = insert(memory, op->path, hash);
        if (node == NULL) {
            return no_memory(op);
        }
        node->created = op->now;
        happn_status status = put_copy(memory, op, node, op->data);
        if (status != HAPPN_OK) {
            erase(memory, node);
        }
        return status;
    }
    if (!merge) {
        return put_copy(memory, op, node, op->data);
    }
    struct buf merged;
    buf_init(&merged, memory->allocator, MAX_DOCUMENT);
    json_merge(&merged, str_make(node->data, node->data_len), op->data);
    struct str text = merged.status == HAPPN_OK ? arena_str(op->arena, buf_str(&merged)) : STR_NONE;
    happn_status status = text.ptr != NULL ? put_copy(memory, op, node, text) : no_memory(op);
    op->document.data = text;
    buf_fini(&merged);
    return status;
}

static happn_status get(struct memory *memory, struct store_op *op)
{
    struct node *node = *find_slot(memory, op->path, hash_path(op->path));
    op->snapshot_rev = memory->rev;
    if (node == NULL) {
        return HAPPN_OK;
    }
    op->documents = arena_alloc(op->arena, sizeof *op->documents);
    if (op->documents == NULL || !copy_document(op, node, op->documents)) {
        return no_memory(op);
    }
    op->count = 1;
    return HAPPN_OK;
}

static bool concerns(const struct store_op *op, const struct node *node)
{
    return wildcard_matches(WILDCARD_STRING, op->path, node->path, 0) &&
           (op->include_system || !path_is_system(node->path));
}

static happn_status find(struct memory *memory, struct store_op *op)
{
    struct str prefix = wildcard_literal_prefix(op->path);
    size_t room = 0;
    op->snapshot_rev = memory->rev;
    for (struct node *node = seek(memory, prefix, NULL); node != NULL && str_starts(node->path, prefix);
         node = node->forward[0]) {
        if (!concerns(op, node)) {
            continue;
        }
        if (op->count == room) {
            room = room == 0 ? 16 : room * 2;
            struct document *more = arena_alloc(op->arena, room * sizeof *more);
            if (more == NULL) {
                return no_memory(op);
            }
            if (op->count != 0) {
                memcpy(more, op->documents, op->count * sizeof *more);
            }
            op->documents = more;
        }
        if (!copy_document(op, node, &op->documents[op->count++])) {
            return no_memory(op);
        }
    }
    return HAPPN_OK;
}

static happn_status remove_all(struct memory *memory, struct store_op *op)
{
    if (!path_has_wildcard(op->path)) {
        struct node *node = *find_slot(memory, op->path, hash_path(op->path));
        if (node != NULL) {
            erase(memory, node);
            op->removed = 1;
            memory->rev++;
        }
        return HAPPN_OK;
    }
    struct str prefix = wildcard_literal_prefix(op->path);
    struct node *node = seek(memory, prefix, NULL);
    while (node != NULL && str_starts(node->path, prefix)) {
        struct node *next = node->forward[0];
        if (concerns(op, node)) {
            erase(memory, node);
            op->removed++;
            memory->rev++;
        }
        node = next;
    }
    return HAPPN_OK;
}

static happn_status submit(struct provider *provider, struct store_op *op)
{
    struct memory *memory = (struct memory *)provider;
    switch (op->kind) {
    case STORE_SET:
        return set(memory, op, false);
    case STORE_MERGE:
        return set(memory, op, true);
    case STORE_GET:
        return get(memory, op);
    case STORE_FIND:
        return find(memory, op);
    case STORE_REMOVE:
        return remove_all(memory, op);
    }
    return error_set(&op->error, HAPPN_E_UNSUPPORTED, "the memory store does not know operation %d", op->kind);
}

static void finish_close(void *arg)
{
    struct memory *memory = arg;
    for (struct node *node = memory->heads[0], *next; node != NULL; node = next) {
        next = node->forward[0];
        free_node(memory, node);
    }
    void (*closed)(void *) = memory->closed;
    void *closed_arg = memory->closed_arg;
    memory_free(memory->allocator, memory->slots);
    memory_free(memory->allocator, memory);
    closed(closed_arg);
}

static void close_memory(struct provider *provider, void (*closed)(void *arg), void *arg)
{
    struct memory *memory = (struct memory *)provider;
    memory->closed = closed;
    memory->closed_arg = arg;
    if (loop_post(memory->loop, finish_close, memory) != HAPPN_OK) {
        finish_close(memory); /* the loop is going down: there is no later */
    }
}

static const struct provider_ops ops = {"memory", submit, close_memory};

happn_status store_memory_open(struct loop *loop, const struct allocator *allocator, struct provider **out)
{
    struct memory *memory = memory_zalloc(allocator, sizeof *memory);
    if (memory == NULL) {
        return HAPPN_E_MEMORY;
    }
    memory->provider.ops = &ops;
    memory->loop = loop;
    memory->allocator = allocator;
    memory->slot_count = FIRST_SLOTS;
    memory->slots = memory_zalloc(allocator, FIRST_SLOTS * sizeof *memory->slots);
    if (memory->slots == NULL) {
        memory_free(allocator, memory);
        return HAPPN_E_MEMORY;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    memory->rev = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000; /* never reused after a restart */
    memory->random = (uint64_t)memory->rev * 2685821657736338717u | 1;
    *out = &memory->provider;
    return HAPPN_OK;
}
