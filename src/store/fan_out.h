/* One operation for several stores: a pattern may mean documents in all of them. */
#ifndef HAPPN_STORE_FAN_OUT_H
#define HAPPN_STORE_FAN_OUT_H

#include "store/datastores.h"

/* Submits the operation (FIND, COUNT or REMOVE) to every store of the list that may match, each for the paths that belong to
 * it. As provider_submit. */
happn_status fan_out(struct datastore *first, struct routing *routing, struct store_op *op);

#endif
