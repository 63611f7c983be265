#include "script/trial.h"

#include <stdio.h>

#include "base/error.h"
#include "script/sandbox.h"

enum { MOST_SHARED = 16 << 20 };

happn_status trial_open(struct trial *trial, struct core *core, const struct scripts_options *options, happn_error *error)
{
    *trial = (struct trial){.scripts = {.core = core, .ready_tail = &trial->scripts.ready, .holds = 1, .is_trial = true}};
    arena_init(&trial->scripts.settings.arena, core->allocator);
    shared_init(&trial->scripts.shared, core->allocator, MOST_SHARED);
    metrics_init(&trial->scripts.metrics, core->allocator);
    if (!settings_copy(&trial->scripts.settings, options)) {
        return error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    trial->generation = generation_load(&trial->scripts, error);
    return trial->generation != NULL ? HAPPN_OK : HAPPN_E_SCRIPT;
}

void trial_close(struct trial *trial)
{
    if (trial->generation != NULL) {
        generation_free(trial->generation);
    }
    shared_fini(&trial->scripts.shared);
    metrics_fini(&trial->scripts.metrics);
    arena_fini(&trial->scripts.settings.arena);
}

static struct scripts_options without_lists(const struct scripts_options *options)
{
    struct scripts_options plain = *options;
    plain.inbound_count = plain.outbound_count = plain.route_count = plain.other_count = 0;
    return plain;
}

static struct scripts_options only(const struct scripts_options *options, const struct script_entry *entry, enum script_role role)
{
    struct scripts_options one = without_lists(options);
    *(role == ROLE_INBOUND ? &one.inbound : role == ROLE_OUTBOUND ? &one.outbound : role == ROLE_ROUTES ? &one.routes : &one.others) = entry;
    *(role == ROLE_INBOUND    ? &one.inbound_count
      : role == ROLE_OUTBOUND ? &one.outbound_count
      : role == ROLE_ROUTES   ? &one.route_count
                              : &one.other_count) = 1;
    return one;
}

/* It may be anything: its routes are declared, and it need not have any. */
static happn_status load_any(struct core *core, const struct scripts_options *options, const struct script_entry *entry, happn_error *error)
{
    struct trial trial;
    struct scripts_options plain = without_lists(options);
    struct script_entry any = *entry;
    any.mount = any.mount != NULL ? any.mount : "";
    any.is_draft = any.is_trusted = true;
    happn_status status = trial_open(&trial, core, &plain, error);
    if (status == HAPPN_OK && script_load(trial.generation, &any, error) == NULL) {
        status = HAPPN_E_SCRIPT;
    }
    trial_close(&trial);
    return status;
}

happn_status trial_load(struct core *core, const struct scripts_options *options, const struct script_entry *entry, enum script_role role,
                        happn_error *error)
{
    if (role == ROLE_ANY) {
        return load_any(core, options, entry, error);
    }
    struct trial trial;
    struct scripts_options one = only(options, entry, role);
    happn_status status = trial_open(&trial, core, &one, error);
    trial_close(&trial);
    return status;
}

/* -- names -- */

struct naming {
    struct script *script;
    void (*take)(void *arg, const char *name);
    void *arg;
};

/* The table is on top. */
static void tell_names(lua_State *L, const struct naming *naming, const char *prefix, int depth)
{
    int table = lua_gettop(L);
    luaL_checkstack(L, 8, NULL);
    lua_pushnil(L);
    while (lua_next(L, table) != 0) {
        char name[128];
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        int len = key != NULL ? snprintf(name, sizeof name, "%s%s", prefix, key) : -1;
        if (len > 0 && len + 1 < (int)sizeof name) {
            naming->take(naming->arg, name);
            if (lua_istable(L, -1) && depth < 3 && strcmp(key, "_G") != 0) {
                name[len] = '.';
                name[len + 1] = '\0';
                tell_names(L, naming, name, depth + 1);
            }
        }
        lua_settop(L, table + 1);
    }
}

static int name_all(lua_State *L)
{
    const struct naming *naming = lua_touserdata(L, 1);
    sandbox_push_environment(L, naming->script);
    tell_names(L, naming, "", 0);
    return 0;
}

happn_status trial_names(struct core *core, void (*take)(void *arg, const char *name), void *arg, happn_error *error)
{
    struct trial trial;
    struct scripts_options none = {0};
    struct script_entry entry = {.file = "names", .is_trusted = true};
    happn_status status = trial_open(&trial, core, &none, error);
    if (status == HAPPN_OK) {
        struct script script = {.generation = trial.generation, .entry = &entry, .file = entry.file, .name = entry.file};
        struct naming naming = {&script, take, arg};
        status = vm_protect(&trial.generation->vm, name_all, &naming, error);
    }
    trial_close(&trial);
    return status;
}
