/* The files that happn init writes; made from examples/starter and lua/types when the program is built. */
#ifndef HAPPN_CLI_STARTER_H
#define HAPPN_CLI_STARTER_H

#include <stddef.h>

struct starter_file {
    const char *name;
    const unsigned char *bytes;
    size_t len;
};

extern const struct starter_file starter_files[];
extern const size_t starter_file_count;

#endif
