#include "security/signing.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "security/crypto.h"

enum { NUMBER_BYTES = 32, POINT_BYTES = 33, NONCE_SIZE = 32, MOST_KEY_TEXT = 16384, MOST_SIGNATURE = 2048 };

static bool is_pem(struct str key)
{
    return str_starts(key, STR_LIT("-----BEGIN "));
}

/* --- secp256k1 */

/* The number, and the point that belongs to it. False: it is none. */
static bool read_number(struct str text, BIGNUM **number, unsigned char point[POINT_BYTES])
{
    struct arena arena;
    arena_init(&arena, NULL);
    struct str bytes = text.len < MOST_KEY_TEXT ? crypto_base64_decode(&arena, text) : STR_NONE;
    EC_GROUP *group = bytes.ptr != NULL && bytes.len == NUMBER_BYTES ? EC_GROUP_new_by_curve_name(NID_secp256k1) : NULL;
    EC_POINT *at = group != NULL ? EC_POINT_new(group) : NULL;
    *number = at != NULL ? BN_secure_new() : NULL;
    bool is_read = *number != NULL && BN_bin2bn((const unsigned char *)bytes.ptr, (int)bytes.len, *number) != NULL && !BN_is_zero(*number) &&
                   BN_cmp(*number, EC_GROUP_get0_order(group)) < 0 && EC_POINT_mul(group, at, *number, NULL, NULL, NULL) == 1 &&
                   EC_POINT_point2oct(group, at, POINT_CONVERSION_COMPRESSED, point, POINT_BYTES, NULL) == POINT_BYTES;
    if (bytes.ptr != NULL) {
        OPENSSL_cleanse((char *)bytes.ptr, bytes.len);
    }
    EC_POINT_free(at);
    EC_GROUP_free(group);
    arena_fini(&arena);
    return is_read;
}

static EVP_PKEY *make_pair(const BIGNUM *number, const unsigned char *point)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    bool is_built = builder != NULL && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "secp256k1", 0) == 1 &&
                    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, POINT_BYTES) == 1 &&
                    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, number) == 1;
    OSSL_PARAM *params = is_built ? OSSL_PARAM_BLD_to_param(builder) : NULL;
    EVP_PKEY_CTX *ctx = params != NULL ? EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL) : NULL;
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static EVP_PKEY *read_pair(struct str text)
{
    BIGNUM *number = NULL;
    unsigned char point[POINT_BYTES];
    EVP_PKEY *key = read_number(text, &number, point) ? make_pair(number, point) : NULL;
    BN_clear_free(number);
    return key;
}

/* The nonce itself is what is signed, without a digest of it. */
static bool sign_number(struct str private_key, struct str nonce, unsigned char *out, size_t *len)
{
    EVP_PKEY *key = read_pair(private_key);
    EVP_PKEY_CTX *ctx = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    bool is_signed = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
                     EVP_PKEY_sign(ctx, out, len, (const unsigned char *)nonce.ptr, nonce.len) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return is_signed;
}

/* --- RSA */

static EVP_PKEY *read_rsa(struct str pem)
{
    BIO *bio = pem.len < MOST_KEY_TEXT ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, crypto_no_password, NULL) : NULL;
    BIO_free(bio);
    if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static bool sign_rsa(struct str private_key, struct str nonce, unsigned char *out, size_t *len)
{
    EVP_PKEY *key = read_rsa(private_key);
    EVP_MD_CTX *ctx = key != NULL ? EVP_MD_CTX_new() : NULL;
    bool is_signed = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                     EVP_DigestSign(ctx, out, len, (const unsigned char *)nonce.ptr, nonce.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return is_signed;
}

static bool add_rsa_public(struct str private_key, struct buf *out)
{
    EVP_PKEY *key = read_rsa(private_key);
    unsigned char *der = NULL;
    char *text = NULL;
    int len = key != NULL ? i2d_PublicKey(key, &der) : 0;
    BIO *bio = len > 0 ? BIO_new(BIO_s_mem()) : NULL;
    bool is_written = bio != NULL && PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, len) > 0;
    long text_len = is_written ? BIO_get_mem_data(bio, &text) : 0;
    buf_add_str(out, str_make(text, (size_t)text_len));
    BIO_free(bio);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return text_len > 0 && out->status == HAPPN_OK;
}

/* --- either */

bool signing_sign_nonce(struct str private_key, struct str nonce, struct buf *signature)
{
    unsigned char bytes[MOST_SIGNATURE];
    size_t len = sizeof bytes;
    if (nonce.len != NONCE_SIZE || private_key.ptr == NULL) {
        return false;
    }
    bool is_signed = is_pem(private_key) ? sign_rsa(private_key, nonce, bytes, &len) : sign_number(private_key, nonce, bytes, &len);
    if (is_signed) {
        crypto_add_base64(signature, str_make((char *)bytes, len));
    }
    return is_signed && signature->status == HAPPN_OK;
}

bool signing_public_key(struct str private_key, struct buf *public_key)
{
    BIGNUM *number = NULL;
    unsigned char point[POINT_BYTES];
    if (private_key.ptr == NULL) {
        return false;
    }
    if (is_pem(private_key)) {
        return add_rsa_public(private_key, public_key);
    }
    bool is_read = read_number(private_key, &number, point);
    if (is_read) {
        crypto_add_base64(public_key, str_make((char *)point, POINT_BYTES));
    }
    BN_clear_free(number);
    return is_read && public_key->status == HAPPN_OK;
}
