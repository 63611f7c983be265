/* An arena for each test of a program: cmocka's set-up and tear-down. */
#ifndef TESTS_TEST_ARENA_H
#define TESTS_TEST_ARENA_H

#include "base/arena.h"

extern struct arena test_arena;

int open_test_arena(void **state);
int close_test_arena(void **state);

#endif
