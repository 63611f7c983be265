/* Lines of files that are imported. */
#include <stdint.h>

#include "transfer/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool visit(void *arg, const struct document *document, const happn_error *error, struct str text)
{
    *(size_t *)arg += document->path.len + text.len + (error != NULL);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct record record;
    happn_error error = {.status = HAPPN_OK};
    arena_init(&arena, &memory_default);
    struct str line = arena_str(&arena, str_make((const char *)data, size));
    if (record_read(&arena, line, 1, &record, &error) == HAPPN_OK && record.kind == RECORD_SNAPSHOT) {
        size_t sum = 0;
        (void)!record_each(&arena, record.snapshot, 1, visit, &sum, &error);
    }
    arena_fini(&arena);
    return 0;
}
