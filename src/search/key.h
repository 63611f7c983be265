/* Values as binary keys whose order, byte by byte, is the order of sorting. Long texts are cut: a key narrows a search, it does not
 * decide it. */
#ifndef HAPPN_SEARCH_KEY_H
#define HAPPN_SEARCH_KEY_H

#include "base/buf.h"
#include "search/field.h"

enum { KEY_MAX = 256 };

void key_add(struct buf *out, const struct value *value);

/* Calls visit with every key a document has for a field: one a value, one for an array itself and one for each of its elements; a
 * field with several values has the key of an array, too; one without any has the key of MISSING. False: out of memory. */
bool key_each(const struct field *field, const struct document *document, struct arena *scratch, void (*visit)(void *arg, struct str key), void *arg);

#endif
