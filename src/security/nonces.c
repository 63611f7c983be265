#include "security/nonces.h"

#include "base/id.h"
#include "security/crypto.h"

enum { TRIED = 16 }; /* signatures that are looked at for one login */

struct nonce {
    int64_t until; /* 0: used, or none */
    unsigned char key[SHA1_BYTES];
    unsigned char bytes[NONCE_BYTES];
};

void nonces_init(struct nonces *nonces, const struct allocator *allocator)
{
    *nonces = (struct nonces){.allocator = allocator};
}

void nonces_fini(struct nonces *nonces)
{
    memory_free(nonces->allocator, nonces->items);
}

bool nonces_make(struct nonces *nonces, struct str key, int64_t until, unsigned char out[NONCE_BYTES])
{
    if (nonces->items == NULL) {
        nonces->items = memory_zalloc(nonces->allocator, NONCES_MOST * sizeof *nonces->items);
    }
    struct nonce *nonce = nonces->items != NULL ? &nonces->items[nonces->next] : NULL;
    if (nonce == NULL || !crypto_sha1(key, nonce->key)) {
        return false;
    }
    nonces->next = (nonces->next + 1) % NONCES_MOST;
    nonce->until = until;
    id_random(nonce->bytes, sizeof nonce->bytes);
    memcpy(out, nonce->bytes, NONCE_BYTES);
    return true;
}

bool nonces_take(struct nonces *nonces, struct str key, struct str signature, int64_t now, unsigned char out[NONCE_BYTES])
{
    unsigned char hash[SHA1_BYTES];
    if (nonces->items == NULL || !crypto_sha1(key, hash)) {
        return false;
    }
    for (size_t i = 0, tried = 0; i < NONCES_MOST && tried < TRIED; i++) {
        struct nonce *nonce = &nonces->items[(nonces->next + NONCES_MOST - 1 - i) % NONCES_MOST];
        if (nonce->until < now || memcmp(nonce->key, hash, sizeof hash) != 0) {
            continue;
        }
        tried++;
        if (crypto_verify_nonce(key, str_make((char *)nonce->bytes, NONCE_BYTES), signature)) {
            memcpy(out, nonce->bytes, NONCE_BYTES);
            nonce->until = 0;
            return true;
        }
    }
    return false;
}
