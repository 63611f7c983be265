/* The functions of the table library that loop over a list, with the meaning that Lua's have; a document is a list, too.
 *
 * Lua's own loop in C, where no hook runs, over lengths that a script makes up: by numbers that it passes, or by a __len that tells
 * another length each time it is asked. Here the length is asked for once, and every element is a step.
 *
 * Without a metatable, sorting a short list is left to Lua. A long one is merged: nothing of it can be said to be invalid, equal
 * elements keep their order, and a list that others see is written only when the order is known. */

#include "script/list.h"

#include <lauxlib.h>

#include "script/view.h"

enum { CHARGE_EVERY = 256, SHORT_LIST = 2048, SORT_STEPS = 16 };

/* The i-th of many elements. */
static void step(lua_State *L, lua_Unsigned i)
{
    if (i % CHARGE_EVERY == CHARGE_EVERY - 1) {
        vm_charge(L, CHARGE_EVERY);
    }
}

static void check_list(lua_State *L, int index)
{
    if (!view_is(L, index)) {
        luaL_checktype(L, index, LUA_TTABLE);
    }
}

static lua_Integer check_length(lua_State *L)
{
    check_list(L, 1);
    return luaL_len(L, 1);
}

/* insert(list, value), insert(list, place, value) */
static int insert(lua_State *L)
{
    lua_Integer end = (lua_Integer)((lua_Unsigned)check_length(L) + 1), place = end;
    int count = lua_gettop(L);
    if (count != 2 && count != 3) {
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    if (count == 3) {
        place = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)place - 1 < (lua_Unsigned)end, 2, "position out of bounds");
    }
    for (lua_Integer i = end; i > place; i--) {
        lua_geti(L, 1, i - 1);
        lua_seti(L, 1, i);
        step(L, (lua_Unsigned)i);
    }
    lua_settop(L, count);
    lua_seti(L, 1, place);
    return 0;
}

/* remove(list), remove(list, place) */
static int remove_place(lua_State *L)
{
    lua_settop(L, 2);
    lua_Integer length = check_length(L), place = luaL_optinteger(L, 2, length);
    luaL_argcheck(L, place == length || (lua_Unsigned)place - 1 <= (lua_Unsigned)length, 2, "position out of bounds");
    lua_geti(L, 1, place);
    for (; place < length; place++) {
        lua_geti(L, 1, place + 1);
        lua_seti(L, 1, place);
        step(L, (lua_Unsigned)place);
    }
    lua_pushnil(L);
    lua_seti(L, 1, place);
    return 1;
}

static void move_one(lua_State *L, int to_table, lua_Integer from, lua_Integer to)
{
    lua_geti(L, 1, from);
    lua_seti(L, to_table, to);
}

/* move(list, first, last, to [, other]) */
static int move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
    int other = lua_isnoneornil(L, 5) ? 1 : 5;
    check_list(L, 1);
    check_list(L, other);
    lua_settop(L, 5);
    lua_Unsigned count = last >= first ? (lua_Unsigned)last - (lua_Unsigned)first + 1 : 0;
    luaL_argcheck(L, count == 0 || (first > 0 || last < LUA_MAXINTEGER + first), 3, "too many elements to move");
    luaL_argcheck(L, count == 0 || to <= LUA_MAXINTEGER - (lua_Integer)count + 1, 4, "destination wrap around");
    bool overlaps = to > first && to <= last && (other == 1 || lua_compare(L, 1, other, LUA_OPEQ));
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_Integer at = (lua_Integer)(overlaps ? count - 1 - i : i);
        move_one(L, other, first + at, to + at);
        step(L, i);
    }
    lua_pushvalue(L, other);
    return 1;
}

static void add_element(lua_State *L, luaL_Buffer *text, lua_Integer i)
{
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid value (at index %I) in table for 'concat'", i);
    }
    luaL_addvalue(text);
    if (luaL_bufflen(text) > vm_of(L)->max_text) {
        luaL_error(L, "table.concat: a text has at most %d bytes", (int)vm_of(L)->max_text);
    }
    step(L, (lua_Unsigned)i);
}

/* concat(list [, between [, first [, last]]]) */
static int concat(lua_State *L)
{
    size_t len;
    lua_Integer length = check_length(L);
    const char *between = luaL_optlstring(L, 2, "", &len);
    lua_Integer i = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, length);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (; i < last; i++) {
        add_element(L, &text, i);
        luaL_addlstring(&text, between, len);
    }
    if (i == last) {
        add_element(L, &text, i);
    }
    luaL_pushresult(&text);
    return 1;
}

/* unpack(list [, first [, last]]) */
static int unpack(lua_State *L)
{
    lua_Integer first = luaL_optinteger(L, 2, 1), last = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
    if (first > last) {
        return 0;
    }
    lua_Unsigned count = (lua_Unsigned)last - (lua_Unsigned)first + 1;
    if (count == 0 || count >= INT32_MAX || !lua_checkstack(L, (int)count)) {
        return luaL_error(L, "too many results to unpack");
    }
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_geti(L, 1, (lua_Integer)((lua_Unsigned)first + i));
        step(L, i);
    }
    return (int)count;
}

/* -- sort -- */

enum { AT_LIST = 1, AT_LESS, AT_FROM, AT_TO, AT_LEFT, AT_RIGHT };

/* Is the right one to stand before the left one? */
static bool is_less(lua_State *L)
{
    if (lua_isnil(L, AT_LESS)) {
        return lua_compare(L, AT_RIGHT, AT_LEFT, LUA_OPLT) != 0;
    }
    lua_pushvalue(L, AT_LESS);
    lua_pushvalue(L, AT_RIGHT);
    lua_pushvalue(L, AT_LEFT);
    lua_call(L, 2, 1);
    bool less = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return less;
}

static void load_element(lua_State *L, int at, lua_Integer i)
{
    lua_rawgeti(L, AT_FROM, i);
    lua_replace(L, at);
}

/* The runs left..middle-1 and middle..end-1 become one. */
static void merge(lua_State *L, lua_Integer left, lua_Integer middle, lua_Integer end)
{
    lua_Integer right = middle;
    load_element(L, AT_LEFT, left);
    load_element(L, AT_RIGHT, right < end ? right : left);
    for (lua_Integer to = left; to < end; to++) {
        bool takes_right = right < end && (left == middle || is_less(L));
        lua_pushvalue(L, takes_right ? AT_RIGHT : AT_LEFT);
        lua_rawseti(L, AT_TO, to);
        if (takes_right && ++right < end) {
            load_element(L, AT_RIGHT, right);
        } else if (!takes_right && ++left < middle) {
            load_element(L, AT_LEFT, left);
        }
        step(L, (lua_Unsigned)to);
    }
}

static void merge_all(lua_State *L, lua_Integer length)
{
    for (lua_Integer width = 1; width < length; width *= 2) {
        for (lua_Integer left = 1; left <= length; left += 2 * width) {
            lua_Integer middle = left + width <= length ? left + width : length + 1;
            merge(L, left, middle, middle + width <= length ? middle + width : length + 1);
        }
        lua_pushvalue(L, AT_FROM);
        lua_copy(L, AT_TO, AT_FROM);
        lua_replace(L, AT_TO);
    }
}

static void copy_in(lua_State *L, lua_Integer length)
{
    lua_createtable(L, (int)length, 0);
    for (lua_Integer i = 1; i <= length; i++) {
        lua_geti(L, AT_LIST, i);
        lua_rawseti(L, AT_FROM, i);
        step(L, (lua_Unsigned)i);
    }
    lua_createtable(L, (int)length, 0);
}

static void copy_out(lua_State *L, lua_Integer length)
{
    for (lua_Integer i = 1; i <= length; i++) {
        lua_rawgeti(L, AT_FROM, i);
        lua_seti(L, AT_LIST, i);
        step(L, (lua_Unsigned)i);
    }
}

/* sort(list [, less]). Upvalue 1: Lua's own. */
static int sort(lua_State *L)
{
    lua_Integer length = check_length(L);
    lua_settop(L, AT_LESS);
    if (length < 2) {
        return 0;
    }
    luaL_argcheck(L, length < INT32_MAX, 1, "array too big");
    if (!lua_isnil(L, AT_LESS)) {
        luaL_checktype(L, AT_LESS, LUA_TFUNCTION);
    }
    if (length <= SHORT_LIST && !lua_getmetatable(L, AT_LIST)) {
        vm_charge(L, (size_t)length * SORT_STEPS);
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, AT_LIST);
        lua_call(L, AT_LESS, 0);
        return 0;
    }
    lua_settop(L, AT_LESS);
    vm_charge(L, (size_t)length);
    copy_in(L, length);
    lua_settop(L, AT_RIGHT);
    merge_all(L, length);
    copy_out(L, length);
    return 0;
}

void list_add(lua_State *L)
{
    static const luaL_Reg functions[] = {{"insert", insert}, {"remove", remove_place}, {"move", move},
                                         {"concat", concat}, {"unpack", unpack},       {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "sort");
    lua_pushcclosure(L, sort, 1);
    lua_setfield(L, -2, "sort");
}
