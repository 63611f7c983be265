/* What import, export and backup have in common: their options, the progress on a terminal, the report. */
#ifndef HAPPN_CLI_TRANSFER_H
#define HAPPN_CLI_TRANSFER_H

#include <stdio.h>

#include "happn/transfer.h"

struct transfer {
    happn_transfer_options options;
    const char *name;     /* of the command */
    const char *file;     /* to read from, or to write */
    FILE *rejects;
    int as_json, is_quiet;
    unsigned printed;     /* rejected lines that were shown */
};

/* Reads the command line. -1: go on; otherwise an exit code. */
int transfer_options(struct transfer *transfer, int argc, char **argv, const char *help);

/* Prints the report, or why there is none. Returns the exit code: 3 when lines were rejected. */
int transfer_end(struct transfer *transfer, happn_status status, const happn_transfer_report *report, const happn_error *error);

#endif
