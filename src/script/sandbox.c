/* Allow list, never deny list. Lua has no read-only tables, so every script gets its own copies: what it breaks, it breaks for
 * itself. Left out: io, package, debug, load in any form, collectgarbage, string.dump; bytecode is refused.
 *
 * What a hook cannot stop must not exist: finalizers run without hooks, so setmetatable refuses __gc; functions that loop in
 * C over lengths that a script makes up are wrapped and charge first. */

#include "script/sandbox.h"

#include <string.h>

#include "script/list.h"
#include "script/pattern.h"

static const char base_key, *const base_names[] = {"assert", "error", "ipairs", "next", "pairs", "pcall", "select",
                                                    "tonumber", "tostring", "type", "getmetatable", "rawequal", "rawget",
                                                    "rawlen", "rawset", NULL};
static const char *const os_names[] = {"time", "date", "clock", "difftime", NULL};
static const char libraries_key;

/* setmetatable without __gc. */
static int set_metatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        lua_rawget(L, 2);
        luaL_argcheck(L, lua_isnil(L, -1), 2, "__gc is not available");
        lua_pop(L, 1);
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "cannot change a protected metatable");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/* A handler runs inside the hook that has raised, where no hook fires: when the call was killed it must not run at all. */
static int call_handler(lua_State *L)
{
    if (!vm_of(L)->killed) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, lua_gettop(L) - 1, 1);
    }
    return 1;
}

static int end_xpcall(lua_State *L, int status, lua_KContext extra)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(L, 0);
        lua_pushvalue(L, -2);
        return 2;
    }
    return lua_gettop(L) - (int)extra;
}

static int protected_call(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, call_handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    return end_xpcall(L, lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, end_xpcall), 2);
}

/* Becomes the function that a wrapper stands for, upvalue 1: the same arguments, and the same name in errors. */
static int call_original(lua_State *L)
{
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static void charge_by(lua_State *L, size_t bytes_a_step)
{
    size_t len = 0;
    if (lua_type(L, 1) == LUA_TSTRING) {
        lua_tolstring(L, 1, &len);
    }
    vm_charge(L, len / bytes_a_step);
}

/* Of nothing it would loop n times in C. */
static int string_rep(lua_State *L)
{
    size_t len, between;
    (void)luaL_checklstring(L, 1, &len);
    lua_Integer count = luaL_checkinteger(L, 2);
    (void)luaL_optlstring(L, 3, "", &between);
    vm_charge(L, count < 0 ? 0 : count > INT32_MAX ? INT32_MAX : (size_t)count / 16);
    size_t most = vm_of(L)->max_text;
    if (count > 0 && len + between > most / (size_t)count) {
        return luaL_error(L, "string.rep: a text has at most %d bytes", (int)most);
    }
    return call_original(L);
}

static int charge_text(lua_State *L)
{
    charge_by(L, 64);
    return call_original(L);
}

/* What looks at every character. */
static int charge_characters(lua_State *L)
{
    charge_by(L, 8);
    return call_original(L);
}

/* The text is a program: each of its characters may mean work. */
static int charge_format(lua_State *L)
{
    charge_by(L, 1);
    return call_original(L);
}

/* The time is the loop's, as for timers: tests stop its clock. */
static lua_Integer seconds_now(lua_State *L)
{
    const struct generation *generation = vm_of(L)->owner;
    return loop_now_ms(generation->scripts->core->loop) / 1000;
}

static int os_time(lua_State *L)
{
    if (!lua_isnoneornil(L, 1)) {
        return call_original(L);
    }
    lua_pushinteger(L, seconds_now(L));
    return 1;
}

static int os_date(lua_State *L)
{
    size_t len;
    (void)luaL_optlstring(L, 1, "", &len);
    vm_charge(L, len * 16);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_pushinteger(L, seconds_now(L));
        lua_replace(L, 2);
    }
    return call_original(L);
}

/* The function of the table on top gets its wrapper. */
static void wrap(lua_State *L, const char *name, lua_CFunction wrapper)
{
    if (lua_getfield(L, -1, name) == LUA_TFUNCTION) {
        lua_pushcclosure(L, wrapper, 1);
        lua_setfield(L, -2, name);
    } else {
        lua_pop(L, 1);
    }
}

static void remove_field(lua_State *L, const char *name)
{
    lua_pushnil(L);
    lua_setfield(L, -2, name);
}

static void pick(lua_State *L, const char *const *names)
{
    int from = lua_gettop(L);
    lua_newtable(L);
    for (; *names != NULL; names++) {
        lua_getfield(L, from, *names);
        lua_setfield(L, -2, *names);
    }
    lua_remove(L, from);
}

/* The library is opened, changed by what is called next, and set under its name in the table at 1. */
static void open_library(lua_State *L, const char *name, lua_CFunction open)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
}

static void install_string(lua_State *L)
{
    static const char *const texts[] = {"reverse", "lower", "upper", "byte"}, *const formats[] = {"format", "pack", "unpack", "packsize"};
    open_library(L, LUA_STRLIBNAME, luaopen_string);
    remove_field(L, "dump");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        wrap(L, texts[i], charge_text);
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        wrap(L, formats[i], charge_format);
    }
    wrap(L, "rep", string_rep);
    pattern_add(L);
    lua_pushliteral(L, ""); /* methods of texts, locked: getmetatable("") tells nothing */
    lua_getmetatable(L, -1);
    vm_copy_table(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    lua_setfield(L, 1, "string");
}

static void install_utf8(lua_State *L)
{
    static const char *const characters[] = {"len", "codepoint", "offset", "codes"};
    open_library(L, LUA_UTF8LIBNAME, luaopen_utf8);
    for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++) {
        wrap(L, characters[i], charge_characters);
    }
    lua_setfield(L, 1, "utf8");
}

static void install_os(lua_State *L)
{
    open_library(L, LUA_OSLIBNAME, luaopen_os);
    pick(L, os_names);
    wrap(L, "date", os_date);
    wrap(L, "time", os_time);
    lua_setfield(L, 1, "os");
}

void sandbox_install(lua_State *L)
{
    lua_settop(L, 0);
    lua_newtable(L);
    install_string(L);
    open_library(L, LUA_TABLIBNAME, luaopen_table);
    list_add(L);
    lua_setfield(L, 1, "table");
    open_library(L, LUA_MATHLIBNAME, luaopen_math);
    lua_setfield(L, 1, "math");
    install_utf8(L);
    install_os(L);
    coroutine_push_library(L);
    lua_setfield(L, 1, "coroutine");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &libraries_key);
    luaopen_base(L);
    pick(L, base_names);
    wrap(L, "tonumber", charge_characters);
    lua_pushcfunction(L, set_metatable);
    lua_setfield(L, -2, "setmetatable");
    lua_pushcfunction(L, protected_call);
    lua_setfield(L, -2, "xpcall");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &base_key);
    lua_newtable(L); /* what luaopen_base has left as globals */
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

void sandbox_push_chunk(lua_State *L, struct script *script, const char *file, int environment)
{
    struct str text;
    happn_error error;
    struct arena *arena = &vm_of(L)->scratch;
    environment = lua_absindex(L, environment);
    if (script_read(script->generation, arena, file, &text, &error) != HAPPN_OK) {
        luaL_error(L, "%s", error.message);
    }
    if (text.len != 0 && text.ptr[0] == LUA_SIGNATURE[0]) {
        luaL_error(L, "%s: bytecode is not accepted", file);
    }
    lua_pushfstring(L, "@%s", file);
    if (luaL_loadbufferx(L, text.ptr, text.len, lua_tostring(L, -1), "t") != LUA_OK) {
        lua_error(L);
    }
    arena_reset(arena);
    lua_remove(L, -2);
    lua_pushvalue(L, environment);
    lua_setupvalue(L, -2, 1);
}

/* "lib.checks" is lib/checks.lua below the root; no other characters, so there is no way out of it. */
static void file_of_module(lua_State *L, const char *name, char *file, size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    size_t len = strlen(name);
    if (len == 0 || len + 5 > size || strspn(name, allowed) != len || name[0] == '.' || name[len - 1] == '.' ||
        strstr(name, "..") != NULL) {
        luaL_error(L, "require: a module's name is made of letters, digits, _ and single dots");
    }
    for (size_t i = 0; i <= len; i++) {
        file[i] = name[i] == '.' ? '/' : name[i];
    }
    strcat(file, ".lua");
}

/* Modules run in the environment of the script that asks, once for each script. Upvalue 1: the script. */
static int require(lua_State *L)
{
    char file[256];
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->modules);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) != LUA_TNIL) {
        return 1;
    }
    if (vm_of(L)->task != NULL) {
        return luaL_error(L, "require(\"%s\"): files are read while a script is loaded, not in a call", name);
    }
    file_of_module(L, name, file, sizeof file);
    lua_pushvalue(L, 1);
    lua_pushliteral(L, "(being loaded)"); /* modules that require each other end here instead of nowhere */
    lua_rawset(L, 2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->environment);
    sandbox_push_chunk(L, script, file, -1);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pushboolean(L, 1);
        lua_replace(L, -2);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return 1;
}

/* debug.traceback, and nothing else of debug. */
static int traceback(lua_State *L)
{
    vm_push_traceback(L, luaL_optstring(L, 1, NULL));
    return 1;
}

void sandbox_push_environment(lua_State *L, struct script *script)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &base_key);
    vm_copy_table(L, -1);
    lua_remove(L, -2);
    int environment = lua_gettop(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &libraries_key);
    lua_pushnil(L);
    while (lua_next(L, environment + 1) != 0) {
        lua_pushvalue(L, -2);
        vm_copy_table(L, -2);
        lua_rawset(L, environment);
        lua_pop(L, 1);
    }
    lua_settop(L, environment);
    lua_newtable(L);
    lua_pushcfunction(L, traceback);
    lua_setfield(L, -2, "traceback");
    lua_setfield(L, environment, "debug");
    lua_pushlightuserdata(L, script);
    lua_pushcclosure(L, require, 1);
    lua_setfield(L, environment, "require");
    lua_pushvalue(L, environment);
    lua_setfield(L, environment, "_G");
    api_push(L, script);
    lua_setfield(L, environment, "happn");
}
