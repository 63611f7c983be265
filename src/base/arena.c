#include "base/arena.h"

/* The first block is small: most requests need no more, and a thousand of them may wait for a script. */
enum { FIRST_SIZE = 512, BLOCK_SIZE = 2048, ALIGN = 16, TAKEN_BYTES = 65536 };

/* One that is longer than BLOCK_SIZE holds a single text, so it may be lent. */
struct arena_block {
    struct arena_block *older;
    const struct allocator *allocator;
    size_t size;
    size_t refs;
    char *taken; /* the memory of a buffer; NULL: it is `bytes` */
    _Alignas(ALIGN) char bytes[];
};

void arena_block_unref(struct arena_block *block)
{
    if (--block->refs == 0) {
        memory_free(block->allocator, block->taken);
        memory_free(block->allocator, block);
    }
}

void arena_init(struct arena *arena, const struct allocator *allocator)
{
    *arena = (struct arena){.allocator = allocator};
}

static void free_chain(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *older = block->older;
        arena_block_unref(block);
        block = older;
    }
}

void arena_fini(struct arena *arena)
{
    free_chain(arena->blocks);
    arena->blocks = NULL;
    arena->next = arena->end = NULL;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *keep = arena->blocks;
    if (keep == NULL) {
        return;
    }
    free_chain(keep->older);
    keep->older = NULL;
    if (keep->size > BLOCK_SIZE) {
        arena_fini(arena);
        return;
    }
    arena->next = keep->bytes;
    arena->end = keep->bytes + keep->size;
}

/* A block behind the first is a whole one, so what is reset and used again soon has what it needs. */
static size_t block_size(const struct arena *arena, size_t need)
{
    size_t usual = arena->blocks == NULL ? FIRST_SIZE : BLOCK_SIZE;
    if (need <= usual) {
        return usual;
    }
    return need > BLOCK_SIZE ? need : BLOCK_SIZE;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t need = size != 0 ? (size + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN; /* of nothing, too, there is an address */
    if (need < size) {
        return NULL;
    }
    if ((size_t)(arena->end - arena->next) < need) {
        size_t room = block_size(arena, need);
        struct arena_block *block = memory_alloc(arena->allocator, sizeof *block + room);
        if (block == NULL) {
            return NULL;
        }
        *block = (struct arena_block){.older = arena->blocks, .allocator = arena->allocator, .size = room, .refs = 1};
        arena->blocks = block;
        arena->next = block->bytes;
        arena->end = block->bytes + room;
    }
    void *ptr = arena->next;
    arena->next += need;
    return ptr;
}

struct str arena_str(struct arena *arena, struct str text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (copy == NULL) {
        return STR_NONE;
    }
    if (text.len != 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return (struct str){copy, text.len};
}

/* The newest block still has room, so it stays in front. */
static void add_taken(struct arena *arena, struct arena_block *block)
{
    if (arena->blocks == NULL) {
        arena->blocks = block;
        return;
    }
    block->older = arena->blocks->older;
    arena->blocks->older = block;
}

struct str arena_take(struct arena *arena, struct buf *buf)
{
    if (buf->len < TAKEN_BYTES) {
        return arena_str(arena, buf_str(buf));
    }
    struct arena_block *block = buf_reserve(buf, 1) ? memory_alloc(arena->allocator, sizeof *block) : NULL;
    if (block == NULL) {
        return STR_NONE;
    }
    buf->ptr[buf->len] = '\0';
    char *less = memory_resize(arena->allocator, buf->ptr, buf->len + 1);
    *block = (struct arena_block){.allocator = arena->allocator, .size = buf->len + 1, .refs = 1,
                                  .taken = less != NULL ? less : buf->ptr};
    add_taken(arena, block);
    buf->ptr = NULL;
    buf->capacity = buf->len = 0;
    return str_make(block->taken, block->size - 1);
}

struct arena_block *arena_lend(const struct arena *arena, struct str text)
{
    for (struct arena_block *block = arena->blocks; block != NULL; block = block->older) {
        const char *start = block->taken != NULL ? block->taken : block->bytes;
        bool is_here = text.ptr >= start && text.ptr + text.len <= start + block->size;
        if (is_here) {
            bool is_most = (block->taken != NULL || block->size > BLOCK_SIZE) && text.len >= block->size / 2;
            block->refs += is_most;
            return is_most ? block : NULL;
        }
    }
    return NULL;
}

struct str arena_join(struct arena *arena, const struct str *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += parts[i].len;
    }
    char *text = arena_alloc(arena, len + 1);
    if (text == NULL) {
        return STR_NONE;
    }
    char *at = text;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, parts[i].ptr != NULL ? parts[i].ptr : "", parts[i].len);
        at += parts[i].len;
    }
    *at = '\0';
    return str_make(text, len);
}

void arena_adopt(struct arena *arena, struct arena *from)
{
    if (arena->blocks == NULL) {
        arena->blocks = from->blocks;
        arena->next = from->next;
        arena->end = from->end;
    } else if (from->blocks != NULL) {
        /* Behind the newest block, which still has room. */
        struct arena_block *oldest = from->blocks;
        while (oldest->older != NULL) {
            oldest = oldest->older;
        }
        oldest->older = arena->blocks->older;
        arena->blocks->older = from->blocks;
    }
    from->blocks = NULL;
    from->next = from->end = NULL;
}
