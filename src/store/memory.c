/* The provider in memory: what concerns one path is done at once, what walks along many in slices, between other work. */

#include "store/memory.h"

#include "base/error.h"
#include "paths/path.h"
#include "store/memory_remove.h"
#include "store/operation.h"

enum { SLICE = 2000 /* documents, about a millisecond */ };

/* A find or a count under way. */
struct slow {
    struct store_op *op;
    struct operation_cursor *cursor;
    struct slow *next;
};

/* A removal that waits, is under way, or is swept up. */
struct removing {
    struct store_op *op;
    struct memory_removal *removal; /* NULL: waits */
    struct removing *next;
};

struct memory {
    struct provider provider;
    struct loop *loop;
    struct memory_shelf shelf;
    struct slow *slow;
    struct removing *removing, **last; /* in the order of submission: the first one gathers */
    struct removing *sweeping;
    size_t budget; /* of one slice; 0: no end */
    bool is_posted, is_going;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void go_on(void *arg);

static void post_slices(struct memory *memory)
{
    if (!memory->is_posted) {
        memory->is_posted = loop_post(memory->loop, go_on, memory) == HAPPN_OK;
    }
}

/* ---- removals by pattern */

/* The end of gathering: freeing what is gone goes on, after the answer. */
static void begin_sweep(struct memory *memory, struct removing *removing)
{
    if (memory_removal_sweep(removing->removal, memory->budget)) {
        memory_free(memory->shelf.allocator, removing);
        return;
    }
    removing->next = memory->sweeping;
    memory->sweeping = removing;
}

static void sweep_slice(struct memory *memory)
{
    struct removing **at = &memory->sweeping;
    while (*at != NULL) {
        struct removing *removing = *at;
        if (memory_removal_sweep(removing->removal, memory->budget)) {
            *at = removing->next;
            memory_free(memory->shelf.allocator, removing);
        } else {
            at = &removing->next;
        }
    }
}

static happn_status gather(struct memory *memory, struct removing *removing)
{
    if (removing->removal == NULL) {
        removing->removal = memory_removal_new(&memory->shelf, removing->op);
    }
    return removing->removal != NULL ? memory_removal_gather(removing->removal, memory->budget) : operation_no_memory(removing->op);
}

static void end_removing(struct memory *memory, struct removing *removing)
{
    if (removing->removal != NULL) {
        begin_sweep(memory, removing);
    } else {
        memory_free(memory->shelf.allocator, removing);
    }
}

/* The first one only: each is done before the next begins. */
static void removing_slice(struct memory *memory)
{
    struct removing *removing = memory->removing;
    if (removing == NULL) {
        return;
    }
    struct store_op *op = removing->op;
    op->status = gather(memory, removing);
    if (op->status == HAPPN_PENDING) {
        return;
    }
    memory->removing = removing->next;
    memory->last = memory->removing == NULL ? &memory->removing : memory->last;
    end_removing(memory, removing);
    op->done(op);
}

static happn_status begin_removing(struct memory *memory, struct store_op *op)
{
    struct removing *removing = memory_zalloc(memory->shelf.allocator, sizeof *removing);
    if (removing == NULL) {
        return operation_no_memory(op);
    }
    removing->op = op;
    happn_status status = memory->removing == NULL ? gather(memory, removing) : HAPPN_PENDING;
    if (status != HAPPN_PENDING) {
        end_removing(memory, removing);
        return status;
    }
    op->status = HAPPN_PENDING;
    *memory->last = removing;
    memory->last = &removing->next;
    return HAPPN_PENDING;
}

/* ---- finds and counts */

/* One slice of each, so that a long walk does not hold up a short one. */
static void walking_slice(struct memory *memory)
{
    struct slow *slow = memory->slow;
    memory->slow = NULL;
    while (slow != NULL) {
        struct slow *next = slow->next;
        struct store_op *op = slow->op;
        op->status = operation_slice(&memory->shelf.shelf, op, op->arena, memory->budget, &slow->cursor);
        if (op->status == HAPPN_PENDING) {
            slow->next = memory->slow;
            memory->slow = slow;
        } else {
            op->done(op);
        }
        slow = next;
    }
}

static happn_status begin_walking(struct memory *memory, struct store_op *op)
{
    struct operation_cursor *cursor = NULL;
    happn_status status = operation_slice(&memory->shelf.shelf, op, op->arena, SLICE, &cursor);
    if (status != HAPPN_PENDING) {
        return status;
    }
    struct slow *slow = arena_alloc(op->arena, sizeof *slow);
    if (slow == NULL) {
        return operation_slice(&memory->shelf.shelf, op, op->arena, 0, &cursor);
    }
    *slow = (struct slow){op, cursor, memory->slow};
    op->scratch = slow;
    op->status = HAPPN_PENDING;
    memory->slow = slow;
    return HAPPN_PENDING;
}

static bool has_passed(const struct store_op *op, struct str path)
{
    const struct slow *slow = op->scratch;
    return operation_has_passed(slow->cursor, path);
}

/* ---- both */

static bool has_work(const struct memory *memory)
{
    return memory->slow != NULL || memory->removing != NULL || memory->sweeping != NULL;
}

/* All that is under way, in one go. */
static void finish_all(struct memory *memory)
{
    memory->budget = 0;
    while (has_work(memory)) {
        removing_slice(memory);
        sweep_slice(memory);
        walking_slice(memory);
    }
    memory->budget = SLICE;
}

static void go_on(void *arg)
{
    struct memory *memory = arg;
    const char *before = whereabouts_set(&memory->loop->whereabouts.part, "long searches and removes in memory");
    memory->is_posted = false;
    memory->is_going = true;
    memory_shelf_begin(&memory->shelf);
    removing_slice(memory);
    sweep_slice(memory);
    walking_slice(memory);
    if (has_work(memory) && memory->closed == NULL) {
        post_slices(memory);
    }
    if (!memory->is_posted) { /* closing, or no memory for a post, or the loop is going down: there is no later */
        finish_all(memory);
    }
    memory->is_going = false;
    whereabouts_set(&memory->loop->whereabouts.part, before);
}

static happn_status begin(struct memory *memory, struct store_op *op)
{
    if (path_has_wildcard(op->path) && (op->kind == STORE_FIND || op->kind == STORE_COUNT)) {
        return begin_walking(memory, op);
    }
    if (path_has_wildcard(op->path) && op->kind == STORE_REMOVE) {
        return begin_removing(memory, op);
    }
    return operation_run(&memory->shelf.shelf, op, op->arena);
}

/* There will be no later turn, and nothing else is under way: the operation that was begun ends here. */
static happn_status finish_now(struct memory *memory, struct store_op *op, happn_status status)
{
    memory->budget = 0;
    if (status == HAPPN_PENDING && memory->slow != NULL) {
        struct slow *slow = memory->slow;
        memory->slow = NULL;
        status = operation_slice(&memory->shelf.shelf, op, op->arena, 0, &slow->cursor);
    } else if (status == HAPPN_PENDING) {
        struct removing *removing = memory->removing;
        memory->removing = NULL;
        memory->last = &memory->removing;
        status = gather(memory, removing);
        end_removing(memory, removing);
    }
    sweep_slice(memory);
    memory->budget = SLICE;
    return status;
}

static happn_status submit(struct provider *provider, struct store_op *op)
{
    struct memory *memory = (struct memory *)provider;
    memory_shelf_begin(&memory->shelf); /* the path is another text */
    happn_status status = begin(memory, op);
    if (!has_work(memory)) {
        return status;
    }
    post_slices(memory);
    return memory->is_posted || memory->is_going ? status : finish_now(memory, op, status);
}

/* ---- opening and closing */

static void finish_close(void *arg)
{
    struct memory *memory = arg;
    finish_all(memory); /* everything submitted comes first */
    void (*closed)(void *) = memory->closed;
    void *closed_arg = memory->closed_arg;
    memory_shelf_fini(&memory->shelf);
    memory_free(memory->shelf.allocator, memory);
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

static const struct provider_ops ops = {"memory", false, submit, close_memory, has_passed};

static happn_status set_up(struct memory *memory, const struct allocator *allocator, const struct str *indexes, size_t count, happn_error *error)
{
    happn_status status = memory_shelf_init(&memory->shelf, allocator);
    if (status != HAPPN_OK) {
        return error_set(error, status, "%s", happn_status_text(status));
    }
    status = count != 0 ? memory_index_new(allocator, indexes, count, &memory->shelf.index, error) : HAPPN_OK;
    if (status != HAPPN_OK) {
        memory_shelf_fini(&memory->shelf);
    }
    return status;
}

happn_status store_memory_open_indexed(struct loop *loop, const struct allocator *allocator, const struct str *indexes, size_t count,
                                       struct provider **out, happn_error *error)
{
    struct memory *memory = memory_zalloc(allocator, sizeof *memory);
    if (memory == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    memory->provider.ops = &ops;
    memory->loop = loop;
    memory->last = &memory->removing;
    memory->budget = SLICE;
    happn_status status = set_up(memory, allocator, indexes, count, error);
    if (status != HAPPN_OK) {
        memory_free(allocator, memory);
        return status;
    }
    *out = &memory->provider;
    return HAPPN_OK;
}

happn_status store_memory_open(struct loop *loop, const struct allocator *allocator, struct provider **out)
{
    happn_error error;
    return store_memory_open_indexed(loop, allocator, NULL, 0, out, &error);
}
