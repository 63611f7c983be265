/* Reading: one document, or a walk along all that a pattern may mean. The other halves: operation_write, operation_remove. */

#include "store/operation.h"

#include "base/error.h"
#include "base/utf8.h"
#include "json/scan.h"
#include "paths/path.h"
#include "paths/wildcard.h"
#include "search/search.h"
#include "store/routing.h"

happn_status operation_no_memory(struct store_op *op)
{
    return error_set(&op->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

bool operation_writes(const struct store_op *op)
{
    return op->kind != STORE_GET && op->kind != STORE_FIND && op->kind != STORE_COUNT && op->kind != STORE_COMPACT;
}

bool operation_concerns(const struct store_op *op, struct str path)
{
    return wildcard_matches(WILDCARD_STRING, op->path, path, 0) && (op->include_system || !path_is_system(path)) &&
           (op->routing == NULL || routing_find(op->routing, path) == op->store) &&
           (op->shows == NULL || op->shows(op->shows_arg, path));
}

static bool copy_text(struct arena *out, struct str from, struct str *to)
{
    *to = str_is_set(from) ? arena_str(out, from) : STR_NONE;
    return str_is_set(from) == str_is_set(*to);
}

/* Taking the memory of a long text over spares a second one of that length. */
static bool copy_data(const struct store_op *op, struct arena *out, const struct document *from, struct str *to)
{
    if (search_projects_at_once(op->search)) {
        *to = search_project(op->search, from->data, out);
        return str_is_set(*to);
    }
    if (from->own == NULL || from->own->allocator != out->allocator) {
        return copy_text(out, from->data, to);
    }
    *to = arena_take(out, from->own);
    return str_is_set(*to);
}

bool operation_copy(const struct store_op *op, struct arena *out, const struct document *from, struct document *to)
{
    *to = (struct document){.created = from->created, .modified = from->modified, .rev = from->rev, .is_projected = search_projects_at_once(op->search)};
    return copy_text(out, from->path, &to->path) && copy_text(out, from->modified_by, &to->modified_by) &&
           copy_text(out, from->tag, &to->tag) && (op->paths_only || copy_data(op, out, from, &to->data));
}

struct document *operation_add(struct store_op *op, struct arena *out, size_t *room)
{
    if (op->count == *room) {
        *room = *room == 0 ? 16 : *room * 2;
        struct document *more = arena_alloc(out, *room * sizeof *more);
        if (more == NULL) {
            return NULL;
        }
        if (op->count != 0) {
            memcpy(more, op->documents, op->count * sizeof *more);
        }
        op->documents = more;
    }
    return &op->documents[op->count++];
}

enum { MOST_CHECKED = 1 << 20 /* of a longer text only the ends are looked at: it would take milliseconds */ };

/* Deeper than clients may send is allowed: a snapshot wraps what it keeps. */
static bool is_sound(struct str data)
{
    bool is_object = data.len >= 2 && data.ptr[0] == '{' && data.ptr[data.len - 1] == '}';
    return is_object && (data.len > MOST_CHECKED || (json_check(data, NULL) != HAPPN_E_JSON && utf8_is_valid(data)));
}

happn_status operation_check(struct store_op *op, const struct document *document)
{
    if (op->paths_only || !document->is_unchecked || is_sound(json_trim(document->data))) {
        return HAPPN_OK;
    }
    return error_set(&op->error, HAPPN_E_STORE, "the document at %.*s is damaged: what is stored there is no JSON object",
                     (int)(document->path.len < 300 ? document->path.len : 300), document->path.ptr);
}

enum {
    BYTES_OF_ONE = 1024, /* a long document counts as several */
    BYTES_AROUND = 150,  /* dates and names that are sent with each */
    STEPS_OF_ONE = 4     /* of sorting */
};

struct operation_cursor {
    struct store_op *op;
    struct arena *out;
    struct arena own, *texts; /* texts of documents: their own place where many of them go again, else `out` */
    size_t room, budget;
    size_t enough, most; /* documents; more than `most` are sorted and cut */
    size_t bytes;        /* of what is kept, as it will be sent */
    struct search_work work;
    bool is_cut;       /* the budget ended the walk */
    bool is_walked, is_sorted;
    struct sorting *sorting;
    size_t projected;  /* documents */
    happn_status status;
    struct buf from;   /* where the next slice begins */
};

static size_t bytes_of(const struct document *document)
{
    return document->path.len + document->data.len + BYTES_AROUND;
}

static bool goes_again(const struct operation_cursor *cursor)
{
    return cursor->texts == &cursor->own;
}

static size_t most_meanwhile(const struct operation_cursor *cursor)
{
    size_t most = cursor->op->most_bytes != 0 ? cursor->op->most_bytes : SIZE_MAX;
    return goes_again(cursor) && most < SIZE_MAX / 2 ? most * 2 : most;
}

/* What is left moves to another place, and the old one goes with all the rest. */
static bool move(struct operation_cursor *cursor)
{
    struct store_op *op = cursor->op;
    struct arena fresh;
    arena_init(&fresh, cursor->out->allocator);
    cursor->bytes = 0;
    for (size_t i = 0; i < op->count; i++) {
        struct document copy;
        if (!operation_copy(op, &fresh, &op->documents[i], &copy)) {
            arena_fini(&fresh);
            return false;
        }
        op->documents[i] = copy;
        cursor->bytes += bytes_of(&copy);
    }
    arena_fini(&cursor->own);
    cursor->own = fresh;
    return true;
}

/* Of a sorted search with a limit only the best are kept: when twice as many are there, or twice as much, the rest goes. */
static bool shrink(struct operation_cursor *cursor)
{
    struct store_op *op = cursor->op;
    bool is_full = op->count >= cursor->most || (goes_again(cursor) && cursor->bytes > most_meanwhile(cursor));
    return !is_full || (search_arrange(op->search, false, cursor->out, op->documents, &op->count) && move(cursor));
}

static happn_status refuse(struct store_op *op)
{
    return error_set(&op->error, HAPPN_E_LIMIT, "the list would be longer than the %zu bytes that may wait for one client: ask for less, by criteria, fields or limit",
                     op->most_bytes);
}

static bool take(struct operation_cursor *cursor, const struct document *document)
{
    struct store_op *op = cursor->op;
    if (op->kind == STORE_COUNT) {
        op->count++;
        return true;
    }
    cursor->status = operation_check(op, document);
    if (cursor->status != HAPPN_OK) {
        return false;
    }
    struct document *place = operation_add(op, cursor->out, &cursor->room);
    if (place == NULL || !operation_copy(op, cursor->texts, document, place)) {
        cursor->status = operation_no_memory(op);
        return false;
    }
    cursor->bytes += bytes_of(place);
    cursor->status = !shrink(cursor) ? operation_no_memory(op) : cursor->bytes > most_meanwhile(cursor) ? refuse(op) : HAPPN_OK;
    return cursor->status == HAPPN_OK;
}

/* The next slice starts directly behind this path: with its NUL it is the next possible text. */
static bool cut(struct operation_cursor *cursor, struct str path)
{
    cursor->is_cut = true;
    buf_clear(&cursor->from);
    buf_add_str(&cursor->from, path);
    buf_add_char(&cursor->from, '\0');
    cursor->status = cursor->from.status;
    return false;
}

/* Whether the slice goes on behind this path. */
static bool spend(struct operation_cursor *cursor, struct str path, size_t cost)
{
    if (cursor->budget != 0 && cost >= cursor->budget) {
        return cut(cursor, path);
    }
    cursor->budget -= cursor->budget != 0 ? cost : 0;
    return true;
}

static bool pass(void *arg, struct str path)
{
    return spend(arg, path, 1);
}

static bool visit(void *arg, const struct document *document)
{
    struct operation_cursor *cursor = arg;
    struct store_op *op = cursor->op;
    op->examined++;
    bool is_wanted = operation_concerns(op, document->path) && search_matches(op->search, document, &cursor->work);
    if (cursor->work.status != HAPPN_OK) {
        op->error = cursor->work.error;
        cursor->status = cursor->work.status;
        return false;
    }
    if (is_wanted && !take(cursor, document)) {
        return false;
    }
    if (op->count >= cursor->enough) {
        return false;
    }
    return spend(cursor, document->path, 1 + document->data.len / BYTES_OF_ONE);
}

static happn_status walk(struct shelf *shelf, struct operation_cursor *cursor)
{
    struct store_op *op = cursor->op;
    struct str prefix = wildcard_literal_prefix(op->path);
    struct shelf_walk walk = {.prefix = prefix,
                              .from = cursor->from.len != 0 ? buf_str(&cursor->from) : prefix,
                              .bare = operation_is_bare(op),
                              .search = op->search,
                              .index = &op->index,
                              .visit = visit,
                              .pass = pass,
                              .arg = cursor};
    cursor->is_cut = false;
    happn_status status = shelf->ops->walk(shelf, &walk, &op->error);
    return status == HAPPN_OK ? cursor->status : status;
}

bool operation_is_bare(const struct store_op *op)
{
    bool wants_data = op->kind == STORE_GET || op->kind == STORE_FIND;
    return (op->paths_only || !wants_data) && op->search == NULL;
}

static happn_status check(struct store_op *op, const struct document *document, struct arena *out, bool *matches)
{
    struct search_work work;
    search_work_init(&work, out->allocator);
    *matches = search_matches(op->search, document, &work);
    op->error = work.status != HAPPN_OK ? work.error : op->error;
    search_work_fini(&work);
    return work.status;
}

happn_status operation_meets(struct store_op *op, const struct document *document, struct arena *out, bool *matches)
{
    *matches = str_is_set(document->path);
    return *matches && search_criteria(op->search) != NULL ? check(op, document, out, matches) : HAPPN_OK;
}

static happn_status get(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    struct document found;
    bool matches = false;
    size_t room = 0;
    happn_status status = shelf->ops->read(shelf, op->path, operation_is_bare(op), &found, &op->error);
    if (status == HAPPN_OK) {
        status = operation_meets(op, &found, out, &matches);
    }
    if (status != HAPPN_OK || !matches) {
        return status;
    }
    op->examined = 1;
    if (op->kind == STORE_COUNT) {
        op->count = op->in_whole ? 1 : search_window(op->search, 1);
        return HAPPN_OK;
    }
    status = operation_check(op, &found);
    if (status != HAPPN_OK) {
        return status;
    }
    struct document *place = operation_add(op, out, &room);
    bool is_done = place != NULL && operation_copy(op, out, &found, place) &&
                   search_arrange(op->search, !op->in_whole, out, op->documents, &op->count);
    return is_done ? HAPPN_OK : operation_no_memory(op);
}

static happn_status check_length(struct operation_cursor *cursor)
{
    struct store_op *op = cursor->op;
    cursor->bytes = 0;
    for (size_t i = 0; i < op->count; i++) {
        cursor->bytes += bytes_of(&op->documents[i]);
    }
    return op->most_bytes != 0 && cursor->bytes > op->most_bytes ? refuse(op) : HAPPN_OK;
}

/* Into the order that is asked for, then cut. PENDING: not yet. */
static happn_status put_in_order(struct operation_cursor *cursor)
{
    struct store_op *op = cursor->op;
    if (!search_sorts(op->search) || op->count < 2) {
        cursor->is_sorted = true;
        return search_arrange(op->search, !op->in_whole, cursor->out, op->documents, &op->count) ? HAPPN_OK : operation_no_memory(op);
    }
    if (cursor->sorting == NULL) {
        cursor->sorting = search_sort_begin(op->search, cursor->out->allocator, op->documents, op->count);
    }
    if (cursor->sorting == NULL) {
        return operation_no_memory(op);
    }
    cursor->is_sorted = sorting_go(cursor->sorting, cursor->budget * STEPS_OF_ONE);
    if (!cursor->is_sorted) {
        return HAPPN_PENDING;
    }
    op->count = search_cut(op->search, !op->in_whole, op->documents, op->count);
    return HAPPN_OK;
}

/* The rest of what an answer needs: `fields`, where the order needed more than them. */
static happn_status project(struct operation_cursor *cursor)
{
    struct store_op *op = cursor->op;
    size_t left = op->count - cursor->projected;
    size_t count = cursor->budget == 0 || left < cursor->budget ? left : cursor->budget;
    if (!op->in_whole && !search_project_some(op->search, cursor->out, op->documents + cursor->projected, count)) {
        return operation_no_memory(op);
    }
    cursor->projected += count;
    bool is_done = op->in_whole || cursor->projected == op->count || !search_sorts(op->search);
    return is_done ? check_length(cursor) : HAPPN_PENDING;
}

/* Everything has been seen. PENDING: what was found is still being arranged. */
static happn_status finish(struct operation_cursor *cursor)
{
    struct store_op *op = cursor->op;
    if (op->kind == STORE_COUNT) {
        op->count = op->in_whole ? op->count : search_window(op->search, op->count);
        return HAPPN_OK;
    }
    happn_status status = cursor->is_sorted ? HAPPN_OK : put_in_order(cursor);
    return status == HAPPN_OK ? project(cursor) : status;
}

static struct operation_cursor *new_cursor(struct store_op *op, struct arena *out)
{
    struct operation_cursor *cursor = arena_alloc(out, sizeof *cursor);
    if (cursor == NULL) {
        return NULL;
    }
    *cursor = (struct operation_cursor){.op = op, .out = out, .enough = SIZE_MAX, .most = SIZE_MAX};
    size_t keep = search_keep(op->search);
    cursor->enough = search_enough(op->search);
    cursor->most = keep < SIZE_MAX / 4 ? keep * 2 + 64 : SIZE_MAX;
    cursor->texts = search_enough(op->search) == SIZE_MAX && cursor->most != SIZE_MAX ? &cursor->own : out;
    arena_init(&cursor->own, out->allocator);
    buf_init(&cursor->from, out->allocator, PATH_MAX_LENGTH * 4);
    search_work_init(&cursor->work, out->allocator);
    return cursor;
}

happn_status operation_slice(struct shelf *shelf, struct store_op *op, struct arena *out, size_t budget,
                             struct operation_cursor **place)
{
    struct operation_cursor *cursor = *place;
    if (cursor == NULL) {
        cursor = *place = new_cursor(op, out);
        if (cursor == NULL) {
            return operation_no_memory(op);
        }
    }
    cursor->budget = budget;
    happn_status status = cursor->is_walked ? HAPPN_OK : walk(shelf, cursor);
    if (status == HAPPN_OK && cursor->is_cut) {
        return HAPPN_PENDING;
    }
    cursor->is_walked = true;
    cursor->budget = budget; /* what is left of it may be nothing, which would be all */
    status = status == HAPPN_OK ? finish(cursor) : status;
    if (status == HAPPN_PENDING) {
        return HAPPN_PENDING;
    }
    if (cursor->sorting != NULL) {
        sorting_free(cursor->sorting);
    }
    buf_fini(&cursor->from);
    search_work_fini(&cursor->work);
    *place = NULL;
    op->snapshot_rev = shelf->rev;
    if (status != HAPPN_OK) {
        arena_fini(&cursor->own);
        operation_forget(op);
    } else {
        arena_adopt(out, &cursor->own);
    }
    return status;
}

bool operation_has_passed(const struct operation_cursor *cursor, struct str path)
{
    return cursor->is_walked || str_compare(path, buf_str(&cursor->from)) < 0;
}

static happn_status find(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    if (!path_has_wildcard(op->path)) {
        return operation_concerns(op, op->path) ? get(shelf, op, out) : HAPPN_OK;
    }
    struct operation_cursor *cursor = NULL;
    return operation_slice(shelf, op, out, 0, &cursor);
}

static happn_status run(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    switch (op->kind) {
    case STORE_SET:
    case STORE_MERGE:
    case STORE_INCREMENT:
    case STORE_TAG:
    case STORE_RESTORE:
        return operation_write(shelf, op, out);
    case STORE_GET:
        return get(shelf, op, out);
    case STORE_FIND:
    case STORE_COUNT:
        return find(shelf, op, out);
    case STORE_REMOVE:
        return operation_remove(shelf, op, out);
    case STORE_COMPACT:
        return shelf->ops->compact != NULL ? shelf->ops->compact(shelf, &op->error) : HAPPN_OK;
    }
    return error_set(&op->error, HAPPN_E_UNSUPPORTED, "no store knows operation %d", op->kind);
}

/* A shelf without groups cannot take back what it has removed before it failed: it is told beside the failure. */
static void own_up(struct shelf *shelf, struct store_op *op)
{
    happn_error error = op->error;
    op->count = op->lists_removed ? (size_t)op->removed : 0; /* the rest of the list is still there */
    op->snapshot_rev = shelf->rev;
    error_set(&op->error, error.status, "%.400s (%lld documents had been removed before)", error.message, (long long)op->removed);
}

happn_status operation_run(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    int64_t rev = shelf->rev;
    happn_status status = run(shelf, op, out);
    if (shelf->ops->rest != NULL) {
        shelf->ops->rest(shelf);
    }
    if (status != HAPPN_OK) {
        if (shelf->ops->group != NULL) {
            shelf->rev = rev;
        } else if (op->removed != 0) {
            own_up(shelf, op);
            return status;
        }
        operation_forget(op);
        return status;
    }
    op->snapshot_rev = shelf->rev;
    return HAPPN_OK;
}

void operation_forget(struct store_op *op)
{
    int64_t rev = op->error.status == HAPPN_E_CONFLICT ? op->document.rev : 0;
    op->document = (struct document){.rev = rev};
    op->was_created = false;
    op->documents = NULL;
    op->count = 0;
    op->removed = 0;
    op->number = STR_NONE;
    op->snapshot_rev = 0;
    op->index = STR_NONE;
    op->examined = 0;
}
