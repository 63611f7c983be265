/* Passwords as they are stored: pbkdf2$<iterations>$<key, hex>$<salt, hex>$<digest>, PBKDF2 with HMAC. Four fields are the old
 * form: SHA-1. Hashing takes milliseconds on purpose: never on the loop. */
#ifndef HAPPN_SECURITY_PASSWORD_H
#define HAPPN_SECURITY_PASSWORD_H

#include "base/str.h"
#include "happn/status.h"

enum { PASSWORD_MOST = 1024, PASSWORD_STORED = 600, PASSWORD_MOST_ITERATIONS = 10000000 };

/* Writes a new hash and a NUL. */
bool password_hash(struct str password, int iterations, char out[PASSWORD_STORED]);

/* *is_weak: it fits, but a new hash would be stronger. What does not fit costs as much as `iterations` do, however it is stored: text that is no
 * hash and old hashes of few rounds cannot be told from the others by the clock. */
bool password_fits(struct str password, struct str stored, int iterations, bool *is_weak);

/* A hash nobody knows the password of: what is compared for users that do not exist. */
void password_dummy(int iterations, char out[PASSWORD_STORED]);

#endif
