/* Users, groups, who is in which group and who may do what: all of it in memory, as it is in the store.
 *
 * The store has one document for each user, group, membership and permission, under the paths of happn-3 (see
 * directory_put). Each that is written there is put here, each that is removed is dropped, at start and ever after, so the
 * two say the same. Whoever is touched by that is reported. */
#ifndef HAPPN_SECURITY_DIRECTORY_H
#define HAPPN_SECURITY_DIRECTORY_H

#include "base/idmap.h"
#include "base/memory.h"
#include "base/str.h"
#include "happn/status.h"

#define SECURITY_ROOT "/_SYSTEM/_SECURITY/"
#define ADMIN_NAME "_ADMIN"
#define ANONYMOUS_NAME "_ANONYMOUS"

struct identity;
struct permission_set;

/* What a user or a group may do at one path. */
struct rule {
    struct rule *next;
    unsigned allowed, prohibited; /* enum may, word by word */
    struct str path;
    char bytes[];
};

struct member {
    struct user *user;
    struct group *group;
    struct member *next_of_user, *next_of_group;
    struct str data; /* of the link */
};

struct user {
    struct idmap_node node;
    struct str name;
    struct str record; /* JSON object with the password's hash; not set: only its links are known */
    int64_t created, modified;
    struct rule *rules;
    struct member *members;
    struct identity *identities; /* who is logged in as this user */
    struct permission_set *rights; /* compiled when somebody asks; whoever is told of a touch drops it */
    struct user *next_touched;
    bool is_touched, is_gone;
};

struct group {
    struct idmap_node node;
    struct str name;   /* "staff", "staff/night" */
    struct str record; /* not set: others refer to it, but it does not exist */
    int64_t created, modified;
    struct rule *rules;
    struct member *members;
};

struct directory {
    const struct allocator *allocator;
    struct idmap users, groups;
    size_t user_count; /* with a record */
    void (*touched)(struct user *user, void *arg); /* its rights may be others now, or it is_gone and freed next */
    void *touched_arg;
};

void directory_init(struct directory *directory, const struct allocator *allocator);
void directory_fini(struct directory *directory);

/* A document of /_SYSTEM/_SECURITY/: _USER/<name>, _USER/<name>/_USER_GROUP/<group>, _GROUP/<name>,
 * _PERMISSIONS/<group>/<action>/<path>, _PERMISSIONS/_USER/<user>/<action>/<path>. Others mean nothing here. E_MEMORY. */
happn_status directory_put(struct directory *directory, struct str path, struct str data, int64_t created, int64_t modified);
void directory_drop(struct directory *directory, struct str path, struct str data);

/* NULL: there is none with this name (and a record). */
struct user *directory_user(const struct directory *directory, struct str name);
struct group *directory_group(const struct directory *directory, struct str name);
bool user_is_in(const struct user *user, struct str group);

/* A rule's place in the list of its owner; NULL: it has none for this path. */
struct rule *rule_find(struct rule *rules, struct str path);

#endif
