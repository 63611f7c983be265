#include "test_memory.h"

#include <stdlib.h>

void *test_memory_resize(void *context, void *ptr, size_t size)
{
    struct test_memory *memory = context;
    if (size == 0) {
        memory->in_use -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (memory->left == 0) {
        memory->has_failed = true;
        memory->left = memory->is_rare ? -1 : 0;
        return NULL;
    }
    memory->left -= memory->left > 0;
    memory->in_use += ptr == NULL;
    memory->allocations++;
    memory->bytes += size;
    return realloc(ptr, size);
}
