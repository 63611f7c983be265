/* What digest logins over HTTP sign: each nonce is good once, for a short time, and for one key. Many may be under way for the same key, so
 * that nobody disturbs its owner. */
#ifndef HAPPN_SECURITY_NONCES_H
#define HAPPN_SECURITY_NONCES_H

#include "base/memory.h"
#include "base/str.h"

enum { NONCE_BYTES = 32, NONCES_MOST = 4096 };

struct nonces {
    const struct allocator *allocator;
    struct nonce *items; /* a ring: the oldest one makes room */
    size_t next;
};

void nonces_init(struct nonces *nonces, const struct allocator *allocator);
void nonces_fini(struct nonces *nonces);

/* False: out of memory. */
bool nonces_make(struct nonces *nonces, struct str key, int64_t until, unsigned char out[NONCE_BYTES]);

/* The one that this signature is of, which is used up by that. False: there is none. */
bool nonces_take(struct nonces *nonces, struct str key, struct str signature, int64_t now, unsigned char out[NONCE_BYTES]);

#endif
