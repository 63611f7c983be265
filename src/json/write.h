/* Writing JSON text: strings with escapes, and text spliced in place of a tree. */
#ifndef HAPPN_JSON_WRITE_H
#define HAPPN_JSON_WRITE_H

#include "base/buf.h"
#include "json/scan.h"

/* Adds a quoted JSON string: escapes quotes, backslashes, control characters, U+2028 and U+2029. */
void json_add_string(struct buf *buf, struct str plain);

/* Adds a finite number as JavaScript would print it: the shortest text that reads back as the same double. */
void json_add_number(struct buf *buf, double number);

/* Adds validated JSON text, with U+2028 and U+2029 in it written as escapes. One memcpy when there are none. */
void json_add_raw(struct buf *buf, struct str json);

/* True when json_add_raw would copy it byte for byte. */
bool json_is_plain(struct str json);

/* Adds an object without its closing brace and without the member `_meta` (any other member kept byte
 * for byte); *has_members tells whether a comma must follow before the next member. The object must be validated. */
void json_add_open_object(struct buf *buf, struct str object, const char *without, bool *has_members);

#endif
