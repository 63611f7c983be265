/* What was done with tokens over HTTP: for limits on uses and on inactivity, between requests that know nothing of each other. */
#ifndef HAPPN_SECURITY_ACTIVITY_H
#define HAPPN_SECURITY_ACTIVITY_H

#include "security/identity.h"

enum { ACTIVITY_MOST = 100000 };

struct activity;

struct activity *activity_new(const struct allocator *allocator); /* NULL: out of memory */
void activity_free(struct activity *activity); /* NULL is fine */

/* Uses and last use, as they were saved; nothing for a token that has no such limits. */
void activity_load(struct activity *activity, struct identity *identity);
/* The token used longest ago is forgotten when there are too many. */
void activity_save(struct activity *activity, const struct identity *identity);

#endif
