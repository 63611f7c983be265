/* An allocator for tests: what is in use is counted, and the n-th allocation fails if the test wants that. For one thread. */
#ifndef TESTS_TEST_MEMORY_H
#define TESTS_TEST_MEMORY_H

#include <stdbool.h>

#include "base/memory.h"

struct test_memory {
    struct allocator allocator;
    int left; /* allocations that succeed; -1: all */
    bool is_rare; /* only one fails, the next one succeeds again; else all fail from then on */
    bool has_failed;
    size_t in_use; /* blocks */
    size_t allocations, bytes; /* asked for and given, also those that only moved */
};

/* static struct test_memory memory = TEST_MEMORY(memory); */
#define TEST_MEMORY(memory) {.allocator = {test_memory_resize, &(memory)}, .left = -1}

void *test_memory_resize(void *context, void *ptr, size_t size);

#endif
