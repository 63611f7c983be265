#include "security/nonces.h"

#include "base/id.h"
#include "security/crypto.h"

struct nonce {
    struct idmap_node node;
    struct nonce *previous, *next;
    int64_t made;
    unsigned char bytes[NONCE_LENGTH];
    unsigned char key[SHA256_BYTES]; /* the public key's digest: keys may be long */
    struct str owner;
    char text[];
};

void nonces_init(struct nonces *nonces, const struct allocator *allocator, int64_t ttl_ms)
{
    *nonces = (struct nonces){.allocator = allocator, .ttl_ms = ttl_ms};
    id_random(&nonces->start, sizeof nonces->start);
    idmap_init(&nonces->entries, allocator);
}

static void drop(struct nonces *nonces, struct nonce *nonce)
{
    *(nonce->previous != NULL ? &nonce->previous->next : &nonces->first) = nonce->next;
    *(nonce->next != NULL ? &nonce->next->previous : &nonces->last) = nonce->previous;
    idmap_remove(&nonces->entries, &nonce->node);
    memory_free(nonces->allocator, nonce);
}

void nonces_fini(struct nonces *nonces)
{
    while (nonces->first != NULL) {
        drop(nonces, nonces->first);
    }
    idmap_fini(&nonces->entries);
}

static uint64_t hash_of(const struct nonces *nonces, struct str owner)
{
    uint64_t hash = nonces->start;
    for (size_t i = 0; i < owner.len; i++) {
        hash = (hash ^ (unsigned char)owner.ptr[i]) * 1099511628211u;
    }
    return hash;
}

static struct nonce *find(const struct nonces *nonces, struct str owner)
{
    struct idmap_node *node = idmap_find(&nonces->entries, hash_of(nonces, owner));
    while (node != NULL && !str_equal(((struct nonce *)node)->owner, owner)) {
        node = idmap_find_next(node);
    }
    return (struct nonce *)node;
}

static bool digest_of(struct str public_key, unsigned char out[SHA256_BYTES])
{
    return crypto_hmac_sha256(STR_LIT("public key"), public_key, out);
}

static struct nonce *enter(struct nonces *nonces, struct str owner)
{
    struct nonce *nonce = memory_zalloc(nonces->allocator, sizeof *nonce + owner.len + 1);
    if (nonce == NULL) {
        return NULL;
    }
    if (owner.len != 0) {
        memcpy(nonce->text, owner.ptr, owner.len);
    }
    nonce->owner = str_make(nonce->text, owner.len);
    if (idmap_add(&nonces->entries, &nonce->node, hash_of(nonces, owner)) != HAPPN_OK) {
        memory_free(nonces->allocator, nonce);
        return NULL;
    }
    nonce->previous = nonces->last;
    *(nonces->last != NULL ? &nonces->last->next : &nonces->first) = nonce;
    nonces->last = nonce;
    return nonce;
}

bool nonces_make(struct nonces *nonces, struct str owner, struct str public_key, int64_t now, unsigned char out[NONCE_LENGTH])
{
    nonces_forget(nonces, owner);
    struct nonce *nonce = enter(nonces, owner);
    if (nonce == NULL) {
        return false;
    }
    nonce->made = now;
    id_random(nonce->bytes, sizeof nonce->bytes);
    if (!digest_of(public_key, nonce->key)) {
        drop(nonces, nonce);
        return false;
    }
    memcpy(out, nonce->bytes, sizeof nonce->bytes);
    while (nonces->first->made + nonces->ttl_ms < now || nonces->entries.count > NONCES_MOST) {
        drop(nonces, nonces->first); /* never the one just made: it is the last, and of now */
    }
    return true;
}

bool nonces_take(struct nonces *nonces, struct str owner, struct str public_key, int64_t now, unsigned char out[NONCE_LENGTH])
{
    struct nonce *nonce = find(nonces, owner);
    unsigned char key[SHA256_BYTES];
    if (nonce == NULL) {
        return false;
    }
    bool fits = now <= nonce->made + nonces->ttl_ms && digest_of(public_key, key) && memcmp(key, nonce->key, sizeof key) == 0;
    if (fits) {
        memcpy(out, nonce->bytes, sizeof nonce->bytes);
    }
    drop(nonces, nonce);
    return fits;
}

void nonces_forget(struct nonces *nonces, struct str owner)
{
    struct nonce *nonce = find(nonces, owner);
    if (nonce != NULL) {
        drop(nonces, nonce);
    }
}
