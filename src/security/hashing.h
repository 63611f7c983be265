/* Password hashes take long on purpose: two threads of low priority compute them, and not too many may wait. */
#ifndef HAPPN_SECURITY_HASHING_H
#define HAPPN_SECURITY_HASHING_H

#include "base/loop.h"
#include "security/password.h"

enum { HASHING_THREADS = 2, HASHING_MOST_WAITING = 64 };

struct hashing;

/* What is asked, and what comes back. Embed it in whatever waits; it must stay until done. */
struct hash_job {
    struct hash_job *next;
    struct hashing *hashing;
    struct str password;          /* borrowed */
    struct str stored;            /* is compared with it; not set: only a new hash is wanted */
    int iterations;               /* of new hashes */
    bool fits;
    char made[PASSWORD_STORED];   /* a new hash: when it was wanted, or when the stored one fits and is weak; else empty */
    void (*done)(struct hash_job *job); /* on the loop's thread, never before hashing_submit returns */
    void *arg;
};

/* Threads are started when they are needed. NULL: out of memory. */
struct hashing *hashing_new(struct loop *loop, const struct allocator *allocator);
/* Nothing may be under way. */
void hashing_free(struct hashing *hashing);

/* E_BUSY: too many wait; E_MEMORY: no thread could be started. Then done is not called. */
happn_status hashing_submit(struct hashing *hashing, struct hash_job *job);

/* Something will be done. On the loop's thread. */
bool hashing_is_busy(const struct hashing *hashing);

#endif
