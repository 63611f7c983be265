/* Paths of URLs: one form, which stays as it is, and nothing that could mean something else to anybody. */
#include <stdint.h>

#include "base/utf8.h"
#include "security/http_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has(struct str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static bool is_normal(struct str path)
{
    return path.len != 0 && path.ptr[0] == '/' && path.len <= HTTP_PATH_MOST && !has(path, "//") && !has(path, "/./") && !has(path, "/../") &&
           !str_ends(path, STR_LIT("/.")) && !str_ends(path, STR_LIT("/..")) && !str_has(path, '\0') && !str_has(path, '\n') && utf8_is_valid(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct str once, twice;
    happn_error error = {0};
    arena_init(&arena, &memory_default);
    happn_status status = http_path_normalise(&arena, str_make((const char *)data, size), &once, &error);
    bool fits = status == HAPPN_OK ? is_normal(once) : error.message[0] != '\0';
    if (fits && status == HAPPN_OK && !str_has(once, '%') && !str_has(once, '?') && !str_has(once, '#')) {
        fits = http_path_normalise(&arena, once, &twice, &error) == HAPPN_OK && str_equal(once, twice);
    }
    arena_fini(&arena);
    if (!fits) {
        __builtin_trap();
    }
    return 0;
}
