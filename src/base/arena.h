/* Memory that dies with its request: allocated piece by piece, freed at once. */
#ifndef HAPPN_BASE_ARENA_H
#define HAPPN_BASE_ARENA_H

#include "base/memory.h"
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    char *next;
    char *end;
    const struct allocator *allocator;
};

void arena_init(struct arena *arena, const struct allocator *allocator);
void arena_fini(struct arena *arena);

/* Keeps the first block for the next request and frees the others. */
void arena_reset(struct arena *arena);

/* Returns `size` bytes aligned to 16, or NULL when memory is out. */
void *arena_alloc(struct arena *arena, size_t size);

/* Copies text and adds a NUL behind it; ptr is NULL when memory is out. */
struct str arena_str(struct arena *arena, struct str text);
/* The parts, one behind the other, and a NUL; the same. */
struct str arena_join(struct arena *arena, const struct str *parts, size_t count);

/* Takes over everything that `from` holds, without copying: pointers into it now live as long as `arena` does. Both have
 * the same allocator. `from` is empty afterwards. */
void arena_adopt(struct arena *arena, struct arena *from);

#endif
