/* Is this text well-formed UTF-8? */
#ifndef HAPPN_BASE_UTF8_H
#define HAPPN_BASE_UTF8_H

#include "base/str.h"

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Runs of ASCII cost an eighth of a step a byte. */
bool utf8_is_valid(struct str text);

#endif
