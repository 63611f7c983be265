#include "script/answers.h"

#include "base/utf8.h"
#include "script/value.h"

/* Copies what fits, whole characters of valid UTF-8 only: it ends up in a frame. */
static void copy_text(lua_State *L, int table, const char *field, const char *fallback, char *out, size_t size)
{
    size_t len;
    lua_pushstring(L, field);
    lua_rawget(L, table);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    if (text == NULL || !value_is_utf8(str_make(text, len))) {
        text = fallback;
        len = strlen(text);
    }
    len = utf8_cut(str_make(text, len), size - 1).len;
    memcpy(out, text, len);
    out[len] = '\0';
    lua_pop(L, 1);
}

static void push_fields(lua_State *L, int from)
{
    vm_copy_table(L, from);
    static const char *const own[] = {"name", "message", "code"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, own[i]);
    }
}

void refusal_read(lua_State *L, int index, struct refusal *refusal)
{
    index = lua_absindex(L, index);
    copy_text(L, index, "name", "Refused", refusal->name, sizeof refusal->name);
    copy_text(L, index, "message", "the request was refused", refusal->text, sizeof refusal->text);
    lua_pushliteral(L, "code");
    lua_rawget(L, index);
    refusal->code = lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : 0;
    lua_pop(L, 1);
    push_fields(L, index);
    lua_pushnil(L);
    bool has_fields = lua_next(L, -2) != 0;
    lua_pop(L, has_fields ? 2 : 0);
    refusal->fields = has_fields ? value_encode(L, -1, "error") : STR_NONE;
    lua_pop(L, 1);
}
