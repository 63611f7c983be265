/* Which global names a Lua source reads and writes, and where. */
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

#endif
