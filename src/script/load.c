/* Running a script's file and believing nothing it returns. Declarations are checked once, here, so that calling it later is
 * only a look at bits and patterns. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/nearest.h"
#include "script/generation.h"
#include "script/library.h"
#include "script/route.h"
#include "script/sandbox.h"
#include "script/value.h"

enum { MAX_FILE = 1 << 20 };

static const struct {
    const char *name;
    enum action action;
} action_names[] = {{"set", ACTION_SET},     {"get", ACTION_GET},
                    {"remove", ACTION_REMOVE}, {"on", ACTION_ON},
                    {"off", ACTION_OFF},     {"login", ACTION_LOGIN},
                    {"describe", ACTION_DESCRIBE}, {"configure-session", ACTION_CONFIGURE_SESSION},
                    {"disconnect", ACTION_DISCONNECT}};

happn_status script_read(struct generation *generation, struct arena *arena, const char *file, struct str *out,
                         happn_error *error)
{
    if (library_find(file, out)) {
        return HAPPN_OK;
    }
    char path[4096];
    const char *root = generation->scripts->settings.options.root;
    snprintf(path, sizeof path, "%s/%s", root != NULL ? root : ".", file);
    watch_note(&generation->scripts->watch, path);
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) {
        return error_set(error, HAPPN_E_SCRIPT, "%s: cannot be read: %s", file, strerror(errno));
    }
    char *text = arena_alloc(arena, MAX_FILE + 1);
    size_t len = text != NULL ? fread(text, 1, MAX_FILE + 1, stream) : 0;
    bool failed = ferror(stream) != 0;
    fclose(stream);
    if (text == NULL || failed || len > MAX_FILE) {
        return error_set(error, HAPPN_E_SCRIPT, "%s: %s", file, text == NULL ? "out of memory" : failed ? "cannot be read" : "is larger than 1 MiB");
    }
    *out = str_make(text, len);
    return HAPPN_OK;
}

static int refuse(lua_State *L, const struct script *script, const char *what)
{
    lua_pushfstring(L, "%s: %s", script->file, what);
    return lua_error(L);
}

static void add_action(lua_State *L, struct script *script, const char *name)
{
    for (size_t i = 0; i < sizeof action_names / sizeof action_names[0]; i++) {
        if (strcmp(action_names[i].name, name) == 0) {
            script->actions |= 1u << action_names[i].action;
            return;
        }
    }
    refuse(L, script, lua_pushfstring(L, "actions: there is no action \"%s\"", name));
}

/* Pushes the field, raw. */
static int get_raw(lua_State *L, int table, const char *name)
{
    lua_pushstring(L, name);
    return lua_rawget(L, table);
}

static lua_Integer check_list(lua_State *L, struct script *script, int list, const char *name)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, list), seen = 0;
    lua_pushnil(L);
    while (lua_next(L, list) != 0) {
        if (lua_type(L, -1) != LUA_TSTRING) {
            refuse(L, script, lua_pushfstring(L, "%s must be a list of texts", name));
        }
        lua_pop(L, 1);
        seen++;
    }
    if (count != seen || count == 0) {
        refuse(L, script, lua_pushfstring(L, "%s must be a list of texts", name));
    }
    return count;
}

static bool get_list(lua_State *L, struct script *script, int table, const char *name, lua_Integer *count)
{
    int type = get_raw(L, table, name);
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    if (type != LUA_TTABLE) {
        refuse(L, script, lua_pushfstring(L, "%s must be a list of texts", name));
    }
    *count = check_list(L, script, lua_gettop(L), name);
    return true;
}

static void read_actions(lua_State *L, struct script *script, int table)
{
    lua_Integer count;
    if (!get_list(L, script, table, "actions", &count)) {
        script->actions = ~0u;
        return;
    }
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        add_action(L, script, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_paths(lua_State *L, struct script *script, int table)
{
    lua_Integer count;
    if (!get_list(L, script, table, "paths", &count)) {
        return;
    }
    struct arena *arena = &script->generation->arena;
    script->has_paths = true;
    script->paths = arena_alloc(arena, (size_t)count * sizeof *script->paths);
    if (script->paths == NULL) {
        refuse(L, script, "out of memory"); /* else it would never be asked */
    }
    for (lua_Integer i = 1; i <= count; i++) {
        size_t len;
        lua_rawgeti(L, -1, i);
        const char *text = lua_tolstring(L, -1, &len);
        if (len == 0 || (text[0] != '/' && text[0] != '*')) {
            refuse(L, script, lua_pushfstring(L, "paths: \"%s\" can never match, paths start with /", text));
        }
        struct str path = script->paths[script->path_count++] = arena_str(arena, str_make(text, len));
        if (path.ptr == NULL) {
            refuse(L, script, "out of memory");
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static int read_function(lua_State *L, struct script *script, int table, const char *name)
{
    int type = get_raw(L, table, name);
    if (type != LUA_TNIL && type != LUA_TFUNCTION) {
        refuse(L, script, lua_pushfstring(L, "%s must be a function", name));
    }
    return type == LUA_TNIL ? (lua_pop(L, 1), LUA_NOREF) : luaL_ref(L, LUA_REGISTRYINDEX);
}

/* -- config: what the script declares against what the service gives -- */

static bool has_type(lua_State *L, int value, const char *type)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {{"text", LUA_TSTRING},     {"string", LUA_TSTRING}, {"number", LUA_TNUMBER}, {"integer", LUA_TNUMBER},
                 {"boolean", LUA_TBOOLEAN}, {"table", LUA_TTABLE},   {"list", LUA_TTABLE}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, type) == 0) {
            bool whole = strcmp(type, "integer") != 0 || lua_isinteger(L, value);
            return lua_type(L, value) == types[i].type && whole;
        }
    }
    return strcmp(type, "any") == 0;
}

static bool is_known_type(const char *type)
{
    static const char *const types[] = {"text", "string", "number", "integer", "boolean", "table", "list", "any"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i], type) == 0) {
            return true;
        }
    }
    return false;
}

/* One declared key: name at -2, declaration at -1, given values at `given`, result at `result`. */
static void read_config_key(lua_State *L, struct script *script, int given, int result)
{
    int declaration = lua_gettop(L);
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
    if (name == NULL || !lua_istable(L, -1)) {
        refuse(L, script, "config must be like { name = { type = \"number\", default = 1 } }");
    }
    get_raw(L, declaration, "type");
    const char *type = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "any";
    if (!is_known_type(type)) {
        refuse(L, script, lua_pushfstring(L, "config.%s: there is no type \"%s\"", name, type));
    }
    if (get_raw(L, given, name) == LUA_TNIL) {
        lua_pop(L, 1);
        if (get_raw(L, declaration, "default") == LUA_TNIL && !script->entry->is_draft && (get_raw(L, declaration, "required"), lua_toboolean(L, -1))) {
            refuse(L, script, lua_pushfstring(L, "config.%s is missing", name));
        }
        lua_settop(L, declaration + 2);
    }
    if (!lua_isnil(L, -1) && !has_type(L, lua_gettop(L), type)) {
        refuse(L, script, lua_pushfstring(L, "config.%s must be a %s", name, type));
    }
    lua_setfield(L, result, name);
    lua_settop(L, declaration);
}

static void check_given(lua_State *L, struct script *script, int given, int declared)
{
    lua_pushnil(L);
    while (lua_next(L, given) != 0) {
        const char *name = lua_tostring(L, -2);
        if (declared == 0 || get_raw(L, declared, name) == LUA_TNIL) {
            refuse(L, script, lua_pushfstring(L, "config: the script does not know \"%s\"", name));
        }
        lua_pop(L, 2);
    }
}

static void push_given(lua_State *L, struct script *script)
{
    const struct script_entry *entry = script->entry;
    struct str json = str_make(entry->config_json, entry->config_len);
    if (json.ptr == NULL) {
        lua_newtable(L);
        return;
    }
    if (json_check(json, NULL) != HAPPN_OK || json_type_of(json) != JSON_OBJECT) {
        refuse(L, script, "its config is not a JSON object");
    }
    value_push_plain(L, json);
}

static void read_config(lua_State *L, struct script *script, int table)
{
    int type = get_raw(L, table, "config"), declared = lua_gettop(L);
    if (type != LUA_TNIL && type != LUA_TTABLE) {
        refuse(L, script, "config must be a table");
    }
    push_given(L, script);
    check_given(L, script, declared + 1, type == LUA_TTABLE ? declared : 0);
    lua_newtable(L);
    lua_pushnil(L);
    while (type == LUA_TTABLE && lua_next(L, declared) != 0) {
        read_config_key(L, script, declared + 1, declared + 2);
        lua_pop(L, 1);
    }
    lua_settop(L, declared + 2);
    script->config = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_settop(L, declared - 1);
}

/* -- the table -- */

enum { MOST_UNKNOWN = 16 };

static const char *const known_keys[] = {"name", "actions", "paths", "config", "inbound", "outbound", "routes", "start", "stop",
                                         "save", "restore", "phase", "scope", "on_session", "on_security", "login"};

/* A known one, or a route. */
static bool is_known_key(const char *key, size_t len)
{
    bool is_known = route_is_key(str_make(key, len));
    for (size_t i = 0; i < sizeof known_keys / sizeof known_keys[0]; i++) {
        is_known = is_known || strcmp(known_keys[i], key) == 0;
    }
    return is_known;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All of them, in their order: a table's own is another one each time. */
static void refuse_keys(lua_State *L, struct script *script, const char **keys, size_t count)
{
    luaL_Buffer text;
    qsort(keys, count, sizeof *keys, compare_keys);
    luaL_buffinit(L, &text);
    for (size_t i = 0; i < count; i++) {
        const char *best = NULL;
        for (size_t k = 0; k < sizeof known_keys / sizeof known_keys[0]; k++) {
            nearest_offer(keys[i], known_keys[k], &best);
        }
        lua_pushfstring(L, best != NULL ? "%sunknown key \"%s\"; did you mean %s?" : "%sunknown key \"%s\"", i != 0 ? " " : "", keys[i], best);
        luaL_addvalue(&text);
        luaL_addstring(&text, best == NULL && i + 1 < count ? "." : "");
    }
    luaL_pushresult(&text);
    refuse(L, script, lua_tostring(L, -1));
}

static void check_keys(lua_State *L, struct script *script, int table)
{
    const char *unknown[MOST_UNKNOWN];
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        size_t len = 0;
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : NULL;
        if (key == NULL) {
            refuse(L, script, "the keys of the table must be texts");
        }
        if (!is_known_key(key, len) && count < MOST_UNKNOWN) {
            unknown[count++] = key; /* the table keeps it */
        }
    }
    if (count != 0) {
        refuse_keys(L, script, unknown, count);
    }
}

static void read_name(lua_State *L, struct script *script, int table)
{
    int type = get_raw(L, table, "name");
    if (type != LUA_TNIL && type != LUA_TSTRING) {
        refuse(L, script, "name must be a text");
    }
    script->name = type == LUA_TSTRING ? arena_str(&script->generation->arena, str_of(lua_tostring(L, -1))).ptr : script->file;
    if (script->name == NULL) {
        refuse(L, script, "out of memory");
    }
    lua_pop(L, 1);
}

/* A member that may have one value only, and must not be there without what it is about. */
static bool read_choice(lua_State *L, struct script *script, int table, const char *name, const char *value, bool is_possible, const char *of)
{
    int type = get_raw(L, table, name);
    bool is_given = type != LUA_TNIL;
    if (is_given && (type != LUA_TSTRING || strcmp(lua_tostring(L, -1), value) != 0)) {
        refuse(L, script, lua_pushfstring(L, "%s must be \"%s\" or left out", name, value));
    }
    if (is_given && !is_possible) {
        refuse(L, script, lua_pushfstring(L, "%s is about the function %s, which is not there", name, of));
    }
    lua_pop(L, 1);
    return is_given;
}

static void read_routes(lua_State *L, struct script *script, int table)
{
    int type = get_raw(L, table, "routes");
    if (type != LUA_TNIL && type != LUA_TTABLE) {
        refuse(L, script, "routes must be a table");
    }
    if (type == LUA_TTABLE) {
        routes_declare(L, script, -1);
    }
    lua_pop(L, 1);
    routes_declare(L, script, table);
}

static int load(lua_State *L)
{
    struct script *script = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_newtable(L);
    script->modules = luaL_ref(L, LUA_REGISTRYINDEX);
    sandbox_push_environment(L, script);
    lua_pushvalue(L, 1);
    script->environment = luaL_ref(L, LUA_REGISTRYINDEX);
    sandbox_push_chunk(L, script, script->file, 1);
    lua_call(L, 0, 1);
    if (!lua_istable(L, 2)) {
        refuse(L, script, "must return a table");
    }
    check_keys(L, script, 2);
    read_name(L, script, 2);
    read_actions(L, script, 2);
    read_paths(L, script, 2);
    read_config(L, script, 2);
    script->inbound = read_function(L, script, 2, "inbound");
    script->outbound = read_function(L, script, 2, "outbound");
    script->is_authorized = read_choice(L, script, 2, "phase", "authorized", script->inbound != LUA_NOREF, "inbound");
    script->is_for_all = read_choice(L, script, 2, "scope", "publication", script->outbound != LUA_NOREF, "outbound");
    script->start = read_function(L, script, 2, "start");
    script->stop = read_function(L, script, 2, "stop");
    script->save = read_function(L, script, 2, "save");
    script->restore = read_function(L, script, 2, "restore");
    script->on_session = read_function(L, script, 2, "on_session");
    script->on_security = read_function(L, script, 2, "on_security");
    script->login = read_function(L, script, 2, "login");
    if (script->entry->mount != NULL) {
        read_routes(L, script, 2);
    }
    return 0;
}

struct script *script_load(struct generation *generation, const struct script_entry *entry, happn_error *error)
{
    struct script *script = arena_alloc(&generation->arena, sizeof *script);
    if (script == NULL) {
        error_set(error, HAPPN_E_MEMORY, "%s: out of memory", entry->file);
        return NULL;
    }
    *script = (struct script){.generation = generation, .entry = entry, .file = entry->file, .name = entry->file};
    script->inbound = script->outbound = script->config = script->start = script->stop = LUA_NOREF;
    script->save = script->restore = script->on_session = script->on_security = script->login = LUA_NOREF;
    const struct scripts_options *options = &generation->scripts->settings.options;
    struct vm *vm = &generation->vm;
    vm_enter(vm, vm->L, (struct budget){(int64_t)options->instructions * 10, (int64_t)options->route_cpu * 1000000});
    vm->is_alone = !generation->scripts->is_serving;
    struct whereabouts *at = &generation->scripts->core->loop->whereabouts;
    const char *before = whereabouts_set(&at->script, script->file), *hook = whereabouts_set(&at->hook, "while it is loaded");
    happn_status status = vm_protect(vm, load, script, error);
    whereabouts_set(&at->script, before);
    whereabouts_set(&at->hook, hook);
    vm->is_alone = generation->scripts->is_trial;
    (void)vm_leave(vm);
    lua_sethook(vm->L, NULL, 0, 0);
    if (status != HAPPN_OK) {
        return NULL;
    }
    script->next = generation->all;
    generation->all = script;
    return script;
}
