/* A hash table finds one document, a skip list keeps all of them in the order of their paths: an explicit set or get
 * costs one look-up, a pattern walks from its literal prefix on. A document is one allocation that holds its path and
 * its tower; its data is a second one, so that overwriting moves nothing. */

#include "store/memory.h"

#include <time.h>

#include "base/error.h"
#include "paths/path.h"
#include "store/operation.h"

enum { MAX_HEIGHT = 20, FIRST_SLOTS = 256, SLICE = 2000 /* documents, about a millisecond */ };

struct node {
    struct node *hash_next;
    size_t hash;
    struct str path;
    char *data;
    size_t data_len, data_room;
    int64_t created, modified, rev;
    char *modified_by;
    char *tag;
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
    struct shelf shelf;
    struct node *last;    /* what was found last, at last_path */
    struct str last_path;
    struct slow *slow;    /* walks under way */
    size_t budget;        /* documents of one slice */
    bool is_posted;
    void (*closed)(void *arg);
    void *closed_arg;
};

static size_t hash_path(struct str path)
{
    uint64_t hash = str_hash(path);
    return (size_t)(hash ^ hash >> 32);
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
    memory_free(memory->allocator, node->tag);
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
    memory->last = NULL;
    free_node(memory, node);
}

static struct memory *memory_of(struct shelf *shelf)
{
    return (struct memory *)((char *)shelf - offsetof(struct memory, shelf));
}

static struct document document_of(const struct node *node)
{
    return (struct document){.path = node->path,
                             .data = str_make(node->data, node->data_len),
                             .created = node->created,
                             .modified = node->modified,
                             .modified_by = str_of(node->modified_by),
                             .tag = str_of(node->tag),
                             .rev = node->rev};
}

/* A write mostly follows a read of the same path: the node that was found is kept in mind. */
static struct node *find(struct memory *memory, struct str path)
{
    if (memory->last != NULL && path.ptr == memory->last_path.ptr && path.len == memory->last_path.len &&
        str_equal(memory->last->path, path)) {
        return memory->last;
    }
    memory->last_path = path;
    memory->last = *find_slot(memory, path, hash_path(path));
    return memory->last;
}

static happn_status read_one(struct shelf *shelf, struct str path, bool bare, struct document *out, happn_error *error)
{
    (void)bare, (void)error;
    struct node *node = find(memory_of(shelf), path);
    *out = node != NULL ? document_of(node) : (struct document){.rev = 0};
    return HAPPN_OK;
}

static happn_status no_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static bool copy_text(struct memory *memory, struct str from, char **to)
{
    *to = str_is_set(from) ? memory_strdup(memory->allocator, from.ptr, from.len) : NULL;
    return str_is_set(from) == (*to != NULL);
}

/* The texts beside data, which most documents do not have. Nothing has changed when it fails. */
static bool put_names(struct memory *memory, struct node *node, const struct document *document)
{
    char *who, *tag;
    if (!copy_text(memory, document->modified_by, &who)) {
        return false;
    }
    if (!copy_text(memory, document->tag, &tag)) {
        memory_free(memory->allocator, who);
        return false;
    }
    memory_free(memory->allocator, node->modified_by);
    memory_free(memory->allocator, node->tag);
    node->modified_by = who;
    node->tag = tag;
    return true;
}

/* Data stays in its place when it fits there without waste. `data` may be a slice of the old text. */
static bool put_data(struct memory *memory, struct node *node, struct str data)
{
    if (data.len > node->data_room || data.len < node->data_room / 2) {
        char *copy = memory_alloc(memory->allocator, data.len);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, data.ptr, data.len);
        memory_free(memory->allocator, node->data);
        node->data = copy;
        node->data_room = data.len;
    } else {
        memmove(node->data, data.ptr, data.len);
    }
    node->data_len = data.len;
    return true;
}

static bool has_names(const struct node *node, const struct document *document)
{
    return node->modified_by != NULL || node->tag != NULL || str_is_set(document->modified_by) || str_is_set(document->tag);
}

static bool put(struct memory *memory, struct node *node, const struct document *document)
{
    if ((has_names(node, document) && !put_names(memory, node, document)) || !put_data(memory, node, document->data)) {
        return false;
    }
    node->created = document->created;
    node->modified = document->modified;
    node->rev = document->rev;
    return true;
}

static happn_status write_one(struct shelf *shelf, const struct document *document, happn_error *error)
{
    struct memory *memory = memory_of(shelf);
    struct node *node = find(memory, document->path);
    bool is_new = node == NULL;
    if (is_new) {
        node = insert(memory, document->path, hash_path(document->path));
    }
    if (node != NULL && put(memory, node, document)) {
        memory->last = node;
        return HAPPN_OK;
    }
    if (is_new && node != NULL) {
        erase(memory, node);
    }
    return no_memory(error);
}

static happn_status erase_one(struct shelf *shelf, struct str path, happn_error *error)
{
    (void)error;
    struct memory *memory = memory_of(shelf);
    struct node *node = find(memory, path);
    if (node != NULL) {
        erase(memory, node);
    }
    return HAPPN_OK;
}

static happn_status walk(struct shelf *shelf, const struct shelf_walk *walk, happn_error *error)
{
    (void)error;
    for (struct node *node = seek(memory_of(shelf), walk->from, NULL);
         node != NULL && str_starts(node->path, walk->prefix); node = node->forward[0]) {
        struct document document = document_of(node);
        if (!walk->visit(walk->arg, &document)) {
            break;
        }
    }
    return HAPPN_OK;
}

static const struct shelf_ops shelf_ops = {.read = read_one, .write = write_one, .erase = erase_one, .walk = walk};

/* ---- long walks in slices: other sessions have their turn in between */

struct slow {
    struct memory *memory;
    struct store_op *op;
    struct operation_cursor *cursor;
    struct slow *next;
};

static void go_on(void *arg);

static void post_slices(struct memory *memory)
{
    memory->is_posted = loop_post(memory->loop, go_on, memory) == HAPPN_OK;
    if (!memory->is_posted) { /* no memory for a post, or the loop is going down: in one go, then */
        memory->budget = 0;
        go_on(memory);
        memory->budget = SLICE;
    }
}

/* One slice of each, so that a long walk does not hold up a short one. */
static void go_on(void *arg)
{
    struct memory *memory = arg;
    memory->is_posted = false;
    struct slow *slow = memory->slow;
    memory->slow = NULL;
    while (slow != NULL) {
        struct slow *next = slow->next;
        struct store_op *op = slow->op;
        op->status = operation_slice(&memory->shelf, op, op->arena, memory->budget, &slow->cursor);
        if (op->status == HAPPN_PENDING) {
            slow->next = memory->slow;
            memory->slow = slow;
        } else {
            op->done(op);
        }
        slow = next;
    }
    if (memory->slow != NULL && !memory->is_posted) {
        post_slices(memory);
    }
}

static happn_status begin_walk(struct memory *memory, struct store_op *op)
{
    struct operation_cursor *cursor = NULL;
    happn_status status = operation_slice(&memory->shelf, op, op->arena, SLICE, &cursor);
    if (status != HAPPN_PENDING) {
        return status;
    }
    struct slow *slow = arena_alloc(op->arena, sizeof *slow);
    if (slow == NULL) {
        return operation_slice(&memory->shelf, op, op->arena, 0, &cursor);
    }
    *slow = (struct slow){memory, op, cursor, memory->slow};
    op->status = HAPPN_PENDING;
    memory->slow = slow;
    if (!memory->is_posted) {
        memory->is_posted = loop_post(memory->loop, go_on, memory) == HAPPN_OK;
    }
    if (memory->is_posted) {
        return HAPPN_PENDING;
    }
    memory->slow = slow->next; /* there is no later */
    return operation_slice(&memory->shelf, op, op->arena, 0, &slow->cursor);
}

static happn_status submit(struct provider *provider, struct store_op *op)
{
    struct memory *memory = (struct memory *)provider;
    memory->last = NULL; /* the path is another text */
    bool is_walk = (op->kind == STORE_FIND || op->kind == STORE_COUNT) && path_has_wildcard(op->path);
    return is_walk ? begin_walk(memory, op) : operation_run(&memory->shelf, op, op->arena);
}

static void finish_close(void *arg)
{
    struct memory *memory = arg;
    if (memory->slow != NULL) { /* everything submitted comes first */
        memory->budget = 0;
        go_on(memory);
    }
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

static const struct provider_ops ops = {"memory", false, submit, close_memory};

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
    memory->shelf.ops = &shelf_ops;
    memory->shelf.rev = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000; /* never reused after a restart */
    memory->budget = SLICE;
    memory->random = (uint64_t)memory->shelf.rev * 2685821657736338717u | 1;
    *out = &memory->provider;
    return HAPPN_OK;
}
