/* Of 64 bytes at a time we note in words of 64 bits where the quotes, the backslashes and the brackets stand. Between an odd quote and the next
 * one lies a string, whose brackets do not count; that is an exclusive or over all bits before. What is left only has to be counted: the end
 * can be in these bytes only if a bracket of the container's own kind is. */

#include "json/skip.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Where we are; the same for both ways of stepping. */
struct place {
    const char *p;
    int depth;
    bool in_string, is_escaped; /* of the next byte */
};

/* Byte by byte up to `end`. True: the container has ended at p. */
static bool step_slowly(struct place *place, const char *end)
{
    for (; place->p < end; place->p++) {
        char c = *place->p;
        if (place->is_escaped) {
            place->is_escaped = false;
        } else if (place->in_string) {
            place->in_string = c != '"';
            place->is_escaped = c == '\\';
        } else if (c == '"') {
            place->in_string = true;
        } else if (c == '{' || c == '[') {
            place->depth++;
        } else if ((c == '}' || c == ']') && --place->depth == 0) {
            place->p++;
            return true;
        }
    }
    return false;
}

#ifdef __SSE2__

enum { BLOCK = 64 };

/* One bit a byte. */
struct marks {
    uint64_t quotes, backslashes, opens, closes, own;
};

static uint64_t bits(__m128i equal, int at)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(equal) << (16 * at);
}

static struct marks mark(const char *p, char own)
{
    struct marks marks = {0};
    for (int i = 0; i < BLOCK / 16; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20)); /* [ becomes {, ] becomes } */
        marks.quotes |= bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), i);
        marks.backslashes |= bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')), i);
        marks.opens |= bits(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')), i);
        marks.closes |= bits(_mm_cmpeq_epi8(folded, _mm_set1_epi8('}')), i);
        marks.own |= bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(own)), i);
    }
    return marks;
}

/* The bytes behind a backslash that is not itself behind one. */
static uint64_t find_escaped(struct place *place, uint64_t backslashes)
{
    uint64_t escaped = place->is_escaped;
    place->is_escaped = false;
    for (uint64_t left = backslashes & ~escaped; left != 0;) {
        int i = __builtin_ctzll(left);
        left &= left - 1;
        if (i == BLOCK - 1) {
            place->is_escaped = true;
        } else {
            escaped |= 2ull << i;
            left &= ~(2ull << i);
        }
    }
    return escaped;
}

/* Each bit: the exclusive or of all bits up to it. */
static uint64_t fill(uint64_t x)
{
    for (int shift = 1; shift < BLOCK; shift *= 2) {
        x ^= x << shift;
    }
    return x;
}

/* The end is perhaps here. */
static bool count_brackets(struct place *place, const struct marks *marks)
{
    for (uint64_t left = marks->opens | marks->closes; left != 0; left &= left - 1) {
        int i = __builtin_ctzll(left);
        place->depth += (marks->opens >> i & 1) != 0 ? 1 : -1;
        if (place->depth == 0) {
            place->p += i + 1;
            return true;
        }
    }
    return false;
}

static bool step_block(struct place *place, char own)
{
    struct marks marks = mark(place->p, own);
    if ((marks.backslashes | place->is_escaped) != 0) {
        marks.quotes &= ~find_escaped(place, marks.backslashes);
    }
    uint64_t strings = fill(marks.quotes) ^ (place->in_string ? ~0ull : 0);
    place->in_string = strings >> (BLOCK - 1) != 0;
    marks.opens &= ~strings;
    marks.closes &= ~strings;
    marks.own &= ~strings;
    if (marks.own != 0) {
        if (count_brackets(place, &marks)) {
            return true;
        }
    } else {
        place->depth += __builtin_popcountll(marks.opens) - __builtin_popcountll(marks.closes);
    }
    place->p += BLOCK;
    return false;
}

static bool step_blocks(struct place *place, const char *end)
{
    char own = *place->p == '[' ? ']' : '}';
    while (end - place->p >= BLOCK) {
        if (step_block(place, own)) {
            return true;
        }
    }
    return false;
}

#else

static bool step_blocks(struct place *place, const char *end)
{
    (void)place, (void)end;
    return false;
}

#endif

const char *json_skip_container(const char *p, const char *end)
{
    struct place place = {.p = p};
    if (!step_blocks(&place, end)) {
        step_slowly(&place, end);
    }
    return place.p;
}

enum { SHORT = 24 };

/* Most strings are short; in a long one the next quote is looked for, and whether it is the last. */
const char *json_skip_string(const char *p, const char *end)
{
    const char *start = p;
    for (p++; p < end && *p != '"' && p - start < SHORT; p++) {
        p += *p == '\\';
    }
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        const char *before = quote;
        while (before != NULL && before > p && before[-1] == '\\') {
            before--;
        }
        if (quote == NULL) {
            return end;
        }
        if ((quote - before) % 2 == 0) {
            return quote + 1;
        }
        p = quote + 1;
    }
    return end;
}
