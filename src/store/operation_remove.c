/* Removing: one document, or all that a pattern and its criteria mean. */

#include "store/operation.h"

#include "base/error.h"
#include "paths/path.h"
#include "paths/wildcard.h"
#include "search/search.h"

/* A shelf must not change while it is walked along: paths are collected, then removed. Where a failure can bring back what was removed
 * before it, that is done in chunks; elsewhere everything that needs memory comes before the first removal, which needs none. */
enum { CHUNK = 1000, FIRST_PATHS = 64 };

struct doomed {
    struct store_op *op;
    struct arena *out;
    struct arena memory; /* of the paths */
    struct str *paths;
    size_t count, room, most;
    struct str from; /* where the next chunk begins */
    bool has_more;
    struct search_work work;
    happn_status status;
    size_t listed;   /* room in op->documents */
};

static bool grow(struct doomed *doomed)
{
    size_t room = doomed->room == 0 ? FIRST_PATHS : doomed->room * 2;
    struct str *paths = memory_resize(doomed->out->allocator, doomed->paths, room * sizeof *paths);
    if (paths == NULL) {
        return false;
    }
    doomed->paths = paths;
    doomed->room = room;
    return true;
}

static bool collect(void *arg, const struct document *document)
{
    struct doomed *doomed = arg;
    doomed->op->examined++;
    bool is_wanted = operation_concerns(doomed->op, document->path) &&
                     search_matches(doomed->op->search, document, &doomed->work);
    if (doomed->work.status != HAPPN_OK) {
        doomed->op->error = doomed->work.error;
        doomed->status = doomed->work.status;
        return false;
    }
    if (!is_wanted) {
        return true;
    }
    struct str path = arena_str(&doomed->memory, document->path);
    if (path.ptr == NULL || (doomed->count == doomed->room && !grow(doomed))) {
        doomed->status = operation_no_memory(doomed->op);
        return false;
    }
    doomed->paths[doomed->count++] = path;
    if (doomed->count < doomed->most) {
        return true;
    }
    doomed->has_more = true;
    doomed->from = str_make(path.ptr, path.len + 1); /* with its NUL: the next possible text */
    return false;
}

/* The next chunk of paths. */
static happn_status collect_some(struct shelf *shelf, struct doomed *doomed)
{
    struct store_op *op = doomed->op;
    struct shelf_walk walk = {.prefix = wildcard_literal_prefix(op->path),
                              .from = doomed->from,
                              .bare = operation_is_bare(op),
                              .search = op->search,
                              .index = &op->index,
                              .visit = collect,
                              .arg = doomed};
    doomed->count = 0;
    doomed->has_more = false;
    struct arena before = doomed->memory; /* holds `from` until the walk has begun */
    arena_init(&doomed->memory, doomed->out->allocator);
    happn_status status = shelf->ops->walk(shelf, &walk, &op->error);
    arena_fini(&before);
    return status == HAPPN_OK ? doomed->status : status;
}

/* Who wants to know what was removed gets room for it first. */
static happn_status list_some(struct doomed *doomed)
{
    struct store_op *op = doomed->op;
    size_t before = op->count;
    for (size_t i = 0; op->lists_removed && i < doomed->count; i++) {
        struct document *place = operation_add(op, doomed->out, &doomed->listed);
        struct str path = place != NULL ? arena_str(doomed->out, doomed->paths[i]) : STR_NONE;
        if (path.ptr == NULL) {
            op->count = before;
            return operation_no_memory(op);
        }
        *place = (struct document){.path = path};
    }
    return HAPPN_OK;
}

static happn_status erase_some(struct shelf *shelf, struct doomed *doomed)
{
    struct store_op *op = doomed->op;
    struct document *list = op->lists_removed ? op->documents + (op->count - doomed->count) : NULL;
    for (size_t i = 0; i < doomed->count; i++) {
        happn_status status = shelf->ops->erase(shelf, doomed->paths[i], &op->error);
        if (status != HAPPN_OK) {
            return status;
        }
        shelf->rev++;
        op->removed++;
        if (list != NULL) {
            list[i].rev = shelf->rev;
        }
    }
    return HAPPN_OK;
}

static happn_status remove_all(struct shelf *shelf, struct store_op *op, struct arena *out, size_t most)
{
    struct doomed doomed = {.op = op, .out = out, .from = wildcard_literal_prefix(op->path), .most = most};
    arena_init(&doomed.memory, out->allocator);
    search_work_init(&doomed.work, out->allocator);
    happn_status status;
    do {
        status = collect_some(shelf, &doomed);
        status = status == HAPPN_OK ? list_some(&doomed) : status;
        status = status == HAPPN_OK ? erase_some(shelf, &doomed) : status;
    } while (status == HAPPN_OK && doomed.has_more);
    memory_free(out->allocator, doomed.paths);
    arena_fini(&doomed.memory);
    search_work_fini(&doomed.work);
    return status;
}

/* Many writes: a failure in the middle brings back what was removed before it. */
static happn_status remove_in_group(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    happn_status status = shelf->ops->group(shelf, &op->error);
    if (status != HAPPN_OK) {
        return status;
    }
    status = remove_all(shelf, op, out, CHUNK);
    happn_error unheard = {.status = HAPPN_OK};
    happn_status end = shelf->ops->group_end(shelf, status == HAPPN_OK, status == HAPPN_OK ? &op->error : &unheard);
    return status != HAPPN_OK ? status : end;
}

static happn_status remove_pattern(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    return shelf->ops->group != NULL ? remove_in_group(shelf, op, out) : remove_all(shelf, op, out, SIZE_MAX);
}

static happn_status check_rev(struct store_op *op, const struct document *found)
{
    int64_t rev = str_is_set(found->path) ? found->rev : 0;
    if (!op->has_if_rev || op->if_rev == rev) {
        return HAPPN_OK;
    }
    op->document = (struct document){.rev = rev};
    return error_set(&op->error, HAPPN_E_CONFLICT, "somebody was faster: the rev is %lld, ifRev was %lld", (long long)rev,
                     (long long)op->if_rev);
}

static happn_status remove_path(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    struct document found;
    happn_status status = shelf->ops->read(shelf, op->path, operation_is_bare(op), &found, &op->error);
    if (status == HAPPN_OK) {
        status = check_rev(op, &found);
    }
    bool matches = false;
    if (status == HAPPN_OK) {
        status = operation_meets(op, &found, out, &matches);
    }
    if (status != HAPPN_OK || !matches) {
        return status;
    }
    status = shelf->ops->erase(shelf, op->path, &op->error);
    shelf->rev += status == HAPPN_OK;
    op->removed += status == HAPPN_OK;
    return status;
}

happn_status operation_remove(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    return path_has_wildcard(op->path) ? remove_pattern(shelf, op, out) : remove_path(shelf, op, out);
}
