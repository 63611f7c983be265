#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

enum { MOST_BYTES = 255 };

size_t nearest_distance(const char *a, const char *b)
{
    size_t rows[MOST_BYTES + 1], b_len = strlen(b);
    if (b_len > MOST_BYTES) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b_len; j++) {
        rows[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t corner = rows[0];
        rows[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = rows[j];
            best = rows[j] + 1 < best ? rows[j] + 1 : best;
            rows[j] = rows[j - 1] + 1 < best ? rows[j - 1] + 1 : best;
        }
    }
    return rows[b_len];
}

void nearest_offer(const char *name, const char *candidate, const char **best)
{
    size_t steps = nearest_distance(name, candidate);
    if (steps < strlen(name) / 2 + 1 && (*best == NULL || steps < nearest_distance(name, *best))) {
        *best = candidate;
    }
}
