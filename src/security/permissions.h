/* What somebody may do to which paths: compiled once, asked with every request.
 *
 * A permission names a path, which may have `*` for any run of characters, and what is allowed or prohibited there. Allowed is what
 * at least one permission that matches allows and none that matches prohibits. The path that is asked for is taken
 * literally, its own `*` too: who may get /a/b may not therefore get the pattern /a/x. */
#ifndef HAPPN_SECURITY_PERMISSIONS_H
#define HAPPN_SECURITY_PERMISSIONS_H

#include "base/idmap.h"
#include "base/memory.h"
#include "base/str.h"
#include "happn/status.h"

enum may {
    MAY_GET = 1, MAY_SET = 2, MAY_ON = 4, MAY_REMOVE = 8,
    MAY_DELETE = 16, MAY_PUT = 32, MAY_POST = 64, MAY_HEAD = 128, MAY_OPTIONS = 256,
    MAY_OTHER = 512, /* methods of HTTP that have no word: only `*` covers them */
    MAY_ALL = 1023,
    MAY_STAR = 1024 /* in rules of the directory: the word `*`, which is kept and taken away as one */
};

/* "get", "on", "*", ... as a bit; 0 for any other word. */
unsigned may_of(struct str word);
const char *may_word(unsigned bit); /* of one bit, or of MAY_ALL */
unsigned may_of_method(const char *method); /* "GET", "PATCH", ...: never 0 */

struct permission_set;

/* One reference is the caller's; only on the loop's thread. NULL: out of memory. */
struct permission_set *permission_set_new(const struct allocator *allocator);
void permission_set_ref(struct permission_set *set);
void permission_set_unref(struct permission_set *set); /* NULL is fine */

/* Only before the first question. Copies. */
happn_status permission_set_add(struct permission_set *set, struct str path, unsigned allowed, unsigned prohibited);

/* May it? Only on the loop's thread: answers are remembered. */
bool permission_set_allows(struct permission_set *set, struct str path, unsigned may);
/* The two questions as any thread may ask them; nothing is remembered. */
bool permission_set_permits(const struct permission_set *set, struct str path, unsigned may);
bool permission_set_prohibits(const struct permission_set *set, struct str path, unsigned may);

/* True when something below a path that is allowed may be prohibited: then results and events must be looked at one by one. */
bool permission_set_has_prohibitions(const struct permission_set *set, unsigned may);

#endif
