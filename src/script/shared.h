/* happn.shared: values by name that all scripts of a process share. They survive a reload and end with the process. */
#ifndef HAPPN_SCRIPT_SHARED_H
#define HAPPN_SCRIPT_SHARED_H

#include "base/idmap.h"
#include "base/str.h"
#include "script/vm.h"

struct shared {
    const struct allocator *allocator;
    struct idmap entries; /* by the hash of their names */
    size_t bytes, most;   /* of names and values */
};

void shared_init(struct shared *shared, const struct allocator *allocator, size_t most);
void shared_fini(struct shared *shared);

/* Adds the table `shared` to the table on top of the stack. */
void shared_add(lua_State *L);

#endif
