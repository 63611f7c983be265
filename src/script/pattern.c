/* string.find, match, gmatch and gsub with Lua's pattern language, counting their steps: a pattern such as
 * ("a*"):rep(25) .. "b" needs more time than there is, and no hook of Lua's ever runs inside a C function.
 *
 * pattern_compile.c makes a list of items of a pattern, pattern_match.c tries them at a place of the subject; what the four functions do with that is here. */

#include "script/pattern.h"

#include <ctype.h>

#include "script/pattern_items.h"
#include "script/vm.h"

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
    pattern_compile(L, str_skip(pattern, is_anchored), &matcher);
    set_subject(&matcher, subject);
    for (const char *at = subject.ptr + from; at <= matcher.end; at++) {
        const char *end = pattern_attempt(&matcher, at);
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
        const char *start = walk->at, *end = pattern_attempt(&walk->matcher, start);
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
    pattern_compile(L, pattern, &matcher);
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
    pattern_compile(L, str_skip(pattern, is_anchored), &matcher);
    set_subject(&matcher, subject);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    const char *at = subject.ptr, *last = NULL;
    while (count < most) {
        const char *end = pattern_attempt(&matcher, at);
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
