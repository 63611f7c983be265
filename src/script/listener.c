/* A script with listeners is a session of its own, with the rights of the user that its entry in the configuration names. What it hears
 * waits in the listener's queue; one function runs at a time for each listener, so events keep their order whatever it waits for.
 *
 * A listener may set what another one listens to. Each step of such a chain is counted, and one that does not end is cut. */

#include "script/listener.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "core/gate.h"
#include "core/publication.h"
#include "core/session.h"
#include "json/write.h"
#include "paths/path.h"
#include "paths/wildcard.h"
#include "script/background.h"
#include "script/handle.h"
#include "security/security.h"
#include "security/token.h"

enum { MAX_LISTENERS = 10000, MAX_WAITING = 10000, MAX_CHAIN = 16, LISTENER_COST = 500 };

struct waiting {
    struct waiting *next;
    struct payload *payload;
};

struct script_listener {
    struct script_listener *next;
    struct script *script;
    uint64_t id;
    struct str channel;       /* "/ALL@/orders/x" */
    struct str path;
    int events, depth;
    int function;
    uint64_t reference;       /* of the subscription; 0: none */
    struct waiting *first, **last;
    size_t waiting, dropped;
    bool is_running, is_off;
    char hook[80];
};

/* The session of one script. */
struct ears {
    struct link link;
    struct ears *next;
    struct script *script;
    struct session *session;
};

static const char listener_key;

/* -- what is heard: "3 /ALL@/orders/x\n[data,meta]" -- */

static void add_meta(struct buf *out, const struct publication *publication)
{
    buf_add_format(out, "{\"action\":\"%s\",\"path\":", publication->event == EVENT_SET ? "set" : "remove");
    json_add_string(out, publication->path);
    if (publication->has_dates) {
        buf_add_lit(out, ",\"created\":");
        buf_add_i64(out, publication->created);
        buf_add_lit(out, ",\"modified\":");
        buf_add_i64(out, publication->modified);
    }
    if (str_is_set(publication->modified_by)) {
        buf_add_lit(out, ",\"modified_by\":");
        json_add_string(out, publication->modified_by);
    }
    if (str_is_set(publication->tag)) {
        buf_add_lit(out, ",\"tag\":");
        json_add_string(out, publication->tag);
    }
    if (str_is_set(publication->meta)) {
        buf_add_lit(out, ",\"custom\":");
        buf_add_str(out, publication->meta);
    }
    buf_add_char(out, '}');
}

static void encode_publication(const struct publication *publication, const struct channel *channel, struct buf *out)
{
    unsigned depth = publication->publisher != NULL ? publication->publisher->script_depth : 0;
    buf_add_format(out, "%u ", depth);
    buf_add_str(out, channel_text(channel));
    buf_add_lit(out, "\n[");
    buf_add_str(out, str_is_set(publication->data) ? publication->data : STR_LIT("null"));
    buf_add_char(out, ',');
    add_meta(out, publication);
    buf_add_char(out, ']');
}

static void ignore_reply(const struct request *request, struct buf *out)
{
    (void)request, (void)out;
}

static void ignore_disconnect(const struct session *session, struct str reason, struct buf *out)
{
    (void)session, (void)reason, (void)out;
}

const struct protocol listener_protocol = {.name = "listener",
                                           .number = 4,
                                           .heartbeat = HEARTBEAT_BY_SERVER,
                                           .language = WILDCARD_STRING,
                                           .encode_reply = ignore_reply,
                                           .encode_publication = encode_publication,
                                           .encode_disconnect = ignore_disconnect};

static struct buf *link_begin(struct link *link)
{
    (void)link;
    return NULL; /* nothing is asked, so nothing is answered */
}

static void link_commit(struct link *link)
{
    (void)link;
}

static void link_close(struct link *link, const char *reason)
{
    (void)link, (void)reason;
}

/* -- the queue -- */

static struct log *log_of(const struct script_listener *listener)
{
    return listener->script->generation->scripts->core->log;
}

static void hear(struct script_listener *listener, struct payload *payload)
{
    struct scripts *scripts = listener->script->generation->scripts;
    struct waiting *waiting = listener->waiting < MAX_WAITING ? memory_alloc(scripts->core->allocator, sizeof *waiting) : NULL;
    if (waiting == NULL) {
        if (listener->dropped++ == 0) {
            log_write(log_of(listener), LOG_ERROR, "script", "%s: %s is too slow: events are lost, with %zu waiting", listener->script->file, listener->hook,
                      listener->waiting);
        }
        return;
    }
    payload_ref(payload);
    *waiting = (struct waiting){NULL, payload};
    *listener->last = waiting;
    listener->last = &waiting->next;
    listener->waiting++;
}

static struct payload *next_heard(struct script_listener *listener)
{
    struct waiting *waiting = listener->first;
    struct payload *payload = waiting->payload;
    listener->first = waiting->next;
    listener->last = listener->first == NULL ? &listener->first : listener->last;
    listener->waiting--;
    memory_free(listener->script->generation->scripts->core->allocator, waiting);
    return payload;
}

static void forget_heard(struct script_listener *listener)
{
    while (listener->first != NULL) {
        payload_unref(next_heard(listener));
    }
}

static void start_next(struct script_listener *listener);

static void task_ended(void *owner)
{
    struct script_listener *listener = owner;
    listener->is_running = false;
    if (listener->dropped != 0 && listener->waiting == 0) {
        log_write(log_of(listener), LOG_ERROR, "script", "%s: %s has lost %zu events", listener->script->file, listener->hook, listener->dropped);
        listener->dropped = 0;
    }
    start_next(listener);
}

/* Gives the task the first event that waits; false: it cannot have that one. */
static bool give_next(struct script_listener *listener, struct task *task)
{
    struct payload *payload = next_heard(listener);
    struct str text = str_make(payload->bytes, payload->len);
    const char *line = memchr(text.ptr, '\n', text.len);
    task->work.actor.depth = (unsigned)strtoul(text.ptr, NULL, 10);
    bool is_given = background_give(task, str_skip(text, (size_t)(line - text.ptr) + 1));
    payload_unref(payload);
    if (!is_given) {
        log_write(log_of(listener), LOG_ERROR, "script", "%s: %s has lost an event, out of memory", listener->script->file, listener->hook);
    }
    return is_given;
}

static void start_next(struct script_listener *listener)
{
    if (listener->is_running || listener->first == NULL || listener->is_off) {
        return;
    }
    struct task *task = background_new(listener->script, listener->hook, listener->function);
    if (task == NULL) {
        forget_heard(listener);
        log_write(log_of(listener), LOG_ERROR, "script", "%s: %s has lost events, too many calls of scripts are under way", listener->script->file,
                  listener->hook);
        return;
    }
    task->place = "a listener";
    background_act_for_script(task);
    bool is_given = false;
    while (!is_given && listener->first != NULL) {
        is_given = give_next(listener, task);
    }
    if (!is_given) {
        background_drop(task);
        return;
    }
    listener->is_running = true;
    task->work.ended = task_ended;
    task->work.owner = listener;
    background_run(task);
}

static void link_send(struct link *link, struct payload *payload)
{
    struct script *script = ((struct ears *)link)->script;
    char *text;
    unsigned long depth = strtoul(payload->bytes, &text, 10);
    const char *end = memchr(payload->bytes, '\n', payload->len);
    struct str channel = str_make(text + 1, (size_t)(end - text - 1));
    if (depth >= MAX_CHAIN) {
        log_write(script->generation->scripts->core->log, LOG_ERROR, "script",
                  "%s: a listener of %.*s is not told: scripts have caused one another %d times in a row", script->file, (int)channel.len, channel.ptr, MAX_CHAIN);
        return;
    }
    for (struct script_listener *listener = script->generation->listeners; listener != NULL; listener = listener->next) {
        if (listener->script == script && !listener->is_off && str_equal(listener->channel, channel)) {
            hear(listener, payload);
            start_next(listener);
        }
    }
}

static const struct link_ops ears_ops = {link_begin, link_commit, link_send, link_close, NULL, NULL};

/* -- sessions -- */

static struct ears *ears_of(struct script *script)
{
    struct generation *generation = script->generation;
    for (struct ears *ears = generation->ears; ears != NULL; ears = ears->next) {
        if (ears->script == script) {
            return ears;
        }
    }
    struct ears *ears = arena_alloc(&generation->arena, sizeof *ears);
    if (ears == NULL) {
        return NULL;
    }
    *ears = (struct ears){.link.ops = &ears_ops, .script = script, .next = generation->ears};
    ears->session = core_session_open(generation->scripts->core, &ears->link);
    if (ears->session == NULL) {
        return NULL;
    }
    ears->session->protocol = &listener_protocol;
    ears->session->is_local = true;
    ears->session->is_trusted = script->entry->is_trusted;
    gate_identify(ears->session, background_identity(script));
    generation->ears = ears;
    return ears;
}

static happn_status subscribe(struct script_listener *listener)
{
    struct ears *ears = ears_of(listener->script);
    struct subscribing how = {.events = listener->events, .language = WILDCARD_STRING, .depth = listener->depth, .listener = -1};
    return ears != NULL ? session_subscribe(ears->session, listener->channel, listener->path, &how, &listener->reference) : HAPPN_E_MEMORY;
}

void listeners_begin(struct generation *generation)
{
    for (struct script_listener *listener = generation->listeners; listener != NULL; listener = listener->next) {
        happn_status status = subscribe(listener);
        if (status != HAPPN_OK) {
            log_write(log_of(listener), LOG_ERROR, "script", "%s: %s cannot listen: %s", listener->script->file, listener->hook, happn_status_text(status));
        }
    }
}

void listeners_end(struct generation *generation)
{
    for (struct ears *ears = generation->ears; ears != NULL; ears = ears->next) {
        core_session_closed(ears->session);
    }
    generation->ears = NULL;
    for (struct script_listener *listener = generation->listeners; listener != NULL; listener = listener->next) {
        if (generation->scripts->is_closing) {
            listener->is_off = true;
            forget_heard(listener);
        }
    }
}

/* -- the script's side -- */

static int off(lua_State *L)
{
    uint64_t number = handle_check(L, &listener_key, "listener");
    struct generation *generation = vm_of(L)->owner;
    struct script_listener *listener = generation->listeners;
    while (listener != NULL && listener->id != number) {
        listener = listener->next;
    }
    bool was_on = listener != NULL && !listener->is_off;
    if (was_on) {
        listener->is_off = true;
        forget_heard(listener);
        if (generation->ears != NULL && listener->reference != 0) {
            session_unsubscribe(ears_of(listener->script)->session, listener->channel, listener->reference);
        }
    }
    lua_pushboolean(L, was_on);
    return 1;
}

/* {action = "set" or "remove", depth = 3} */
static void read_options(lua_State *L, int index, struct script_listener *listener)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strcmp(name, "action") == 0) {
            static const char *const actions[] = {"set", "remove", "all", NULL};
            static const int events[] = {EVENT_SET, EVENT_REMOVE, EVENT_ALL};
            listener->events = events[luaL_checkoption(L, -1, NULL, actions)];
        } else if (strcmp(name, "depth") == 0) {
            lua_Integer depth = luaL_checkinteger(L, -1);
            luaL_argcheck(L, depth > 0 && depth <= WILDCARD_MAX_DEPTH, index, "depth is between 1 and 64");
            listener->depth = (int)depth;
        } else {
            luaL_error(L, "happn.on: there is no option %s, there are action and depth", luaL_tolstring(L, -2, NULL));
        }
        lua_pop(L, 1);
    }
}

static struct script_listener *new_listener(lua_State *L, struct script *script, struct str path)
{
    struct generation *generation = script->generation;
    struct script_listener *listener = arena_alloc(&generation->arena, sizeof *listener);
    if (listener == NULL) {
        luaL_error(L, "out of memory");
    }
    *listener = (struct script_listener){.script = script, .events = EVENT_ALL, .depth = WILDCARD_DEFAULT_DEPTH};
    listener->last = &listener->first;
    listener->path = arena_str(&generation->arena, path);
    snprintf(listener->hook, sizeof listener->hook, "on %.*s", (int)(path.len > 70 ? 70 : path.len), path.ptr);
    return listener;
}

static void name_channel(lua_State *L, struct script_listener *listener)
{
    static const char *const prefixes[] = {[EVENT_SET] = "/SET@", [EVENT_REMOVE] = "/REMOVE@", [EVENT_ALL] = "/ALL@"};
    struct str parts[] = {str_of(prefixes[listener->events]), listener->path};
    listener->channel = arena_join(&listener->script->generation->arena, parts, 2);
    if (listener->channel.ptr == NULL || listener->path.ptr == NULL) {
        luaL_error(L, "out of memory");
    }
}

/* on(path, fn) or on(path, options, fn) */
static int on(lua_State *L)
{
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    struct generation *generation = script->generation;
    size_t len;
    const char *path = luaL_checklstring(L, 1, &len);
    happn_error error = {0};
    if (vm_of(L)->task != NULL) {
        return luaL_error(L, "happn.on is available while a script is loaded only: each call would add one more");
    }
    if (path_check(str_make(path, len), PATH_FOR_ON, &error) != HAPPN_OK || path[0] != '/') {
        return luaL_argerror(L, 1, error.message[0] != '\0' ? error.message : "a path begins with /");
    }
    if (lua_isnone(L, 3)) {
        lua_pushnil(L);
        lua_insert(L, 2);
    }
    luaL_checktype(L, 3, LUA_TFUNCTION);
    luaL_argcheck(L, generation->listener_count < MAX_LISTENERS, 1, "too many listeners");
    vm_charge(L, LISTENER_COST);
    struct script_listener *listener = new_listener(L, script, str_make(path, len));
    if (!lua_isnil(L, 2)) {
        read_options(L, 2, listener);
    }
    name_channel(L, listener);
    uint64_t *number = handle_push(L, &listener_key);
    lua_pushvalue(L, 3);
    listener->function = luaL_ref(L, LUA_REGISTRYINDEX);
    *number = listener->id = ++generation->listener_count;
    listener->next = generation->listeners;
    generation->listeners = listener;
    return 1;
}

void listener_add(lua_State *L, struct script *script)
{
    lua_pushlightuserdata(L, script);
    lua_pushcclosure(L, on, 1);
    lua_setfield(L, -2, "on");
}

void listener_install(lua_State *L)
{
    handle_install(L, &listener_key, "listener", "off", off);
}
