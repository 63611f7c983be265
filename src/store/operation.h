/* Everything that can be asked of a store, carried out on a shelf. */
#ifndef HAPPN_STORE_OPERATION_H
#define HAPPN_STORE_OPERATION_H

#include "store/shelf.h"

/* Carries out the whole operation; its results are allocated in `out`. A failure has no results, and a shelf with groups is
 * as it was before; without them a removal may have done its part, which it tells. */
happn_status operation_run(struct shelf *shelf, struct store_op *op, struct arena *out);

/* The same in slices, for FIND and COUNT on a shelf that has no thread of its own: looks at about `budget` documents, then
 * returns PENDING with the place in *cursor (made in `out`), where the next call goes on. *cursor is NULL at first. */
struct operation_cursor;
happn_status operation_slice(struct shelf *shelf, struct store_op *op, struct arena *out, size_t budget,
                             struct operation_cursor **cursor);

/* Of one that goes on: whether what is at this path has been looked at. */
bool operation_has_passed(const struct operation_cursor *cursor, struct str path);

/* Takes back what an operation had as its result. */
void operation_forget(struct store_op *op);

/* The kinds that change something. */
bool operation_writes(const struct store_op *op);

/* ---- between operation.c and its parts */

happn_status operation_write(struct shelf *shelf, struct store_op *op, struct arena *out);  /* SET to RESTORE */
happn_status operation_remove(struct shelf *shelf, struct store_op *op, struct arena *out);
happn_status operation_no_memory(struct store_op *op);
/* Whether the pattern operation concerns this path. */
bool operation_concerns(const struct store_op *op, struct str path);
/* Whether data need not be read. */
bool operation_is_bare(const struct store_op *op);
/* Whether the document is there and meets the criteria. */
happn_status operation_meets(struct store_op *op, const struct document *document, struct arena *out, bool *matches);
/* E_STORE when the document's text, which comes from outside, is damaged: before it becomes a result, or a part of what is written. */
happn_status operation_check(struct store_op *op, const struct document *document);
/* Copies what the operation wants of a document, or takes it: `from` is not looked at any more. False: out of memory. */
bool operation_copy(const struct store_op *op, struct arena *out, const struct document *from, struct document *to);
/* Room for one more in op->documents; NULL: out of memory. */
struct document *operation_add(struct store_op *op, struct arena *out, size_t *room);

#endif
