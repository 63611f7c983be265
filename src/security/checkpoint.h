/* May this login do this to that path, now? */
#ifndef HAPPN_SECURITY_CHECKPOINT_H
#define HAPPN_SECURITY_CHECKPOINT_H

#include "security/identity.h"
#include "security/sight.h"

/* NULL: yes, and the use is counted. In this order: ended, time, inactivity, uses, permission. */
const struct denial *checkpoint_pass(struct identity *identity, struct str path, unsigned may, int64_t now);

/* The same without the permission: for what any login may do. */
const struct denial *checkpoint_alive(struct identity *identity, int64_t now);

/* False: everything is seen, *out is not filled. */
bool checkpoint_sight(struct identity *identity, struct str path, unsigned may, struct sight *out);

/* May this user do it by its rights, or by a lookup permission of one of its groups where nothing prohibits it? */
bool checkpoint_allows(struct security *security, const struct user *user, struct permission_set *rights, struct str path, unsigned may);
/* The same for a login; one that a profile limits has no lookup permissions. */
bool checkpoint_permits(struct identity *identity, struct str path, unsigned may);

/* Nested permissions: a pattern with ** needs no permission of its own to be read. */
bool checkpoint_nests(const struct security *security, struct str path, unsigned may);

#endif
