/* Matching walks a pattern's items over the subject. An item that may be repeated tries its possibilities by recursion into the rest of the list, in the
 * order that its sign asks for; everything else goes on in a loop. Steps are counted, and charged a thousand at a time. */

#include "script/pattern_items.h"
#include "script/vm.h"

enum { DEPTH = 200, CHARGE_EVERY = 1024 };

static bool has_byte(const uint64_t set[4], unsigned char byte)
{
    return (set[byte / 64] >> byte % 64 & 1) != 0;
}

static void step(struct matcher *matcher, size_t steps)
{
    matcher->owed += steps;
    if (matcher->owed >= CHARGE_EVERY) {
        size_t owed = matcher->owed;
        matcher->owed = 0;
        vm_charge(matcher->L, owed);
    }
}

static const char *match_items(struct matcher *matcher, const struct item *item, const char *at);

static const char *match_rest(struct matcher *matcher, const struct item *item, const char *at)
{
    if (++matcher->depth > DEPTH) {
        luaL_error(matcher->L, "pattern too complex");
    }
    const char *result = match_items(matcher, item, at);
    matcher->depth--;
    return result;
}

static bool takes(const struct matcher *matcher, const struct item *item, const char *at)
{
    return at < matcher->end && has_byte(item->set, (unsigned char)*at);
}

/* As many as there are first, then fewer. */
static const char *match_greedy(struct matcher *matcher, const struct item *item, const char *at, size_t least)
{
    size_t count = 0;
    while (takes(matcher, item, at + count)) {
        count++;
    }
    step(matcher, count + 1);
    for (size_t n = count + 1; n-- > least;) {
        const char *result = match_rest(matcher, item + 1, at + n);
        if (result != NULL) {
            return result;
        }
    }
    return NULL;
}

/* As few as possible first, then more. */
static const char *match_lazy(struct matcher *matcher, const struct item *item, const char *at)
{
    for (;; at++) {
        const char *result = match_rest(matcher, item + 1, at);
        if (result != NULL || !takes(matcher, item, at)) {
            return result;
        }
        step(matcher, 1);
    }
}

static const char *match_balance(struct matcher *matcher, const struct item *item, const char *at)
{
    if (at >= matcher->end || (unsigned char)*at != item->from) {
        return NULL;
    }
    size_t open = 1;
    for (at++; at < matcher->end; at++) {
        step(matcher, 1);
        if ((unsigned char)*at == item->to) {
            if (--open == 0) {
                return at + 1;
            }
        } else {
            open += (unsigned char)*at == item->from;
        }
    }
    return NULL;
}

static const char *match_back(struct matcher *matcher, const struct item *item, const char *at)
{
    ptrdiff_t len = matcher->capture[item->number].len;
    if (len < 0) {
        luaL_error(matcher->L, "invalid capture index %%%d", item->number + 1);
    }
    step(matcher, (size_t)len / 8 + 1);
    bool same = matcher->end - at >= len && memcmp(matcher->capture[item->number].start, at, (size_t)len) == 0;
    return same ? at + len : NULL;
}

/* Between a byte outside of the set and one inside; the ends count as zero bytes. */
static bool is_frontier(const struct matcher *matcher, const struct item *item, const char *at)
{
    unsigned char before = at > matcher->subject ? (unsigned char)at[-1] : 0;
    unsigned char after = at < matcher->end ? (unsigned char)*at : 0;
    return !has_byte(item->set, before) && has_byte(item->set, after);
}

/* A capture that the rest of the pattern does not agree with is taken back. */
static const char *match_capture(struct matcher *matcher, const struct item *item, const char *at)
{
    int number = item->number, captures = matcher->captures;
    const char *start = matcher->capture[number].start;
    ptrdiff_t len = matcher->capture[number].len;
    if (item->kind == CLOSE) {
        matcher->capture[number].len = at - start;
    } else {
        matcher->capture[number].start = at;
        matcher->capture[number].len = item->kind == OPEN ? OPEN_CAPTURE : POSITION_CAPTURE;
        matcher->captures = number + 1;
    }
    const char *result = match_rest(matcher, item + 1, at);
    if (result == NULL) {
        matcher->captures = captures;
        matcher->capture[number].start = start;
        matcher->capture[number].len = len;
    }
    return result;
}

static const char *match_repeated(struct matcher *matcher, const struct item *item, const char *at)
{
    switch (item->times) {
    case GREEDY:
        return match_greedy(matcher, item, at, 0);
    case GREEDY_ONE:
        return match_greedy(matcher, item, at, 1);
    default:
        return match_lazy(matcher, item, at);
    }
}

/* Returns where the match ends, or NULL. */
static const char *match_items(struct matcher *matcher, const struct item *item, const char *at)
{
    for (; item < matcher->items_end; item++) {
        step(matcher, 1);
        switch (item->kind) {
        case OPEN:
        case CLOSE:
        case POSITION:
            return match_capture(matcher, item, at);
        case BACK:
            at = match_back(matcher, item, at);
            break;
        case BALANCE:
            at = match_balance(matcher, item, at);
            break;
        case FRONTIER:
            at = is_frontier(matcher, item, at) ? at : NULL;
            break;
        case END:
            at = at == matcher->end ? at : NULL;
            break;
        case BYTES:
            if (item->times == MAYBE) {
                const char *result = takes(matcher, item, at) ? match_rest(matcher, item + 1, at + 1) : NULL;
                if (result != NULL) {
                    return result;
                }
            } else if (item->times != ONCE) {
                return match_repeated(matcher, item, at);
            } else {
                at = takes(matcher, item, at) ? at + 1 : NULL;
            }
            break;
        }
        if (at == NULL) {
            return NULL;
        }
    }
    return at;
}

const char *pattern_attempt(struct matcher *matcher, const char *at)
{
    matcher->captures = 0;
    matcher->depth = 0;
    return match_items(matcher, matcher->items, at);
}
