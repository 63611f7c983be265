#include "security/ecies.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

#include "security/crypto.h"

enum { IV_BYTES = 16, TAG_BYTES = 32, BLOCK_BYTES = 16, CTR_KEY_BYTES = 32, LEAST_BLOB = POINT_BYTES + IV_BYTES + BLOCK_BYTES + TAG_BYTES };

bool key_pair_read(struct arena *arena, struct str private_key, struct str public_key, struct key_pair *out)
{
    struct str secret = crypto_base64_decode(arena, private_key), point = crypto_base64_decode(arena, public_key);
    if (secret.ptr == NULL || secret.len != SCALAR_BYTES || point.ptr == NULL || point.len != POINT_BYTES) {
        return false;
    }
    memcpy(out->secret, secret.ptr, SCALAR_BYTES);
    memcpy(out->point, point.ptr, POINT_BYTES);
    return true;
}

/* --- the shared keys: SHA-512 of the X coordinate of our scalar times their point */

struct shared {
    unsigned char encrypting[32], signing[32];
};

static bool multiply(const unsigned char secret[SCALAR_BYTES], const unsigned char point[POINT_BYTES], unsigned char x[32])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp256k1);
    EC_POINT *peer = group != NULL ? EC_POINT_new(group) : NULL;
    EC_POINT *product = group != NULL ? EC_POINT_new(group) : NULL;
    BIGNUM *scalar = BN_bin2bn(secret, SCALAR_BYTES, NULL), *coordinate = BN_new();
    bool done = peer != NULL && product != NULL && scalar != NULL && coordinate != NULL &&
                EC_POINT_oct2point(group, peer, point, POINT_BYTES, NULL) == 1 && EC_POINT_mul(group, product, NULL, peer, scalar, NULL) == 1 &&
                EC_POINT_is_at_infinity(group, product) == 0 && EC_POINT_get_affine_coordinates(group, product, coordinate, NULL, NULL) == 1 &&
                BN_bn2binpad(coordinate, x, 32) == 32;
    BN_clear_free(scalar);
    BN_clear_free(coordinate);
    EC_POINT_clear_free(product);
    EC_POINT_free(peer);
    EC_GROUP_free(group);
    return done;
}

static bool share(const struct key_pair *own, const unsigned char peer[POINT_BYTES], struct shared *out)
{
    unsigned char x[32], hash[SHA512_BYTES];
    unsigned int len = 0;
    bool done = multiply(own->secret, peer, x) && EVP_Digest(x, sizeof x, hash, &len, EVP_sha512(), NULL) == 1 && len == sizeof hash;
    if (done) {
        memcpy(out->encrypting, hash, 32);
        memcpy(out->signing, hash + 32, 32);
    }
    OPENSSL_cleanse(x, sizeof x);
    OPENSSL_cleanse(hash, sizeof hash);
    return done;
}

/* AES-256-CBC, both ways. out has room for len and a block more. */
static bool transform(bool encrypts, const unsigned char key[32], const unsigned char *iv, struct str in, unsigned char *out, int *out_len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0, last = 0;
    bool done = ctx != NULL && EVP_CipherInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, iv, encrypts) == 1 &&
                EVP_CipherUpdate(ctx, out, &len, (const unsigned char *)in.ptr, (int)in.len) == 1 && EVP_CipherFinal_ex(ctx, out + len, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    *out_len = len + last;
    return done;
}

bool ecies_open(struct arena *arena, const struct key_pair *own, struct str blob, struct str *text, unsigned char peer[POINT_BYTES])
{
    if (blob.len < LEAST_BLOB || blob.len > ECIES_MOST || (blob.ptr[0] != 2 && blob.ptr[0] != 3)) {
        return false;
    }
    memcpy(peer, blob.ptr, POINT_BYTES);
    struct shared shared;
    unsigned char tag[TAG_BYTES];
    struct str sealed = str_make(blob.ptr + POINT_BYTES, blob.len - POINT_BYTES - TAG_BYTES); /* IV and cipher text */
    struct str given = str_make(blob.ptr + blob.len - TAG_BYTES, TAG_BYTES);
    unsigned char *out = arena_alloc(arena, sealed.len + BLOCK_BYTES);
    int len = 0;
    bool opened = out != NULL && share(own, peer, &shared) && crypto_hmac_sha256(str_make((char *)shared.signing, 32), sealed, tag) &&
                  crypto_equal(str_make((char *)tag, sizeof tag), given) &&
                  transform(false, shared.encrypting, (const unsigned char *)sealed.ptr, str_skip(sealed, IV_BYTES), out, &len);
    OPENSSL_cleanse(&shared, sizeof shared);
    *text = str_make((char *)out, opened ? (size_t)len : 0);
    return opened;
}

bool ecies_seal(const struct key_pair *own, const unsigned char peer[POINT_BYTES], struct str text, struct buf *out)
{
    struct shared shared;
    unsigned char iv[SHA256_BYTES], tag[TAG_BYTES];
    size_t start = out->len + POINT_BYTES;
    if (text.len > INT32_MAX / 4 || !share(own, peer, &shared) || !crypto_hmac_sha256(str_make((const char *)own->secret, SCALAR_BYTES), text, iv) ||
        !buf_reserve(out, text.len + LEAST_BLOB + BLOCK_BYTES)) {
        return false;
    }
    buf_add(out, own->point, POINT_BYTES);
    buf_add(out, iv, IV_BYTES);
    int len = 0;
    bool sealed = transform(true, shared.encrypting, iv, text, (unsigned char *)out->ptr + out->len, &len);
    out->len += (size_t)len;
    sealed = sealed && crypto_hmac_sha256(str_make((char *)shared.signing, 32), str_make(out->ptr + start, out->len - start), tag);
    buf_add(out, tag, TAG_BYTES);
    OPENSSL_cleanse(&shared, sizeof shared);
    return sealed && out->status == HAPPN_OK;
}

/* --- what follows the login */

static bool stream(struct str secret, struct str in, unsigned char *out)
{
    unsigned char key[CTR_KEY_BYTES], iv[IV_BYTES];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0, last = 0;
    bool done = ctx != NULL &&
                EVP_BytesToKey(EVP_aes_256_ctr(), EVP_md5(), NULL, (const unsigned char *)secret.ptr, (int)secret.len, 1, key, iv) == CTR_KEY_BYTES &&
                EVP_CipherInit_ex(ctx, EVP_aes_256_ctr(), NULL, key, iv, 1) == 1 &&
                EVP_CipherUpdate(ctx, out, &len, (const unsigned char *)in.ptr, (int)in.len) == 1 && EVP_CipherFinal_ex(ctx, out + len, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    OPENSSL_cleanse(key, sizeof key);
    return done;
}

bool session_seal(struct str secret, struct str text, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    if (text.len > INT32_MAX / 4 || !buf_reserve(out, text.len * 2 + 1)) {
        return false;
    }
    unsigned char *half = (unsigned char *)out->ptr + out->len + text.len; /* encrypted into the second half, spread from the front */
    if (text.len != 0 && !stream(secret, text, half)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = half[i];
        out->ptr[out->len + 2 * i] = digits[byte >> 4];
        out->ptr[out->len + 2 * i + 1] = digits[byte & 15];
    }
    out->len += text.len * 2;
    return true;
}

static int value_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct str session_open(struct arena *arena, struct str secret, struct str digits)
{
    size_t len = digits.len / 2;
    unsigned char *bytes = digits.len % 2 == 0 && len <= INT32_MAX ? arena_alloc(arena, len + 1) : NULL;
    unsigned char *text = bytes != NULL ? arena_alloc(arena, len + 1) : NULL;
    for (size_t i = 0; text != NULL && i < len; i++) {
        int high = value_of(digits.ptr[2 * i]), low = value_of(digits.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return STR_NONE;
        }
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    if (text == NULL || (len != 0 && !stream(secret, str_make((char *)bytes, len), text))) {
        return STR_NONE;
    }
    return str_make((char *)text, len);
}
