/* A pattern's text becomes a list of items, each with the set of bytes it takes and how often. Mistakes are found here, with Lua's own words for them (Lua
 * itself finds them when matching gets to them). */

#include <ctype.h>

#include "script/pattern_items.h"
#include "script/vm.h"

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

void pattern_compile(lua_State *L, struct str pattern, struct matcher *matcher)
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
