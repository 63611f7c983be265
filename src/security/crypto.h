/* What we need of OpenSSL, in our own types. */
#ifndef HAPPN_SECURITY_CRYPTO_H
#define HAPPN_SECURITY_CRYPTO_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "happn/status.h"

enum { SHA256_BYTES = 32, SHA512_BYTES = 64, SHA1_BYTES = 20 };

/* Takes as long for texts that differ at the first byte as at the last one. Lengths may be known. */
bool crypto_equal(struct str a, struct str b);

bool crypto_hmac_sha256(struct str key, struct str text, unsigned char out[SHA256_BYTES]);
bool crypto_sha256(struct str text, unsigned char out[SHA256_BYTES]);
bool crypto_sha1(struct str text, unsigned char out[SHA1_BYTES]);
/* digest: "sha512" or "sha1". Takes milliseconds: not on the loop. */
bool crypto_pbkdf2(const char *digest, struct str password, struct str salt, int iterations, unsigned char *out, size_t len);

/* Base64: the common alphabet with padding, or the one for URLs without. Decoding accepts both; ptr NULL: not base64, or no memory. */
void crypto_add_base64(struct buf *out, struct str bytes);
void crypto_add_base64url(struct buf *out, struct str bytes);
struct str crypto_base64_decode(struct arena *arena, struct str text);
/* Only the one for URLs, and no padding: what tokens are written in. */
struct str crypto_base64url_decode(struct arena *arena, struct str text);

/* Did the owner of this public key sign these 32 bytes? A key of 33 bytes as base64 is a point of secp256k1 and signs the bytes as they are;
 * text in PEM is RSA with SHA-256, of 8192 bits and an exponent of 64 at most. False for everything that cannot be read. */
bool crypto_verify_nonce(struct str public_key, struct str nonce, struct str signature);

/* For OpenSSL's functions that read PEM: one that says it has a password must not make it ask for that, at the terminal or the standard input, while
 * everybody waits. */
int crypto_no_password(char *out, int size, int writes, void *arg);

/* A key pair of secp256k1 as base64 texts. */
bool crypto_make_key_pair(struct buf *private_key, struct buf *public_key);

#endif
