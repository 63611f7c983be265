/* Which global names a Lua source reads and writes, and where; and where it has code. */
#ifndef HAPPN_WORKSHOP_GLOBALS_H
#define HAPPN_WORKSHOP_GLOBALS_H

#include "base/arena.h"
#include "base/str.h"
#include "happn/status.h"

struct global_use {
    struct global_use *next;
    const char *name;
    int line;
    bool is_write;
};

/* Compiles the text and finds its uses of globals, in no order; they live in the arena. name is for messages ("layers/a.lua"). On failure error says
 * what the compiler says: "layers/a.lua:3: unexpected symbol near 'end'". */
happn_status globals_find(struct arena *arena, const char *name, struct str text, struct global_use **out, happn_error *error);

/* Calls take with every line of the text that has code of its own; some of them more than once. */
happn_status globals_lines(struct arena *arena, const char *name, struct str text, void (*take)(void *arg, int line), void *arg, happn_error *error);

#endif
