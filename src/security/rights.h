/* From the directory's rules to a permission set. */
#ifndef HAPPN_SECURITY_RIGHTS_H
#define HAPPN_SECURITY_RIGHTS_H

#include "security/directory.h"
#include "security/permissions.h"

/* All rules of the user and the groups it is in, put together and filled in for it. NULL: out of memory. */
struct permission_set *rights_compile(const struct allocator *allocator, const struct user *user);

#endif
