/* Nonces of digest logins over HTTP: good once, for one key, not for long; and others cannot disturb that. Signed by keys made here. */
#include "vectors.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "base/buf.h"
#include "security/crypto.h"
#include "security/nonces.h"

static struct nonces nonces;

struct owner {
    EVP_PKEY *pair;
    char key[64]; /* the public one, as base64 of 33 bytes */
    unsigned char signature[80];
    size_t len;
};

static void make_owner(struct owner *owner)
{
    unsigned char point[65], small[33];
    size_t len = 0;
    struct buf text;
    owner->pair = EVP_EC_gen("secp256k1");
    assert_int_equal(EVP_PKEY_get_octet_string_param(owner->pair, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &len), 1);
    small[0] = point[64] & 1 ? 3 : 2;
    memcpy(small + 1, point + 1, 32);
    buf_init(&text, NULL, 100);
    crypto_add_base64(&text, str_make((char *)small, sizeof small));
    snprintf(owner->key, sizeof owner->key, "%.*s", (int)text.len, text.ptr);
    buf_fini(&text);
}

static struct str sign(struct owner *owner, const unsigned char nonce[NONCE_BYTES])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(owner->pair, NULL);
    owner->len = sizeof owner->signature;
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, owner->signature, &owner->len, nonce, NONCE_BYTES), 1);
    EVP_PKEY_CTX_free(ctx);
    return str_make((char *)owner->signature, owner->len);
}

static struct owner me, other;

static int set_up(void **state)
{
    (void)state;
    nonces_init(&nonces, NULL);
    make_owner(&me);
    make_owner(&other);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nonces_fini(&nonces);
    EVP_PKEY_free(me.pair);
    EVP_PKEY_free(other.pair);
    return 0;
}

static void good_once(void **state)
{
    (void)state;
    unsigned char made[NONCE_BYTES], taken[NONCE_BYTES];
    assert_false(nonces_take(&nonces, str_of(me.key), STR_LIT("x"), 0, taken));
    assert_true(nonces_make(&nonces, str_of(me.key), 1000, made));
    struct str signature = sign(&me, made);
    assert_true(nonces_take(&nonces, str_of(me.key), signature, 500, taken));
    assert_memory_equal(made, taken, NONCE_BYTES);
    assert_false(nonces_take(&nonces, str_of(me.key), signature, 501, taken));
}

static void not_for_long(void **state)
{
    (void)state;
    unsigned char made[NONCE_BYTES], taken[NONCE_BYTES];
    assert_true(nonces_make(&nonces, str_of(me.key), 1000, made));
    struct str signature = sign(&me, made);
    assert_false(nonces_take(&nonces, str_of(me.key), signature, 1001, taken));
    assert_true(nonces_take(&nonces, str_of(me.key), signature, 1000, taken));
}

static void for_its_key(void **state)
{
    (void)state;
    unsigned char mine[NONCE_BYTES], theirs[NONCE_BYTES], taken[NONCE_BYTES];
    assert_true(nonces_make(&nonces, str_of(me.key), 1000, mine));
    assert_true(nonces_make(&nonces, str_of(other.key), 1000, theirs));
    assert_false(nonces_take(&nonces, str_of(other.key), sign(&other, mine), 0, taken)); /* signed by another, but not asked for by it */
    assert_false(nonces_take(&nonces, str_of(me.key), sign(&other, mine), 0, taken));
    assert_true(nonces_take(&nonces, str_of(me.key), sign(&me, mine), 0, taken)); /* and mine is still good */
}

/* Whoever knows a public key may ask for nonces of it: its owner is not disturbed by a few. */
static void several_at_once(void **state)
{
    (void)state;
    unsigned char mine[NONCE_BYTES], spam[NONCE_BYTES], taken[NONCE_BYTES];
    assert_true(nonces_make(&nonces, str_of(me.key), 1000, mine));
    for (int i = 0; i < 10; i++) {
        assert_true(nonces_make(&nonces, str_of(me.key), 1000, spam));
    }
    assert_true(nonces_take(&nonces, str_of(me.key), sign(&me, mine), 0, taken));
    assert_memory_equal(mine, taken, NONCE_BYTES);
}

static void never_too_many(void **state)
{
    (void)state;
    unsigned char mine[NONCE_BYTES], spam[NONCE_BYTES], taken[NONCE_BYTES];
    assert_true(nonces_make(&nonces, str_of(me.key), 1000, mine));
    for (int i = 0; i < NONCES_MOST - 1; i++) {
        assert_true(nonces_make(&nonces, str_of(other.key), 1000, spam));
    }
    assert_true(nonces_take(&nonces, str_of(me.key), sign(&me, mine), 0, taken));
    assert_true(nonces_make(&nonces, str_of(me.key), 1000, mine));
    for (int i = 0; i < NONCES_MOST; i++) {
        assert_true(nonces_make(&nonces, str_of(other.key), 1000, spam));
    }
    assert_false(nonces_take(&nonces, str_of(me.key), sign(&me, mine), 0, taken)); /* the oldest made room */
}

static void what_is_no_signature(void **state)
{
    (void)state;
    unsigned char mine[NONCE_BYTES], taken[NONCE_BYTES];
    assert_true(nonces_make(&nonces, str_of(me.key), 1000, mine));
    assert_true(nonces_make(&nonces, STR_LIT("no key"), 1000, mine));
    assert_false(nonces_take(&nonces, str_of(me.key), STR_LIT(""), 0, taken));
    assert_false(nonces_take(&nonces, str_of(me.key), STR_LIT("garbage"), 0, taken));
    assert_false(nonces_take(&nonces, STR_LIT("no key"), STR_LIT("garbage"), 0, taken));
    assert_false(nonces_take(&nonces, STR_LIT(""), STR_LIT("garbage"), 0, taken));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_for_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(for_its_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_signature, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
