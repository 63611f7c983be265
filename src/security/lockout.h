/* Who has failed to log in too often: one name from one address, so that nobody locks out somebody else; and how many logins one
 * address may try at all. */
#ifndef HAPPN_SECURITY_LOCKOUT_H
#define HAPPN_SECURITY_LOCKOUT_H

#include "base/idmap.h"
#include "base/str.h"

enum { LOCKOUT_MOST = 100000 };

struct lockout {
    const struct allocator *allocator;
    bool is_off;
    int64_t attempts;       /* failures of a name from an address, then it is locked */
    int64_t retry_ms;       /* after the last failure */
    int64_t per_minute;     /* logins from one address; 0: any number */
    struct idmap entries;
    struct lockout_entry *first, *last; /* by the last use, the longest ago first */
};

void lockout_init(struct lockout *lockout, const struct allocator *allocator);
void lockout_fini(struct lockout *lockout);

/* Is this name locked for this address, now? */
bool lockout_is_locked(struct lockout *lockout, struct str name, struct str address, int64_t now);
/* True: the name is locked from now on. */
bool lockout_failed(struct lockout *lockout, struct str name, struct str address, int64_t now);
void lockout_succeeded(struct lockout *lockout, struct str name, struct str address);

/* One more login from this address; false: there were too many within a minute. */
bool lockout_may_try(struct lockout *lockout, struct str address, int64_t now);

#endif
