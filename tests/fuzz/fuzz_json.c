/* The frame scanner: what it accepts can be walked, and what it found is what a second look finds. */
#include <stdlib.h>

#include "json/scan.h"

static void walk(struct str value, int depth)
{
    enum json_type type = json_type_of(value);
    if (type == JSON_NONE || depth > JSON_MAX_DEPTH) {
        abort();
    }
    if (type != JSON_OBJECT && type != JSON_ARRAY) {
        return;
    }
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        if (json_check(it.value, NULL) == HAPPN_E_JSON) {
            abort();
        }
        if (depth < 4) {
            walk(it.value, depth + 1);
        }
    }
}

static void compare_parts(struct str text)
{
    struct json_member wanted[] = {{STR_LIT("action"), STR_NONE}, {STR_LIT("path"), STR_NONE}};
    struct json_parts parts;
    size_t count = 0;
    if (json_scan_parts(text, wanted, 2, 1, &parts) != HAPPN_OK) {
        abort();
    }
    if (!str_is_set(parts.object)) {
        return;
    }
    for (struct json_iter it = json_iter(wanted[1].value); json_next(&it); count++) {
        if (count >= parts.count || it.key.ptr != parts.items[count].key.ptr || it.value.ptr != parts.items[count].value.ptr ||
            it.key.len != parts.items[count].key.len || it.value.len != parts.items[count].value.len) {
            abort();
        }
    }
    if (count != parts.count || parts.object.ptr != wanted[1].value.ptr || parts.object.len != wanted[1].value.len) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    size_t at = 0;
    struct json_member wanted[] = {{STR_LIT("action"), STR_NONE}, {STR_LIT("path"), STR_NONE}};
    happn_status status = json_scan(text, wanted, 2, &at);
    if (status != json_check(text, NULL) || (status == HAPPN_E_JSON && at > size)) {
        abort();
    }
    if (status != HAPPN_OK) {
        return 0;
    }
    walk(text, 0);
    compare_parts(text);
    if (!str_equal(json_trim(wanted[0].value), json_trim(json_get(text, "action")))) {
        abort();
    }
    struct arena arena;
    arena_init(&arena, NULL);
    json_string(&arena, wanted[1].value);
    arena_fini(&arena);
    return 0;
}
