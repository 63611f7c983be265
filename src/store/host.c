/* The host's functions as a shelf, and a storage thread that calls them. They open and close on the loop's thread, before and
 * after the other one. */

#include "store/host.h"

#include <time.h>

#include "base/error.h"
#include "store/operation.h"
#include "store/storage_thread.h"

enum { BATCH_MAX = 256, MOST_WAITING = 100000 };

struct host {
    struct provider provider;
    struct shelf shelf;
    const struct allocator *allocator;
    const happn_provider_ops *ops;
    void *store;
    struct storage_thread storage;
    bool is_closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct host *host_of(struct shelf *shelf)
{
    return (struct host *)((char *)shelf - offsetof(struct host, shelf));
}

static happn_text text_of(struct str text)
{
    return (happn_text){text.ptr, text.len};
}

static struct str str_of_text(happn_text text)
{
    return str_make(text.ptr, text.len);
}

static struct document document_of(const happn_document *from)
{
    return (struct document){.path = str_of_text(from->path),
                             .data = str_of_text(from->data),
                             .modified_by = str_of_text(from->modified_by),
                             .tag = str_of_text(from->tag),
                             .created = from->created,
                             .modified = from->modified,
                             .rev = from->rev,
                             .is_unchecked = true};
}

/* The host may forget to say why. */
static happn_status checked(happn_status status, happn_error *error)
{
    if (status < 0 && error->message[0] == '\0') {
        error_set(error, status, "%s", happn_status_text(status));
    }
    return status < 0 ? status : HAPPN_OK;
}

static happn_status read_one(struct shelf *shelf, struct str path, bool bare, struct document *out, happn_error *error)
{
    (void)bare;
    struct host *host = host_of(shelf);
    happn_document found = {.rev = 0};
    happn_status status = checked(host->ops->read(host->store, text_of(path), &found, error), error);
    *out = document_of(&found);
    return status;
}

static happn_status write_one(struct shelf *shelf, const struct document *document, happn_error *error)
{
    struct host *host = host_of(shelf);
    happn_document given = {.path = text_of(document->path),
                            .data = text_of(document->data),
                            .modified_by = text_of(document->modified_by),
                            .tag = text_of(document->tag),
                            .created = document->created,
                            .modified = document->modified,
                            .rev = document->rev};
    return checked(host->ops->write(host->store, &given, error), error);
}

static happn_status erase_one(struct shelf *shelf, struct str path, happn_error *error)
{
    struct host *host = host_of(shelf);
    return checked(host->ops->erase(host->store, text_of(path), error), error);
}

/* Knows where the prefix ends, which the host need not. */
struct tour {
    const struct shelf_walk *walk;
};

static int visit(const happn_document *given, void *arg)
{
    const struct shelf_walk *walk = ((struct tour *)arg)->walk;
    struct document document = document_of(given);
    return str_starts(document.path, walk->prefix) && walk->visit(walk->arg, &document);
}

static happn_status walk(struct shelf *shelf, const struct shelf_walk *walk, happn_error *error)
{
    struct host *host = host_of(shelf);
    struct tour tour = {walk};
    return checked(host->ops->walk(host->store, text_of(walk->from), visit, &tour, error), error);
}

static const struct shelf_ops shelf_ops = {.read = read_one, .write = write_one, .erase = erase_one, .walk = walk};

/* ---- batches, on the storage thread */

struct results {
    struct arena arena;
};

static void fail_all(struct store_op *first, const happn_error *error)
{
    for (struct store_op *op = first; op != NULL; op = op->next) {
        operation_forget(op);
        op->status = error->status;
        op->error = *error;
    }
}

static void run_all(struct host *host, struct store_op *first)
{
    for (struct store_op *op = first; op != NULL; op = op->next) {
        struct results *results = op->scratch;
        op->status = operation_run(&host->shelf, op, &results->arena);
    }
}

static void run_batch(void *context, struct store_op *first)
{
    struct host *host = context;
    happn_error error = {.status = HAPPN_OK};
    happn_status status = host->ops->begin != NULL ? checked(host->ops->begin(host->store, &error), &error) : HAPPN_OK;
    int64_t rev = host->shelf.rev;
    if (status == HAPPN_OK) {
        run_all(host, first);
        status = host->ops->end != NULL ? checked(host->ops->end(host->store, 1, &error), &error) : HAPPN_OK;
    }
    if (status != HAPPN_OK) {
        host->shelf.rev = rev > host->shelf.rev ? rev : host->shelf.rev; /* numbers are never used again */
        error.status = status;
        fail_all(first, &error);
    }
}

static void rest(void *context)
{
    (void)context;
}

static void on_finished(void *context, struct store_op *op)
{
    struct host *host = context;
    struct results *results = op->scratch;
    host->provider.waiting--;
    arena_adopt(op->arena, &results->arena);
    op->done(op);
}

static void on_ended(void *context)
{
    struct host *host = context;
    void (*closed)(void *) = host->closed;
    void *arg = host->closed_arg;
    host->ops->close(host->store);
    memory_free(host->allocator, host);
    closed(arg);
}

static const struct storage_work work = {run_batch, rest, rest, on_finished, on_ended};

/* ---- the loop's side */

static happn_status submit(struct provider *provider, struct store_op *op)
{
    struct host *host = (struct host *)provider;
    if (host->is_closing) {
        return op->status = error_set(&op->error, HAPPN_E_CLOSED, "the store is closed");
    }
    if (host->provider.waiting >= MOST_WAITING) {
        return op->status = error_set(&op->error, HAPPN_E_BUSY, "the store has too much to do, try again later");
    }
    struct results *results = arena_alloc(op->arena, sizeof *results);
    if (results == NULL) {
        return op->status = error_set(&op->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    arena_init(&results->arena, op->arena->allocator);
    op->scratch = results;
    op->status = HAPPN_PENDING;
    host->provider.waiting++;
    struct op_list list = {NULL, NULL};
    op_list_add(&list, op);
    storage_send(&host->storage, &list);
    return HAPPN_PENDING;
}

static void close_host(struct provider *provider, void (*closed)(void *arg), void *arg)
{
    struct host *host = (struct host *)provider;
    host->closed = closed;
    host->closed_arg = arg;
    host->is_closing = true;
    storage_stop(&host->storage);
}

static const struct provider_ops ops = {"host", true, submit, close_host, NULL};

happn_status store_host_open(struct loop *loop, const struct allocator *allocator, const happn_provider_ops *host_ops, void *host_arg,
                             struct str settings, struct provider **out, happn_error *error)
{
    struct host *host = memory_zalloc(allocator, sizeof *host);
    if (host == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    *host = (struct host){.provider.ops = &ops, .shelf.ops = &shelf_ops, .allocator = allocator, .ops = host_ops};
    happn_status status = checked(host_ops->open(settings.ptr, settings.len, host_arg, &host->store, error), error);
    if (status != HAPPN_OK) {
        memory_free(allocator, host);
        return status;
    }
    status = checked(host_ops->last_rev(host->store, &host->shelf.rev, error), error);
    if (host->shelf.rev <= 0) { /* new, or it forgets when it ends: numbers are not used again */
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        host->shelf.rev = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    }
    if (status == HAPPN_OK && storage_start(&host->storage, loop, &work, host, BATCH_MAX) != HAPPN_OK) {
        status = error_set(error, HAPPN_E_MEMORY, "cannot start the storage thread");
    }
    if (status != HAPPN_OK) {
        host_ops->close(host->store);
        memory_free(allocator, host);
        return status;
    }
    *out = &host->provider;
    return HAPPN_OK;
}
