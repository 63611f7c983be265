/* Which lines of which files have run. */
#ifndef HAPPN_WORKSHOP_COVERAGE_H
#define HAPPN_WORKSHOP_COVERAGE_H

#include "base/arena.h"
#include "base/str.h"

enum { COVERAGE_LINES = 20000 };

struct covered_file {
    struct covered_file *next;
    const char *name;
    unsigned char lines[COVERAGE_LINES / 8 + 1]; /* a bit a line */
};

struct coverage {
    struct arena *arena;
    struct covered_file *files, *latest;
};

/* For scripts_options.on_line; arg is the coverage. Lines beyond COVERAGE_LINES are not kept. */
void coverage_note(void *arg, const char *file, int line);
bool coverage_has(const struct covered_file *file, int line);
const struct covered_file *coverage_find(const struct coverage *coverage, const char *name);

#endif
