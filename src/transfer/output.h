/* A file that appears under its name only when it is complete. */
#ifndef HAPPN_TRANSFER_OUTPUT_H
#define HAPPN_TRANSFER_OUTPUT_H

#include <limits.h>
#include <stdbool.h>

#include "happn/status.h"

struct output {
    const char *name;
    char part[PATH_MAX]; /* what it is called until then */
};

/* E_REFUSED: there is one already, and not `force`. Removes what an earlier attempt has left. */
happn_status output_begin(struct output *output, const char *name, const char *suffix, bool force, happn_error *error);
/* Brings it to the disk and gives it its name. */
happn_status output_finish(struct output *output, happn_error *error);
void output_drop(struct output *output);

#endif
