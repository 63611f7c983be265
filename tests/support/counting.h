/* An allocator that knows how much is in use, to prove what things cost: exactly, where a process' resident memory only hints. */
#ifndef HAPPN_TESTS_COUNTING_H
#define HAPPN_TESTS_COUNTING_H

#include "base/memory.h"

struct counting {
    struct allocator allocator;
    size_t now;  /* bytes in use, as the C library's blocks have them: eight more, in steps of 16 */
    size_t most; /* since counting_mark */
};

void counting_init(struct counting *counting);

/* From here on `most` begins anew. Returns what is in use. */
size_t counting_mark(struct counting *counting);

#endif
