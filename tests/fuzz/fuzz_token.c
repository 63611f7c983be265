/* Tokens: any text, and any claims signed with the right key. What is read is whole. */
#include <stdint.h>

#include "security/crypto.h"
#include "security/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct token_secret secret = {"", STR_LIT("TESTTOKENSECRET")};

static void check(struct arena *arena, struct str text)
{
    struct token token;
    if (token_read(arena, text, &secret, 1, &token) && (token.id.len == 0 || token.username.len == 0 || token.issued <= 0 ||
        token.policy[0].ttl < 0 || token.policy[1].ttl < 0 || token.policy[0].inactivity < 0 || token.policy[1].inactivity < 0)) {
        __builtin_trap();
    }
}

static void check_claims(struct arena *arena, struct str claims)
{
    struct buf text;
    unsigned char mac[SHA256_BYTES];
    buf_init(&text, NULL, 1 << 16);
    crypto_add_base64url(&text, STR_LIT("{\"typ\":\"JWT\",\"alg\":\"HS256\"}"));
    buf_add_char(&text, '.');
    crypto_add_base64url(&text, claims);
    crypto_hmac_sha256(secret.key, buf_str(&text), mac);
    buf_add_char(&text, '.');
    crypto_add_base64url(&text, str_make((char *)mac, sizeof mac));
    check(arena, buf_str(&text));
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, &memory_default);
    check(&arena, str_make((const char *)data, size));
    check_claims(&arena, str_make((const char *)data, size));
    arena_fini(&arena);
    return 0;
}
