/* The other side of a login by digest: signing the server's nonce with a private key. */
#ifndef HAPPN_SECURITY_SIGNING_H
#define HAPPN_SECURITY_SIGNING_H

#include "base/buf.h"
#include "base/str.h"

/* private_key is a number of secp256k1 in base64 (32 bytes: happn-3 up to 8), or an RSA key in PEM without a password (happn-3 13). Adds, as
 * base64, what crypto_verify_nonce accepts. False: the key cannot be read, the nonce has not 32 bytes, or memory is out. */
bool signing_sign_nonce(struct str private_key, struct str nonce, struct buf *signature);

/* Adds the public key that belongs to it, as text: a point in base64, or PEM (PKCS#1). False: the key cannot be read. */
bool signing_public_key(struct str private_key, struct buf *public_key);

#endif
