/* Reading what happn-3's tokens are packed with: jsonpack 1.1.5. */
#ifndef HAPPN_SECURITY_JSONPACK_H
#define HAPPN_SECURITY_JSONPACK_H

#include "base/buf.h"
#include "base/str.h"

/* Adds the JSON text that `packed` stands for. False: it is not such a text, or it is too deep. */
bool jsonpack_read(struct str packed, struct buf *out);

#endif
