/* t.equal: the same JSON, whatever it is made of. Lua's tables, documents and lists compare by what they contain; _meta counts only when it is
 * expected. */

#include <stdio.h>
#include <stdlib.h>

#include "script/view.h"
#include "workshop/testing.h"

enum { MOST_SHOWN = 600, MOST_DEPTH = 64 };

static bool are_equal(lua_State *L, int actual, int expected, int depth);

/* What is expected is there, and the same. */
static bool has_all(lua_State *L, int actual, int expected, int depth)
{
    int top = lua_gettop(L);
    bool same = true;
    lua_pushnil(L);
    while (same && lua_next(L, expected) != 0) {
        lua_pushvalue(L, -2);
        lua_rawget(L, actual);
        same = are_equal(L, top + 3, top + 2, depth);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return same;
}

/* What is there is expected. */
static bool has_no_more(lua_State *L, int actual, int expected, bool wants_meta)
{
    int top = lua_gettop(L);
    bool same = true;
    lua_pushnil(L);
    while (same && lua_next(L, actual) != 0) {
        bool is_meta = lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "_meta") == 0;
        lua_pushvalue(L, -2);
        same = lua_rawget(L, expected) != LUA_TNIL || (is_meta && !wants_meta);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return same;
}

static bool has_meta(lua_State *L, int index)
{
    bool has = false;
    if (lua_istable(L, index)) {
        lua_pushliteral(L, "_meta");
        has = lua_rawget(L, index) != LUA_TNIL;
        lua_pop(L, 1);
    }
    return has;
}

static bool are_equal(lua_State *L, int actual, int expected, int depth)
{
    if (depth > MOST_DEPTH || !lua_istable(L, actual) || !lua_istable(L, expected)) {
        return lua_compare(L, actual, expected, LUA_OPEQ);
    }
    luaL_checkstack(L, 12, NULL);
    return has_all(L, actual, expected, depth + 1) && has_no_more(L, actual, expected, has_meta(L, expected));
}

/* Documents as plain tables; the rest as it is. */
static void make_plain(lua_State *L, int index)
{
    bool is_view = view_is(L, index);
    lua_pushvalue(L, index);
    if (is_view || lua_istable(L, index)) {
        struct str json = value_encode(L, index, "value");
        lua_pushlstring(L, json.ptr, json.len);
        value_push_plain(L, str_make(lua_tostring(L, -1), json.len));
        lua_replace(L, -3);
        lua_pop(L, 1);
    }
}

struct member {
    struct str key, value; /* raw */
};

static int compare_members(const void *a, const void *b)
{
    return str_compare(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static void add_sorted(struct buf *out, struct arena *arena, struct str json, bool with_meta);

static void add_object(struct buf *out, struct arena *arena, struct str json, bool with_meta)
{
    size_t count = 0;
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        count++;
    }
    struct member *members = arena_alloc(arena, (count + 1) * sizeof *members);
    count = 0;
    for (struct json_iter it = json_iter(json); members != NULL && json_next(&it);) {
        members[count] = (struct member){it.key, it.value};
        count += with_meta || !str_is(it.key, "_meta");
    }
    if (members != NULL) {
        qsort(members, count, sizeof *members, compare_members);
    }
    for (size_t i = 0; i < count; i++) {
        buf_add_format(out, "%s\"%.*s\":", i != 0 ? "," : "", (int)members[i].key.len, members[i].key.ptr);
        add_sorted(out, arena, members[i].value, with_meta);
    }
}

/* Members by name, so that two texts can be compared by eye. */
static void add_sorted(struct buf *out, struct arena *arena, struct str json, bool with_meta)
{
    enum json_type type = json_type_of(json);
    if (type != JSON_OBJECT && type != JSON_ARRAY) {
        buf_add_str(out, json);
        return;
    }
    buf_add_char(out, type == JSON_OBJECT ? '{' : '[');
    if (type == JSON_OBJECT) {
        add_object(out, arena, json, with_meta);
    } else {
        bool is_first = true;
        for (struct json_iter it = json_iter(json); json_next(&it); is_first = false) {
            buf_add_text(out, is_first ? "" : ",");
            add_sorted(out, arena, it.value, with_meta);
        }
    }
    buf_add_char(out, type == JSON_OBJECT ? '}' : ']');
}

static void push_json_shown(lua_State *L, struct testing *testing, int index, bool with_meta)
{
    struct str json = testing_json(L, testing, index, "value");
    struct answer *memory = testing_answer(L, testing);
    add_sorted(&memory->data, &testing->case_arena, json, with_meta);
    lua_pushlstring(L, memory->data.ptr != NULL ? memory->data.ptr : "", memory->data.len);
}

void compare_push_shown(lua_State *L, struct testing *testing, int index, bool with_meta, size_t most)
{
    size_t len;
    if (lua_istable(L, index) || lua_type(L, index) == LUA_TSTRING || view_is(L, index)) {
        push_json_shown(L, testing, index, with_meta);
    } else if (value_is_null(L, index)) {
        lua_pushliteral(L, "happn.null");
    } else {
        luaL_tolstring(L, index, NULL);
    }
    const char *text = lua_tolstring(L, -1, &len);
    if (len > most) {
        lua_pushlstring(L, text, most);
        lua_pushliteral(L, "...");
        lua_concat(L, 2);
        lua_replace(L, -2);
    }
}

/* equal(actual, expected, what) */
int compare_equal(lua_State *L)
{
    enum { ACTUAL = 4, EXPECTED };
    lua_settop(L, 3);
    make_plain(L, 1);
    make_plain(L, 2);
    if (are_equal(L, ACTUAL, EXPECTED, 0)) {
        return 0;
    }
    compare_push_shown(L, testing_of(L), ACTUAL, has_meta(L, EXPECTED), MOST_SHOWN);
    compare_push_shown(L, testing_of(L), EXPECTED, true, MOST_SHOWN);
    const char *what = luaL_optstring(L, 3, "");
    lua_pushfstring(L, "%s%snot equal\n     got: %s\nexpected: %s", what, what[0] != '\0' ? ": " : "", lua_tostring(L, -2), lua_tostring(L, -1));
    return lua_error(L);
}
