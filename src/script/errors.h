/* What becomes of a script's errors: an id for the client, one line for the log, at most once a minute for each place. */
#ifndef HAPPN_SCRIPT_ERRORS_H
#define HAPPN_SCRIPT_ERRORS_H

#include "core/core.h"

enum { ERRORS_PLACES = 64, ERROR_ID_SIZE = 9 };

struct error_place {
    char source[64];
    int line;
    int64_t logged_at; /* milliseconds; 0: free */
    unsigned since;    /* not logged since then */
};

struct errors {
    struct error_place places[ERRORS_PLACES];
};

struct error_report {
    const char *script, *hook, *source;
    int line;
    struct str action, path;
    const char *text; /* with its traceback */
};

/* Writes an id that names this failure in the log and at the client. */
void errors_report(struct errors *errors, struct core *core, const struct error_report *report, char id[ERROR_ID_SIZE]);

#endif
