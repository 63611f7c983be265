/* The scripts and modules that come with happn: files of the folder "happn" below every root, compiled in from lua/happn. */
#ifndef HAPPN_SCRIPT_LIBRARY_H
#define HAPPN_SCRIPT_LIBRARY_H

#include "base/str.h"

/* The text of "happn/validate.lua"; false: it is none of ours. */
bool library_find(const char *file, struct str *out);

/* The names, in order; NULL behind the last one. */
const char *library_name(size_t index);

#endif
