/* A removal dooms documents, slice by slice, which nobody notices. When all have been seen it is done: from then on they are gone, all at
 * once and without needing memory, and so its event stands at one place among the events of others. Freeing them is a matter of later
 * slices. What is written in the meantime comes before the removal: it is doomed when it is meant, and set free when it is not any more. */

#include "store/memory_remove.h"

#include <stdlib.h>

#include "paths/path.h"
#include "paths/wildcard.h"
#include "search/search.h"
#include "store/operation.h"

enum { FIRST_PATHS = 64, BYTES_OF_ONE = 1024 /* a long document counts as several */ };

struct memory_removal {
    struct removal removal; /* first */
    struct memory_shelf *shelf;
    struct store_op *op;
    struct search_work work;
    struct arena memory; /* of the paths */
    struct str *paths;   /* of the doomed; of some that are not any more; of some twice */
    size_t count, room, swept;
    struct buf from;     /* where the next slice begins; empty: nothing has been seen */
    size_t budget;
    bool is_limited, is_cut;
    bool has_written;    /* the paths are not in order */
    happn_status status;
};

static bool add_path(struct memory_removal *removal, struct str path)
{
    if (removal->count == removal->room) {
        size_t room = removal->room == 0 ? FIRST_PATHS : removal->room * 2;
        struct str *paths = memory_resize(removal->shelf->allocator, removal->paths, room * sizeof *paths);
        if (paths == NULL) {
            return false;
        }
        removal->paths = paths;
        removal->room = room;
    }
    struct str copy = arena_str(&removal->memory, path);
    if (copy.ptr != NULL) {
        removal->paths[removal->count++] = copy;
    }
    return copy.ptr != NULL;
}

/* Looks at one document, and dooms it or sets it free. */
static void judge(struct memory_removal *removal, struct node *node)
{
    struct store_op *op = removal->op;
    struct document document = node_document(node);
    bool is_doomed = node_is_doomed(node, &removal->removal);
    bool is_meant = operation_concerns(op, document.path) && search_matches(op->search, &document, &removal->work);
    if (removal->work.status != HAPPN_OK) {
        op->error = removal->work.error;
        removal->status = removal->work.status;
    } else if (is_meant && !is_doomed) {
        removal->status = add_path(removal, document.path) ? HAPPN_OK : operation_no_memory(op);
        if (removal->status == HAPPN_OK) {
            node_doom(node, &removal->removal);
        }
    } else if (!is_meant && is_doomed) {
        node_doom(node, NULL);
    }
}

/* Somebody wrote between two slices; what lies ahead is seen there. */
static void note_written(struct removal *base, struct node *node)
{
    struct memory_removal *removal = (struct memory_removal *)base;
    bool is_ahead = str_compare(node_document(node).path, buf_str(&removal->from)) >= 0;
    if (!is_ahead && removal->status == HAPPN_OK) {
        removal->has_written = true;
        judge(removal, node);
    }
}

/* The next slice starts directly behind this path: with its NUL it is the next possible text. */
static bool spend(struct memory_removal *removal, struct str path, size_t cost)
{
    if (!removal->is_limited || cost < removal->budget) {
        removal->budget -= removal->is_limited ? cost : 0;
        return true;
    }
    removal->is_cut = true;
    buf_clear(&removal->from);
    buf_add_str(&removal->from, path);
    buf_add_char(&removal->from, '\0');
    removal->status = removal->from.status == HAPPN_OK ? HAPPN_OK : operation_no_memory(removal->op);
    return false;
}

static bool visit(void *arg, struct node *node)
{
    struct memory_removal *removal = arg;
    struct document document = node_document(node);
    removal->op->examined++;
    judge(removal, node);
    return removal->status == HAPPN_OK && spend(removal, document.path, 1 + document.data.len / BYTES_OF_ONE);
}

static bool pass(void *arg, struct str path)
{
    return spend(arg, path, 1);
}

static void walk(struct memory_removal *removal, size_t budget)
{
    struct store_op *op = removal->op;
    struct str prefix = wildcard_literal_prefix(op->path);
    struct shelf_walk walk = {.prefix = prefix,
                              .from = removal->from.len != 0 ? buf_str(&removal->from) : prefix,
                              .search = op->search,
                              .index = &op->index,
                              .pass = pass,
                              .arg = removal};
    removal->budget = budget;
    removal->is_limited = budget != 0;
    removal->is_cut = false;
    memory_shelf_walk(removal->shelf, &walk, visit, removal);
}

static int by_path(const void *a, const void *b)
{
    return str_compare(((const struct document *)a)->path, ((const struct document *)b)->path);
}

static void sort(struct store_op *op)
{
    size_t kept = 0;
    qsort(op->documents, op->count, sizeof *op->documents, by_path);
    for (size_t i = 0; i < op->count; i++) {
        if (kept == 0 || !str_equal(op->documents[kept - 1].path, op->documents[i].path)) {
            op->documents[kept++] = op->documents[i];
        }
    }
    op->count = kept;
}

/* Who wants to know what was removed gets room for it first. */
static happn_status list(struct memory_removal *removal)
{
    struct store_op *op = removal->op;
    size_t room = 0;
    for (size_t i = 0; i < removal->count; i++) {
        struct node *node = memory_shelf_find(removal->shelf, removal->paths[i]);
        if (node == NULL || !node_is_doomed(node, &removal->removal)) {
            continue;
        }
        struct document *place = operation_add(op, op->arena, &room);
        struct str path = place != NULL ? arena_str(op->arena, removal->paths[i]) : STR_NONE;
        if (path.ptr == NULL) {
            return operation_no_memory(op);
        }
        *place = (struct document){.path = path};
    }
    if (removal->has_written && op->count > 1) {
        sort(op);
    }
    for (size_t i = 0; i < op->count; i++) {
        op->documents[i].rev = removal->shelf->shelf.rev + 1 + (int64_t)i;
    }
    return HAPPN_OK;
}

static happn_status finish(struct memory_removal *removal)
{
    struct store_op *op = removal->op;
    happn_status status = removal->status;
    if (status == HAPPN_OK && op->lists_removed) {
        status = list(removal);
    }
    if (status != HAPPN_OK) {
        operation_forget(op);
        return status;
    }
    removal->removal.is_done = true;
    op->removed = (int64_t)removal->removal.doomed;
    removal->shelf->shelf.rev += op->removed;
    op->snapshot_rev = removal->shelf->shelf.rev;
    return HAPPN_OK;
}

happn_status memory_removal_gather(struct memory_removal *removal, size_t budget)
{
    removal->shelf->removal = NULL;
    if (removal->status == HAPPN_OK) { /* somebody's write may have failed it */
        walk(removal, budget);
    }
    if (removal->status == HAPPN_OK && removal->is_cut) {
        removal->shelf->removal = &removal->removal;
        return HAPPN_PENDING;
    }
    return finish(removal);
}

bool memory_removal_sweep(struct memory_removal *removal, size_t budget)
{
    for (size_t i = 0; removal->swept < removal->count && (budget == 0 || i < budget); i++) {
        memory_shelf_sweep(removal->shelf, &removal->removal, removal->paths[removal->swept++]);
    }
    if (removal->swept < removal->count) {
        return false;
    }
    memory_removal_free(removal);
    return true;
}

struct memory_removal *memory_removal_new(struct memory_shelf *shelf, struct store_op *op)
{
    struct memory_removal *removal = memory_zalloc(shelf->allocator, sizeof *removal);
    if (removal == NULL) {
        return NULL;
    }
    removal->removal.written = note_written;
    removal->shelf = shelf;
    removal->op = op;
    arena_init(&removal->memory, shelf->allocator);
    buf_init(&removal->from, shelf->allocator, PATH_MAX_LENGTH * 4);
    search_work_init(&removal->work, shelf->allocator);
    return removal;
}

void memory_removal_free(struct memory_removal *removal)
{
    const struct allocator *allocator = removal->shelf->allocator;
    search_work_fini(&removal->work);
    buf_fini(&removal->from);
    arena_fini(&removal->memory);
    memory_free(allocator, removal->paths);
    memory_free(allocator, removal);
}
