/* One operation for several stores: a pattern may mean documents in all of them. */
#ifndef HAPPN_STORE_FAN_OUT_H
#define HAPPN_STORE_FAN_OUT_H

#include "store/datastores.h"

/* Submits the operation (FIND, COUNT or REMOVE) to every store of the list that may match, each for the paths that belong to
 * it. As provider_submit. */
happn_status fan_out(struct datastore *first, struct routing *routing, struct store_op *op);

/* See datastores_has_passed. */
bool fan_out_has_passed(const struct store_op *op, struct str path);

#endif
