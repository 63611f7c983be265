#include "core/link.h"

struct payload *payload_new(const struct allocator *allocator, struct str text)
{
    struct payload *payload = memory_alloc(allocator, sizeof *payload + text.len);
    if (payload == NULL) {
        return NULL;
    }
    payload->refs = 1;
    payload->allocator = allocator;
    payload->len = text.len;
    if (text.len != 0) {
        memcpy(payload->bytes, text.ptr, text.len);
    }
    return payload;
}

void payload_ref(struct payload *payload)
{
    payload->refs++;
}

void payload_unref(struct payload *payload)
{
    if (--payload->refs == 0) {
        memory_free(payload->allocator, payload);
    }
}
