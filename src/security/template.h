/* Permission paths with holes: {{user.username}}, {{user.custom_data.site}}. */
#ifndef HAPPN_SECURITY_TEMPLATE_H
#define HAPPN_SECURITY_TEMPLATE_H

#include "base/arena.h"
#include "happn/status.h"

bool template_has_holes(struct str path);

/* Calls take with the path for each value: one, or as many as a list has. A value that is missing, or is no text or number, or
 * has a `*` or a `/` in it gives nothing: a user cannot choose its way to more rights. user: raw JSON of the user. take returns a
 * failure to end it. At most 1000 values are tried. */
happn_status template_fill(struct arena *arena, struct str path, struct str user, happn_status (*take)(struct str path, void *arg), void *arg);

#endif
