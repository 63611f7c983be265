/* Lookup tables: permissions by a list of paths that somebody else keeps.
 *
 * A group has lookup permissions: {"regex": "^/data/(.*)/(.*)", "actions": ["get"], "table": "devices", "path": "/{{user.custom_data.company}}/{{$1}}"}.
 * They are asked when no ordinary permission allows it and none prohibits it. The path that is asked for is matched, what the groups caught and what is known of the
 * user is filled into `path`, and when the table has exactly that path, it is allowed.
 *
 * happn-3 uses what was filled in as a pattern, so asking for /data/`*`/x caught a `*` that matched every device. Here it is a path: what is
 * caught is taken as it stands, and a catch with a `*` or a brace is no catch. */
#ifndef HAPPN_SECURITY_LOOKUP_H
#define HAPPN_SECURITY_LOOKUP_H

#include "search/regex.h"
#include "security/directory.h"

enum { LOOKUP_MOST_PERMISSIONS = 100 }; /* of one group for one table */

struct lookup;

/* NULL: out of memory. */
struct lookup *lookup_new(const struct allocator *allocator);
void lookup_free(struct lookup *lookup);

/* A document of SECURITY_ROOT: _LOOKUP/<table>/<path> {"authorized":true}, _PERMISSIONS/_LOOKUP/<group>/<table> {"permissions":[...]}; others
 * mean nothing here. E_ARGUMENT says which permission is wrong (a group then has none for that table); E_MEMORY. */
happn_status lookup_put(struct lookup *lookup, struct str path, struct str data, happn_error *error);
void lookup_drop(struct lookup *lookup, struct str path);

/* Checks one lookup permission; E_ARGUMENT says what is wrong. */
happn_status lookup_check(struct str permission, happn_error *error);

/* May the user do this (one bit of enum may) to the path, by a lookup permission of a group it is in? An expression that takes too long
 * allows nothing. Only on the loop's thread. */
bool lookup_allows(struct lookup *lookup, const struct user *user, struct str path, unsigned may);

/* Has any group a lookup permission? */
bool lookup_is_used(const struct lookup *lookup);

/* Is it a document that lookup_put would read? */
bool lookup_means(struct str path);
/* Has this group one? One for this table? */
bool lookup_concerns(const struct lookup *lookup, struct str group);
bool lookup_asks(const struct lookup *lookup, struct str group, struct str table);

/* Of the administrators' interface: the rows of a table; the lookup permissions of a group, as the raw JSON lists they are stored as, one for each
 * table. visit must change nothing. */
typedef void (*lookup_visit)(struct str table, struct str text, void *arg);
void lookup_each_row(const struct lookup *lookup, struct str table, lookup_visit visit, void *arg);
void lookup_each_grant(const struct lookup *lookup, struct str group, lookup_visit visit, void *arg);

#endif
