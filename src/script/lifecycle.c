#include "script/lifecycle.h"

#include <stdio.h>

#include "base/error.h"
#include "json/scan.h"
#include "json/write.h"
#include "script/background.h"
#include "script/listener.h"
#include "script/timer.h"
#include "script/value.h"

/* -- start, stop -- */

static void run_all(struct generation *generation, const char *hook, bool is_start)
{
    for (struct script *script = generation->all; script != NULL; script = script->next) {
        int function = is_start ? script->start : script->stop;
        struct task *task = function != LUA_NOREF ? background_new(script, hook, function) : NULL;
        if (task != NULL) {
            background_act_for_script(task);
            task->work.gives_config = true;
            task->is_stopping = !is_start;
            background_run(task);
        } else if (function != LUA_NOREF) {
            log_write(generation->scripts->core->log, LOG_ERROR, "script", "%s: %s does not run, too many calls of scripts are under way", script->file, hook);
        }
    }
}

void lifecycle_begin(struct generation *generation)
{
    generation->is_serving = true;
    listeners_begin(generation);
    timers_begin(generation);
    run_all(generation, "start", true);
}

void lifecycle_end(struct generation *generation)
{
    generation->is_over = true;
    listeners_end(generation);
    timers_end(generation);
    if (generation->is_serving) {
        run_all(generation, "stop", false);
    }
    generation->is_serving = false;
}

/* -- values handed over -- */

struct hand_over {
    struct script *script;
    struct str json;
    struct arena *arena;
};

/* Leaves nothing on the stack; what was returned is encoded into the arena. */
static int save(lua_State *L)
{
    struct hand_over *self = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, self->script->save);
    lua_call(L, 0, 1);
    if (!lua_isnil(L, -1)) {
        self->json = arena_str(self->arena, value_encode(L, -1, "save"));
    }
    return 0;
}

static int restore(lua_State *L)
{
    struct hand_over *self = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, self->script->restore);
    value_push_plain(L, self->json);
    lua_call(L, 1, 0);
    return 0;
}

static happn_status call(struct hand_over *self, lua_CFunction fn, const char *what, happn_error *error)
{
    struct vm *vm = &self->script->generation->vm;
    const struct scripts_options *options = &self->script->generation->scripts->settings.options;
    happn_error own = {0};
    vm_enter(vm, vm->L, (struct budget){(int64_t)options->instructions * 10, (int64_t)options->route_cpu * 1000000});
    happn_status status = vm_protect(vm, fn, self, &own);
    (void)vm_leave(vm);
    lua_sethook(vm->L, NULL, 0, 0);
    return status == HAPPN_OK ? HAPPN_OK : error_set(error, HAPPN_E_SCRIPT, "%s: its %s fails: %s", self->script->file, what, own.message);
}

static struct script *same_script(struct generation *generation, const struct script *script)
{
    struct script *other = generation->all;
    while (other != NULL && strcmp(other->file, script->file) != 0) {
        other = other->next;
    }
    return other;
}

happn_status lifecycle_hand_over(struct generation *from, struct generation *to, happn_error *error)
{
    struct arena arena;
    arena_init(&arena, from->scripts->core->allocator);
    happn_status status = HAPPN_OK;
    for (struct script *script = to->all; script != NULL && status == HAPPN_OK; script = script->next) {
        struct hand_over old = {same_script(from, script), STR_NONE, &arena};
        if (script->restore == LUA_NOREF || old.script == NULL || old.script->save == LUA_NOREF) {
            continue;
        }
        status = call(&old, save, "save", error);
        if (status == HAPPN_OK && str_is_set(old.json)) {
            struct hand_over new = {script, old.json, &arena};
            status = call(&new, restore, "restore", error);
        }
    }
    arena_fini(&arena);
    return status;
}

/* -- system events -- */

static void tell(struct script *script, int function, const char *hook, const char *event, struct str detail)
{
    struct task *task = background_new(script, hook, function);
    struct buf text;
    buf_init(&text, script->generation->scripts->core->allocator, 1 << 20);
    buf_add_char(&text, '[');
    json_add_string(&text, str_of(event));
    buf_add_char(&text, ',');
    buf_add_str(&text, detail);
    buf_add_char(&text, ']');
    if (task != NULL && text.status == HAPPN_OK && background_give(task, buf_str(&text))) {
        background_act_for_script(task);
        task->work.gives_config = true;
        background_run(task);
    } else {
        if (task != NULL) {
            background_drop(task);
        }
        log_write(script->generation->scripts->core->log, LOG_ERROR, "script", "%s: %s was not told of %s: too many calls of scripts are under way", script->file,
                  hook, event);
    }
    buf_fini(&text);
}

void lifecycle_event(const char *event, const char *detail, size_t len, void *arg)
{
    struct generation *generation = ((struct scripts *)arg)->current;
    bool is_security = strcmp(event, "security-data-changed") == 0;
    if (strcmp(event, "refused") == 0 && json_true(json_get(str_make(detail, len), "byScript"))) {
        return; /* or a function that is refused what it wants would be told of it for ever */
    }
    for (struct script *script = generation != NULL && generation->is_serving ? generation->all : NULL; script != NULL; script = script->next) {
        int function = is_security ? script->on_security : script->on_session;
        if (function != LUA_NOREF) {
            tell(script, function, is_security ? "on_security" : "on_session", event, str_make(detail, len));
        }
    }
}

/* -- logins -- */

happn_auth_verdict lifecycle_login(happn_login *login, void *arg)
{
    struct generation *generation = ((struct scripts *)arg)->current;
    struct script *script = generation != NULL ? generation->all : NULL;
    while (script != NULL && script->login == LUA_NOREF) {
        script = script->next;
    }
    if (script == NULL) {
        return HAPPN_AUTH_USUAL;
    }
    size_t credentials_len, info_len, address_len;
    const char *credentials = happn_login_credentials(login, &credentials_len);
    const char *info = happn_login_info(login, &info_len);
    const char *address = happn_login_address(login, &address_len);
    struct buf text;
    buf_init(&text, generation->scripts->core->allocator, 1 << 20);
    buf_add_lit(&text, "[");
    buf_add_str(&text, str_make(credentials, credentials_len));
    buf_add_lit(&text, ",{\"address\":");
    json_add_string(&text, str_make(address, address_len));
    if (info != NULL) {
        buf_add_lit(&text, ",\"info\":");
        buf_add_str(&text, str_make(info, info_len));
    }
    buf_add_lit(&text, "}]");
    struct task *task = background_new(script, "login", script->login);
    if (task != NULL && text.status == HAPPN_OK && background_give(task, buf_str(&text))) {
        task->work.login = login;
        task->work.gives_config = true;
        background_act_for_script(task);
        background_run(task);
    } else {
        if (task != NULL) {
            background_drop(task);
        }
        happn_login_refuse(login, "the server is busy");
    }
    buf_fini(&text);
    return HAPPN_AUTH_LATER;
}
