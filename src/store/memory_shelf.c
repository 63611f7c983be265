/* A hash table finds one document, a skip list keeps all of them in the order of their paths: an explicit set or get
 * costs one look-up, a pattern walks from its literal prefix on. A document is one allocation that holds its path and
 * its tower; its data is a second one, so that overwriting moves nothing. */

#include "store/memory_shelf.h"

#include <time.h>

#include "base/error.h"

enum { FIRST_SLOTS = 256 };

struct node {
    struct indexed indexed; /* first; has the path */
    struct node *hash_next;
    size_t hash;
    char *data;
    uint32_t data_len, data_room;
    int64_t created, modified, rev;
    char *modified_by;
    char *tag;
    struct removal *doom;
    int height;
    void *forward[]; /* the tower; behind it the path */
};

static size_t hash_path(struct str path)
{
    uint64_t hash = str_hash(path);
    return (size_t)(hash ^ hash >> 32);
}

static struct node **find_slot(struct memory_shelf *shelf, struct str path, size_t hash)
{
    struct node **at = &shelf->slots[hash & (shelf->slot_count - 1)];
    while (*at != NULL && !((*at)->hash == hash && str_equal((*at)->indexed.path, path))) {
        at = &(*at)->hash_next;
    }
    return at;
}

static void grow(struct memory_shelf *shelf)
{
    size_t count = shelf->slot_count * 2;
    struct node **slots = memory_zalloc(shelf->allocator, count * sizeof *slots);
    if (slots == NULL) {
        return; /* only slower */
    }
    for (size_t i = 0; i < shelf->slot_count; i++) {
        while (shelf->slots[i] != NULL) {
            struct node *node = shelf->slots[i];
            shelf->slots[i] = node->hash_next;
            node->hash_next = slots[node->hash & (count - 1)];
            slots[node->hash & (count - 1)] = node;
        }
    }
    memory_free(shelf->allocator, shelf->slots);
    shelf->slots = slots;
    shelf->slot_count = count;
}

static int order(const void *node, const void *path)
{
    return str_compare(((const struct node *)node)->indexed.path, *(const struct str *)path);
}

static const struct skip_list_kind by_path = {offsetof(struct node, forward), order};

static struct node *insert(struct memory_shelf *shelf, struct str path, size_t hash)
{
    int height = skip_list_draw(&shelf->random);
    size_t tower = (size_t)height * sizeof(void *);
    struct node *node = memory_zalloc(shelf->allocator, sizeof *node + tower + path.len);
    if (node == NULL) {
        return NULL;
    }
    char *text = (char *)node->forward + tower;
    memcpy(text, path.ptr, path.len);
    node->indexed.path = str_make(text, path.len);
    node->hash = hash;
    node->height = height;
    skip_list_add(&shelf->list, &by_path, node, height, &path);
    if (shelf->count >= shelf->slot_count) {
        grow(shelf);
    }
    node->hash_next = shelf->slots[hash & (shelf->slot_count - 1)];
    shelf->slots[hash & (shelf->slot_count - 1)] = node;
    shelf->count++;
    return node;
}

static void free_node(struct memory_shelf *shelf, struct node *node)
{
    memory_free(shelf->allocator, node->data);
    memory_free(shelf->allocator, node->modified_by);
    memory_free(shelf->allocator, node->tag);
    memory_free(shelf->allocator, node);
}

static void erase(struct memory_shelf *shelf, struct node *node)
{
    if (shelf->index != NULL) {
        memory_index_drop(shelf->index, &node->indexed);
    }
    skip_list_remove(&shelf->list, &by_path, node, node->height, &node->indexed.path);
    *find_slot(shelf, node->indexed.path, node->hash) = node->hash_next;
    shelf->count--;
    shelf->last = NULL;
    free_node(shelf, node);
}

static struct memory_shelf *memory_of(struct shelf *shelf)
{
    return (struct memory_shelf *)shelf;
}

struct document node_document(const struct node *node)
{
    return (struct document){.path = node->indexed.path,
                             .data = str_make(node->data, node->data_len),
                             .created = node->created,
                             .modified = node->modified,
                             .modified_by = str_of(node->modified_by),
                             .tag = str_of(node->tag),
                             .rev = node->rev};
}

/* A write mostly follows a read of the same path: the node that was found is kept in mind. */
static struct node *find(struct memory_shelf *shelf, struct str path)
{
    if (shelf->last != NULL && path.ptr == shelf->last_path.ptr && path.len == shelf->last_path.len &&
        str_equal(shelf->last->indexed.path, path)) {
        return shelf->last;
    }
    shelf->last_path = path;
    shelf->last = *find_slot(shelf, path, hash_path(path));
    return shelf->last;
}

static bool is_gone(const struct node *node)
{
    return node->doom != NULL && node->doom->is_done;
}

struct node *memory_shelf_find(struct memory_shelf *shelf, struct str path)
{
    struct node *node = find(shelf, path);
    return node != NULL && !is_gone(node) ? node : NULL;
}

static happn_status read_one(struct shelf *shelf, struct str path, bool bare, struct document *out, happn_error *error)
{
    (void)bare, (void)error;
    struct node *node = memory_shelf_find(memory_of(shelf), path);
    *out = node != NULL ? node_document(node) : (struct document){.rev = 0};
    return HAPPN_OK;
}

/* ---- writing */

static happn_status no_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static bool copy_text(struct memory_shelf *shelf, struct str from, char **to)
{
    *to = str_is_set(from) ? memory_strdup(shelf->allocator, from.ptr, from.len) : NULL;
    return str_is_set(from) == (*to != NULL);
}

/* The texts beside data, which most documents do not have. Nothing has changed when it fails. */
static bool put_names(struct memory_shelf *shelf, struct node *node, const struct document *document)
{
    char *who, *tag;
    if (!copy_text(shelf, document->modified_by, &who)) {
        return false;
    }
    if (!copy_text(shelf, document->tag, &tag)) {
        memory_free(shelf->allocator, who);
        return false;
    }
    memory_free(shelf->allocator, node->modified_by);
    memory_free(shelf->allocator, node->tag);
    node->modified_by = who;
    node->tag = tag;
    return true;
}

/* Data stays in its place when it fits there without waste. `data` may be a slice of the old text. */
static bool put_data(struct memory_shelf *shelf, struct node *node, struct str data)
{
    if (data.len > node->data_room || data.len < node->data_room / 2) {
        char *copy = data.len <= UINT32_MAX ? memory_alloc(shelf->allocator, data.len) : NULL;
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, data.ptr, data.len);
        memory_free(shelf->allocator, node->data);
        node->data = copy;
        node->data_room = (uint32_t)data.len;
    } else {
        memmove(node->data, data.ptr, data.len);
    }
    node->data_len = (uint32_t)data.len;
    return true;
}

static bool has_names(const struct node *node, const struct document *document)
{
    return node->modified_by != NULL || node->tag != NULL || str_is_set(document->modified_by) || str_is_set(document->tag);
}

static bool put_texts(struct memory_shelf *shelf, struct node *node, const struct document *document)
{
    return (!has_names(node, document) || put_names(shelf, node, document)) && put_data(shelf, node, document->data);
}

static bool put_indexed(struct memory_shelf *shelf, struct node *node, const struct document *document)
{
    struct index_entry *entries;
    if (!memory_index_make(shelf->index, &node->indexed, document, &entries)) {
        return false;
    }
    if (!put_texts(shelf, node, document)) {
        memory_index_discard(shelf->index, &node->indexed, entries);
        return false;
    }
    memory_index_replace(shelf->index, &node->indexed, entries);
    return true;
}

static bool put(struct memory_shelf *shelf, struct node *node, const struct document *document)
{
    if (!(shelf->index != NULL ? put_indexed(shelf, node, document) : put_texts(shelf, node, document))) {
        return false;
    }
    node->created = document->created;
    node->modified = document->modified;
    node->rev = document->rev;
    if (is_gone(node)) { /* something new at the path of what has gone */
        node->doom = NULL;
    }
    return true;
}

static happn_status write_one(struct shelf *shelf, const struct document *document, happn_error *error)
{
    struct memory_shelf *memory = memory_of(shelf);
    struct node *node = find(memory, document->path);
    bool is_new = node == NULL;
    if (is_new) {
        node = insert(memory, document->path, hash_path(document->path));
    }
    if (node != NULL && put(memory, node, document)) {
        memory->last = node;
        if (memory->removal != NULL) {
            memory->removal->written(memory->removal, node);
        }
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
    struct memory_shelf *memory = memory_of(shelf);
    struct node *node = memory_shelf_find(memory, path);
    if (node != NULL) {
        node_doom(node, NULL);
        erase(memory, node);
    }
    return HAPPN_OK;
}

/* ---- removals */

bool node_is_doomed(const struct node *node, const struct removal *removal)
{
    return node->doom == removal;
}

void node_doom(struct node *node, struct removal *removal)
{
    if (node->doom != NULL && !node->doom->is_done) {
        node->doom->doomed--;
    }
    node->doom = removal;
    if (removal != NULL) {
        removal->doomed++;
    }
}

void memory_shelf_sweep(struct memory_shelf *shelf, struct removal *removal, struct str path)
{
    struct node *node = find(shelf, path);
    if (node == NULL || node->doom != removal) {
        return;
    }
    if (removal->is_done) {
        erase(shelf, node);
    } else {
        node_doom(node, NULL);
    }
}

/* ---- walking */

struct walking {
    const struct shelf_walk *walk;
    bool (*visit)(void *arg, struct node *node);
    void *arg;
};

static bool step(const struct walking *walking, struct node *node)
{
    if (!is_gone(node)) {
        return walking->visit(walking->arg, node);
    }
    return walking->walk->pass == NULL || walking->walk->pass(walking->walk->arg, node->indexed.path);
}

static bool step_indexed(void *arg, struct indexed *indexed)
{
    return step(arg, (struct node *)indexed);
}

void memory_shelf_walk(struct memory_shelf *shelf, const struct shelf_walk *walk, bool (*visit)(void *arg, struct node *node), void *arg)
{
    struct walking walking = {walk, visit, arg};
    if (shelf->index != NULL && walk->search != NULL && memory_index_walk(shelf->index, walk, step_indexed, &walking)) {
        return;
    }
    struct node *node = skip_list_seek(&shelf->list, &by_path, &walk->from, NULL);
    while (node != NULL && str_starts(node->indexed.path, walk->prefix) && step(&walking, node)) {
        node = node->forward[0];
    }
}

static bool visit_document(void *arg, struct node *node)
{
    const struct shelf_walk *walk = arg;
    struct document document = node_document(node);
    return walk->visit(walk->arg, &document);
}

static happn_status walk_all(struct shelf *shelf, const struct shelf_walk *walk, happn_error *error)
{
    (void)error;
    struct shelf_walk copy = *walk;
    memory_shelf_walk(memory_of(shelf), walk, visit_document, &copy);
    return HAPPN_OK;
}

static const struct shelf_ops ops = {.read = read_one, .write = write_one, .erase = erase_one, .walk = walk_all};

void memory_shelf_begin(struct memory_shelf *shelf)
{
    shelf->last = NULL;
}

happn_status memory_shelf_init(struct memory_shelf *shelf, const struct allocator *allocator)
{
    *shelf = (struct memory_shelf){.shelf = {.ops = &ops}, .allocator = allocator, .slot_count = FIRST_SLOTS};
    shelf->slots = memory_zalloc(allocator, FIRST_SLOTS * sizeof *shelf->slots);
    if (shelf->slots == NULL) {
        return HAPPN_E_MEMORY;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    shelf->shelf.rev = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000; /* never reused after a restart */
    shelf->random = (uint64_t)shelf->shelf.rev * 2685821657736338717u | 1;
    return HAPPN_OK;
}

void memory_shelf_fini(struct memory_shelf *shelf)
{
    for (struct node *node = shelf->list.heads[0], *next; node != NULL; node = next) {
        next = node->forward[0];
        if (shelf->index != NULL) {
            memory_index_free_entries(shelf->index, &node->indexed);
        }
        free_node(shelf, node);
    }
    memory_free(shelf->allocator, shelf->slots);
    memory_index_free(shelf->index);
}
