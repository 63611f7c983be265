/* One program at a time per database. */
#ifndef HAPPN_STORE_SQLITE_LOCK_H
#define HAPPN_STORE_SQLITE_LOCK_H

#include "base/error.h"

/* Takes `<file>-lock`; E_BUSY when another open store has it, in this process or in any other. */
happn_status sqlite_lock_take(const char *file, int *lock, happn_error *error);
void sqlite_lock_release(int lock);

#endif
