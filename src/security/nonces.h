/* One-time numbers for logins by signature: whoever asked for one, signs it, and is let in once.
 *
 * A nonce belongs to its owner (a session; over HTTP an address and a key) and to the public key it was asked for. It is taken by the first
 * login that tries it, fitting or not, so that nothing can be sent again and nobody can spoil somebody else's. */
#ifndef HAPPN_SECURITY_NONCES_H
#define HAPPN_SECURITY_NONCES_H

#include "base/idmap.h"
#include "base/str.h"

enum { NONCE_LENGTH = 32, NONCES_MOST = 10000 };

struct nonce;

struct nonces {
    const struct allocator *allocator;
    int64_t ttl_ms;
    uint64_t start; /* of hashes: nobody can choose owners that collide */
    struct idmap entries;
    struct nonce *first, *last; /* by age, the oldest first */
};

void nonces_init(struct nonces *nonces, const struct allocator *allocator, int64_t ttl_ms);
void nonces_fini(struct nonces *nonces);

/* A new one in place of the owner's last one. With NONCES_MOST under way the oldest is given up. False: out of memory. now: milliseconds. */
bool nonces_make(struct nonces *nonces, struct str owner, struct str public_key, int64_t now, unsigned char out[NONCE_LENGTH]);

/* Takes the owner's nonce away. True, and out is what it was: it is for this key and not too old. */
bool nonces_take(struct nonces *nonces, struct str owner, struct str public_key, int64_t now, unsigned char out[NONCE_LENGTH]);

/* The owner is gone. */
void nonces_forget(struct nonces *nonces, struct str owner);

#endif
