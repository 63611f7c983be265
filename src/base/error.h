/* Filling a happn_error: always returns the status, so that a failing function ends in one line. */
#ifndef HAPPN_BASE_ERROR_H
#define HAPPN_BASE_ERROR_H

#include "happn/status.h"

/* error may be NULL. The message is cut to the space there is. */
happn_status error_set(happn_error *error, happn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
