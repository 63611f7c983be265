/* An SQLite commit that is on the disk costs a hundred microseconds, whether it holds one document or a thousand; and
 * the loop must not wait for it. So there is one storage thread, and what arrives while it commits becomes the next
 * transaction: nobody waits for a timer, and the more there is to do, the less each costs (group commit).
 *
 * The way of a write: submit() puts it into the list of this turn (no lock, no memory). At the end of the turn, or when
 * the list is long, the list goes to the storage thread with one lock and one signal. The thread runs it as one
 * transaction in the order of submission, commits, hands it back with one wake-up, and only then moves the log into
 * the database if that is due. On the loop each operation is done() in the same order.
 *
 * A read of one path does not go that way. A second, read-only connection on the loop's thread answers it at once: in
 * WAL mode it sees everything committed and is never blocked by the writer. It would not see writes that are still
 * under way; `unfinished` counts those by path, and reads of such a path queue up behind them. So a client that got
 * its answer reads what it wrote, and one that did not wait reads it in its order. Patterns and searches are answered there, too, while
 * the thread has nothing to do, as long as they are brief: a few documents, by an index where there are criteria. One that turns out to be
 * longer begins anew on the thread, so the loop has lost two milliseconds at most; and only the first of a turn is tried: where more than one
 * comes in a turn the thread does them together, beside the loop.
 *
 * Promised: operations take effect in the order of submission; when done() says OK, it is committed (with `sync`, on
 * the disk); a failed operation leaves no trace and the others of its transaction stay; a failed commit fails those writes
 * only that fail by themselves as well (sqlite_batch); the store stays usable. rev only goes up, across crashes: the file knows a number that is ahead of it.
 * Not promised: that a failed commit is not there after a crash. When the disk refuses the last step, nobody knows.
 *
 * Rows: `sqlite_file`. SQL: `sqlite_shelf`. Transactions: `sqlite_batch`. Threads: `storage_thread`. */

#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "store/sqlite_batch.h"
#include "store/sqlite_lock.h"
#include "store/operation.h"
#include "store/storage_thread.h"
#include "store/unfinished.h"

enum { BATCH_MAX = 1024, TURN_MAX = 256, MAX_OPERATIONS = 100000, MAX_BYTES = 256 << 20 };

struct sqlite {
    struct provider provider;
    struct loop *loop;
    const struct allocator *allocator;
    struct sqlite_file writer; /* the storage thread's, once it runs */
    struct sqlite_file reader; /* the loop's; rev: the last one acknowledged */
    int lock;
    struct storage_thread storage;
    struct loop_flush flush;
    struct unfinished unfinished;
    struct op_list turn; /* submitted in this turn of the loop */
    size_t turn_count;
    bool has_searched; /* in this turn, on the loop */
    size_t waiting_bytes; /* submitted, not done */
    size_t max_waiting, max_bytes;
    bool is_closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static size_t cost_of(const struct store_op *op)
{
    return op->path.len + op->data.len + op->modified_by.len;
}

static void send_turn(struct sqlite *sqlite)
{
    if (sqlite->turn_count != 0) {
        sqlite->turn_count = 0;
        storage_send(&sqlite->storage, &sqlite->turn);
    }
}

static void on_end_of_turn(struct loop_flush *flush)
{
    struct sqlite *sqlite = (struct sqlite *)((char *)flush - offsetof(struct sqlite, flush));
    sqlite->has_searched = false;
    send_turn(sqlite);
}

static happn_status prepare(struct sqlite *sqlite, struct store_op *op)
{
    size_t cost = cost_of(op);
    /* One large document must get through an empty queue. */
    if (sqlite->provider.waiting >= sqlite->max_waiting ||
        (sqlite->provider.waiting != 0 && sqlite->waiting_bytes + cost > sqlite->max_bytes)) {
        return error_set(&op->error, HAPPN_E_BUSY, "the store has too much to do, try again later");
    }
    struct sqlite_results *results = arena_alloc(op->arena, sizeof *results);
    if (results == NULL) {
        return error_set(&op->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    arena_init(&results->arena, op->arena->allocator);
    op->scratch = results;
    sqlite->provider.waiting++;
    sqlite->waiting_bytes += cost;
    unfinished_add(&sqlite->unfinished, op);
    return HAPPN_PENDING;
}

/* Everything of one search is read from one state of the database, and its locks are taken once. */
static happn_status run_brief(struct sqlite *sqlite, struct store_op *op)
{
    if (sqlite_file_run(&sqlite->reader, SQL_BEGIN) != SQLITE_OK) {
        return HAPPN_E_BUSY;
    }
    sqlite->has_searched = true;
    sqlite_file_be_brief(&sqlite->reader);
    happn_status status = operation_run(&sqlite->reader.shelf, op, op->arena);
    sqlite_file_run(&sqlite->reader, SQL_COMMIT);
    return status;
}

static bool may_answer(const struct sqlite *sqlite, const struct store_op *op)
{
    if (op->kind == STORE_GET) {
        return !unfinished_has(&sqlite->unfinished, op->path) && (!op->in_order || sqlite->provider.waiting == 0);
    }
    return (op->kind == STORE_FIND || op->kind == STORE_COUNT) && sqlite->provider.waiting == 0 && !sqlite->has_searched;
}

/* A failure (the database may be busy for a moment, the search may take longer) is not the last word: the storage thread tries again. */
static bool answer_at_once(struct sqlite *sqlite, struct store_op *op)
{
    if (!may_answer(sqlite, op)) {
        return false;
    }
    happn_status status = op->kind == STORE_GET ? operation_run(&sqlite->reader.shelf, op, op->arena) : run_brief(sqlite, op);
    op->error = (happn_error){.status = HAPPN_OK};
    return status == HAPPN_OK;
}

/* Once it is in a list an operation is not ours any more: the status is set before. */
static happn_status submit(struct provider *provider, struct store_op *op)
{
    struct sqlite *sqlite = (struct sqlite *)provider;
    if (sqlite->is_closing) {
        return op->status = error_set(&op->error, HAPPN_E_CLOSED, "the store is closed");
    }
    if (answer_at_once(sqlite, op)) {
        return op->status = HAPPN_OK;
    }
    op->status = prepare(sqlite, op);
    if (op->status != HAPPN_PENDING) {
        return op->status;
    }
    op_list_add(&sqlite->turn, op);
    if (++sqlite->turn_count == TURN_MAX) {
        send_turn(sqlite);
    }
    return HAPPN_PENDING;
}

static void on_finished(void *context, struct store_op *op)
{
    struct sqlite *sqlite = context;
    struct sqlite_results *results = op->scratch;
    if (op->snapshot_rev > sqlite->reader.shelf.rev) {
        sqlite->reader.shelf.rev = op->snapshot_rev;
    }
    sqlite->provider.waiting--;
    sqlite->waiting_bytes -= cost_of(op);
    unfinished_take(&sqlite->unfinished, op);
    arena_adopt(op->arena, &results->arena);
    op->done(op);
}

static void run_batch(void *context, struct store_op *first)
{
    sqlite_batch_run(&((struct sqlite *)context)->writer, first);
}

static void rest(void *context)
{
    sqlite_file_checkpoint(&((struct sqlite *)context)->writer);
}

/* Closing the last connection moves the log into the database and deletes it. */
static void end(void *context)
{
    struct sqlite *sqlite = context;
    if (sqlite->writer.shelf.rev != sqlite->writer.kept_rev) {
        sqlite_file_keep_rev(&sqlite->writer, sqlite->writer.shelf.rev); /* else a block of numbers is skipped */
    }
    sqlite_file_close(&sqlite->writer);
    sqlite_lock_release(sqlite->lock);
}

static void on_ended(void *context)
{
    struct sqlite *sqlite = context;
    void (*closed)(void *) = sqlite->closed;
    void *arg = sqlite->closed_arg;
    loop_flush_remove(sqlite->loop, &sqlite->flush);
    memory_free(sqlite->allocator, sqlite);
    closed(arg);
}

static const struct storage_work work = {run_batch, rest, end, on_finished, on_ended};

static void close_sqlite(struct provider *provider, void (*closed)(void *arg), void *arg)
{
    struct sqlite *sqlite = (struct sqlite *)provider;
    sqlite->closed = closed;
    sqlite->closed_arg = arg;
    sqlite->is_closing = true;
    sqlite_file_close(&sqlite->reader); /* first: a reading connection cannot clear the log away */
    send_turn(sqlite);
    storage_stop(&sqlite->storage);
}

static const struct provider_ops ops = {"sqlite", true, submit, close_sqlite, NULL};

/* The absolute name without links: two names of one file must meet at one lock. The file may not exist yet. */
static happn_status resolve(const char *file, char out[PATH_MAX], happn_error *error)
{
    if (file == NULL || file[0] == '\0') {
        return error_set(error, HAPPN_E_ARGUMENT, "the database has no file name");
    }
    if (realpath(file, out) != NULL) {
        return HAPPN_OK;
    }
    const char *slash = strrchr(file, '/');
    char folder[PATH_MAX], found[PATH_MAX];
    int len = slash == NULL ? snprintf(folder, sizeof folder, ".")
                            : snprintf(folder, sizeof folder, "%.*s", (int)(slash - file + 1), file);
    const char *name = slash != NULL ? slash + 1 : file;
    if (len >= (int)sizeof folder || realpath(folder, found) == NULL) {
        return error_set(error, HAPPN_E_IO, "cannot open %s: %s", file, strerror(errno));
    }
    const char *between = strcmp(found, "/") == 0 ? "" : "/";
    if (snprintf(out, PATH_MAX, "%s%s%s", found, between, name) >= PATH_MAX) {
        return error_set(error, HAPPN_E_ARGUMENT, "the name of the database is too long");
    }
    return HAPPN_OK;
}

/* SQLite syncs the folder when it syncs a log that it has made, but the first commit may be of an earlier time. */
static happn_status sync_folder(const char *file, happn_error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/');
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - file + 1), file);
    int fd = open(folder, O_RDONLY | O_CLOEXEC);
    bool is_done = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* EINVAL: this file system does it without */
    if (!is_done) {
        error_set(error, HAPPN_E_IO, "cannot sync %s: %s", folder, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return is_done ? HAPPN_OK : HAPPN_E_IO;
}

static happn_status open_files(struct sqlite *sqlite, const struct sqlite_options *options, happn_error *error)
{
    happn_status status = sqlite_file_open(&sqlite->writer, options, error);
    if (status != HAPPN_OK) {
        return status;
    }
    status = sqlite_file_open_reader(&sqlite->reader, options, error);
    if (status == HAPPN_OK && options->sync) {
        status = sync_folder(options->file, error);
    }
    if (status == HAPPN_OK &&
        storage_start(&sqlite->storage, sqlite->loop, &work, sqlite, BATCH_MAX) != HAPPN_OK) {
        status = error_set(error, HAPPN_E_MEMORY, "cannot start the storage thread");
    }
    if (status != HAPPN_OK) {
        sqlite_file_close(&sqlite->reader);
        sqlite_file_close(&sqlite->writer);
        return status;
    }
    sqlite->reader.shelf.rev = sqlite->writer.shelf.rev;
    sqlite->reader.long_text.allocator = sqlite->writer.long_text.allocator = sqlite->allocator; /* what they read may be taken into results */
    return HAPPN_OK;
}

static happn_status open_locked(struct sqlite *sqlite, const struct sqlite_options *options, happn_error *error)
{
    char file[PATH_MAX];
    happn_status status = resolve(options->file, file, error);
    if (status != HAPPN_OK) {
        return status;
    }
    status = sqlite_lock_take(file, &sqlite->lock, error);
    if (status != HAPPN_OK) {
        return status;
    }
    struct sqlite_options resolved = *options;
    resolved.file = file;
    status = open_files(sqlite, &resolved, error);
    if (status != HAPPN_OK) {
        sqlite_lock_release(sqlite->lock);
    }
    return status;
}

happn_status store_sqlite_open(struct loop *loop, const struct allocator *allocator, const struct sqlite_options *options,
                               struct provider **out, happn_error *error)
{
    struct sqlite *sqlite = memory_zalloc(allocator, sizeof *sqlite);
    if (sqlite == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    sqlite->provider.ops = &ops;
    sqlite->loop = loop;
    sqlite->allocator = allocator;
    sqlite->max_waiting = options->max_operations != 0 ? options->max_operations : MAX_OPERATIONS;
    sqlite->max_bytes = options->max_bytes != 0 ? options->max_bytes : MAX_BYTES;
    sqlite->flush.run = on_end_of_turn;
    happn_status status = open_locked(sqlite, options, error);
    if (status != HAPPN_OK) {
        memory_free(allocator, sqlite);
        return status;
    }
    loop_flush_add(loop, &sqlite->flush);
    *out = &sqlite->provider;
    return HAPPN_OK;
}
