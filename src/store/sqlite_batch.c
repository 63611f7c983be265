#include "store/sqlite_batch.h"

#include "store/operation.h"

enum { REV_BLOCK = 1000000 };

static bool has_writes(const struct store_op *op)
{
    for (; op != NULL; op = op->next) {
        if (operation_writes(op)) {
            return true;
        }
    }
    return false;
}

static void forget_results(struct store_op *op)
{
    struct sqlite_results *results = op->scratch;
    arena_fini(&results->arena);
    operation_forget(op);
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

/* An SQLite code other than OK: nothing of this batch is in the database. */
static int run_transaction(struct sqlite_file *file, struct store_op *first)
{
    int code = sqlite_file_run(file, has_writes(first) ? SQL_BEGIN_WRITING : SQL_BEGIN);
    if (code != SQLITE_OK) {
        return code;
    }
    for (struct store_op *op = first; op != NULL; op = op->next) {
        run_one(file, op);
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

static void fail_all(struct store_op *first, const happn_error *error)
{
    for (struct store_op *op = first; op != NULL; op = op->next) {
        forget_results(op);
        op->status = error->status;
        op->error = *error;
    }
}

/* The failure that made SQLite roll back is the last one there is; behind it they are still pending. */
static void copy_error(const struct store_op *first, happn_error *error)
{
    for (const struct store_op *op = first; op != NULL && op->status != HAPPN_PENDING; op = op->next) {
        if (op->status != HAPPN_OK) {
            *error = op->error;
        }
    }
}

static void run_together(struct sqlite_file *file, struct store_op *first)
{
    int code = run_transaction(file, first);
    if (code == SQLITE_OK) {
        return;
    }
    happn_error error = {.status = HAPPN_OK};
    if (code == SQLITE_ABORT) {
        copy_error(first, &error);
    } else {
        sqlite_file_failed(file, &error);
    }
    error.status = HAPPN_E_STORE;
    if (!sqlite3_get_autocommit(file->db)) {
        sqlite_file_run(file, SQL_ROLLBACK);
    }
    fail_all(first, &error);
}

/* A part of the list as a list of its own. */
static void run_part(struct sqlite_file *file, struct store_op *first, struct store_op *last)
{
    struct store_op *rest = last->next;
    last->next = NULL;
    if (first->kind == STORE_COMPACT) {
        run_one(file, first);
    } else {
        run_together(file, first);
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
