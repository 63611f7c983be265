/* Signing a nonce with the keys that the original's own libraries made (tests/vectors), and with those that are none. */
#include "vectors.h"
#include "test_arena.h"

#include "base/id.h"
#include "security/crypto.h"
#include "security/signing.h"

static void signs_what_the_owner_is_known_by(struct str private_key, struct str public_key)
{
    struct buf out;
    unsigned char nonce[32];
    buf_init(&out, NULL, 10000);
    for (int i = 0; i < 20; i++) {
        id_random(nonce, sizeof nonce);
        struct str bytes = str_make((char *)nonce, sizeof nonce);
        buf_clear(&out);
        assert_true(signing_sign_nonce(private_key, bytes, &out));
        struct str signature = crypto_base64_decode(&test_arena, buf_str(&out));
        assert_true(str_is_set(signature) && crypto_verify_nonce(public_key, bytes, signature));
        nonce[i] ^= 1;
        assert_false(crypto_verify_nonce(public_key, bytes, signature));
    }
    buf_clear(&out);
    assert_true(signing_public_key(private_key, &out));
    assert_true(str_equal(buf_str(&out), public_key));
    buf_fini(&out);
}

static void points(void **state)
{
    (void)state;
    struct str file = vectors_read("keys.json");
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "vectors")); json_next(&it); checked++) {
        signs_what_the_owner_is_known_by(vectors_text(&test_arena, it.value, "privateKey_base64"), vectors_text(&test_arena, it.value, "publicKey_base64"));
    }
    assert_int_equal(checked, 4);
    free((char *)file.ptr);
}

/* This kind of signature has no chance in it. */
static void rsa(void **state)
{
    (void)state;
    struct str file = vectors_read("rsa-digest-13.json"), pair = json_get(file, "keyPair");
    struct str key = vectors_text(&test_arena, pair, "privateKey");
    struct buf out;
    int checked = 0;
    buf_init(&out, NULL, 10000);
    signs_what_the_owner_is_known_by(key, vectors_text(&test_arena, pair, "publicKey"));
    for (struct json_iter it = json_iter(json_get(file, "vectors")); json_next(&it); checked++) {
        buf_clear(&out);
        assert_true(signing_sign_nonce(key, vectors_bytes(&test_arena, it.value, "nonce_base64"), &out));
        assert_true(str_equal(buf_str(&out), vectors_text(&test_arena, it.value, "signature_base64")));
    }
    assert_int_equal(checked, 2);
    buf_fini(&out);
    free((char *)file.ptr);
}

static void what_is_no_key(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "x", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", /* 0 */
        "/////////////////////rqu3OavSKA7v9JejNA2QUE=",                  /* the order: one too many */
        "-----BEGIN ", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"};
    unsigned char nonce[32] = {1};
    struct buf out;
    buf_init(&out, NULL, 10000);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(signing_sign_nonce(str_of(wrong[i]), str_make((char *)nonce, sizeof nonce), &out));
        assert_false(signing_public_key(str_of(wrong[i]), &out));
    }
    assert_false(signing_sign_nonce(STR_NONE, str_make((char *)nonce, sizeof nonce), &out));
    assert_false(signing_sign_nonce(STR_LIT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="), str_make((char *)nonce, 31), &out));
    assert_int_equal(out.len, 0);
    assert_true(signing_sign_nonce(STR_LIT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="), str_make((char *)nonce, 32), &out)); /* 1 */
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(points), cmocka_unit_test(rsa), cmocka_unit_test(what_is_no_key)};
    return cmocka_run_group_tests(tests, open_test_arena, close_test_arena);
}
