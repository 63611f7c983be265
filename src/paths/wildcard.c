/* Two languages for "which paths do you mean?", because happn-3 has two.
 *
 * The string language: `*` stands for any text, also with slashes, also empty. Runs of `*` are one `*`. The pieces
 * between them are literal and case-sensitive, the whole is anchored at both ends. get, remove and data stores always
 * speak it, subscriptions of protocols 1 and 2 too. Matching is greedy from the left: after each `*` the earliest place
 * of the next piece is as good as any other, so one pass with a single point to come back to is enough, and no pattern
 * takes more than length times length steps.
 *
 * The segment language (subscriptions of protocols 3 and 4): a path is a list of segments, a missing first slash is put
 * there. `*` as a whole segment stands for any one segment, also an empty one; inside a segment it is a literal that no
 * valid path contains. A pattern that ends in slash-star-star is deep: every `**` segment in it then stands for one to
 * `depth` segments (the original replaces one after the other, from the left, as long as the text ends in one).
 * The pattern `*` alone matches everything. */

#include "paths/wildcard.h"

#include <stdio.h>

static bool string_matches(struct str pattern, struct str path)
{
    size_t p = 0, s = 0, star = SIZE_MAX, mark = 0;
    while (s < path.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = s;
        } else if (p < pattern.len && pattern.ptr[p] == path.ptr[s]) {
            p++;
            s++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            s = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

/* Both patterns are walked together; the set of places in `b` that the first i characters of `a` can have reached is one
 * bit each. A `*` may stand still or let the other one pass; literals must be the same. */
enum { OVERLAP_MAX = 1024 };

static void pass_stars(unsigned char *reached, struct str b)
{
    for (size_t j = 0; j < b.len; j++) {
        if (reached[j] && b.ptr[j] == '*') {
            reached[j + 1] = 1;
        }
    }
}

static void step(const unsigned char *before, unsigned char *after, char c, struct str b)
{
    memset(after, 0, b.len + 1);
    for (size_t j = 0; j <= b.len; j++) {
        if (!before[j]) {
            continue;
        }
        if (c == '*') { /* matches nothing, or all that b still has up to any place */
            memset(after + j, 1, b.len + 1 - j);
            return;
        }
        if (j < b.len && b.ptr[j] == '*') {
            after[j] = 1;
        } else if (j < b.len && b.ptr[j] == c) {
            after[j + 1] = 1;
        }
    }
}

bool wildcard_overlaps(struct str a, struct str b)
{
    if (a.len >= OVERLAP_MAX || b.len >= OVERLAP_MAX) {
        return true;
    }
    unsigned char rows[2][OVERLAP_MAX + 1] = {{1}};
    int now = 0;
    pass_stars(rows[now], b);
    for (size_t i = 0; i < a.len; i++) {
        step(rows[now], rows[1 - now], a.ptr[i], b);
        now = 1 - now;
        pass_stars(rows[now], b);
    }
    return rows[now][b.len];
}

static struct str without_slash(struct str text)
{
    return str_starts(text, STR_LIT("/")) ? str_skip(text, 1) : text;
}

/* Takes the first segment off; false when there was none left. */
static bool next_segment(struct str *rest, struct str *segment)
{
    if (rest->ptr == NULL) {
        return false;
    }
    const char *slash = rest->len != 0 ? memchr(rest->ptr, '/', rest->len) : NULL;
    if (slash == NULL) {
        *segment = *rest;
        *rest = STR_NONE;
        return true;
    }
    *segment = str_make(rest->ptr, (size_t)(slash - rest->ptr));
    *rest = str_skip(*rest, segment->len + 1);
    return true;
}

/* `left` bounds how many more slash-star-stars may stretch: two of them are tried in all their lengths, more never
 * match, because the tries multiply. */
static bool segments_match(struct str p, struct str s, int depth, int left)
{
    struct str want, have;
    while (next_segment(&p, &want)) {
        if (depth != 0 && str_is(want, "**")) {
            for (int taken = 0; left != 0 && taken < depth && next_segment(&s, &have); taken++) {
                if (segments_match(p, s, depth, left - 1)) {
                    return true;
                }
            }
            return false;
        }
        if (!next_segment(&s, &have) || (!str_is(want, "*") && !str_equal(want, have))) {
            return false;
        }
    }
    return s.ptr == NULL;
}

static bool is_deep(struct str pattern)
{
    return str_ends(pattern, STR_LIT("/**")) || str_is(pattern, "**");
}

bool wildcard_matches(enum wildcard_language language, struct str pattern, struct str path, int depth)
{
    if (language == WILDCARD_STRING) {
        return string_matches(pattern, path);
    }
    if (str_is(pattern, "*")) {
        return true;
    }
    if (depth > WILDCARD_MAX_DEPTH) {
        depth = WILDCARD_MAX_DEPTH;
    }
    return segments_match(without_slash(pattern), without_slash(path), is_deep(pattern) ? depth : 0, 2);
}

struct str wildcard_literal_prefix(struct str pattern)
{
    const char *star = pattern.len != 0 ? memchr(pattern.ptr, '*', pattern.len) : NULL;
    return star != NULL ? str_make(pattern.ptr, (size_t)(star - pattern.ptr)) : pattern;
}

happn_status wildcard_check_subscription(enum wildcard_language language, struct str pattern, happn_error *error)
{
    size_t stars = 0;
    while (stars < pattern.len && pattern.ptr[stars] == '*') {
        stars++;
    }
    if (language != WILDCARD_STRING || stars == 0 || stars == pattern.len) {
        return HAPPN_OK;
    }
    error_set(error, HAPPN_E_REFUSED, "subscribe failed");
    if (error != NULL) {
        snprintf(error->name, sizeof error->name, "SystemError");
        error->code = 500;
    }
    return HAPPN_E_REFUSED;
}
