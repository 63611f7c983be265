/* Tokens that are good for nothing any more: known by their id, until they would have ended anyway. */
#ifndef HAPPN_SECURITY_REVOKED_H
#define HAPPN_SECURITY_REVOKED_H

#include "base/buf.h"
#include "base/idmap.h"
#include "base/str.h"

#define REVOKED_ROOT "/_SYSTEM/_CACHE/cache_revoked_tokens/"
#define REVOKED_OLD_ROOT "/_SYSTEM/_CACHE/cache_revoked_sessions/" /* of happn-3 up to 10.2 */

struct revoked {
    const struct allocator *allocator;
    struct idmap entries;
    struct revoked_entry **heap; /* those with an end, the earliest first */
    size_t heap_count, heap_room;
};

struct revoked_entry {
    struct idmap_node node;
    size_t place; /* in the heap */
    bool is_waiting; /* for its end, in the heap */
    int64_t since, until; /* until 0: for ever */
    struct str id, reason;
    char bytes[];
};

void revoked_init(struct revoked *revoked, const struct allocator *allocator);
void revoked_fini(struct revoked *revoked);

happn_status revoked_add(struct revoked *revoked, struct str id, struct str reason, int64_t since, int64_t until);
void revoked_drop(struct revoked *revoked, struct str id);
/* NULL: it is not revoked. */
const struct revoked_entry *revoked_find(const struct revoked *revoked, struct str id);

/* One that has outlived its token and is to be dropped; each is returned once. NULL: none. */
const struct revoked_entry *revoked_outlived(struct revoked *revoked, int64_t now);

/* The document that says so, in happn-3's form. */
void revoked_add_data(struct buf *out, struct str id, struct str reason, int64_t since, int64_t until);

#endif
