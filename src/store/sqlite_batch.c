/* A transaction that fails takes all of its operations along, also those that have nothing to do with the reason: the disk has no room for one
 * client's ten megabytes, one client's search meets a broken page. So it is tried again in halves, until what fails stands alone. Where
 * that makes no sense, because the next one would fail as well or take seconds to do so (a lock that somebody has, a sync), the writes fail,
 * and what only reads is done without them: it may not tell of writes that are not there. */

#include "store/sqlite_batch.h"

#include "store/operation.h"

enum { REV_BLOCK = 1000000, MOST_FAILURES = 24 /* of one batch, with a disk that may take its time for each */ };

/* Some of the operations of a list. */
typedef bool (*which)(const struct store_op *op);

static bool reads(const struct store_op *op)
{
    return !operation_writes(op);
}

static bool all(const struct store_op *op)
{
    return op != NULL;
}

static bool has(const struct store_op *op, which wanted)
{
    while (op != NULL && !wanted(op)) {
        op = op->next;
    }
    return op != NULL;
}

/* As if they had never been run. */
static void forget(struct store_op *first, which wanted)
{
    for (struct store_op *op = first; op != NULL; op = op->next) {
        if (wanted(op)) {
            struct sqlite_results *results = op->scratch;
            arena_fini(&results->arena);
            operation_forget(op);
            op->status = HAPPN_PENDING;
            op->error = (happn_error){.status = HAPPN_OK};
        }
    }
}

static void run_one(struct sqlite_file *file, struct store_op *op)
{
    struct sqlite_results *results = op->scratch;
    op->status = operation_run(&file->shelf, op, &results->arena);
    if (op->status != HAPPN_OK) {
        arena_fini(&results->arena);
    }
}

/* The file promises a block ahead, so that most transactions need not write the mark. */
static int keep_rev(struct sqlite_file *file, int64_t *kept)
{
    if (file->shelf.rev <= *kept) {
        return SQLITE_OK;
    }
    *kept = file->shelf.rev + REV_BLOCK;
    return sqlite_file_keep_rev(file, *kept);
}

/* An SQLite code other than OK: nothing of these is in the database. */
static int run_transaction(struct sqlite_file *file, struct store_op *first, which wanted)
{
    bool has_writes = wanted != reads && has(first, operation_writes);
    int code = sqlite_file_run(file, has_writes ? SQL_BEGIN_WRITING : SQL_BEGIN);
    if (code != SQLITE_OK) {
        return code;
    }
    for (struct store_op *op = first; op != NULL; op = op->next) {
        if (wanted(op)) {
            run_one(file, op);
        }
        if (sqlite3_get_autocommit(file->db)) {
            return SQLITE_ABORT; /* the failure was so bad that SQLite took everything back */
        }
    }
    int64_t kept = file->kept_rev;
    code = keep_rev(file, &kept);
    if (code == SQLITE_OK) {
        code = sqlite_file_run(file, SQL_COMMIT);
    }
    if (code == SQLITE_OK) {
        file->kept_rev = kept; /* only now it is in the file */
    }
    return code;
}

static void fail(struct store_op *first, which wanted, const happn_error *error)
{
    forget(first, wanted);
    for (struct store_op *op = first; op != NULL; op = op->next) {
        if (wanted(op)) {
            op->status = error->status;
            op->error = *error;
        }
    }
}

/* The failure that made SQLite roll back is the last one there is; behind it they are still pending. */
static void copy_error(const struct store_op *first, which wanted, happn_error *error)
{
    for (const struct store_op *op = first; op != NULL && (!wanted(op) || op->status != HAPPN_PENDING); op = op->next) {
        if (wanted(op) && op->status != HAPPN_OK) {
            *error = op->error;
        }
    }
}

/* False: none of these has happened. The reason is in *error, its code in file->failed_code. */
static bool try_together(struct sqlite_file *file, struct store_op *first, which wanted, happn_error *error)
{
    int code = run_transaction(file, first, wanted);
    if (code == SQLITE_OK) {
        return true;
    }
    *error = (happn_error){.status = HAPPN_OK};
    if (code == SQLITE_ABORT) {
        copy_error(first, wanted, error);
    } else {
        sqlite_file_failed(file, error);
    }
    error->status = HAPPN_E_STORE;
    if (!sqlite3_get_autocommit(file->db)) {
        sqlite_file_run(file, SQL_ROLLBACK);
    }
    forget(first, wanted);
    return false;
}

/* ---- what becomes of those that failed together */

struct batch {
    struct sqlite_file *file;
    int failures;
    bool has_made_room;
};

static bool is_out_of_room(int code)
{
    return code == SQLITE_FULL || code == SQLITE_IOERR_WRITE; /* limits of a file's length count as the latter */
}

static bool concerns_few(int code)
{
    int kind = code & 0xff;
    bool is_sync = code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
    return kind == SQLITE_FULL || kind == SQLITE_CORRUPT || kind == SQLITE_NOMEM || (kind == SQLITE_IOERR && !is_sync);
}

static void run_together(struct batch *batch, struct store_op *first);

static void run_halves(struct batch *batch, struct store_op *first)
{
    struct store_op *middle = first;
    for (struct store_op *end = first->next; end != NULL && end->next != NULL; end = end->next->next) {
        middle = middle->next;
    }
    struct store_op *second = middle->next;
    middle->next = NULL;
    run_together(batch, first);
    run_together(batch, second);
    middle->next = second;
}

static void fail_together(struct sqlite_file *file, struct store_op *first, const happn_error *error)
{
    happn_error own;
    fail(first, operation_writes, error);
    if (!has(first, operation_writes)) {
        fail(first, reads, error);
    } else if (has(first, reads) && !try_together(file, first, reads, &own)) {
        fail(first, reads, &own);
    }
}

static void run_together(struct batch *batch, struct store_op *first)
{
    happn_error error;
    if (try_together(batch->file, first, all, &error)) {
        return;
    }
    int code = batch->file->failed_code;
    if (is_out_of_room(code) && !batch->has_made_room) {
        batch->has_made_room = true;
        sqlite_file_make_room(batch->file);
        run_together(batch, first);
    } else if (++batch->failures < MOST_FAILURES && first->next != NULL && concerns_few(code)) {
        run_halves(batch, first);
    } else {
        fail_together(batch->file, first, &error);
    }
}

/* A part of the list as a list of its own. */
static void run_part(struct sqlite_file *file, struct store_op *first, struct store_op *last)
{
    struct store_op *rest = last->next;
    last->next = NULL;
    if (first->kind == STORE_COMPACT) {
        run_one(file, first);
    } else {
        run_together(&(struct batch){.file = file}, first);
    }
    last->next = rest;
}

/* SQLite compacts outside of transactions only, so that ends one. */
void sqlite_batch_run(struct sqlite_file *file, struct store_op *first)
{
    while (first != NULL) {
        struct store_op *last = first;
        while (first->kind != STORE_COMPACT && last->next != NULL && last->next->kind != STORE_COMPACT) {
            last = last->next;
        }
        struct store_op *next = last->next;
        run_part(file, first, last);
        first = next;
    }
}
