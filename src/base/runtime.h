/* What is behind the public happn_runtime. */
#ifndef HAPPN_BASE_RUNTIME_H
#define HAPPN_BASE_RUNTIME_H

#include "base/loop.h"
#include "happn/runtime.h"

/* Something that lives on a runtime: a service, a client. Embedded in it. Closing the runtime closes it. */
struct runtime_part {
    void (*close)(struct runtime_part *part); /* begins to close, when that has not begun yet */
    struct runtime_part *previous, *next;
};

struct loop *runtime_loop(happn_runtime *runtime);
const struct allocator *runtime_allocator(happn_runtime *runtime);
void runtime_add(happn_runtime *runtime, struct runtime_part *part);
/* The last thing a closing part does, before it is freed. */
void runtime_remove(happn_runtime *runtime, struct runtime_part *part);
/* E_FORK in a child of the process that opened the runtime: its thread is not there. */
happn_status runtime_check(const happn_runtime *runtime);

#endif
