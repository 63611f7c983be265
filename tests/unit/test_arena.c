/* Memory that dies with its request: how much a short one takes, and what is kept for the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "test_memory.h"

static struct test_memory memory = TEST_MEMORY(memory);

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    memory.allocations = memory.in_use = memory.bytes = 0;
    arena_init(&arena, &memory.allocator);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    assert_int_equal(memory.in_use, 0);
    return 0;
}

/* Every byte can be written, and no other piece notices. */
static void fill(size_t size, size_t count)
{
    unsigned char *pieces[64];
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++) {
        pieces[i] = arena_alloc(&arena, size);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, size);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < size; k++) {
            assert_int_equal(pieces[i][k], i);
        }
    }
}

static void a_short_request_takes_little(void **state)
{
    (void)state;
    fill(100, 4); /* 112 each */
    assert_int_equal(memory.allocations, 1);
    assert_true(memory.bytes < 1024);
}

/* 480 + 32 fill the first block to its last byte. */
static void the_first_block_is_used_to_its_end(void **state)
{
    (void)state;
    fill(480, 1);
    fill(32, 1);
    assert_int_equal(memory.allocations, 1);
    fill(1, 1);
    assert_int_equal(memory.allocations, 2);
}

/* A request that is used again and again with more than the first block holds asks for memory once. */
static void what_is_reset_keeps_the_larger_block(void **state)
{
    (void)state;
    fill(100, 10);
    assert_int_equal(memory.allocations, 2);
    for (int i = 0; i < 100; i++) {
        arena_reset(&arena);
        assert_int_equal(memory.in_use, 1);
        fill(100, 10);
    }
    assert_int_equal(memory.allocations, 2);
}

static void what_is_reset_keeps_a_small_block(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        fill(100, 4);
        arena_reset(&arena);
    }
    assert_int_equal(memory.allocations, 1);
}

/* A text between the two sizes comes first and gets a whole block, which is kept; a longer one is not kept. */
static void a_text_of_any_length_has_room(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 511, 512, 513, 2047, 2048, 2049, 70000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fill(sizes[i], 3);
        arena_reset(&arena);
        assert_int_equal(memory.in_use, sizes[i] <= 2048);
        fill(sizes[i], 1);
        arena_fini(&arena);
    }
}

/* Only a long text has a block of its own that can be lent; one in a first or whole block shares it with others. */
static void a_short_text_is_not_lent(void **state)
{
    (void)state;
    static char letters[5000];
    static const size_t sizes[] = {400, 1500, 2047, 2048, 5000};
    memset(letters, 'a', sizeof letters);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct str text = arena_str(&arena, str_make(letters, sizes[i]));
        struct arena_block *block = arena_lend(&arena, text);
        assert_int_equal(block != NULL, sizes[i] >= 2048); /* with its NUL, 2048 is longer than a block */
        arena_fini(&arena);
        assert_int_equal(memory.in_use, block != NULL); /* the borrower's */
        if (block != NULL) {
            assert_memory_equal(text.ptr, letters, sizes[i]);
            arena_block_unref(block);
        }
    }
}

static void a_small_arena_adopts_and_is_adopted(void **state)
{
    (void)state;
    struct arena from;
    arena_init(&from, &memory.allocator);
    struct str kept = arena_str(&from, STR_LIT("kept"));
    struct str own = arena_str(&arena, STR_LIT("own"));
    arena_adopt(&arena, &from);
    arena_fini(&from);
    fill(100, 20);
    assert_string_equal(kept.ptr, "kept");
    assert_string_equal(own.ptr, "own");
    arena_reset(&arena);
    assert_int_equal(memory.in_use, 1);
}

static void nothing_is_not_out_of_memory(void **state)
{
    (void)state;
    assert_non_null(arena_alloc(&arena, 0));
    assert_non_null(arena_alloc(&arena, 0));
    assert_null(arena_alloc(&arena, SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_not_out_of_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_request_takes_little, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_block_is_used_to_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_reset_keeps_the_larger_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_reset_keeps_a_small_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_text_of_any_length_has_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_text_is_not_lent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_arena_adopts_and_is_adopted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
