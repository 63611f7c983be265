#include "store/unfinished.h"

#include "paths/path.h"

static uint32_t slot_of(struct str path)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < path.len; i++) {
        hash = (hash ^ (unsigned char)path.ptr[i]) * 16777619u;
    }
    return (hash ^ hash >> 16) % UNFINISHED_SLOTS;
}

static uint32_t *counter(struct unfinished *unfinished, const struct store_op *op)
{
    switch (op->kind) {
    case STORE_TAG:
        return &unfinished->slots[slot_of(op->target)];
    case STORE_SET:
    case STORE_MERGE:
    case STORE_INCREMENT:
    case STORE_RESTORE:
        return &unfinished->slots[slot_of(op->path)];
    case STORE_REMOVE:
        return path_has_wildcard(op->path) ? &unfinished->patterns
                                           : &unfinished->slots[slot_of(op->path)];
    case STORE_GET:
    case STORE_FIND:
    case STORE_COUNT:
    case STORE_COMPACT:
        break;
    }
    return NULL; /* changes nothing */
}

void unfinished_add(struct unfinished *unfinished, const struct store_op *op)
{
    uint32_t *count = counter(unfinished, op);
    if (count != NULL) {
        ++*count;
    }
}

void unfinished_take(struct unfinished *unfinished, const struct store_op *op)
{
    uint32_t *count = counter(unfinished, op);
    if (count != NULL) {
        --*count;
    }
}

bool unfinished_has(const struct unfinished *unfinished, struct str path)
{
    return unfinished->patterns != 0 || unfinished->slots[slot_of(path)] != 0;
}
