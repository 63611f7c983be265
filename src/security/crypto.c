#include "security/crypto.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

enum { KEY_POINT_BYTES = 33, NONCE_SIZE = 32, MOST_KEY_TEXT = 8192, MOST_RSA_BITS = 8192, MOST_EXPONENT_BITS = 64 };

bool crypto_equal(struct str a, struct str b)
{
    return a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool crypto_hmac_sha256(struct str key, struct str text, unsigned char out[SHA256_BYTES])
{
    unsigned int len = 0;
    return HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len, out, &len) != NULL &&
           len == SHA256_BYTES;
}

bool crypto_sha256(struct str text, unsigned char out[SHA256_BYTES])
{
    unsigned int len = 0;
    return EVP_Digest(text.ptr, text.len, out, &len, EVP_sha256(), NULL) == 1 && len == SHA256_BYTES;
}

bool crypto_sha1(struct str text, unsigned char out[SHA1_BYTES])
{
    unsigned int len = 0;
    return EVP_Digest(text.ptr, text.len, out, &len, EVP_sha1(), NULL) == 1 && len == SHA1_BYTES;
}

bool crypto_pbkdf2(const char *digest, struct str password, struct str salt, int iterations, unsigned char *out, size_t len)
{
    const EVP_MD *md = strcmp(digest, "sha1") == 0 ? EVP_sha1() : EVP_sha512();
    return PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, (const unsigned char *)salt.ptr, (int)salt.len, iterations, md,
                             (int)len, out) == 1;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void add_encoded(struct buf *out, struct str bytes, const char *letters, bool pads)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        const unsigned char *p = (const unsigned char *)bytes.ptr + i;
        unsigned value = (unsigned)p[0] << 16 | (left > 1 ? (unsigned)p[1] << 8 : 0) | (left > 2 ? p[2] : 0);
        buf_add_char(out, letters[value >> 18]);
        buf_add_char(out, letters[value >> 12 & 63]);
        if (left > 1 || pads) {
            buf_add_char(out, left > 1 ? letters[value >> 6 & 63] : '=');
        }
        if (left > 2 || pads) {
            buf_add_char(out, left > 2 ? letters[value & 63] : '=');
        }
    }
}

void crypto_add_base64(struct buf *out, struct str bytes)
{
    add_encoded(out, bytes, alphabet, true);
}

void crypto_add_base64url(struct buf *out, struct str bytes)
{
    add_encoded(out, bytes, url_alphabet, false);
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

struct str crypto_base64_decode(struct arena *arena, struct str text)
{
    for (int pads = 0; pads < 2 && text.len != 0 && text.ptr[text.len - 1] == '='; pads++) {
        text.len--;
    }
    char *out = text.len % 4 != 1 ? arena_alloc(arena, text.len / 4 * 3 + 4) : NULL;
    if (out == NULL) {
        return STR_NONE;
    }
    size_t len = 0;
    unsigned value = 0;
    int bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = value_of(text.ptr[i]);
        if (digit < 0) {
            return STR_NONE;
        }
        value = value << 6 | (unsigned)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[len++] = (char)(value >> bits);
        }
    }
    bool is_canonical = (value & ((1u << bits) - 1)) == 0; /* bits that mean nothing must be none: one text, one meaning */
    return is_canonical ? str_make(out, len) : STR_NONE;
}

struct str crypto_base64url_decode(struct arena *arena, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '+' || text.ptr[i] == '/' || text.ptr[i] == '=') {
            return STR_NONE;
        }
    }
    return crypto_base64_decode(arena, text);
}

static EVP_PKEY *read_point(struct str point)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"secp256k1", 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point.ptr, point.len),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static bool verify_point(struct str point, struct str nonce, struct str signature)
{
    EVP_PKEY *key = read_point(point);
    EVP_PKEY_CTX *ctx = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    bool fits = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
                EVP_PKEY_verify(ctx, (const unsigned char *)signature.ptr, signature.len, (const unsigned char *)nonce.ptr,
                                nonce.len) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return fits;
}

int crypto_no_password(char *out, int size, int writes, void *arg)
{
    (void)out, (void)size, (void)writes, (void)arg;
    return -1;
}

static EVP_PKEY *read_pem(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, crypto_no_password, NULL) : NULL;
    BIO_free(bio);
    return key;
}

/* The original writes PKCS#1, which has no name in PEM_read_bio_PUBKEY: the decoder finds out by itself. */
static EVP_PKEY *read_pkcs1(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;
    EVP_PKEY *key = NULL;
    if (bio != NULL && PEM_read_bio(bio, &name, &header, &der, &len) == 1 && strcmp(name, "RSA PUBLIC KEY") == 0) {
        const unsigned char *at = der;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, len);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    return key;
}

/* Over HTTP anybody sends a key before it is known whose it is, and it is tried on the loop: a modulus or an exponent of its own choice could cost as much
 * as it likes. */
static bool is_cheap_rsa(const EVP_PKEY *key)
{
    BIGNUM *exponent = NULL;
    bool is_cheap = key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) <= MOST_RSA_BITS &&
                    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 && BN_num_bits(exponent) <= MOST_EXPONENT_BITS;
    BN_free(exponent);
    return is_cheap;
}

static bool verify_pem(struct str pem, struct str nonce, struct str signature)
{
    EVP_PKEY *key = read_pkcs1(pem);
    key = key != NULL ? key : read_pem(pem);
    EVP_MD_CTX *ctx = is_cheap_rsa(key) ? EVP_MD_CTX_new() : NULL;
    bool fits = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(ctx, (const unsigned char *)signature.ptr, signature.len, (const unsigned char *)nonce.ptr,
                                 nonce.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return fits;
}

bool crypto_verify_nonce(struct str public_key, struct str nonce, struct str signature)
{
    struct arena arena;
    arena_init(&arena, NULL);
    bool fits = false;
    if (public_key.len < MOST_KEY_TEXT && nonce.len == NONCE_SIZE && signature.len != 0) {
        if (str_starts(public_key, STR_LIT("-----BEGIN "))) {
            fits = verify_pem(public_key, nonce, signature);
        } else {
            struct str point = crypto_base64_decode(&arena, public_key);
            fits = point.ptr != NULL && point.len == KEY_POINT_BYTES && verify_point(point, nonce, signature);
        }
    }
    arena_fini(&arena);
    return fits;
}

bool crypto_make_key_pair(struct buf *private_key, struct buf *public_key)
{
    EVP_PKEY *key = EVP_EC_gen("secp256k1");
    unsigned char number[32], point[65], small[KEY_POINT_BYTES];
    size_t len = 0;
    BIGNUM *secret = NULL;
    bool made = key != NULL && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &secret) == 1 &&
                BN_bn2binpad(secret, number, sizeof number) == (int)sizeof number &&
                EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &len) == 1;
    if (made && len == sizeof point) { /* uncompressed: 4, x, y */
        small[0] = point[64] & 1 ? 3 : 2;
        memcpy(small + 1, point + 1, 32);
        len = sizeof small;
        memcpy(point, small, len);
    }
    if (made) {
        crypto_add_base64(private_key, str_make((char *)number, sizeof number));
        crypto_add_base64(public_key, str_make((char *)point, len));
    }
    OPENSSL_cleanse(number, sizeof number);
    BN_clear_free(secret);
    EVP_PKEY_free(key);
    return made;
}
