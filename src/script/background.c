#include "script/background.h"

#include "script/answers.h"
#include "script/sandbox.h"
#include "script/view.h"
#include "security/security.h"
#include "security/token.h"

enum { AT_TASK = 1, AT_HANDLER, AT_RESULT };

struct task *background_new(struct script *script, const char *hook, int function)
{
    struct task *task = task_new(script->generation, TASK_BACKGROUND);
    if (task != NULL) {
        task->script = script;
        task->hook = task->place = hook;
        task->work.function = function;
    }
    return task;
}

const void *background_origin(const struct task *task)
{
    return task->kind == TASK_BACKGROUND ? task->work.origin : task->message != NULL ? task->message->session : NULL;
}

static size_t count_begun(const struct generation *generation, const void *origin)
{
    size_t count = 0;
    for (const struct task *task = generation->running; task != NULL; task = task->next) {
        count += task->kind == TASK_BACKGROUND && task->work.is_begun && task->work.origin == origin;
    }
    return count;
}

static bool has_share(const struct script *script, const void *origin)
{
    size_t all = script->generation->scripts->settings.options.tasks, share = all / 8 + 1;
    if (script->begun < share) {
        return true;
    }
    return script->begun < all / 2 + 1 && (origin == NULL || count_begun(script->generation, origin) < share);
}

struct task *background_begin(struct task *by, const char *hook, int function)
{
    const void *origin = background_origin(by);
    struct task *task = has_share(by->script, origin) ? background_new(by->script, hook, function) : NULL;
    if (task != NULL) {
        task->work.is_begun = true;
        task->work.origin = origin;
        task->script->begun++;
        background_act(task, task_actor(by));
    }
    return task;
}

void background_act(struct task *task, struct actor actor)
{
    if (actor.identity != NULL) {
        identity_ref(actor.identity);
    }
    identity_unref(task->work.actor.identity);
    task->work.actor = actor;
}

struct identity *background_identity(const struct script *script)
{
    const struct core *core = script->generation->scripts->core;
    const char *name = script->entry->user;
    struct user *user = core->security != NULL && name != NULL ? directory_user(&core->security->directory, str_of(name)) : NULL;
    struct token token = {.issued = loop_now_ms(core->loop), .type = -1};
    return user != NULL ? identity_new(core->security, user, &token, STR_LIT(""), SESSION_STATEFUL) : NULL;
}

void background_act_for_script(struct task *task)
{
    struct actor actor = {background_identity(task->script), task->script->entry->is_trusted, 0};
    background_act(task, actor);
    identity_unref(actor.identity);
}

bool background_give(struct task *task, struct str json)
{
    buf_clear(&task->body);
    buf_add_str(&task->body, json);
    return task->body.status == HAPPN_OK;
}

/* -- the coroutine's side -- */

/* Pushes what the function is called with. */
static int push_packed(lua_State *L, int reference)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
    int table = lua_gettop(L);
    lua_getfield(L, table, "n");
    int count = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, count, "too many arguments");
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, table, i);
    }
    lua_remove(L, table);
    return count;
}

static int push_given(lua_State *L, struct task *task)
{
    int count = 0;
    struct str json = buf_str(&task->body);
    for (struct json_iter it = json_iter(json); json.len != 0 && json_next(&it); count++) {
        view_push(L, it.value);
    }
    return count;
}

/* A function of happn.together: its first result, or its error, goes to the others. */
static void hand_over(lua_State *L, struct task *task, bool failed)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->work.results);
    lua_pushvalue(L, AT_RESULT);
    if (!failed) {
        lua_rawseti(L, -2, task->work.slot);
    } else {
        task->verdict = HAPPN_FAIL;
        lua_setfield(L, -2, "error");
    }
}

/* M.login has returned: a name is that user, nothing is the usual way, false is nobody. */
static void take_login(lua_State *L, struct task *task)
{
    size_t len;
    const char *name = lua_type(L, AT_RESULT) == LUA_TSTRING ? lua_tolstring(L, AT_RESULT, &len) : NULL;
    if (name != NULL && len != 0 && strlen(name) == len && value_is_utf8(str_make(name, len))) {
        buf_clear(&task->body);
        buf_add(&task->body, name, len + 1);
        task->answer = task->body.status == HAPPN_OK ? LOGIN_ACCEPTED : LOGIN_FAILED;
    } else if (lua_isnil(L, AT_RESULT)) {
        task->answer = LOGIN_USUAL;
    } else if (lua_isboolean(L, AT_RESULT) && !lua_toboolean(L, AT_RESULT)) {
        task->answer = LOGIN_REFUSED;
    } else {
        luaL_error(L, "%s: login returned a %s instead of a user's name, nothing (the usual way) or false", task->script->file, luaL_typename(L, AT_RESULT));
    }
}

static void refuse_login(lua_State *L, struct task *task)
{
    struct refusal refusal;
    refusal_read(L, AT_RESULT, &refusal);
    buf_clear(&task->body);
    buf_add(&task->body, refusal.text, strlen(refusal.text) + 1);
    task->answer = task->body.status == HAPPN_OK ? LOGIN_REFUSED_BECAUSE : LOGIN_FAILED;
}

static void answer_login(happn_login *login, const struct task *task)
{
    switch (task->answer) {
    case LOGIN_ACCEPTED:
        happn_login_accept(login, task->body.ptr);
        break;
    case LOGIN_USUAL:
        happn_login_usual(login);
        break;
    case LOGIN_REFUSED:
        happn_login_refuse(login, NULL);
        break;
    case LOGIN_REFUSED_BECAUSE:
        happn_login_refuse(login, task->body.ptr);
        break;
    default:
        happn_login_refuse(login, "the login script failed");
    }
}

static int settle(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    struct task *task = lua_touserdata(L, AT_TASK);
    bool failed = status != LUA_OK && status != LUA_YIELD;
    if (task->work.parent != NULL) {
        vm_check(L);
        hand_over(L, task, failed);
    } else if (failed && task->work.login != NULL && vm_has_metatable(L, AT_RESULT, &vm_fail_key)) {
        refuse_login(L, task);
    } else if (failed) {
        vm_enter(vm_of(L), L, task_budget(task)); /* a killed script must not take the report with it */
        vm_push_error_text(L, AT_RESULT);
        task_fail(task, lua_tostring(L, -1));
    } else {
        vm_check(L);
        if (task->work.login != NULL) {
            take_login(L, task);
        }
    }
    return 0;
}

/* Of a function of happn.together the error stays what it is; others become a text with a traceback. */
static int keep_error(lua_State *L)
{
    if (vm_of(L)->task->work.parent != NULL && lua_type(L, 1) != LUA_TSTRING) {
        return 1;
    }
    return vm_traceback(L);
}

static int background_main(lua_State *L)
{
    struct task *task = lua_touserdata(L, AT_TASK);
    struct vm *vm = vm_of(L);
    task->script->calls++;
    vm->error_source[0] = '\0';
    vm->error_line = 0;
    lua_pushcfunction(L, keep_error);
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->work.function);
    int count = task->work.arguments != LUA_NOREF ? push_packed(L, task->work.arguments) : push_given(L, task);
    if (task->work.gives_config) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, task->script->config);
        count++;
    }
    return settle(L, lua_pcallk(L, count, 1, AT_HANDLER, 0, settle), 0);
}

/* -- beginning and ending -- */

void background_run(struct task *task)
{
    task->starts = background_main;
    task_wake(task);
}

static void forget(struct task *task, int reference)
{
    luaL_unref(task->generation->vm.L, LUA_REGISTRYINDEX, reference);
}

static void tell_parent(struct task *parent, struct task *task)
{
    if (task->verdict == HAPPN_FAIL && !parent->call.together_failed) {
        parent->call.together_failed = true;
        task_cancel_children(parent);
    }
    if (--parent->call.together == 0) {
        parent->call.is_done = true;
        task_wake(parent);
    }
}

void background_drop(struct task *task)
{
    struct background *work = &task->work;
    forget(task, work->arguments);
    forget(task, work->results);
    identity_unref(work->actor.identity);
    task->script->begun -= work->is_begun;
    *work = (struct background){.function = LUA_NOREF, .arguments = LUA_NOREF, .results = LUA_NOREF};
    task_release(task);
}

void background_finish(struct task *task)
{
    struct background work = task->work;
    struct task *parent = work.parent;
    if (parent != NULL) {
        task->work.parent = NULL; /* it is none of those who can be cancelled any more */
        tell_parent(parent, task);
    }
    if (work.owns_function) {
        forget(task, work.function);
    }
    if (work.ended != NULL) {
        work.ended(work.owner); /* while the task keeps the generation alive */
    }
    if (work.login != NULL) {
        answer_login(work.login, task);
    }
    background_drop(task);
}
