/* What was observed of the original (tests/vectors), and small helpers for tests that read it. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "json/scan.h"

/* The checked JSON text of tests/vectors/<name>; the caller frees ptr. */
struct str vectors_read(const char *name);

/* A member that must be there and a text. */
struct str vectors_text(struct arena *arena, struct str object, const char *member);
/* The same of one that is the base64 of some bytes: those. */
struct str vectors_bytes(struct arena *arena, struct str object, const char *member);

/* Do both texts mean the same JSON value? The order of members does not count. */
bool vectors_same(struct arena *arena, struct str a, struct str b);

/* Random numbers that a seed repeats. HAPPN_SEED takes the place of the clock's; what was taken is printed. */
uint64_t vectors_seed(void);
uint64_t vectors_draw(uint64_t *state);

#endif
