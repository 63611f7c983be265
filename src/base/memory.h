/* One allocator a runtime: every allocation of ours goes through it, so tests can fail the n-th. */
#ifndef HAPPN_BASE_MEMORY_H
#define HAPPN_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Like realloc: ptr NULL allocates, size 0 frees and returns NULL; NULL otherwise means no memory. */
struct allocator {
    void *(*resize)(void *context, void *ptr, size_t size);
    void *context;
};

/* The C library's allocator; what NULL stands for everywhere an allocator is passed. */
extern const struct allocator memory_default;

void *memory_alloc(const struct allocator *allocator, size_t size);
void *memory_zalloc(const struct allocator *allocator, size_t size);
void *memory_resize(const struct allocator *allocator, void *ptr, size_t size);
void memory_free(const struct allocator *allocator, void *ptr);
char *memory_strdup(const struct allocator *allocator, const char *text, size_t len);

#endif
