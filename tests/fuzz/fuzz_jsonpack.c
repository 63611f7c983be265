/* jsonpack: what is unpacked is JSON, whenever its texts are UTF-8. */
#include <stdint.h>

#include "base/utf8.h"
#include "json/scan.h"
#include "security/jsonpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out;
    buf_init(&out, &memory_default, 1 << 16);
    if (jsonpack_read(str_make((const char *)data, size), &out) && utf8_is_valid(buf_str(&out)) && json_check(buf_str(&out), NULL) != HAPPN_OK) {
        __builtin_trap();
    }
    buf_fini(&out);
    return 0;
}
