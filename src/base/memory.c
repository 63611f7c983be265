#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void *libc_resize(void *context, void *ptr, size_t size)
{
    (void)context;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, size);
}

const struct allocator memory_default = {libc_resize, NULL};

void *memory_resize(const struct allocator *allocator, void *ptr, size_t size)
{
    const struct allocator *a = allocator != NULL ? allocator : &memory_default;
    return a->resize(a->context, ptr, size);
}

void *memory_alloc(const struct allocator *allocator, size_t size)
{
    return memory_resize(allocator, NULL, size != 0 ? size : 1);
}

void *memory_zalloc(const struct allocator *allocator, size_t size)
{
    void *ptr = memory_alloc(allocator, size);
    if (ptr != NULL) {
        memset(ptr, 0, size);
    }
    return ptr;
}

void memory_free(const struct allocator *allocator, void *ptr)
{
    if (ptr != NULL) {
        memory_resize(allocator, ptr, 0);
    }
}

char *memory_strdup(const struct allocator *allocator, const char *text, size_t len)
{
    char *copy = memory_alloc(allocator, len + 1);
    if (copy != NULL) {
        if (len != 0) {
            memcpy(copy, text, len);
        }
        copy[len] = '\0';
    }
    return copy;
}
