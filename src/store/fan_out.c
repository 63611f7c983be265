#include "store/fan_out.h"

#include "base/error.h"
#include "search/search.h"

struct part {
    struct store_op op; /* first; a thread may have it */
    bool is_done;
};

struct fan {
    struct store_op *op;
    struct routing *routing;
    size_t waiting; /* for answers, and one for us while we still submit */
    size_t count;
    struct part parts[];
};

static happn_status no_memory(struct store_op *op)
{
    return error_set(&op->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static happn_status first_failure(struct fan *fan)
{
    for (size_t i = 0; i < fan->count; i++) {
        const struct store_op *part = &fan->parts[i].op;
        if (part->status != HAPPN_OK) {
            fan->op->error = part->error;
            return part->status;
        }
    }
    return HAPPN_OK;
}

static happn_status put_together(struct fan *fan)
{
    struct store_op *op = fan->op;
    size_t total = 0;
    for (size_t i = 0; i < fan->count; i++) {
        const struct store_op *part = &fan->parts[i].op;
        total += part->count;
        op->removed += part->removed;
        op->examined += part->examined;
        op->snapshot_rev = part->snapshot_rev > op->snapshot_rev ? part->snapshot_rev : op->snapshot_rev;
    }
    op->count = total;
    if (op->kind == STORE_COUNT) {
        op->count = search_window(op->search, total);
        return HAPPN_OK;
    }
    op->documents = arena_alloc(op->arena, (total + 1) * sizeof *op->documents);
    if (op->documents == NULL) {
        op->count = 0;
        return no_memory(op);
    }
    size_t at = 0;
    for (size_t i = 0; i < fan->count; i++) {
        const struct store_op *part = &fan->parts[i].op;
        if (part->count != 0) {
            memcpy(op->documents + at, part->documents, part->count * sizeof *op->documents);
            at += part->count;
        }
    }
    return search_arrange(op->search, op->kind == STORE_FIND, op->arena, op->documents, &op->count) ? HAPPN_OK : no_memory(op);
}

/* What some stores have removed stays removed, and whoever follows it must hear of it: it is told beside the failure. */
static void own_up(struct fan *fan)
{
    struct store_op *op = fan->op;
    happn_error error = op->error;
    (void)put_together(fan); /* without memory the number is known all the same */
    op->error = error;
    if (op->removed != 0) {
        error_set(&op->error, error.status, "%.400s (other stores have removed %lld documents)", error.message, (long long)op->removed);
    }
}

static happn_status finish(struct fan *fan)
{
    struct store_op *op = fan->op;
    routing_unref(fan->routing);
    happn_status status = first_failure(fan);
    if (status == HAPPN_OK) {
        status = put_together(fan);
    } else if (op->kind == STORE_REMOVE) {
        own_up(fan);
    }
    op->status = status;
    return status;
}

static void part_done(struct store_op *part)
{
    struct fan *fan = part->context;
    ((struct part *)part)->is_done = true;
    if (--fan->waiting == 0) {
        finish(fan);
        fan->op->done(fan->op);
    }
}

static void add_part(struct fan *fan, struct datastore *store)
{
    struct part *own = &fan->parts[fan->count++];
    struct store_op *part = &own->op;
    *own = (struct part){.op = *fan->op};
    part->routing = fan->routing;
    part->store = store;
    part->in_whole = true; /* skip and limit come at the end */
    part->done = part_done;
    part->context = fan;
    part->status = HAPPN_OK;
    fan->waiting++;
    happn_status status = provider_submit(store->provider, part);
    if (status != HAPPN_PENDING) {
        part->status = status;
        own->is_done = true;
        fan->waiting--;
    }
}

happn_status fan_out(struct datastore *first, struct routing *routing, struct store_op *op)
{
    size_t count = 0;
    for (struct datastore *store = first; store != NULL; store = store->next) {
        count++;
    }
    struct fan *fan = arena_alloc(op->arena, sizeof *fan + count * sizeof fan->parts[0]);
    if (fan == NULL) {
        return no_memory(op);
    }
    *fan = (struct fan){.op = op, .routing = routing, .waiting = 1};
    routing_ref(routing);
    for (struct datastore *store = first; store != NULL; store = store->next) {
        if (routing_may_match(routing, op->path, store)) {
            add_part(fan, store);
        }
    }
    op->status = HAPPN_PENDING;
    op->scratch = fan;
    return --fan->waiting == 0 ? finish(fan) : HAPPN_PENDING;
}

bool fan_out_has_passed(const struct store_op *op, struct str path)
{
    const struct fan *fan = op->scratch;
    const struct datastore *store = routing_find(fan->routing, path);
    for (size_t i = 0; i < fan->count; i++) {
        const struct part *part = &fan->parts[i];
        if (part->op.store == store) {
            return part->is_done || provider_has_passed(store->provider, &part->op, path);
        }
    }
    return false;
}
