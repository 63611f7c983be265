/* What somebody may have meant: the known name that is written most like an unknown one. */
#ifndef HAPPN_BASE_NEAREST_H
#define HAPPN_BASE_NEAREST_H

#include <stddef.h>

/* How many characters must be changed, inserted or removed; SIZE_MAX for names of more than 255 bytes. */
size_t nearest_distance(const char *a, const char *b);

/* Takes candidate when it is nearer to name than *best (NULL at first) and not too far. */
void nearest_offer(const char *name, const char *candidate, const char **best);

#endif
