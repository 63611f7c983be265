/* A database as a shelf: the few steps that every operation is made of, in SQL. */
#ifndef HAPPN_STORE_SQLITE_SHELF_H
#define HAPPN_STORE_SQLITE_SHELF_H

#include "store/sqlite_file.h"

/* For the shelf of a struct sqlite_file. An error of the disk may have rolled back the transaction. */
extern const struct shelf_ops sqlite_shelf;

#endif
