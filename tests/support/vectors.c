#include "vectors.h"

#include <time.h>

#include "search/value.h"
#include "security/crypto.h"

struct str vectors_read(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/vectors/%s", HAPPN_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(size);
    assert_int_equal(fread(text, 1, size, file), size);
    fclose(file);
    assert_int_equal(json_check(str_make(text, size), NULL), HAPPN_OK);
    return str_make(text, size);
}

struct str vectors_text(struct arena *arena, struct str object, const char *member)
{
    struct str text = json_string(arena, json_get(object, member));
    if (!str_is_set(text)) {
        fail_msg("no text %s in %.*s", member, (int)object.len, object.ptr);
    }
    return text;
}

struct str vectors_bytes(struct arena *arena, struct str object, const char *member)
{
    struct str bytes = crypto_base64_decode(arena, vectors_text(arena, object, member));
    assert_true(str_is_set(bytes));
    return bytes;
}

bool vectors_same(struct arena *arena, struct str a, struct str b)
{
    struct value left = value_of(arena, a), right = value_of(arena, b);
    return value_equals(arena, &left, &right);
}

uint64_t vectors_seed(void)
{
    const char *given = getenv("HAPPN_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1;
    print_message("seed %llu (HAPPN_SEED repeats it)\n", (unsigned long long)seed);
    return seed != 0 ? seed : 1;
}

uint64_t vectors_draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 2685821657736338717u;
}
