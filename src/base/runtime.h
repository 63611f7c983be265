/* What is behind the public happn_runtime. */
#ifndef HAPPN_BASE_RUNTIME_H
#define HAPPN_BASE_RUNTIME_H

#include "base/loop.h"
#include "happn/runtime.h"

struct loop *runtime_loop(happn_runtime *runtime);
const struct allocator *runtime_allocator(happn_runtime *runtime);

#endif
