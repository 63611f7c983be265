/* What import, export and backup have in common: their options, the progress on a terminal, the report. */
#ifndef HAPPN_CLI_TRANSFER_H
#define HAPPN_CLI_TRANSFER_H

#include "happn/transfer.h"

typedef happn_status (*transfer_fn)(const happn_transfer_options *options, const char *file, happn_transfer_report *report, happn_error *error);

/* The command of this name, from its command line to its report. Returns the exit code: 3 when lines were rejected. */
int transfer_run(const char *name, transfer_fn carry_out, int argc, char **argv, const char *help);

#endif
