/* One task takes a message through all scripts of its chain, in order. Which of them want it is decided in C before Lua is
 * entered. A script fails closed: whatever it does wrong, the message is refused. */

#include "script/layer.h"

#include "paths/wildcard.h"
#include "script/answers.h"
#include "script/listener.h"
#include "script/message.h"

/* The stack of a layer's coroutine. */
enum { AT_TASK = 1, AT_CONTEXT, AT_MESSAGE, AT_HANDLER, AT_RESULT };

static enum action action_of(const happn_message *message)
{
    if (message->request != NULL) {
        return message->request->action;
    }
    return message->publication->event == EVENT_SET ? ACTION_SET : ACTION_REMOVE;
}

static bool wants(const struct script *script, const happn_message *message)
{
    if ((script->actions >> action_of(message) & 1) == 0) {
        return false;
    }
    struct str path;
    path.ptr = happn_message_path(message, &path.len);
    bool matches = !script->has_paths;
    for (size_t i = 0; !matches && path.ptr != NULL && i < script->path_count; i++) {
        matches = wildcard_matches(WILDCARD_STRING, script->paths[i], path, 0);
    }
    return matches;
}

/* Is this the place where the script sees such a message? Replies pass all outbound functions. */
static bool is_its_place(const struct script *script, const happn_message *message)
{
    if (message->direction == HAPPN_INBOUND) {
        return script->is_authorized == message->request->is_authorized;
    }
    return message->direction == HAPPN_OUTBOUND_REPLY || script->is_for_all == message->is_for_all;
}

/* The chain's scripts, from `index` on, that want the message. */
static struct script *next_script(const struct generation *generation, const happn_message *message, size_t *index)
{
    bool inbound = message->direction == HAPPN_INBOUND;
    struct script **list = inbound ? generation->inbound : generation->outbound;
    size_t count = inbound ? generation->inbound_count : generation->outbound_count;
    for (; *index < count; ++*index) {
        if (is_its_place(list[*index], message) && wants(list[*index], message)) {
            return list[*index];
        }
    }
    return NULL;
}

static void refuse(lua_State *L, struct task *task)
{
    struct refusal refusal;
    task->script->refusals++;
    refusal_read(L, AT_RESULT, &refusal);
    happn_message_set_error(task->message, refusal.name, refusal.text, refusal.code, refusal.fields.ptr, refusal.fields.len);
    task->verdict = HAPPN_FAIL;
}

static bool answer(lua_State *L, struct task *task)
{
    if (task->kind != TASK_INBOUND) {
        luaL_error(L, "happn.reply is for inbound layers");
    }
    answer_push_value(L, AT_RESULT);
    message_set_value(L, task, -1);
    task->verdict = HAPPN_REPLY;
    return false;
}

static bool drop(lua_State *L, struct task *task)
{
    if (task->message->direction != HAPPN_OUTBOUND_PUBLICATION) {
        luaL_error(L, "happn.drop is for publications that leave; happn.fail refuses a request");
    }
    task->verdict = HAPPN_DROP;
    return false;
}

/* A refusal, or a mistake: that stops the message, unless the script is one that may be left out. */
static bool settle_error(lua_State *L, struct task *task)
{
    if (vm_has_metatable(L, AT_RESULT, &vm_fail_key)) {
        refuse(L, task);
        return false;
    }
    const char *text = lua_type(L, AT_RESULT) == LUA_TSTRING ? lua_tostring(L, AT_RESULT) : "the error is not a text";
    if (task->script->entry->skips_errors) {
        char id[ERROR_ID_SIZE];
        task_report(task, text, id);
        return true;
    }
    task_fail(task, text);
    return false;
}

/* What the function has returned or raised; true when the next script shall see the message. */
static bool settle(lua_State *L, struct task *task, int status)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        vm_enter(vm_of(L), L, task_budget(task)); /* a killed script must not take the report with it */
        message_keep_state(L, task, AT_MESSAGE);
        return settle_error(L, task);
    }
    vm_check(L); /* who was stopped has not succeeded, even if it caught the error */
    message_keep_state(L, task, AT_MESSAGE);
    if (lua_isnil(L, AT_RESULT) || lua_rawequal(L, AT_RESULT, AT_MESSAGE)) {
        message_write_back(L, task, AT_MESSAGE);
        return true;
    }
    if (answer_is_reply(L, AT_RESULT)) {
        return answer(L, task);
    }
    if (answer_is_drop(L, AT_RESULT)) {
        return drop(L, task);
    }
    return luaL_error(L, "%s: %s returned a %s instead of nothing, msg or happn.reply(...)", task->script->file, task->hook,
                      luaL_typename(L, AT_RESULT)) != 0;
}

static int run_scripts(lua_State *L, int status, lua_KContext context);

/* Leaves the stack with the function's result or error at AT_RESULT. */
static int call_script(lua_State *L, struct task *task)
{
    task_tell_place(task);
    struct script *script = task->script;
    struct vm *vm = vm_of(L);
    script->calls++;
    vm->error_source[0] = '\0';
    vm->error_line = 0;
    lua_settop(L, AT_CONTEXT);
    message_push(L, task, AT_CONTEXT);
    lua_pushcfunction(L, vm_traceback);
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->kind == TASK_INBOUND ? script->inbound : script->outbound);
    lua_pushvalue(L, AT_MESSAGE);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->config);
    return lua_pcallk(L, 2, 1, AT_HANDLER, 1, run_scripts);
}

/* The coroutine's loop, from the first script that wants the message; also where it goes on after a script that waited (context 1). */
static int run_scripts(lua_State *L, int status, lua_KContext context)
{
    struct task *task = lua_touserdata(L, AT_TASK);
    for (;;) {
        if (context != 0) {
            if (!settle(L, task, status)) {
                return 0;
            }
            message_push_context(L, AT_MESSAGE);
            lua_replace(L, AT_CONTEXT);
            task->view->task = NULL;
            task->view = NULL;
            task->index++;
            task->script = next_script(task->generation, task->message, &task->index);
            if (task->script == NULL) {
                return 0;
            }
            vm_enter(vm_of(L), L, task_budget(task));
        }
        status = call_script(L, task);
        context = 1;
    }
}

static int layer_main(lua_State *L)
{
    lua_settop(L, AT_CONTEXT);
    return run_scripts(L, LUA_OK, 0);
}

static happn_verdict refuse_busy(happn_message *message)
{
    happn_message_set_error(message, happn_status_name(HAPPN_E_BUSY), happn_status_text(HAPPN_E_BUSY), 0, NULL, 0);
    return HAPPN_FAIL;
}

static bool is_of_scripts(const struct session *session)
{
    return session->protocol == &script_protocol || session->protocol == &listener_protocol;
}

static happn_verdict run_layer(struct scripts *scripts, happn_message *message, enum task_kind kind)
{
    struct generation *generation = scripts->current;
    size_t index = 0;
    /* Calls of scripts do not pass through scripts: no layer can wake itself. */
    bool is_ours = !message->is_for_all && is_of_scripts(message->session);
    struct script *script = is_ours ? NULL : next_script(generation, message, &index);
    if (script == NULL) {
        return HAPPN_NEXT;
    }
    struct task *task = task_new(generation, kind);
    if (task == NULL) {
        return refuse_busy(message);
    }
    task->message = message;
    task->index = index;
    task->script = script;
    task->hook = task->place = kind == TASK_INBOUND ? "inbound" : "outbound";
    if (!task_start(task, layer_main)) {
        task->is_parked = true;
        return HAPPN_LATER;
    }
    happn_verdict verdict = task->verdict;
    task_release(task);
    return verdict;
}

void layer_finish(struct task *task)
{
    happn_message *message = task->message;
    happn_verdict verdict = task->verdict;
    task_release(task);
    happn_message_resume(message, verdict);
}

happn_verdict layer_inbound(happn_message *message, void *scripts)
{
    return run_layer(scripts, message, TASK_INBOUND);
}

happn_verdict layer_outbound(happn_message *message, void *scripts)
{
    return run_layer(scripts, message, TASK_OUTBOUND);
}

happn_verdict layer_authorized(happn_message *message, void *scripts)
{
    return run_layer(scripts, message, TASK_INBOUND);
}

happn_verdict layer_published(happn_message *message, void *scripts)
{
    return run_layer(scripts, message, TASK_OUTBOUND);
}

happn_verdict layer_closed(happn_message *message, void *unused)
{
    (void)unused;
    happn_message_set_error(message, happn_status_name(HAPPN_E_CLOSED), "the server is stopping", 0, NULL, 0);
    return HAPPN_FAIL;
}
