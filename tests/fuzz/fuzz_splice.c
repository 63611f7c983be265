/* Splicing and merging: the result is JSON, has the new value, and keeps the others byte for byte. */
#include <stdlib.h>

#include "json/merge.h"
#include "json/splice.h"

/* The first line is the value, the rest the object. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    const char *line = size != 0 ? memchr(data, '\n', size) : NULL;
    if (line == NULL) {
        return 0;
    }
    struct str value = json_trim(str_make(text.ptr, (size_t)(line - text.ptr))), object = str_skip(text, value.len + 1);
    object = json_trim(str_make(line + 1, size - (size_t)(line + 1 - text.ptr)));
    if (json_check(value, NULL) != HAPPN_OK || json_check(object, NULL) != HAPPN_OK || json_type_of(object) != JSON_OBJECT) {
        return 0;
    }
    struct buf out;
    buf_init(&out, NULL, 1 << 20);
    json_splice(&out, object, STR_LIT("name"), value);
    if (out.status != HAPPN_OK || json_check(buf_str(&out), NULL) != HAPPN_OK ||
        !str_equal(json_get(buf_str(&out), "name"), value)) {
        abort();
    }
    if (!str_equal(json_get(buf_str(&out), "other"), json_get(object, "other"))) {
        abort();
    }
    buf_clear(&out);
    json_splice(&out, object, STR_LIT("name"), STR_NONE);
    if (json_check(buf_str(&out), NULL) != HAPPN_OK || str_is_set(json_get(buf_str(&out), "name"))) {
        abort();
    }
    buf_clear(&out);
    if (json_type_of(value) == JSON_OBJECT) {
        json_merge(&out, object, value);
        if (json_check(buf_str(&out), NULL) != HAPPN_OK) {
            abort();
        }
        struct str patched = json_get(value, "name");
        if (str_is_set(patched) && !str_equal(json_get(buf_str(&out), "name"), patched)) {
            abort();
        }
    }
    buf_fini(&out);
    return 0;
}
