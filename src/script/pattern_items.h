/* Between the two halves of Lua's patterns: what a pattern was made into, and one attempt to match it. */
#ifndef HAPPN_SCRIPT_PATTERN_ITEMS_H
#define HAPPN_SCRIPT_PATTERN_ITEMS_H

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

enum { CAPTURES = 32, OPEN_CAPTURE = -1, POSITION_CAPTURE = -2 };

enum kind { BYTES, OPEN, CLOSE, POSITION, BACK, BALANCE, FRONTIER, END };
enum times { ONCE, GREEDY, GREEDY_ONE, LAZY, MAYBE };

struct item {
    enum kind kind;
    enum times times;
    uint64_t set[4];   /* BYTES, FRONTIER: which bytes */
    int number;        /* OPEN, CLOSE, POSITION, BACK: which capture */
    unsigned char from, to; /* BALANCE */
};

struct matcher {
    lua_State *L;
    const struct item *items, *items_end;
    const char *subject, *end;
    size_t owed; /* steps that were not charged yet */
    int depth;
    int captures;
    struct {
        const char *start;
        ptrdiff_t len;
    } capture[CAPTURES];
};

/* The matcher gets the pattern's items, which are a userdata that is pushed. Lua's error for a pattern that is none. */
void pattern_compile(lua_State *L, struct str pattern, struct matcher *matcher);

/* One attempt at this place of the subject, which the caller has set. Returns where the match ends, or NULL. */
const char *pattern_attempt(struct matcher *matcher, const char *at);

#endif
