/* Changing one member of an object's text in place of a tree. */
#ifndef HAPPN_JSON_SPLICE_H
#define HAPPN_JSON_SPLICE_H

#include "base/buf.h"
#include "json/scan.h"

/* Adds `object` with the member `name` (plain text) set to the raw JSON `value`; an unset value (ptr NULL)
 * removes it. Everything else is kept byte for byte. */
void json_splice(struct buf *out, struct str object, struct str name, struct str value);

#endif
