#include "script/handle.h"

uint64_t *handle_push(lua_State *L, const void *kind)
{
    uint64_t *number = lua_newuserdatauv(L, sizeof *number, 0);
    *number = 0;
    lua_rawgetp(L, LUA_REGISTRYINDEX, kind);
    lua_setmetatable(L, -2);
    return number;
}

uint64_t handle_check(lua_State *L, const void *kind, const char *name)
{
    luaL_argexpected(L, lua_type(L, 1) == LUA_TUSERDATA && vm_has_metatable(L, 1, kind), 1, name);
    return *(const uint64_t *)lua_touserdata(L, 1);
}

void handle_install(lua_State *L, const void *kind, const char *name, const char *method, lua_CFunction run)
{
    lua_newtable(L);
    lua_newtable(L);
    lua_pushcfunction(L, run);
    lua_setfield(L, -2, method);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, kind);
}
