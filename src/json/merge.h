/* Shallow merge of two objects: members of `patch` replace or follow those of `base`. */
#ifndef HAPPN_JSON_MERGE_H
#define HAPPN_JSON_MERGE_H

#include "base/buf.h"
#include "json/scan.h"

/* Adds the merged object to out: base's members in their order with new values where patch has them (null
 * overwrites), then patch's new members. Number texts are kept. Both are validated objects. Cost is linear
 * also for thousands of members. Failures stay in out->status. */
void json_merge(struct buf *out, struct str base, struct str patch);

#endif
