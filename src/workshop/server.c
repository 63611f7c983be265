/* The server of a case: what t.server and t.client say becomes a configuration, users and documents. */

#include <stdio.h>

#include "base/error.h"
#include "core/layers.h"
#include "json/write.h"
#include "script/task.h"
#include "service/service.h"
#include "workshop/testing.h"

static const char *const server_options[] = {"layers", "routes", "scripts", "seed", "config", "secure", "users", NULL};
static const char *const user_options[] = {"user", "groups", "permissions", "password", NULL};

static bool is_listed(const char *const *list, const char *name)
{
    while (*list != NULL && strcmp(*list, name) != 0) {
        list++;
    }
    return *list != NULL;
}

/* Are there options of a server's among those at index? Raises for unknown ones. */
static bool check_options(lua_State *L, int options, bool for_user)
{
    bool has_any = false;
    if (lua_isnoneornil(L, options)) {
        return false;
    }
    luaL_checktype(L, options, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, options) != 0) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        bool is_server = is_listed(server_options, name);
        if (!is_server && !(for_user && is_listed(user_options, name))) {
            luaL_error(L, "there is no option %s; a server has layers, routes, scripts, seed, config, secure and users%s", name,
                       for_user ? ", a client user, groups, permissions and password" : "");
        }
        has_any = has_any || is_server;
        lua_pop(L, 1);
    }
    return has_any;
}

/* -- the configuration -- */

static void add_list(lua_State *L, struct testing *testing, struct buf *out, const char *key, int table, const char *name)
{
    if (table != 0 && lua_getfield(L, table, name) != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TTABLE);
        if (lua_rawlen(L, -1) != 0) {
            buf_add_format(out, "%s\"%s\":", out->ptr[out->len - 1] == '{' ? "" : ",", key);
            buf_add_str(out, testing_json(L, testing, -1, name));
        }
    }
}

static void add_layers(lua_State *L, struct testing *testing, struct buf *out, int options)
{
    int top = lua_gettop(L);
    buf_add_lit(out, "\"protocol\":{\"config\":{");
    if (lua_getfield(L, options, "layers") != LUA_TNIL) {
        if (!lua_istable(L, -1) || lua_rawlen(L, -1) != 0) {
            luaL_error(L, "layers must be like { inbound = { \"a.lua\" }, outbound = { \"b.lua\" } }");
        }
        add_list(L, testing, out, "inboundLayers", top + 1, "inbound");
        add_list(L, testing, out, "outboundLayers", top + 1, "outbound");
    }
    buf_add_lit(out, "}}");
    lua_settop(L, top);
}

static struct str make_config(lua_State *L, struct testing *testing, int options)
{
    int top = lua_gettop(L);
    struct answer *memory = testing_answer(L, testing); /* its buffer goes with the case, whatever is raised */
    struct buf *text = &memory->data;
    buf_add_format(text, "{\"secure\":%s,\"utils\":{\"logLevel\":\"debug\",\"logComponents\":\"script\"},\"services\":{"
                         "\"security\":{\"config\":{\"adminUser\":{\"password\":\"" TESTING_PASSWORD "\"},\"pbkdf2Iterations\":1}},",
                   testing->is_secured ? "true" : "false");
    add_layers(L, testing, text, options);
    buf_add_lit(text, ",\"connect\":{\"config\":{");
    add_list(L, testing, text, "routes", options, "routes");
    buf_add_lit(text, "}},\"script\":{\"config\":{\"root\":");
    json_add_string(text, str_of(testing->root));
    add_list(L, testing, text, "scripts", options, "scripts");
    buf_add_lit(text, "}}}}");
    lua_settop(L, top);
    if (text->status != HAPPN_OK) {
        luaL_error(L, "out of memory");
    }
    return buf_str(text);
}

/* -- what scripts ask of the store -- */

static void add_call(struct testing *testing, const happn_message *message)
{
    struct arena *arena = &testing->case_arena;
    struct store_call *call = arena_alloc(arena, sizeof *call);
    struct str text;
    if (call == NULL) {
        return;
    }
    *call = (struct store_call){0};
    text.ptr = happn_message_action(message, &text.len);
    call->action = arena_str(arena, text);
    text.ptr = happn_message_path(message, &text.len);
    call->path = text.ptr != NULL ? arena_str(arena, text) : STR_NONE;
    text.ptr = happn_message_data(message, &text.len);
    call->data = text.ptr != NULL ? arena_str(arena, text) : STR_NONE;
    *testing->last_call = call;
    testing->last_call = &call->next;
}

static happn_verdict note_call(happn_message *message, void *arg)
{
    if (message->session->protocol == &script_protocol) {
        add_call(arg, message);
    }
    return HAPPN_NEXT;
}

/* -- users -- */

static void take_answer(const happn_error *error, const char *json, size_t len, void *arg)
{
    (void)json, (void)len;
    testing_take_status(error != NULL ? error->status : HAPPN_OK, error, arg);
}

static void call_security(lua_State *L, struct testing *testing, const char *verb, const struct buf *arguments)
{
    struct answer *answer = testing_answer(L, testing);
    happn_status status = arguments->status;
    if (status == HAPPN_OK) {
        status = happn_security_call(testing->house.service, verb, arguments->ptr, arguments->len, take_answer, answer);
    }
    if (status != HAPPN_OK) {
        testing_raise(L, status);
    }
    testing_wait(L, testing, answer);
}

// { ["/a/*"] = { "get" } }, or the long form { ["/a/*"] = { actions = { "get" }, prohibit = { "set" } } }.
static void add_permissions(lua_State *L, struct testing *testing, struct buf *out, int options)
{
    int top = lua_gettop(L);
    if (options == 0 || lua_getfield(L, options, "permissions") == LUA_TNIL) {
        buf_add_lit(out, "{\"*\":{\"actions\":[\"*\"]}}");
        lua_settop(L, top);
        return;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    buf_add_char(out, '{');
    lua_pushnil(L);
    while (lua_next(L, top + 1) != 0) {
        bool is_list = lua_istable(L, -1) && lua_rawlen(L, -1) != 0;
        if (lua_type(L, -2) != LUA_TSTRING) {
            luaL_error(L, "permissions must be like { [\"/a/*\"] = { \"get\", \"set\" } }");
        }
        buf_add_text(out, out->ptr[out->len - 1] == '{' ? "" : ",");
        json_add_string(out, str_of(lua_tostring(L, -2)));
        buf_add_text(out, is_list ? ":{\"actions\":" : ":");
        buf_add_str(out, testing_json(L, testing, -1, "permissions"));
        buf_add_text(out, is_list ? "}" : "");
        lua_pop(L, 1);
    }
    buf_add_char(out, '}');
    lua_settop(L, top);
}

static void add_to_group(lua_State *L, struct testing *testing, const char *username, const char *group)
{
    struct answer *memory = testing_answer(L, testing);
    buf_add_lit(&memory->data, "{\"group\":{\"name\":");
    json_add_string(&memory->data, str_of(group));
    buf_add_lit(&memory->data, "}}");
    call_security(L, testing, "upsertGroup", &memory->data);
    buf_clear(&memory->data);
    buf_add_lit(&memory->data, "{\"username\":");
    json_add_string(&memory->data, str_of(username));
    buf_add_lit(&memory->data, ",\"group\":");
    json_add_string(&memory->data, str_of(group));
    buf_add_char(&memory->data, '}');
    call_security(L, testing, "linkGroup", &memory->data);
}

static void add_groups(lua_State *L, struct testing *testing, const char *username, int options)
{
    int top = lua_gettop(L);
    if (options != 0 && lua_getfield(L, options, "groups") != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TTABLE);
        for (lua_Integer i = 1; lua_geti(L, top + 1, i) != LUA_TNIL; i++) {
            add_to_group(L, testing, username, luaL_checkstring(L, -1));
            lua_settop(L, top + 1);
        }
    }
    lua_settop(L, top);
}

void server_add_user(lua_State *L, struct testing *testing, const char *name, int options)
{
    struct answer *memory = testing_answer(L, testing);
    struct buf *out = &memory->data;
    int top = lua_gettop(L);
    if (!testing->is_secured) {
        luaL_error(L, "the server of this case is not secured: t.server{ secure = true, ... } is, and one that a client with a user makes");
    }
    buf_add_lit(out, "{\"user\":{\"username\":");
    json_add_string(out, str_of(name));
    buf_add_lit(out, ",\"password\":");
    if (options != 0) {
        lua_getfield(L, options, "password");
    }
    json_add_string(out, str_of(options != 0 && lua_isstring(L, -1) ? lua_tostring(L, -1) : TESTING_PASSWORD));
    lua_settop(L, top);
    buf_add_lit(out, ",\"permissions\":");
    add_permissions(L, testing, out, options);
    buf_add_lit(out, "}}");
    call_security(L, testing, "upsertUser", out);
    add_groups(L, testing, name, options);
}

static void add_users(lua_State *L, struct testing *testing, int options)
{
    int top = lua_gettop(L);
    if (lua_getfield(L, options, "users") == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, top + 1) != 0) {
            luaL_checktype(L, -1, LUA_TTABLE);
            server_add_user(L, testing, luaL_checkstring(L, -2), lua_gettop(L));
            lua_settop(L, top + 2);
        }
    }
    lua_settop(L, top);
}

/* -- the server -- */

static void open_host(lua_State *L, struct testing *testing)
{
    struct answer *answer = testing_answer(L, testing);
    happn_status status = happn_client_open(testing->house.service, testing_take_status, answer, &testing->host);
    if (status != HAPPN_OK) {
        testing_raise(L, status);
    }
    testing_wait(L, testing, answer);
}

static void seed(lua_State *L, struct testing *testing, int options)
{
    int top = lua_gettop(L);
    if (lua_getfield(L, options, "seed") != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TTABLE);
        lua_pushnil(L);
        while (lua_next(L, top + 1) != 0) {
            struct answer *answer = testing_answer(L, testing);
            struct str json = testing_json(L, testing, -1, "seed");
            if (lua_type(L, -2) != LUA_TSTRING) {
                luaL_error(L, "seed must be like { [\"/a/b\"] = { value = 1 } }");
            }
            happn_status status = happn_client_set(testing->host, lua_tostring(L, -2), json.ptr, json.len, NULL, testing_take_result, answer);
            if (status != HAPPN_OK) {
                luaL_error(L, "seed %s: %s", lua_tostring(L, -2), happn_status_text(status));
            }
            testing_wait(L, testing, answer);
            lua_settop(L, top + 2);
        }
    }
    lua_settop(L, top);
}

static void open_server(lua_State *L, struct testing *testing, int options)
{
    happn_error error = {0};
    struct str settings = STR_NONE;
    struct str config = make_config(L, testing, options);
    if (lua_getfield(L, options, "config") != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TTABLE);
        settings = testing_json(L, testing, -1, "config");
    }
    lua_pop(L, 1);
    testing->has_house = true;
    happn_status status = house_open(&testing->house, config, settings, testing->coverage, &error);
    if (status == HAPPN_OK) {
        testing->core.loop = testing->house.loop; /* for the test, too, it is the time of its server */
        status = happn_service_add_layer(testing->house.service, 0, note_call, testing);
    }
    if (status != HAPPN_OK) {
        luaL_error(L, "%s", error.message[0] != '\0' ? error.message : happn_status_text(status));
    }
    open_host(L, testing);
    add_users(L, testing, options);
    seed(L, testing, options);
    testing_pump(L, testing);
}

static bool is_set(lua_State *L, int options, const char *name)
{
    lua_getfield(L, options, name);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

void server_ensure(lua_State *L, struct testing *testing, int options, bool must_be_new)
{
    bool has_any = check_options(L, options, !must_be_new);
    if (testing->is_collecting) {
        luaL_error(L, "servers and clients live in a case: t.case(\"...\", function() ... end)");
    }
    if (testing->has_house) {
        if (must_be_new || has_any) {
            luaL_error(L, "this case has a server already: say everything about it where it is made");
        }
        return;
    }
    if (!lua_istable(L, options)) {
        lua_newtable(L);
        options = lua_gettop(L);
    }
    testing->is_secured = is_set(L, options, "secure") || is_set(L, options, "users") || is_set(L, options, "user");
    open_server(L, testing, options);
}
