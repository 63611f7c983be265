/* The view holds on to the message or request it was taken from and looks at the session through it, so it cannot outlive either.
 *
 * `state` is a JSON document that the session keeps, not a Lua table: so it survives a reload, belongs to no script, and goes with the
 * session. It is read when a script asks for it and written back when the script has ended, well or not: a counter of refusals counts. */

#include "script/session.h"

#include "script/view.h"
#include "security/identity.h"

static const char session_key;

enum { PARENT = 1, FIELDS = 2, MAX_STATE = 65536 };

void session_push(lua_State *L, int parent)
{
    parent = lua_absindex(L, parent);
    lua_newuserdatauv(L, 0, 2);
    lua_pushvalue(L, parent);
    lua_setiuservalue(L, -2, PARENT);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &session_key);
    lua_setmetatable(L, -2);
}

static bool is_session(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TUSERDATA && vm_has_metatable(L, index, &session_key);
}

static struct task *task_at(lua_State *L, int index)
{
    if (!is_session(L, index)) {
        luaL_error(L, "a session was expected: session:in_group(name), not session.in_group(name)");
    }
    lua_getiuservalue(L, index, PARENT);
    struct task *task = ((struct task_view *)lua_touserdata(L, -1))->task;
    lua_pop(L, 1);
    if (task == NULL) {
        luaL_error(L, "session used after its request ended");
    }
    return task;
}

/* NULL: a request over HTTP has no session. */
static struct session *session_of(const struct task *task)
{
    return task->message != NULL ? task->message->session : NULL;
}

static const struct identity *identity_of(const struct task *task)
{
    return task->message != NULL ? task->message->session->identity : task->http != NULL ? core_http_identity(task->http) : NULL;
}

static void push_text(lua_State *L, struct str text)
{
    if (text.len != 0) {
        lua_pushlstring(L, text.ptr, text.len);
    } else {
        lua_pushnil(L);
    }
}

static void get_id(lua_State *L, const struct task *task)
{
    push_text(L, session_of(task) != NULL ? str_of(session_of(task)->id) : STR_NONE);
}

static void get_protocol(lua_State *L, const struct task *task)
{
    push_text(L, session_of(task) != NULL ? str_of(session_of(task)->protocol->name) : STR_LIT("http"));
}

static void get_is_local(lua_State *L, const struct task *task)
{
    lua_pushboolean(L, session_of(task) != NULL && session_of(task)->is_local);
}

static void get_username(lua_State *L, const struct task *task)
{
    const struct identity *identity = identity_of(task);
    push_text(L, identity != NULL ? identity->username : STR_NONE);
}

static void get_address(lua_State *L, const struct task *task)
{
    push_text(L, str_of(session_of(task) != NULL ? session_of(task)->peer.address : happn_http_address(task->http)));
}

static void get_info(lua_State *L, const struct task *task)
{
    if (session_of(task) != NULL && str_is_set(session_of(task)->info)) {
        view_push(L, session_of(task)->info);
    } else {
        lua_pushnil(L);
    }
}

static void get_state(lua_State *L, const struct task *task)
{
    struct session *session = session_of(task);
    if (session == NULL) {
        luaL_error(L, "session.state is of connections, a request over HTTP has none: happn.shared keeps values by name");
    }
    view_push(L, str_is_set(session->kept) ? session->kept : STR_LIT("{}"));
}

static void get_groups(lua_State *L, const struct task *task)
{
    const struct identity *identity = identity_of(task);
    const struct member *member = identity != NULL && identity->user != NULL ? identity->user->members : NULL;
    lua_newtable(L);
    for (lua_Integer i = 1; member != NULL; member = member->next_of_user, i++) {
        push_text(L, member->group->name);
        lua_rawseti(L, -2, i);
    }
    value_mark_list(L);
}

static int in_group(lua_State *L)
{
    size_t len;
    const struct identity *identity = identity_of(task_at(L, 1));
    const char *name = luaL_checklstring(L, 2, &len);
    lua_pushboolean(L, identity != NULL && identity->user != NULL && user_is_in(identity->user, str_make(name, len)));
    return 1;
}

static const struct session_field {
    const char *name;
    void (*push)(lua_State *L, const struct task *task);
    bool is_kept; /* the same value each time */
} fields[] = {{"id", get_id, false},           {"protocol", get_protocol, false}, {"is_local", get_is_local, false},
              {"username", get_username, false}, {"address", get_address, false},   {"info", get_info, true},
              {"state", get_state, true},        {"groups", get_groups, true}};

static bool push_known(lua_State *L, const char *name)
{
    if (lua_getiuservalue(L, 1, FIELDS) != LUA_TTABLE) {
        lua_pop(L, 1);
        return false;
    }
    lua_pushstring(L, name);
    return lua_rawget(L, -2) != LUA_TNIL;
}

static void remember(lua_State *L, const char *name, int value)
{
    if (lua_getiuservalue(L, 1, FIELDS) != LUA_TTABLE) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 1, FIELDS);
    }
    lua_pushstring(L, name);
    lua_pushvalue(L, value);
    lua_rawset(L, -3);
}

static int session_get(lua_State *L)
{
    struct task *task = task_at(L, 1);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "in_group") == 0) {
        lua_pushcfunction(L, in_group);
        return 1;
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) != 0) {
            continue;
        }
        if (fields[i].is_kept && push_known(L, name)) {
            return 1;
        }
        lua_settop(L, 2);
        fields[i].push(L, task);
        if (fields[i].is_kept) {
            remember(L, name, 3);
            lua_pushvalue(L, 3);
        }
        return 1;
    }
    return luaL_error(L, "a session has no field %s", luaL_tolstring(L, 2, NULL));
}

static int session_set(lua_State *L)
{
    struct task *task = task_at(L, 1);
    if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "state") != 0) {
        return luaL_error(L, "session.%s cannot be changed, only session.state", luaL_tolstring(L, 2, NULL));
    }
    if (session_of(task) == NULL) {
        get_state(L, task);
    }
    luaL_argexpected(L, lua_istable(L, 3) || view_is(L, 3), 3, "table");
    remember(L, "state", 3);
    return 0;
}

static void keep(lua_State *L, struct session *session, struct str json)
{
    const struct allocator *allocator = session->core->allocator;
    if (json_type_of(json) != JSON_OBJECT || json.len > MAX_STATE) {
        luaL_error(L, "session.state must be an object of at most %d bytes as JSON", MAX_STATE);
    }
    char *copy = memory_strdup(allocator, json.ptr, json.len);
    if (copy == NULL) {
        luaL_error(L, "out of memory");
    }
    memory_free(allocator, (char *)session->kept.ptr);
    session->kept = str_make(copy, json.len);
}

void session_write_back(lua_State *L, struct task *task, int index)
{
    int top = lua_gettop(L);
    struct session *session = session_of(task);
    if (session != NULL && is_session(L, index) && lua_getiuservalue(L, index, FIELDS) == LUA_TTABLE) {
        lua_pushliteral(L, "state");
        bool is_there = lua_rawget(L, -2) != LUA_TNIL;
        if (is_there && (!view_is(L, -1) || view_is_changed(L, -1))) {
            keep(L, session, value_encode(L, -1, "session.state"));
        }
    }
    lua_settop(L, top);
}

void session_install(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", session_get}, {"__newindex", session_set}, {NULL, NULL}};
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushliteral(L, "session");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &session_key);
}
