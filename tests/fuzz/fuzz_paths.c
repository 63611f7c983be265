/* Path rules: never outside the text, the same answer twice, and an error that says why. */
#include <stdlib.h>

#include "paths/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str path = str_make((const char *)data, size);
    for (int use = PATH_FOR_SET; use <= PATH_FOR_ON; use++) {
        happn_error error = {0};
        happn_status status = path_check(path, (enum path_use)use, &error);
        if (status != path_check(path, (enum path_use)use, NULL) || (status != HAPPN_OK && error.message[0] == '\0')) {
            abort();
        }
        if (status == HAPPN_OK && size > PATH_MAX_LENGTH) {
            abort();
        }
        if (status == HAPPN_OK && use == PATH_FOR_SET && (path_has_wildcard(path) || size == 0)) {
            abort();
        }
    }
    path_is_system(path);
    return 0;
}
