/* Removing: one document, or all that a pattern and its criteria mean. */

#include "store/operation.h"

#include "base/error.h"
#include "paths/path.h"
#include "paths/wildcard.h"
#include "search/search.h"

/* A shelf must not change while it is walked along: so many paths are collected, then removed. */
enum { CHUNK = 1000 };

struct chunk {
    struct store_op *op;
    struct arena memory; /* of this chunk */
    struct str *paths;
    size_t count;
    struct str from; /* where the next chunk begins */
    bool has_more;
    struct search_work work;
    happn_status status;
};

static bool collect(void *arg, const struct document *document)
{
    struct chunk *chunk = arg;
    chunk->op->examined++;
    bool is_wanted = operation_concerns(chunk->op, document->path) &&
                     search_matches(chunk->op->search, document, &chunk->work);
    if (chunk->work.status != HAPPN_OK) {
        chunk->op->error = chunk->work.error;
        chunk->status = chunk->work.status;
        return false;
    }
    if (!is_wanted) {
        return true;
    }
    struct str path = arena_str(&chunk->memory, document->path);
    if (path.ptr == NULL) {
        chunk->status = operation_no_memory(chunk->op);
        return false;
    }
    chunk->paths[chunk->count++] = path;
    if (chunk->count < CHUNK) {
        return true;
    }
    chunk->has_more = true;
    chunk->from = str_make(path.ptr, path.len + 1); /* with its NUL: the next possible text */
    return false;
}

static happn_status remove_one(struct shelf *shelf, struct store_op *op, struct arena *out, struct str path, size_t *room)
{
    happn_status status = shelf->ops->erase(shelf, path, &op->error);
    if (status != HAPPN_OK) {
        return status;
    }
    shelf->rev++;
    op->removed++;
    if (!op->lists_removed) {
        return HAPPN_OK;
    }
    struct document *place = operation_add(op, out, room);
    if (place == NULL) {
        return operation_no_memory(op);
    }
    *place = (struct document){.path = arena_str(out, path), .rev = shelf->rev};
    return place->path.ptr != NULL ? HAPPN_OK : operation_no_memory(op);
}

static happn_status remove_chunk(struct shelf *shelf, struct store_op *op, struct arena *out, struct chunk *chunk, size_t *room)
{
    struct shelf_walk walk = {.prefix = wildcard_literal_prefix(op->path),
                              .from = chunk->from,
                              .bare = operation_is_bare(op),
                              .search = op->search,
                              .index = &op->index,
                              .visit = collect,
                              .arg = chunk};
    chunk->count = 0;
    chunk->has_more = false;
    struct arena before = chunk->memory; /* holds `from` until the walk has begun */
    arena_init(&chunk->memory, out->allocator);
    happn_status status = shelf->ops->walk(shelf, &walk, &op->error);
    arena_fini(&before);
    status = status == HAPPN_OK ? chunk->status : status;
    for (size_t i = 0; i < chunk->count && status == HAPPN_OK; i++) {
        status = remove_one(shelf, op, out, chunk->paths[i], room);
    }
    return status;
}

static happn_status remove_chunks(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    struct chunk chunk = {.op = op, .from = wildcard_literal_prefix(op->path)};
    arena_init(&chunk.memory, out->allocator);
    search_work_init(&chunk.work, out->allocator);
    chunk.paths = memory_alloc(out->allocator, CHUNK * sizeof *chunk.paths);
    happn_status status = chunk.paths != NULL ? HAPPN_OK : operation_no_memory(op);
    size_t room = 0;
    do {
        status = status == HAPPN_OK ? remove_chunk(shelf, op, out, &chunk, &room) : status;
    } while (status == HAPPN_OK && chunk.has_more);
    memory_free(out->allocator, chunk.paths);
    arena_fini(&chunk.memory);
    search_work_fini(&chunk.work);
    return status;
}

/* Many writes: a failure in the middle brings back what was removed before it, where the shelf can do that. */
static happn_status remove_pattern(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    if (shelf->ops->group == NULL) {
        return remove_chunks(shelf, op, out);
    }
    happn_status status = shelf->ops->group(shelf, &op->error);
    if (status != HAPPN_OK) {
        return status;
    }
    status = remove_chunks(shelf, op, out);
    happn_error unheard = {.status = HAPPN_OK};
    happn_status end = shelf->ops->group_end(shelf, status == HAPPN_OK, status == HAPPN_OK ? &op->error : &unheard);
    return status != HAPPN_OK ? status : end;
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
    size_t room = 0;
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
    return remove_one(shelf, op, out, op->path, &room);
}

happn_status operation_remove(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    return path_has_wildcard(op->path) ? remove_pattern(shelf, op, out) : remove_path(shelf, op, out);
}
