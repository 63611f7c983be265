/* A client's frames, taken apart again by the letter of RFC 6455. */
#include "vectors.h"

#include <string.h>

#include "base/buf.h"
#include "client/frame.h"
#include "test_memory.h"

enum { MOST = 70000 };

static char text[MOST];

static size_t number(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return (size_t)value;
}

/* Expects one whole masked frame with this text at `at`; returns what is behind it. */
static const unsigned char *expect_frame(const unsigned char *at, int kind, const char *expected, size_t expected_len)
{
    assert_int_equal(at[0], 0x80 | kind);
    assert_int_equal(at[1] & 0x80, 0x80);
    size_t len = at[1] & 0x7f;
    at += 2;
    if (len >= 126) {
        int bytes = len == 126 ? 2 : 8;
        len = number(at, bytes);
        at += bytes;
        assert_true(len >= (bytes == 2 ? 126 : 65536)); /* the shortest form */
    }
    assert_int_equal(len, expected_len);
    const unsigned char *mask = at;
    at += 4;
    for (size_t i = 0; i < len; i++) {
        assert_int_equal((unsigned char)(at[i] ^ mask[i % 4]), (unsigned char)expected[i]);
    }
    return at + len;
}

static void every_length(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 3, 7, 8, 9, 125, 126, 127, 65535, 65536, MOST};
    struct frame_masks masks = {.used = 0};
    struct buf out;
    uint64_t random = vectors_seed();
    buf_init(&out, NULL, 1 << 20);
    for (size_t i = 0; i < MOST; i++) {
        text[i] = (char)vectors_draw(&random);
    }
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        assert_int_equal(frame_add(&out, &masks, i % 2 == 0 ? FRAME_TEXT : FRAME_CLOSE, str_make(text, lengths[i])), HAPPN_OK);
    }
    const unsigned char *at = (const unsigned char *)out.ptr;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        at = expect_frame(at, i % 2 == 0 ? FRAME_TEXT : FRAME_CLOSE, text, lengths[i]);
    }
    assert_ptr_equal(at, (const unsigned char *)out.ptr + out.len);
    buf_fini(&out);
}

/* A hundred frames, more than there are masks in one draw: no two have the same. */
static void masks_differ(void **state)
{
    (void)state;
    enum { FRAMES = 100, BYTES = 6 };
    struct frame_masks masks = {.used = 0};
    struct buf out;
    buf_init(&out, NULL, 1 << 20);
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(frame_add(&out, &masks, FRAME_TEXT, STR_LIT("")), HAPPN_OK);
    }
    assert_int_equal(out.len, FRAMES * BYTES);
    int same = 0;
    for (int i = 0; i < FRAMES; i++) {
        for (int j = 0; j < i; j++) {
            same += memcmp(out.ptr + i * BYTES + 2, out.ptr + j * BYTES + 2, 4) == 0;
        }
    }
    assert_true(same < 2); /* two of a hundred are the same once in a million runs */
    buf_fini(&out);
}

static void what_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    struct test_memory memory = TEST_MEMORY(memory);
    struct frame_masks masks = {.used = 0};
    struct buf out;
    buf_init(&out, &memory.allocator, 1000);
    assert_int_equal(frame_add(&out, &masks, FRAME_TEXT, STR_LIT("first")), HAPPN_OK);
    size_t len = out.len;
    assert_int_equal(frame_add(&out, &masks, FRAME_TEXT, str_make(text, 1000)), HAPPN_E_BUSY);
    memory.left = 0;
    assert_int_equal(frame_add(&out, &masks, FRAME_TEXT, str_make(text, 900)), HAPPN_E_MEMORY);
    memory.left = -1;
    assert_int_equal(out.len, len);
    assert_int_equal(frame_add(&out, &masks, FRAME_TEXT, STR_LIT("second")), HAPPN_OK);
    const unsigned char *at = expect_frame((const unsigned char *)out.ptr, FRAME_TEXT, "first", 5);
    (void)expect_frame(at, FRAME_TEXT, "second", 6);
    buf_fini(&out);
    assert_int_equal(memory.in_use, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length),
        cmocka_unit_test(masks_differ),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
