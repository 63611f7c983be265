/* Is this text well-formed UTF-8, and where can it be cut? */
#ifndef HAPPN_BASE_UTF8_H
#define HAPPN_BASE_UTF8_H

#include "base/str.h"

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Runs of ASCII cost an eighth of a step a byte. */
bool utf8_is_valid(struct str text);

/* The front of a valid text, at most so many bytes, never half a character. */
struct str utf8_cut(struct str text, size_t most);
/* Copies as much of a valid text as fits, whole characters only, and a NUL. */
void utf8_copy(char *out, size_t size, struct str text);
/* Takes out what is only half a character: of texts that were cut and put together. */
void utf8_mend(char *text);

#endif
