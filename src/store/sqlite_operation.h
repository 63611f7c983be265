/* What each operation means in SQL. */
#ifndef HAPPN_STORE_SQLITE_OPERATION_H
#define HAPPN_STORE_SQLITE_OPERATION_H

#include "store/sqlite_file.h"

/* Carries out one operation on the connection, inside its transaction if there is one. Results go to `out`.
 * A failure leaves no trace in the database; an error of the disk may have rolled back the transaction, too. */
happn_status sqlite_operation_run(struct sqlite_file *file, struct store_op *op, struct arena *out);

/* Takes back what an operation had as its result. */
void sqlite_operation_forget(struct store_op *op);

#endif
