/* Memory that dies with its request: allocated piece by piece, freed at once. */
#ifndef HAPPN_BASE_ARENA_H
#define HAPPN_BASE_ARENA_H

#include "base/buf.h"
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
/* The buffer's text and a NUL. The memory of a long one is taken over instead of copied, and the buffer is empty afterwards; the caller
 * ends the buffer in any case. ptr is NULL when memory is out. Both have the same allocator. */
struct str arena_take(struct arena *arena, struct buf *buf);
/* The parts, one behind the other, and a NUL; the same. */
struct str arena_join(struct arena *arena, const struct str *parts, size_t count);

/* Takes over everything that `from` holds, without copying: pointers into it now live as long as `arena` does. Both have
 * the same allocator. `from` is empty afterwards. */
void arena_adopt(struct arena *arena, struct arena *from);

/* A long text may outlive its arena: this is the block that holds it, which lives until both the arena and whoever borrowed
 * have ended. NULL: it shares its block with other things, and must be copied. Not from several threads at a time. */
struct arena_block *arena_lend(const struct arena *arena, struct str text);
void arena_block_unref(struct arena_block *block);

#endif
