/* string.find, match, gmatch and gsub with Lua's pattern language, counting their steps: a pattern such as
 * ("a*"):rep(25) .. "b" needs more time than there is, and no hook of Lua's ever runs inside a C function.
 *
 * A pattern is first made into a list of items, each with the set of bytes it takes and how often; mistakes are found there (Lua itself finds them when it gets to them). Matching
 * walks the items over the subject. An item that may be repeated tries its possibilities by recursion into the rest of the list, in
 * the order that its sign asks for; everything else goes on in a loop. */

#include "script/pattern.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "script/vm.h"

enum { CAPTURES = 32, DEPTH = 200, CHARGE_EVERY = 1024, OPEN_CAPTURE = -1, POSITION_CAPTURE = -2 };

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

/* ---- making items of a pattern */

struct compiler {
    lua_State *L;
    const unsigned char *at, *end;
    struct item *item;
    int captures;
    int open[CAPTURES], open_count;
    bool is_closed[CAPTURES];
};

static void add_byte(uint64_t set[4], unsigned byte)
{
    set[byte / 64] |= (uint64_t)1 << byte % 64;
}

static bool has_byte(const uint64_t set[4], unsigned char byte)
{
    return (set[byte / 64] >> byte % 64 & 1) != 0;
}

static int (*class_of(int letter))(int)
{
    switch (letter) {
    case 'a':
        return isalpha;
    case 'c':
        return iscntrl;
    case 'd':
        return isdigit;
    case 'g':
        return isgraph;
    case 'l':
        return islower;
    case 'p':
        return ispunct;
    case 's':
        return isspace;
    case 'u':
        return isupper;
    case 'w':
        return isalnum;
    case 'x':
        return isxdigit;
    default:
        return NULL;
    }
}

/* What follows a percent sign: a class, its opposite, or the character itself. */
static void add_escaped(uint64_t set[4], unsigned char c)
{
    int (*is_member)(int) = class_of(tolower(c));
    if (is_member == NULL) {
        add_byte(set, c);
        return;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        if ((is_member((int)byte) != 0) != (isupper(c) != 0)) {
            add_byte(set, byte);
        }
    }
}

static void add_range(uint64_t set[4], unsigned first, unsigned last)
{
    for (unsigned byte = first; byte <= last; byte++) {
        add_byte(set, byte);
    }
}

/* At the character behind the opening bracket; ends behind the closing one. */
static void read_brackets(struct compiler *compiler, uint64_t set[4])
{
    const unsigned char *p = compiler->at, *end = compiler->end;
    bool is_negated = p < end && *p == '^';
    p += is_negated;
    bool is_first = true;
    for (;; is_first = false) {
        if (p >= end) {
            luaL_error(compiler->L, "malformed pattern (missing ']')");
        }
        if (*p == ']' && !is_first) {
            break;
        }
        if (*p == '%') {
            if (p + 1 >= end) {
                luaL_error(compiler->L, "malformed pattern (missing ']')");
            }
            add_escaped(set, p[1]);
            p += 2;
        } else if (end - p > 2 && p[1] == '-' && p[2] != ']') {
            add_range(set, p[0], p[2]);
            p += 3;
        } else {
            add_byte(set, *p++);
        }
    }
    for (int i = 0; is_negated && i < 4; i++) {
        set[i] = ~set[i];
    }
    compiler->at = p + 1;
}

static void read_times(struct compiler *compiler)
{
    if (compiler->at >= compiler->end) {
        return;
    }
    switch (*compiler->at) {
    case '*':
        compiler->item->times = GREEDY;
        break;
    case '+':
        compiler->item->times = GREEDY_ONE;
        break;
    case '-':
        compiler->item->times = LAZY;
        break;
    case '?':
        compiler->item->times = MAYBE;
        break;
    default:
        return;
    }
    compiler->at++;
}

static void read_open(struct compiler *compiler)
{
    struct item *item = compiler->item;
    if (compiler->captures == CAPTURES) {
        luaL_error(compiler->L, "too many captures");
    }
    item->number = compiler->captures++;
    if (compiler->at < compiler->end && *compiler->at == ')') {
        compiler->at++;
        compiler->is_closed[item->number] = true;
        item->kind = POSITION;
        return;
    }
    item->kind = OPEN;
    compiler->open[compiler->open_count++] = item->number;
}

static void read_close(struct compiler *compiler)
{
    if (compiler->open_count == 0) {
        luaL_error(compiler->L, "invalid pattern capture");
    }
    compiler->item->kind = CLOSE;
    compiler->item->number = compiler->open[--compiler->open_count];
    compiler->is_closed[compiler->item->number] = true;
}

static void read_back(struct compiler *compiler, int digit)
{
    int number = digit - '1';
    if (number < 0 || number >= compiler->captures || !compiler->is_closed[number]) {
        luaL_error(compiler->L, "invalid capture index %%%d in pattern", number + 1);
    }
    compiler->item->kind = BACK;
    compiler->item->number = number;
}

/* Behind a percent sign. True when a sign for repetition may follow. */
static bool read_escape(struct compiler *compiler)
{
    if (compiler->at >= compiler->end) {
        luaL_error(compiler->L, "malformed pattern (ends with '%%')");
    }
    unsigned char c = *compiler->at++;
    if (isdigit(c)) {
        read_back(compiler, c);
        return false;
    }
    if (c == 'b') {
        if (compiler->end - compiler->at < 2) {
            luaL_error(compiler->L, "malformed pattern (missing arguments to '%%b')");
        }
        compiler->item->kind = BALANCE;
        compiler->item->from = *compiler->at++;
        compiler->item->to = *compiler->at++;
        return false;
    }
    if (c == 'f') {
        if (compiler->at >= compiler->end || *compiler->at++ != '[') {
            luaL_error(compiler->L, "missing '[' after '%%f' in pattern");
        }
        compiler->item->kind = FRONTIER;
        read_brackets(compiler, compiler->item->set);
        return false;
    }
    add_escaped(compiler->item->set, c);
    return true;
}

static void read_item(struct compiler *compiler)
{
    struct item *item = compiler->item;
    *item = (struct item){.kind = BYTES};
    unsigned char c = *compiler->at++;
    bool may_repeat = true;
    if (c == '(' || c == ')') {
        (c == '(' ? read_open : read_close)(compiler);
        may_repeat = false;
    } else if (c == '$' && compiler->at == compiler->end) {
        item->kind = END;
        may_repeat = false;
    } else if (c == '%') {
        may_repeat = read_escape(compiler);
    } else if (c == '[') {
        read_brackets(compiler, item->set);
    } else if (c == '.') {
        memset(item->set, 0xff, sizeof item->set);
    } else {
        add_byte(item->set, c);
    }
    if (may_repeat) {
        read_times(compiler);
    }
}

/* Pushes the userdata that holds the items. */
static void compile(lua_State *L, struct str pattern, struct matcher *matcher)
{
    vm_charge(L, pattern.len);
    struct item *items = lua_newuserdatauv(L, (pattern.len + 1) * sizeof *items, 0);
    struct compiler compiler = {.L = L,
                                .at = (const unsigned char *)pattern.ptr,
                                .end = (const unsigned char *)pattern.ptr + pattern.len,
                                .item = items};
    for (; compiler.at < compiler.end; compiler.item++) {
        read_item(&compiler);
    }
    if (compiler.open_count != 0) {
        luaL_error(L, "unfinished capture");
    }
    *matcher = (struct matcher){.L = L, .items = items, .items_end = compiler.item};
}

/* ---- matching */

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

/* One attempt at this place of the subject. */
static const char *attempt(struct matcher *matcher, const char *at)
{
    matcher->captures = 0;
    matcher->depth = 0;
    return match_items(matcher, matcher->items, at);
}

/* ---- what Lua sees */

static struct str text_argument(lua_State *L, int index)
{
    size_t len;
    const char *text = luaL_checklstring(L, index, &len);
    return str_make(text, len);
}

static void push_capture(struct matcher *matcher, int number, const char *start, const char *end)
{
    if (number >= matcher->captures) {
        if (number != 0) {
            luaL_error(matcher->L, "invalid capture index %%%d", number + 1);
        }
        lua_pushlstring(matcher->L, start, (size_t)(end - start)); /* no captures: all of the match */
    } else if (matcher->capture[number].len == POSITION_CAPTURE) {
        lua_pushinteger(matcher->L, matcher->capture[number].start - matcher->subject + 1);
    } else {
        lua_pushlstring(matcher->L, matcher->capture[number].start, (size_t)matcher->capture[number].len);
    }
}

static int push_captures(struct matcher *matcher, const char *start, const char *end, bool or_all)
{
    int count = matcher->captures == 0 && or_all ? 1 : matcher->captures;
    luaL_checkstack(matcher->L, count, "too many captures");
    for (int i = 0; i < count; i++) {
        push_capture(matcher, i, start, end);
    }
    return count;
}

/* Where to begin, from 0; past the end when there is nothing to look at. */
static size_t first_place(lua_State *L, int index, size_t len)
{
    lua_Integer init = luaL_optinteger(L, index, 1);
    if (init > 0) {
        return (size_t)init - 1;
    }
    bool is_before = init == 0 || (lua_Unsigned)-init > len;
    return is_before ? 0 : len - (size_t)-init;
}

static bool is_literal(struct str pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] != '\0' && strchr("^$*+?.([%-", pattern.ptr[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static int find_literal(lua_State *L, struct str subject, struct str pattern, size_t from)
{
    vm_charge(L, (subject.len - from) / 8 + 1);
    const char *found = pattern.len == 0 ? subject.ptr + from
                                         : memmem(subject.ptr + from, subject.len - from, pattern.ptr, pattern.len);
    if (found == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - subject.ptr + 1);
    lua_pushinteger(L, found - subject.ptr + (ptrdiff_t)pattern.len);
    return 2;
}

static void set_subject(struct matcher *matcher, struct str subject)
{
    matcher->subject = subject.ptr;
    matcher->end = subject.ptr + subject.len;
}

static int find_or_match(lua_State *L, bool is_find)
{
    struct str subject = text_argument(L, 1), pattern = text_argument(L, 2);
    size_t from = first_place(L, 3, subject.len);
    if (from > subject.len) {
        lua_pushnil(L);
        return 1;
    }
    if (is_find && (lua_toboolean(L, 4) || is_literal(pattern))) {
        return find_literal(L, subject, pattern, from);
    }
    bool is_anchored = str_starts(pattern, STR_LIT("^"));
    struct matcher matcher;
    compile(L, str_skip(pattern, is_anchored), &matcher);
    set_subject(&matcher, subject);
    for (const char *at = subject.ptr + from; at <= matcher.end; at++) {
        const char *end = attempt(&matcher, at);
        if (end != NULL && is_find) {
            lua_pushinteger(L, at - subject.ptr + 1);
            lua_pushinteger(L, end - subject.ptr);
            return push_captures(&matcher, at, end, false) + 2;
        }
        if (end != NULL) {
            return push_captures(&matcher, at, end, true);
        }
        if (is_anchored) {
            break;
        }
    }
    lua_pushnil(L);
    return 1;
}

static int pattern_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int pattern_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues: subject, pattern's items, the matcher. Where the last match ended is not matched again by an empty one. */
struct walk {
    struct matcher matcher;
    const char *at, *last;
};

static int next_match(lua_State *L)
{
    struct walk *walk = lua_touserdata(L, lua_upvalueindex(3));
    walk->matcher.L = L;
    walk->matcher.owed = 0;
    for (; walk->at <= walk->matcher.end; walk->at++) {
        const char *start = walk->at, *end = attempt(&walk->matcher, start);
        if (end != NULL && end != walk->last) {
            walk->at = walk->last = end;
            return push_captures(&walk->matcher, start, end, true);
        }
    }
    return 0;
}

static int pattern_gmatch(lua_State *L)
{
    struct str subject = text_argument(L, 1), pattern = text_argument(L, 2);
    size_t from = first_place(L, 3, subject.len);
    lua_settop(L, 2);
    struct matcher matcher;
    lua_pushvalue(L, 1);
    compile(L, pattern, &matcher);
    struct walk *walk = lua_newuserdatauv(L, sizeof *walk, 0);
    set_subject(&matcher, subject);
    *walk = (struct walk){.matcher = matcher, .at = subject.ptr + (from > subject.len ? subject.len + 1 : from)};
    lua_pushcclosure(L, next_match, 3);
    return 1;
}

static void add_replacement_text(struct matcher *matcher, luaL_Buffer *out, const char *start, const char *end)
{
    lua_State *L = matcher->L;
    struct str text = text_argument(L, 3);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%') {
            luaL_addchar(out, text.ptr[i]);
            continue;
        }
        unsigned char c = ++i < text.len ? (unsigned char)text.ptr[i] : 0;
        if (c == '%') {
            luaL_addchar(out, '%');
        } else if (c == '0') {
            luaL_addlstring(out, start, (size_t)(end - start));
        } else if (isdigit(c)) {
            push_capture(matcher, c - '1', start, end);
            luaL_tolstring(L, -1, NULL);
            lua_remove(L, -2);
            luaL_addvalue(out);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* What a table or a function says; nil and false keep the text as it was. */
static void add_replacement_value(struct matcher *matcher, luaL_Buffer *out, const char *start, const char *end)
{
    lua_State *L = matcher->L;
    if (lua_type(L, 3) == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(matcher, start, end, true), 1);
    } else {
        push_capture(matcher, 0, start, end);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(out, start, (size_t)(end - start));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    } else {
        luaL_addvalue(out);
    }
}

static int pattern_gsub(lua_State *L)
{
    struct str subject = text_argument(L, 1), pattern = text_argument(L, 2);
    int type = lua_type(L, 3);
    luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
                     "string/function/table");
    bool is_text = type == LUA_TNUMBER || type == LUA_TSTRING;
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)subject.len + 1), count = 0;
    bool is_anchored = str_starts(pattern, STR_LIT("^"));
    struct matcher matcher;
    compile(L, str_skip(pattern, is_anchored), &matcher);
    set_subject(&matcher, subject);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    const char *at = subject.ptr, *last = NULL;
    while (count < most) {
        const char *end = attempt(&matcher, at);
        if (end != NULL && end != last) {
            count++;
            (is_text ? add_replacement_text : add_replacement_value)(&matcher, &out, at, end);
            at = last = end;
        } else if (at < matcher.end) {
            luaL_addchar(&out, *at++);
        } else {
            break;
        }
        if (is_anchored) {
            break;
        }
    }
    luaL_addlstring(&out, at, (size_t)(matcher.end - at));
    luaL_pushresult(&out);
    lua_pushinteger(L, count);
    return 2;
}

void pattern_add(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", pattern_find}, {"match", pattern_match}, {"gmatch", pattern_gmatch}, {"gsub", pattern_gsub}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
