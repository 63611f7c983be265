/* Protocols that the host has written (happn/protocol.h). */
#ifndef HAPPN_WIRE_HOST_PROTOCOL_H
#define HAPPN_WIRE_HOST_PROTOCOL_H

#include "core/core.h"
#include "happn/protocol.h"

happn_status host_protocol_add(struct core *core, const char *name, const happn_protocol_ops *ops, void *host, happn_error *error);
/* NULL: none has this name. */
const struct protocol *host_protocol_find(const struct core *core, struct str name);
void host_protocol_forget_all(struct core *core);

#endif
