/* What of a pattern's results somebody sees: everything but what is prohibited or, with nested permissions, only what is
 * permitted. */
#ifndef HAPPN_SECURITY_SIGHT_H
#define HAPPN_SECURITY_SIGHT_H

#include "base/str.h"

struct permission_set;

struct sight {
    struct permission_set *rights; /* one reference is the sight's; NULL: everything is seen */
    unsigned may;
    bool permitted_only;
};

/* Gives the reference up; on the loop's thread. */
void sight_fini(struct sight *sight);

/* Any thread may ask. */
bool sight_shows(const void *sight, struct str path);

#endif
