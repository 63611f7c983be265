/* Keys, signatures, digests and password hashes, by what the original's own libraries made (tests/vectors). */
#include "vectors.h"
#include "test_arena.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <time.h>
#include <unistd.h>

#include "base/id.h"
#include "security/crypto.h"
#include "security/password.h"

static struct str hex_of(struct str bytes)
{
    char *out = arena_alloc(&test_arena, bytes.len * 2 + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        sprintf(out + 2 * i, "%02x", (unsigned char)bytes.ptr[i]);
    }
    return str_make(out, bytes.len * 2);
}

static void base64_of_every_length(void **state)
{
    (void)state;
    for (size_t len = 0; len < 200; len++) {
        unsigned char bytes[200];
        id_random(bytes, sizeof bytes);
        struct str plain = str_make((char *)bytes, len);
        struct buf common, url;
        buf_init(&common, NULL, 1000);
        buf_init(&url, NULL, 1000);
        crypto_add_base64(&common, plain);
        crypto_add_base64url(&url, plain);
        assert_int_equal(common.len, (len + 2) / 3 * 4);
        assert_true(str_equal(crypto_base64_decode(&test_arena, buf_str(&common)), plain) || len == 0);
        assert_true(str_equal(crypto_base64_decode(&test_arena, buf_str(&url)), plain) || len == 0);
        assert_false(str_has(buf_str(&url), '='));
        buf_fini(&common);
        buf_fini(&url);
    }
}

static void what_is_no_base64(void **state)
{
    (void)state;
    static const char *const wrong[] = {"A", "AB C", "AB\nC", "AB", "ABCDE", "AB==CD==", "AB.C", "\xc3\xa9", "ABC*"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bool refused = !str_is_set(crypto_base64_decode(&test_arena, str_of(wrong[i])));
        if (!refused) {
            fail_msg("%s was taken for base64", wrong[i]);
        }
    }
    assert_true(str_equal(crypto_base64_decode(&test_arena, STR_LIT("AA")), str_make("\0", 1)));
}

/* The url alphabet is the only one a token may be written in: one token, one text. */
static void base64url_is_strict(void **state)
{
    (void)state;
    assert_true(str_is_set(crypto_base64url_decode(&test_arena, STR_LIT("-_-_"))));
    assert_false(str_is_set(crypto_base64url_decode(&test_arena, STR_LIT("+_-_"))));
    assert_false(str_is_set(crypto_base64url_decode(&test_arena, STR_LIT("-/-_"))));
    assert_false(str_is_set(crypto_base64url_decode(&test_arena, STR_LIT("AA=="))));
    assert_true(str_is_set(crypto_base64url_decode(&test_arena, STR_LIT("AA"))));
}

static void permission_set_keys(void **state)
{
    (void)state;
    struct str file = vectors_read("permission-set-key.json");
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "vectors")); json_next(&it); checked++) {
        struct str names[8];
        size_t count = 0;
        for (struct json_iter group = json_iter(json_get(it.value, "groups")); json_next(&group); count++) {
            names[count] = json_string(&test_arena, group.value);
        }
        for (size_t i = 0; i < count; i++) { /* in the order of JavaScript's sort */
            for (size_t j = i + 1; j < count; j++) {
                if (str_compare(names[i], names[j]) > 0) {
                    struct str swap = names[i];
                    names[i] = names[j];
                    names[j] = swap;
                }
            }
        }
        struct buf text, key;
        buf_init(&text, NULL, 1000);
        buf_init(&key, NULL, 1000);
        for (size_t i = 0; i < count; i++) {
            buf_add_text(&text, i != 0 ? "/" : "");
            buf_add_str(&text, names[i]);
        }
        unsigned char digest[SHA1_BYTES];
        assert_true(crypto_sha1(buf_str(&text), digest));
        crypto_add_base64(&key, str_make((char *)digest, sizeof digest));
        assert_true(str_equal(buf_str(&key), vectors_text(&test_arena, it.value, "permissionSetKey")));
        buf_fini(&text);
        buf_fini(&key);
    }
    assert_int_equal(checked, 4);
    free((char *)file.ptr);
}

/* Keys are read as the points they are: a key fits its own signatures and no other key's. */
static void points(void **state)
{
    (void)state;
    struct str file = vectors_read("keys.json");
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "vectors")); json_next(&it); checked++) {
        assert_true(str_equal(hex_of(vectors_bytes(&test_arena, it.value, "publicKey_base64")), vectors_text(&test_arena, it.value, "publicKey_hex_compressed")));
        assert_true(str_equal(hex_of(vectors_bytes(&test_arena, it.value, "privateKey_base64")), vectors_text(&test_arena, it.value, "privateKey_hex")));
    }
    assert_int_equal(checked, 4);
    free((char *)file.ptr);
}

static void ecdsa(void **state)
{
    (void)state;
    struct str file = vectors_read("ecdsa.json"), keys = json_get(file, "keys");
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "vectors")); json_next(&it); checked++) {
        bool is_server = str_is(vectors_text(&test_arena, it.value, "signer"), "server");
        struct str key = vectors_text(&test_arena, json_get(keys, is_server ? "server" : "client"), "publicKey");
        struct str other = vectors_text(&test_arena, json_get(keys, is_server ? "client" : "server"), "publicKey");
        struct str nonce = vectors_bytes(&test_arena, it.value, "nonce_base64"), signature = vectors_bytes(&test_arena, it.value, "signature_base64");
        assert_int_equal(crypto_verify_nonce(key, nonce, signature), json_true(json_get(it.value, "verifies")));
        assert_false(crypto_verify_nonce(other, nonce, signature));
    }
    assert_int_equal(checked, 10);
    free((char *)file.ptr);
}

/* The high-S twin is as good mathematically, and the original accepts it; a nonce is good once, so a twin gains nobody anything. */
static void ecdsa_refused(void **state)
{
    (void)state;
    struct str file = vectors_read("ecdsa.json");
    struct str key = vectors_text(&test_arena, json_get(json_get(file, "keys"), "server"), "publicKey");
    struct json_iter first = json_iter(json_get(file, "vectors"));
    assert_true(json_next(&first));
    struct str nonce = vectors_bytes(&test_arena, first.value, "nonce_base64");
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "negative")); json_next(&it); checked++) {
        struct str signature = crypto_base64_decode(&test_arena, vectors_text(&test_arena, it.value, "signature_base64"));
        assert_int_equal(crypto_verify_nonce(key, nonce, signature), json_true(json_get(it.value, "verifies")));
    }
    assert_int_equal(checked, 5);
    free((char *)file.ptr);
}

static void every_bit_of_a_signature_counts(struct str key, struct str nonce, struct str signature)
{
    char copy[512];
    assert_true(crypto_verify_nonce(key, nonce, signature));
    for (size_t i = 0; i < signature.len * 8; i += 3) {
        memcpy(copy, signature.ptr, signature.len);
        copy[i / 8] ^= (char)(1 << i % 8);
        assert_false(crypto_verify_nonce(key, nonce, str_make(copy, signature.len)));
    }
    for (size_t i = 0; i < 256; i += 5) {
        memcpy(copy, nonce.ptr, nonce.len);
        copy[i / 8] ^= (char)(1 << i % 8);
        assert_false(crypto_verify_nonce(key, str_make(copy, nonce.len), signature));
    }
    assert_false(crypto_verify_nonce(key, str_make(nonce.ptr, 31), signature));
    assert_false(crypto_verify_nonce(key, nonce, str_make(signature.ptr, signature.len - 1)));
    assert_false(crypto_verify_nonce(key, nonce, STR_LIT("")));
}

static void rsa(void **state)
{
    (void)state;
    struct str file = vectors_read("rsa-digest-13.json");
    struct str key = vectors_text(&test_arena, json_get(file, "keyPair"), "publicKey");
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "vectors")); json_next(&it); checked++) {
        every_bit_of_a_signature_counts(key, vectors_bytes(&test_arena, it.value, "nonce_base64"), vectors_bytes(&test_arena, it.value, "signature_base64"));
    }
    assert_int_equal(checked, 2);
    free((char *)file.ptr);
}

static void altered_ecdsa(void **state)
{
    (void)state;
    struct str file = vectors_read("ecdsa.json");
    struct str key = vectors_text(&test_arena, json_get(json_get(file, "keys"), "server"), "publicKey");
    struct json_iter first = json_iter(json_get(file, "vectors"));
    assert_true(json_next(&first));
    every_bit_of_a_signature_counts(key, vectors_bytes(&test_arena, first.value, "nonce_base64"), vectors_bytes(&test_arena, first.value, "signature_base64"));
    free((char *)file.ptr);
}

static void keys_that_are_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "x", "AAAA", "-----BEGIN ", "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n",
                                        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
                                        "AlHCtJlFthb359xOxR5kiBLJpfoC2ZLPLWYHN3+hdzf", /* a byte short */
                                        "BVHCtJlFthb359xOxR5kiBLJpfoC2ZLPLWYHN3+hdzf2", /* neither 2 nor 3 at the front */
                                        "Av//////////////////////////////////////////"}; /* beyond the field */
    char bytes[32] = {1};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(crypto_verify_nonce(str_of(wrong[i]), str_make(bytes, 32), STR_LIT("0D\x02\x01\x01\x02\x01\x01")));
    }
}

static void a_new_key_pair(void **state)
{
    (void)state;
    struct buf secret, public;
    buf_init(&secret, NULL, 200);
    buf_init(&public, NULL, 200);
    assert_true(crypto_make_key_pair(&secret, &public));
    assert_int_equal(crypto_base64_decode(&test_arena, buf_str(&secret)).len, 32);
    struct str point = crypto_base64_decode(&test_arena, buf_str(&public));
    assert_int_equal(point.len, 33);
    assert_true(point.ptr[0] == 2 || point.ptr[0] == 3);
    buf_fini(&secret);
    buf_fini(&public);
}

static void equal_texts(void **state)
{
    (void)state;
    assert_true(crypto_equal(STR_LIT("abc"), STR_LIT("abc")));
    assert_false(crypto_equal(STR_LIT("abc"), STR_LIT("abd")));
    assert_false(crypto_equal(STR_LIT("abc"), STR_LIT("ab")));
    assert_true(crypto_equal(STR_LIT(""), STR_NONE));
}

/* --- passwords */

static void stored_by_the_original(void **state)
{
    (void)state;
    struct str file = vectors_read("password-hash.json");
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "vectors")); json_next(&it); checked++) {
        struct str password = vectors_text(&test_arena, it.value, "password"), hash = vectors_text(&test_arena, it.value, "hash");
        bool is_weak;
        assert_true(password_fits(password, hash, 210000, &is_weak));
        assert_true(is_weak);
        assert_true(password_fits(password, hash, 10000, &is_weak));
        assert_false(is_weak);
        assert_false(password_fits(STR_LIT("Happn"), hash, 10000, &is_weak));
        assert_false(password_fits(STR_LIT(""), hash, 10000, &is_weak));
    }
    assert_int_equal(checked, 2);
    free((char *)file.ptr);
}

/* Made with node's crypto.pbkdf2Sync("old", salt, 10000, 64, "sha1"), the form happn-3 had before the fifth field. */
static void the_old_form(void **state)
{
    (void)state;
    static const char stored[] = "pbkdf2$10000$696aa353fdd1aea5470fefea998163b3eabaf2684d9e4c5b8305d8abd4131206f0702d99324491552e87eae"
                                 "14afc219eaca1758379d48ffd24fc7fcc9ba5624d$00112233445566778899aabbccddeeff";
    bool is_weak;
    assert_true(password_fits(STR_LIT("old"), str_of(stored), 10000, &is_weak));
    assert_true(is_weak); /* SHA-1: always made anew */
    assert_false(password_fits(STR_LIT("older"), str_of(stored), 10000, &is_weak));
}

static void a_new_hash(void **state)
{
    (void)state;
    char stored[PASSWORD_STORED], again[PASSWORD_STORED];
    bool is_weak;
    assert_true(password_hash(STR_LIT("secret \xc3\xa9"), 1200, stored));
    assert_true(password_hash(STR_LIT("secret \xc3\xa9"), 1200, again));
    assert_string_not_equal(stored, again); /* salted */
    assert_true(password_fits(STR_LIT("secret \xc3\xa9"), str_of(stored), 1200, &is_weak));
    assert_false(is_weak);
    assert_true(password_fits(STR_LIT("secret \xc3\xa9"), str_of(stored), 1201, &is_weak));
    assert_true(is_weak);
    assert_false(password_fits(STR_LIT("secret e"), str_of(stored), 1200, &is_weak));
    assert_false(is_weak); /* what does not fit is not made anew */
}

static void nobody_knows_the_dummy(void **state)
{
    (void)state;
    char stored[PASSWORD_STORED];
    bool is_weak;
    password_dummy(1200, stored);
    assert_true(str_starts(str_of(stored), STR_LIT("pbkdf2$1200$")));
    assert_false(password_fits(STR_LIT(""), str_of(stored), 1200, &is_weak));
    assert_false(password_fits(STR_LIT("happn"), str_of(stored), 1200, &is_weak));
}

static void hashes_that_are_none(void **state)
{
    (void)state;
    char good[PASSWORD_STORED], bad[PASSWORD_STORED + 2];
    bool is_weak;
    assert_true(password_hash(STR_LIT("p"), 1000, good));
    static const char *const wrong[] = {"", "p", "$$$$", "pbkdf2", "pbkdf2$$$$", "pbkdf2$0$00$00$sha512", "pbkdf2$-1$00$00$sha512",
                                        "pbkdf2$99999999999999$aa$bb$sha512", "pbkdf2$1000$aa$bb$md5", "bcrypt$1000$aa$bb$sha512",
                                        "pbkdf2$1000$zz$zz$sha512", "pbkdf2$1000$$00$sha512"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(password_fits(STR_LIT("p"), str_of(wrong[i]), 1000, &is_weak));
    }
    for (size_t i = 0; i < strlen(good); i += 7) { /* a byte less, at many places */
        snprintf(bad, sizeof bad, "%.*s%s", (int)i, good, good + i + 1);
        assert_false(password_fits(STR_LIT("p"), str_of(bad), 1000, &is_weak));
    }
    snprintf(bad, sizeof bad, "%s$", good);
    assert_false(password_fits(STR_LIT("p"), str_of(bad), 1000, &is_weak));
}

/* The processor's time for a wrong password: an old hash must not be told from a dummy. Measured in this thread, so others do not disturb it. */
static double time_of(const char *stored)
{
    struct timespec start, end;
    bool is_weak;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    assert_false(password_fits(STR_LIT("wrong"), str_of(stored), 200000, &is_weak));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

static void an_old_hash_costs_as_much(void **state)
{
    (void)state;
    char weak[PASSWORD_STORED], dummy[PASSWORD_STORED];
    assert_true(password_hash(STR_LIT("p"), 1000, weak));
    password_dummy(200000, dummy);
    double least = 1e9, most = 0; /* of three: 200 times less work cannot hide behind that */
    for (int i = 0; i < 3; i++) {
        double a = time_of(weak), b = time_of(dummy);
        least = a / b < least ? a / b : least;
        most = a / b > most ? a / b : most;
    }
    print_message("an old hash takes %.2f to %.2f of a dummy's time\n", least, most);
    assert_true(most > 0.25);
}

static void passwords_have_a_length(void **state)
{
    (void)state;
    char stored[PASSWORD_STORED], *longest = malloc(PASSWORD_MOST + 1);
    bool is_weak;
    memset(longest, 'x', PASSWORD_MOST + 1);
    assert_true(password_hash(str_make(longest, PASSWORD_MOST), 1000, stored));
    assert_true(password_fits(str_make(longest, PASSWORD_MOST), str_of(stored), 1000, &is_weak));
    assert_false(password_fits(str_make(longest, PASSWORD_MOST + 1), str_of(stored), 1000, &is_weak));
    free(longest);
}

/* OpenSSL would ask for it at the terminal or at the standard input, and everybody would wait. */
static void a_key_with_a_password_makes_nobody_ask_for_it(void **state)
{
    (void)state;
    static const char *const keys[] = {"PUBLIC KEY", "RSA PUBLIC KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "CERTIFICATE"};
    static const char nonce[33] = "01234567890123456789012345678901", letter[] = "still here\n";
    int ends[2], before = dup(STDIN_FILENO);
    char heard[sizeof letter] = "";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(write(ends[1], letter, sizeof letter), sizeof letter);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char key[600];
        snprintf(key, sizeof key,
                 "-----BEGIN %s-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                 "AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8AAQIDBAUGBwgJCgsMDQ4P\n-----END %s-----\n", keys[i], keys[i]);
        assert_false(crypto_verify_nonce(str_of(key), str_make(nonce, 32), STR_LIT("signature")));
    }
    assert_int_equal(read(STDIN_FILENO, heard, sizeof heard), sizeof letter);
    assert_string_equal(heard, letter);
    dup2(before, STDIN_FILENO);
    close(before);
    close(ends[0]);
    close(ends[1]);
}

/* Does the key's own signature count? */
static bool own_signature_fits(EVP_PKEY *key)
{
    static const unsigned char nonce[32] = "01234567890123456789012345678901";
    unsigned char signature[2048];
    size_t len = sizeof signature;
    char *text;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    BIO *pem = BIO_new(BIO_s_mem());
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, nonce, sizeof nonce), 1);
    assert_int_equal(PEM_write_bio_PUBKEY(pem, key), 1);
    long text_len = BIO_get_mem_data(pem, &text);
    bool fits = crypto_verify_nonce(str_make(text, (size_t)text_len), str_make((const char *)nonce, sizeof nonce), str_make((char *)signature, len));
    BIO_free(pem);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return fits;
}

static EVP_PKEY *rsa_with_exponent(const char *hex)
{
    EVP_PKEY *key = NULL;
    BIGNUM *exponent = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_true(BN_hex2bn(&exponent, hex) > 0);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 1024), 1);
    assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, exponent), 1);
    assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
    BN_free(exponent);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* Anybody may send one before it is known whose it is, and each is tried on the loop. */
static void keys_that_cost_much_or_are_no_rsa_are_not_tried(void **state)
{
    (void)state;
    assert_true(own_signature_fits(rsa_with_exponent("010001")));
    assert_true(own_signature_fits(rsa_with_exponent("03")));
    assert_false(own_signature_fits(rsa_with_exponent("010000000000000000000000000000000001")));
    assert_false(own_signature_fits(EVP_EC_gen("P-256")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_of_every_length), cmocka_unit_test(what_is_no_base64),   cmocka_unit_test(base64url_is_strict),
        cmocka_unit_test(permission_set_keys),    cmocka_unit_test(points),              cmocka_unit_test(ecdsa),
        cmocka_unit_test(ecdsa_refused),          cmocka_unit_test(altered_ecdsa),       cmocka_unit_test(rsa),
        cmocka_unit_test(keys_that_are_none),     cmocka_unit_test(a_new_key_pair),      cmocka_unit_test(equal_texts),
        cmocka_unit_test(stored_by_the_original), cmocka_unit_test(the_old_form),        cmocka_unit_test(a_new_hash),
        cmocka_unit_test(nobody_knows_the_dummy), cmocka_unit_test(hashes_that_are_none), cmocka_unit_test(passwords_have_a_length),
        cmocka_unit_test(an_old_hash_costs_as_much),
        cmocka_unit_test(a_key_with_a_password_makes_nobody_ask_for_it),
        cmocka_unit_test(keys_that_cost_much_or_are_no_rsa_are_not_tried),
    };
    return cmocka_run_group_tests(tests, open_test_arena, close_test_arena);
}
