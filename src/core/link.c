#include "core/link.h"

#include "json/write.h"

struct payload *payload_new(const struct allocator *allocator, struct str text)
{
    struct payload *payload = memory_alloc(allocator, sizeof *payload + text.len);
    if (payload == NULL) {
        return NULL;
    }
    *payload = (struct payload){.refs = 1, .allocator = allocator, .len = text.len};
    if (text.len != 0) {
        memcpy(payload->bytes, text.ptr, text.len);
    }
    return payload;
}

void payload_begin(struct buf *buf, const struct allocator *allocator, size_t max)
{
    buf_init(buf, allocator, max);
    buf_add(buf, &(struct payload){.refs = 1, .allocator = allocator}, sizeof(struct payload));
}

struct payload *payload_end(struct buf *buf)
{
    if (buf->status != HAPPN_OK) {
        buf_fini(buf);
        return NULL;
    }
    struct payload *payload = (struct payload *)buf->ptr;
    payload->len = buf->len - sizeof *payload;
    *buf = (struct buf){.max = 0};
    return payload;
}

void payload_ref(struct payload *payload)
{
    payload->refs++;
}

void payload_unref(struct payload *payload)
{
    if (--payload->refs != 0) {
        return;
    }
    if (payload->lent.block != NULL) {
        arena_block_unref(payload->lent.block);
    }
    memory_free(payload->allocator, payload->whole);
    memory_free(payload->allocator, payload);
}

/* As much of one of its three parts as is asked for; `at` counts from the part's beginning. */
static size_t copy_part(struct str part, size_t *at, char **to, size_t len)
{
    if (*at >= part.len) {
        *at -= part.len;
        return len;
    }
    size_t count = part.len - *at < len ? part.len - *at : len;
    if (count != 0) {
        memcpy(*to, part.ptr + *at, count);
    }
    *to += count;
    *at = 0;
    return len - count;
}

void payload_copy(const struct payload *payload, size_t at, char *to, size_t len)
{
    const struct lending *lent = &payload->lent;
    size_t own = payload->len - lent->text.len;
    len = copy_part(str_make(payload->bytes, lent->at), &at, &to, len);
    len = copy_part(lent->text, &at, &to, len);
    copy_part(str_make(payload->bytes + lent->at, own - lent->at), &at, &to, len);
}

struct str payload_text(struct payload *payload)
{
    if (payload->lent.block == NULL) {
        return str_make(payload->bytes, payload->len);
    }
    if (payload->whole == NULL) {
        payload->whole = memory_alloc(payload->allocator, payload->len);
        if (payload->whole == NULL) {
            return STR_NONE;
        }
        payload_copy(payload, 0, payload->whole, payload->len);
    }
    return str_make(payload->whole, payload->len);
}

bool lending_begin(struct lending *lending, const struct arena *arena, struct str json)
{
    bool is_long = json.len >= LENT_BYTES && json_is_plain(json);
    *lending = (struct lending){.block = is_long ? arena_lend(arena, json) : NULL, .text = json};
    return lending->block != NULL;
}

struct payload *lending_end(struct lending *lending, const struct buf *encoded)
{
    struct payload *payload = encoded->status == HAPPN_OK ? payload_new(encoded->allocator, buf_str(encoded)) : NULL;
    if (payload == NULL || !lending->is_used) {
        arena_block_unref(lending->block);
        return payload;
    }
    payload->lent = *lending;
    payload->len += lending->text.len;
    return payload;
}
