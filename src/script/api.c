/* The table `happn`, as far as it does not wait: answers, values, texts, logging. */

#include <math.h>

#include "base/hex.h"
#include "base/id.h"
#include "paths/wildcard.h"
#include "script/answers.h"
#include "script/calls.h"
#include "script/fetch.h"
#include "script/flow.h"
#include "script/listener.h"
#include "script/sandbox.h"
#include "script/timer.h"
#include "script/view.h"
#include "security/crypto.h"

static const char reply_key, drop_tag;

/* -- answers of layers -- */

/* fail(text), fail(name, text, fields) or fail{name = ..., message = ..., ...}. */
static int fail(lua_State *L)
{
    lua_settop(L, 3);
    lua_newtable(L);
    int fields = lua_istable(L, 1) ? 1 : 3;
    if (!lua_isnil(L, fields)) {
        luaL_checktype(L, fields, LUA_TTABLE);
        lua_pushnil(L);
        while (lua_next(L, fields) != 0) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, 4);
        }
    }
    if (fields == 3) {
        bool has_name = !lua_isnil(L, 2);
        lua_pushstring(L, has_name ? luaL_checkstring(L, 1) : "Refused");
        lua_setfield(L, 4, "name");
        lua_pushstring(L, luaL_checkstring(L, has_name ? 2 : 1));
        lua_setfield(L, 4, "message");
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &vm_fail_key);
    lua_setmetatable(L, 4);
    return lua_error(L);
}

static int reply(lua_State *L)
{
    lua_settop(L, 1);
    lua_newuserdatauv(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &reply_key);
    lua_setmetatable(L, -2);
    return 1;
}

static int drop(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&drop_tag);
    return 1;
}

bool answer_is_reply(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TUSERDATA && vm_has_metatable(L, index, &reply_key);
}

void answer_push_value(lua_State *L, int index)
{
    lua_getiuservalue(L, index, 1);
}

bool answer_is_drop(lua_State *L, int index)
{
    return lua_touserdata(L, index) == &drop_tag || lua_tocfunction(L, index) == drop;
}

/* -- values -- */

static int array(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    value_mark_list(L);
    return 1;
}

/* A plain copy: nothing in it is lazy, null is happn.null. */
static int table(lua_State *L)
{
    luaL_checkany(L, 1);
    struct str json = value_encode(L, 1, "document");
    value_push_plain(L, str_make(vm_push_given(L, json), json.len)); /* the buffer may be needed again */
    return 1;
}

static int is_null(lua_State *L)
{
    if (lua_gettop(L) == 1) {
        lua_pushboolean(L, value_is_null(L, 1));
        return 1;
    }
    lua_pushboolean(L, view_has_null(L, 1, 2));
    return 1;
}

static int is_list(lua_State *L)
{
    lua_Integer count;
    bool is_table = lua_istable(L, 1) && !value_is_null(L, 1);
    lua_pushboolean(L, view_is_list(L, 1) || (is_table && value_is_list(L, 1, &count)));
    return 1;
}

static int encode(lua_State *L)
{
    luaL_checkany(L, 1);
    struct str json = value_encode(L, 1, "value");
    if (json.len > vm_of(L)->max_text) {
        return luaL_error(L, "happn.json.encode: a text has at most %d bytes", (int)vm_of(L)->max_text);
    }
    lua_pushlstring(L, json.ptr, json.len);
    return 1;
}

static int decode(lua_State *L)
{
    size_t len, at = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    vm_charge(L, len / 16);
    happn_status status = json_check(str_make(text, len), &at);
    if (status != HAPPN_OK) {
        return luaL_error(L, "happn.json.decode: %s, at byte %d", happn_status_text(status), (int)at + 1);
    }
    value_push_plain(L, json_trim(str_make(text, len)));
    return 1;
}

static int now(lua_State *L)
{
    struct generation *generation = vm_of(L)->owner;
    lua_pushnumber(L, (lua_Number)loop_now_ms(generation->scripts->core->loop) / 1000);
    return 1;
}

static int uuid(lua_State *L)
{
    char text[37];
    id_uuid(text);
    lua_pushstring(L, text);
    return 1;
}

/* path("/orders", id): no part may add a level or become a pattern. */
static int path(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_checkstring(L, 1);
    vm_charge(L, (size_t)count * 2);
    luaL_Buffer text;
    for (int i = 2; i <= count; i++) {
        size_t len;
        const char *part = luaL_checklstring(L, i, &len);
        luaL_argcheck(L, len != 0, i, "a part of a path is empty");
        luaL_argcheck(L, memchr(part, '/', len) == NULL && memchr(part, '*', len) == NULL, i,
                      "a part of a path cannot contain / or *");
    }
    luaL_buffinit(L, &text);
    for (int i = 1; i <= count; i++) {
        if (i > 1) {
            luaL_addchar(&text, '/');
        }
        lua_pushvalue(L, i);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    return 1;
}

/* matches(pattern, path): as `paths` of a layer are compared. */
static int matches(lua_State *L)
{
    struct str pattern, path;
    pattern.ptr = luaL_checklstring(L, 1, &pattern.len);
    path.ptr = luaL_checklstring(L, 2, &path.len);
    vm_charge(L, 10 + (pattern.len + path.len) / 8);
    lua_pushboolean(L, wildcard_matches(WILDCARD_STRING, pattern, path, 0));
    return 1;
}

/* -- digests, in hexadecimal digits -- */

static void push_hex(lua_State *L, const unsigned char *bytes, size_t count)
{
    char text[2 * SHA256_BYTES + 1];
    hex_write(text, bytes, count);
    lua_pushlstring(L, text, 2 * count);
}

/* SHA-256 */
static int hash(lua_State *L)
{
    size_t len;
    unsigned char digest[SHA256_BYTES];
    const char *text = luaL_checklstring(L, 1, &len);
    vm_charge(L, 100 + len / 8);
    if (!crypto_sha256(str_make(text, len), digest)) {
        return luaL_error(L, "the digest could not be made");
    }
    push_hex(L, digest, sizeof digest);
    return 1;
}

/* HMAC-SHA-256 of the key and the text */
static int hmac(lua_State *L)
{
    struct str key, text;
    unsigned char digest[SHA256_BYTES];
    key.ptr = luaL_checklstring(L, 1, &key.len);
    text.ptr = luaL_checklstring(L, 2, &text.len);
    vm_charge(L, 200 + (key.len + text.len) / 8);
    if (!crypto_hmac_sha256(key, text, digest)) {
        return luaL_error(L, "the digest could not be made");
    }
    push_hex(L, digest, sizeof digest);
    return 1;
}

/* -- logging: upvalues are the script and the level -- */

/* a b c: "a b c" */
static void push_words(lua_State *L, int count)
{
    luaL_Buffer text;
    luaL_checkstack(L, 4, "too many values");
    luaL_buffinit(L, &text);
    for (int i = 1; i <= count; i++) {
        luaL_addlstring(&text, " ", i > 1);
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&text);
        vm_charge(L, 2);
    }
    luaL_pushresult(&text);
}

static int log_text(lua_State *L)
{
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    enum log_level level = (enum log_level)lua_tointeger(L, lua_upvalueindex(2));
    struct log *log = script->generation->scripts->core->log;
    if (!log_wants(log, level)) {
        return 0;
    }
    push_words(L, lua_gettop(L));
    luaL_where(L, 1);
    vm_charge(L, 1000);
    log_write(log, level, "script", "%s%s", lua_tostring(L, -1), lua_tostring(L, -2));
    return 0;
}

static void add_log(lua_State *L, struct script *script)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        lua_pushlightuserdata(L, script);
        lua_pushinteger(L, levels[i].level);
        lua_pushcclosure(L, log_text, 2);
        lua_setfield(L, -2, levels[i].name);
    }
    lua_setfield(L, -2, "log");
}

static int refuse_system(lua_State *L)
{
    return luaL_error(L, "happn.system is for scripts whose entry in the configuration says \"trusted\": true");
}

/* happn.system: the calls of the store with all rights. */
static void add_system(lua_State *L, const struct script *script)
{
    lua_newtable(L);
    if (script->entry->is_trusted) {
        calls_add(L, true);
    } else {
        lua_newtable(L);
        lua_pushcfunction(L, refuse_system);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, -2);
    }
    lua_setfield(L, -2, "system");
}

/* happn.config: what the configuration gives, before defaults; while a script is loaded there is nothing else to go by. */
static void add_config(lua_State *L, const struct script *script)
{
    struct str json = str_make(script->entry->config_json, script->entry->config_len);
    bool is_object = json.ptr != NULL && json_check(json, NULL) == HAPPN_OK && json_type_of(json) == JSON_OBJECT;
    value_push_plain(L, is_object ? json : STR_LIT("{}"));
    lua_setfield(L, -2, "config");
}

void api_push(lua_State *L, struct script *script)
{
    static const luaL_Reg functions[] = {{"fail", fail}, {"reply", reply}, {"drop", drop},       {"array", array}, {"table", table},
                                         {"now", now},   {"uuid", uuid},   {"is_null", is_null}, {"path", path},
                                         {"is_list", is_list}, {"matches", matches}, {"hash", hash}, {"hmac", hmac}, {NULL, NULL}};
    static const luaL_Reg json[] = {{"encode", encode}, {"decode", decode}, {NULL, NULL}};
    luaL_newlib(L, functions);
    calls_add(L, false);
    flow_add(L);
    add_system(L, script);
    timer_add(L, script);
    listener_add(L, script);
    shared_add(L);
    metric_add(L);
    fetch_add(L);
    luaL_newlib(L, json);
    lua_setfield(L, -2, "json");
    value_push_null(L);
    lua_setfield(L, -2, "null");
    add_log(L, script);
    add_config(L, script);
}

static int fail_text(lua_State *L)
{
    vm_push_error_text(L, 1);
    return 1;
}

static void install_metatable(lua_State *L, const char *key, lua_CFunction text)
{
    lua_newtable(L);
    if (text != NULL) {
        lua_pushcfunction(L, text);
        lua_setfield(L, -2, "__tostring");
    }
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void api_install(lua_State *L)
{
    install_metatable(L, &vm_fail_key, fail_text);
    install_metatable(L, &reply_key, NULL);
    calls_install(L);
}
