#include "client/frame.h"

#include <string.h>

#include "base/id.h"

static uint32_t next_mask(struct frame_masks *masks)
{
    uint32_t mask;
    if (masks->used == 0) {
        id_random(masks->bytes, sizeof masks->bytes);
    }
    memcpy(&mask, masks->bytes + masks->used, 4);
    masks->used = (masks->used + 4) % sizeof masks->bytes;
    return mask;
}

static size_t write_head(unsigned char *head, enum frame_kind kind, size_t len)
{
    head[0] = (unsigned char)(0x80 | kind); /* final */
    if (len < 126) {
        head[1] = (unsigned char)(0x80 | len);
        return 2;
    }
    int bytes = len < 65536 ? 2 : 8;
    head[1] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
    for (int i = 0; i < bytes; i++) {
        head[2 + i] = (unsigned char)((uint64_t)len >> (8 * (bytes - 1 - i)));
    }
    return (size_t)(2 + bytes);
}

/* Eight bytes at a time. */
static void copy_masked(char *to, const char *from, size_t len, uint32_t mask)
{
    uint64_t wide = (uint64_t)mask << 32 | mask, word;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= wide;
        memcpy(to + i, &word, 8);
    }
    const char *bytes = (const char *)&wide;
    for (; i < len; i++) {
        to[i] = (char)(from[i] ^ bytes[i % 8]);
    }
}

happn_status frame_add(struct buf *out, struct frame_masks *masks, enum frame_kind kind, struct str text)
{
    unsigned char head[14];
    size_t head_len = write_head(head, kind, text.len);
    uint32_t mask = next_mask(masks);
    memcpy(head + head_len, &mask, 4);
    head_len += 4;
    if (!buf_reserve(out, head_len + text.len)) {
        happn_status status = out->status;
        out->status = HAPPN_OK;
        return status == HAPPN_E_LIMIT ? HAPPN_E_BUSY : status;
    }
    memcpy(out->ptr + out->len, head, head_len);
    copy_masked(out->ptr + out->len + head_len, text.ptr, text.len, mask);
    out->len += head_len + text.len;
    return HAPPN_OK;
}
