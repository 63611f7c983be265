/* Fields are made when they are asked for and kept as user values, so that a change in msg.data is found again afterwards. Secrets
 * of a login are taken out before a script sees its data and put back behind its changes. */

#include "script/message.h"

#include "core/layers.h"
#include "json/splice.h"
#include "script/session.h"
#include "script/view.h"

static const char message_key, *const secrets[] = {"password", "token", "digest", "arguments"}; /* the last: of administer */

/* What is kept. */
enum { NOT_KEPT, DATA, OPTIONS, SESSION, CONTEXT, SLOTS = CONTEXT };

struct message_view {
    struct task_view base; /* first */
    const void *kind; /* &message_key: scripts hold userdata of other kinds, too */
    bool has_new_data, has_new_options; /* assigned as a whole */
};

static struct task *check_message(lua_State *L)
{
    const struct message_view *view = lua_touserdata(L, 1);
    if (view == NULL || lua_rawlen(L, 1) != sizeof *view || view->kind != &message_key) {
        luaL_error(L, "a message was expected");
    }
    struct task *task = view->base.task;
    if (task == NULL) {
        luaL_error(L, "message used after its request ended");
    }
    return task;
}

void message_push(lua_State *L, struct task *task, int ctx)
{
    struct message_view *view = lua_newuserdatauv(L, sizeof *view, SLOTS);
    *view = (struct message_view){.base.task = task, .kind = &message_key};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &message_key);
    lua_setmetatable(L, -2);
    if (lua_istable(L, ctx)) {
        lua_pushvalue(L, ctx);
        lua_setiuservalue(L, -2, CONTEXT);
    }
    task->view = &view->base;
}

void message_push_context(lua_State *L, int index)
{
    lua_getiuservalue(L, index, CONTEXT);
}

/* One whose secrets are taken out. */
static bool hides_secrets(const struct task *task)
{
    const struct request *request = task->message->request;
    return !task->script->entry->sees_secrets && request != NULL && (request->action == ACTION_LOGIN || request->action == ACTION_ADMINISTER);
}

/* Pushes the text as a Lua string without what scripts must not see. */
static void push_without_secrets(lua_State *L, struct str data)
{
    struct buf *out = &vm_of(L)->out;
    vm_push_given(L, data);
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        buf_clear(out);
        json_splice(out, str_make(text, len), str_of(secrets[i]), STR_NONE);
        vm_push_given(L, buf_str(out));
        lua_remove(L, -2);
    }
}

/* Those of the text that was received, while nobody has put another in its place. */
static const struct json_parts *known_parts(const happn_message *message, struct str data)
{
    const struct json_parts *parts = message->request != NULL ? message->request->data_parts : NULL;
    return parts != NULL && parts->object.ptr == data.ptr && parts->object.len == data.len ? parts : NULL;
}

static void push_data(lua_State *L, struct task *task)
{
    struct str data;
    data.ptr = happn_message_data(task->message, &data.len);
    if (data.ptr == NULL) {
        lua_pushnil(L);
    } else if (hides_secrets(task) && json_type_of(data) == JSON_OBJECT) {
        push_without_secrets(L, data);
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        view_push(L, str_make(text, len));
    } else {
        view_push_parts(L, data, known_parts(task->message, data));
    }
}

static void get_action(lua_State *L, struct task *task)
{
    size_t len;
    const char *text = happn_message_action(task->message, &len);
    lua_pushlstring(L, text != NULL ? text : "", text != NULL ? len : 0);
}

static void get_path(lua_State *L, struct task *task)
{
    size_t len;
    const char *text = happn_message_path(task->message, &len);
    if (text != NULL) {
        lua_pushlstring(L, text, len);
    } else {
        lua_pushnil(L);
    }
}

/* Of on and off: "/SET@/a", as it was sent. */
static void get_channel(lua_State *L, struct task *task)
{
    const struct request *request = task->message->request;
    bool has_one = request != NULL && (request->action == ACTION_ON || request->action == ACTION_OFF) && str_is_set(request->channel);
    if (has_one) {
        lua_pushlstring(L, request->channel.ptr, request->channel.len);
    } else {
        lua_pushnil(L);
    }
}

static void get_options(lua_State *L, struct task *task)
{
    struct str options;
    options.ptr = happn_message_options(task->message, &options.len);
    view_push(L, json_type_of(options) == JSON_OBJECT ? options : STR_LIT("{}"));
}

static void get_session(lua_State *L, struct task *task)
{
    (void)task;
    session_push(L, 1);
}

static void get_context(lua_State *L, struct task *task)
{
    (void)task;
    lua_newtable(L);
}

static void get_direction(lua_State *L, struct task *task)
{
    static const char *const names[] = {"inbound", "reply", "publication"};
    lua_pushstring(L, names[task->message->direction]);
}

static const struct field {
    const char *name;
    void (*push)(lua_State *L, struct task *task);
    int slot; /* the same value each time, when it is one */
} fields[] = {
    {"data", push_data, DATA},       {"path", get_path, NOT_KEPT},  {"action", get_action, NOT_KEPT},
    {"session", get_session, SESSION}, {"options", get_options, OPTIONS}, {"ctx", get_context, CONTEXT},
    {"direction", get_direction, NOT_KEPT}, {"channel", get_channel, NOT_KEPT},
};

static int message_get(lua_State *L)
{
    struct task *task = check_message(L);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "recipient") == 0) {
        if (task->message->is_for_all) {
            return luaL_error(L, "msg.recipient: with scope = \"publication\" there is none, the event is seen once for all of them");
        }
        name = "session"; /* of what leaves it is the same */
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) != 0) {
            continue;
        }
        int slot = fields[i].slot;
        if (slot != NOT_KEPT && lua_getiuservalue(L, 1, slot) != LUA_TNIL) {
            return 1;
        }
        fields[i].push(L, task);
        if (slot != NOT_KEPT) {
            lua_pushvalue(L, -1);
            lua_setiuservalue(L, 1, slot);
        }
        return 1;
    }
    return luaL_error(L, "msg has no field %s", luaL_tolstring(L, 2, NULL));
}

static void set_path(lua_State *L, struct task *task)
{
    size_t len;
    const char *path = luaL_checklstring(L, 3, &len);
    if (happn_message_set_path(task->message, path, len) != HAPPN_OK) {
        luaL_error(L, "msg.path cannot be changed here");
    }
}

/* Behind the checkpoint path and options are what was permitted. */
static bool can_change_options(const happn_message *message)
{
    return message->direction == HAPPN_INBOUND && !message->request->is_authorized;
}

static int message_set(lua_State *L)
{
    struct task *task = check_message(L);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "path") == 0) {
        set_path(L, task);
        return 0;
    }
    bool is_data = strcmp(name, "data") == 0, is_options = strcmp(name, "options") == 0;
    if (!is_data && !is_options) {
        return luaL_error(L, "msg.%s cannot be changed", name);
    }
    if (is_options && !can_change_options(task->message)) {
        return luaL_error(L, "msg.options cannot be changed here");
    }
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        value_push_null(L);
        lua_replace(L, 3);
    }
    struct message_view *view = lua_touserdata(L, 1);
    lua_setiuservalue(L, 1, is_data ? DATA : OPTIONS);
    *(is_data ? &view->has_new_data : &view->has_new_options) = true;
    return 0;
}

/* -- afterwards -- */

/* Puts the login's secrets behind the changed data on the stack's top. */
static void restore_secrets(lua_State *L, struct str original, struct str *changed)
{
    struct buf *out = &vm_of(L)->out;
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        struct str value = json_get(original, secrets[i]);
        if (!str_is_set(value) || json_type_of(*changed) != JSON_OBJECT) {
            continue;
        }
        lua_pushlstring(L, changed->ptr, changed->len);
        buf_clear(out);
        json_splice(out, str_make(lua_tostring(L, -1), changed->len), str_of(secrets[i]), value);
        *changed = buf_str(out);
        lua_pop(L, 1);
    }
}

void message_set_value(lua_State *L, struct task *task, int index)
{
    struct str json = value_encode(L, index, "data");
    if (hides_secrets(task) && task->message->direction == HAPPN_INBOUND) {
        struct str original;
        original.ptr = happn_message_data(task->message, &original.len);
        restore_secrets(L, original, &json);
    }
    happn_status status = vm_of(L)->out_moved ? happn_message_set_data(task->message, json.ptr, json.len) : layers_set_written(task->message, json);
    if (status != HAPPN_OK) {
        luaL_error(L, "data: %s", happn_status_text(status));
    }
}

static void write_options(lua_State *L, struct task *task)
{
    if (!can_change_options(task->message)) {
        luaL_error(L, "msg.options cannot be changed here");
    }
    struct str json = value_encode(L, -1, "options");
    happn_status status = happn_message_set_options(task->message, json.ptr, json.len);
    if (status != HAPPN_OK) {
        luaL_error(L, "options: %s", happn_status_text(status));
    }
}

void message_write_back(lua_State *L, struct task *task, int index)
{
    index = lua_absindex(L, index);
    int top = lua_gettop(L);
    const struct message_view *view = lua_touserdata(L, index);
    lua_getiuservalue(L, index, DATA);
    if (view->has_new_data || view_is_changed(L, -1)) {
        message_set_value(L, task, -1);
    }
    lua_getiuservalue(L, index, OPTIONS);
    if (view->has_new_options || view_is_changed(L, -1)) {
        write_options(L, task);
    }
    lua_settop(L, top);
}

void message_keep_state(lua_State *L, struct task *task, int index)
{
    int top = lua_gettop(L);
    lua_getiuservalue(L, index, SESSION);
    session_write_back(L, task, top + 1);
    lua_settop(L, top);
}

void message_install(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", message_get}, {"__newindex", message_set}, {NULL, NULL}};
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushliteral(L, "message");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &message_key);
}
