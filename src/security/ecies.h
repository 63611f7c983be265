/* Payload encryption as happn-3 up to 8.x speaks it, for clients that cannot use TLS. Logins: ECIES on secp256k1, in bitcore's form. What
 * follows: AES-256-CTR with one key stream for the whole session, which is weak: TLS is the answer. */
#ifndef HAPPN_SECURITY_ECIES_H
#define HAPPN_SECURITY_ECIES_H

#include "base/arena.h"
#include "base/buf.h"

enum { ECIES_MOST = 65536, POINT_BYTES = 33, SCALAR_BYTES = 32 };

/* A secp256k1 key pair, as bytes; public compressed. */
struct key_pair {
    unsigned char secret[SCALAR_BYTES];
    unsigned char point[POINT_BYTES];
};

/* From base64 texts. False: they are no such keys. */
bool key_pair_read(struct arena *arena, struct str private_key, struct str public_key, struct key_pair *out);

/* Opens a message of at most ECIES_MOST bytes: *text is in the arena, peer becomes the sender's point. False, whatever is wrong with it. */
bool ecies_open(struct arena *arena, const struct key_pair *own, struct str blob, struct str *text, unsigned char peer[POINT_BYTES]);

/* Adds a message for the peer: of any length that the buffer may have, for what we say is ours. */
bool ecies_seal(const struct key_pair *own, const unsigned char peer[POINT_BYTES], struct str text, struct buf *out);

/* Adds the text, encrypted with a session's secret, as hexadecimal digits. */
bool session_seal(struct str secret, struct str text, struct buf *out);
/* The other way round. ptr NULL: these are no digits, or no memory. */
struct str session_open(struct arena *arena, struct str secret, struct str digits);

#endif
