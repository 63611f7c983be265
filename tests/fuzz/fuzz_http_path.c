/* Paths of URLs: what is accepted has nothing in it that could mean something else to anybody; what is refused says why. */
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
    struct str path = str_make((const char *)data, size);
    happn_error error = {0};
    happn_status status = http_path_check(path, &error);
    if (status == HAPPN_OK ? !is_normal(path) : error.message[0] == '\0') {
        __builtin_trap();
    }
    return 0;
}
