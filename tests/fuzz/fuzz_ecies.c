/* Encrypted logins and requests: whatever comes is opened, or refused. */
#include <stdint.h>
#include <stdlib.h>

#include "security/crypto.h"
#include "security/ecies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char secret[] = "Kd9FQzddR7G6S9nJ/BK8vLF83AzOphW2lqDOQ/LjU4M=", point[] = "AlHCtJlFthb359xOxR5kiBLJpfoC2ZLPLWYHN3+hdzf2";
    struct arena arena;
    struct key_pair keys;
    struct str text, input = str_make((const char *)data, size);
    unsigned char peer[POINT_BYTES];
    arena_init(&arena, NULL);
    if (!key_pair_read(&arena, STR_LIT(secret), STR_LIT(point), &keys)) {
        abort();
    }
    (void)!ecies_open(&arena, &keys, input, &text, peer);
    (void)session_open(&arena, STR_LIT("NyfY0VpAVe"), input);
    (void)!key_pair_read(&arena, input, input, &keys);
    arena_fini(&arena);
    return 0;
}
