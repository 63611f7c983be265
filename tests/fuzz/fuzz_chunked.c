/* Bodies in chunks: the first byte says in what pieces the rest comes, and the pieces change nothing. */
#include <stdint.h>

#include "base/buf.h"
#include "net/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum chunked_found read_by(size_t size, struct str text, struct buf *body, size_t *behind)
{
    struct chunked chunked = {0};
    enum chunked_found found = CHUNKED_MORE;
    *behind = 0;
    while (text.len != 0 && found == CHUNKED_MORE) {
        struct str in = str_make(text.ptr, text.len < size ? text.len : size), part;
        text = str_skip(text, size);
        while ((found = chunked_take(&chunked, &in, &part)) == CHUNKED_PART) {
            buf_add_str(body, part);
        }
        *behind = in.len + text.len;
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, pieces;
    size_t behind_whole, behind_pieces;
    if (size < 2) {
        return 0;
    }
    struct str text = str_make((const char *)data + 1, size - 1);
    buf_init(&whole, &memory_default, 1 << 20);
    buf_init(&pieces, &memory_default, 1 << 20);
    enum chunked_found found = read_by(text.len, text, &whole, &behind_whole);
    if (found != read_by((size_t)data[0] % 7 + 1, text, &pieces, &behind_pieces) || !str_equal(buf_str(&whole), buf_str(&pieces)) ||
        (found == CHUNKED_END && behind_whole != behind_pieces)) {
        __builtin_trap();
    }
    buf_fini(&whole);
    buf_fini(&pieces);
    return 0;
}
