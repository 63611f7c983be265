#include "test_arena.h"

struct arena test_arena;

int open_test_arena(void **state)
{
    (void)state;
    arena_init(&test_arena, NULL);
    return 0;
}

int close_test_arena(void **state)
{
    (void)state;
    arena_fini(&test_arena);
    return 0;
}
