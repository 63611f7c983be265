/* Users and groups as JSON: what others may see of them. */
#ifndef HAPPN_SECURITY_USER_TEXT_H
#define HAPPN_SECURITY_USER_TEXT_H

#include "base/buf.h"
#include "security/directory.h"

/* {"username":...}: the record without the password's hash; with_groups adds "groups":{"G1":{"data":{...}}}; with_permissions its own
 * permissions, as they are passed in. */
void user_add_text(struct buf *out, const struct user *user, bool with_groups, bool with_permissions);

/* {"name":...,"permissions":{...}} */
void group_add_text(struct buf *out, const struct group *group, bool with_permissions);

/* {"/a/b":{"actions":["get"],"prohibit":["set"]}} */
void rules_add_text(struct buf *out, const struct rule *rules);

/* base64 of SHA-1 of the names of the user's groups, sorted, joined by `/`: what happn-3 calls the key of a permission set. */
void user_add_set_key(struct buf *out, const struct user *user);

#endif
