/* Generations. A reload loads all scripts into a new VM; only when every one of them is sound does it take the place of the
 * old one, which finishes what it has begun and is then freed as a whole. Nothing half-loaded ever serves, and nothing of
 * the old code lives on in the new. */

#include "script/scripts.h"

#include "base/clock.h"
#include "base/error.h"
#include "core/events.h"
#include "script/api.h"
#include "script/fetch.h"
#include "script/layer.h"
#include "script/lifecycle.h"
#include "script/metric.h"
#include "script/listener.h"
#include "script/route.h"
#include "script/stream.h"
#include "script/task.h"
#include "script/timer.h"
#include "security/security.h"

enum { DEFAULT_MEMORY = 64 << 20, DEFAULT_INSTRUCTIONS = 10000000, DEFAULT_TASKS = 10000, DEFAULT_SHARED = 16 << 20, MOST_KEPT = 1000 };

/* -- settings -- */

static bool copy_text(struct arena *arena, const char **text)
{
    if (*text != NULL) {
        *text = arena_str(arena, str_of(*text)).ptr;
        return *text != NULL;
    }
    return true;
}

static bool copy_entries(struct arena *arena, const struct script_entry *from, size_t count, struct script_entry **to, bool mounted)
{
    struct script_entry *entries = arena_alloc(arena, (count + 1) * sizeof *entries);
    bool ok = entries != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        entries[i] = from[i];
        entries[i].mount = !mounted ? NULL : from[i].mount != NULL ? from[i].mount : "";
        ok = copy_text(arena, &entries[i].file) && copy_text(arena, &entries[i].mount) && copy_text(arena, &entries[i].user);
        if (ok && from[i].config_json != NULL) {
            entries[i].config_json = arena_str(arena, str_make(from[i].config_json, from[i].config_len)).ptr;
            ok = entries[i].config_json != NULL;
        }
    }
    *to = entries;
    return ok;
}

static void fill_defaults(struct scripts_options *options)
{
    options->memory = options->memory != 0 ? options->memory : DEFAULT_MEMORY;
    options->instructions = options->instructions != 0 ? options->instructions : DEFAULT_INSTRUCTIONS;
    options->layer_cpu = options->layer_cpu != 0 ? options->layer_cpu : 100;
    options->route_cpu = options->route_cpu != 0 ? options->route_cpu : 1000;
    options->layer_wall = options->layer_wall != 0 ? options->layer_wall : 10000;
    options->route_wall = options->route_wall != 0 ? options->route_wall : 30000;
    options->unbroken = options->unbroken != 0 ? options->unbroken : 50;
    options->shared = options->shared != 0 ? options->shared : DEFAULT_SHARED;
    options->tasks = options->tasks != 0 ? options->tasks : DEFAULT_TASKS;
}

bool settings_copy(struct settings *settings, const struct scripts_options *options)
{
    struct arena *arena = &settings->arena;
    settings->options = *options;
    fill_defaults(&settings->options);
    return copy_text(arena, &settings->options.root) &&
           copy_entries(arena, options->inbound, options->inbound_count, &settings->inbound, false) &&
           copy_entries(arena, options->outbound, options->outbound_count, &settings->outbound, false) &&
           copy_entries(arena, options->routes, options->route_count, &settings->routes, true) &&
           copy_entries(arena, options->others, options->other_count, &settings->others, false);
}

/* -- loading -- */

struct loading {
    struct generation *generation;
    happn_error *error;
    size_t failures;
};

static int install(lua_State *L)
{
    lua_settop(L, 0);
    value_install(L);
    view_install(L);
    api_install(L);
    message_install(L);
    session_install(L);
    timer_install(L);
    listener_install(L);
    stream_install(L);
    metric_install(L);
    fetch_install(L);
    http_install(L);
    sandbox_install(L);
    return 0;
}

/* All broken scripts are logged; the first one is the error. */
static void note_failure(struct loading *loading, const happn_error *error)
{
    if (loading->failures++ == 0 && loading->error != NULL) {
        *loading->error = *error;
    }
    log_write(loading->generation->scripts->core->log, LOG_ERROR, "script", "cannot load %s", error->message);
}

static bool is_same_entry(const struct script_entry *a, const struct script_entry *b)
{
    bool same_user = a->user == b->user || (a->user != NULL && b->user != NULL && strcmp(a->user, b->user) == 0);
    return strcmp(a->file, b->file) == 0 && a->mount == NULL && b->mount == NULL && same_user && a->is_trusted == b->is_trusted &&
           a->sees_secrets == b->sees_secrets && a->skips_errors == b->skips_errors &&
           str_equal(str_make(a->config_json, a->config_len), str_make(b->config_json, b->config_len));
}

/* A script named for both directions is loaded once, so its functions share their variables. */
static struct script *load_once(struct loading *loading, const struct script_entry *entry)
{
    happn_error error = {0};
    for (struct script *script = loading->generation->all; script != NULL; script = script->next) {
        if (is_same_entry(script->entry, entry)) {
            return script;
        }
    }
    struct script *script = script_load(loading->generation, entry, &error);
    if (script == NULL) {
        note_failure(loading, &error);
    }
    return script;
}

static void require_function(struct loading *loading, const struct script *script, bool is_there, const char *what)
{
    if (!is_there) {
        happn_error error;
        error_set(&error, HAPPN_E_SCRIPT, "%s: it is configured for this, but has no %s", script->file, what);
        note_failure(loading, &error);
    }
}

static struct script **load_chain(struct loading *loading, const struct script_entry *entries, size_t count, bool outbound)
{
    struct script **chain = arena_alloc(&loading->generation->arena, (count + 1) * sizeof *chain);
    for (size_t i = 0; chain != NULL && i < count; i++) {
        chain[i] = load_once(loading, &entries[i]);
        if (chain[i] != NULL) {
            require_function(loading, chain[i], (outbound ? chain[i]->outbound : chain[i]->inbound) != LUA_NOREF,
                             outbound ? "function outbound" : "function inbound");
        }
    }
    return chain;
}

static void load_routes(struct loading *loading)
{
    const struct settings *settings = &loading->generation->scripts->settings;
    for (size_t i = 0; i < settings->options.route_count; i++) {
        size_t before = loading->generation->route_count;
        struct script *script = load_once(loading, &settings->routes[i]);
        if (script != NULL) {
            require_function(loading, script, loading->generation->route_count != before, "route");
        }
    }
}

static bool does_something(const struct script *script, size_t timers, size_t listeners)
{
    const struct generation *generation = script->generation;
    return script->start != LUA_NOREF || script->on_session != LUA_NOREF || script->on_security != LUA_NOREF || script->login != LUA_NOREF ||
           generation->timer_count != timers || generation->listener_count != listeners;
}

static void load_others(struct loading *loading)
{
    const struct settings *settings = &loading->generation->scripts->settings;
    for (size_t i = 0; i < settings->options.other_count; i++) {
        size_t timers = loading->generation->timer_count, listeners = loading->generation->listener_count;
        struct script *script = load_once(loading, &settings->others[i]);
        if (script != NULL) {
            require_function(loading, script, does_something(script, timers, listeners),
                             "timer, listener, start, on_session, on_security or login: happn.every(\"1m\", fn) while it is loaded makes a timer");
        }
    }
}

static happn_status load_all(struct generation *generation, happn_error *error)
{
    struct loading loading = {generation, error, 0};
    const struct settings *settings = &generation->scripts->settings;
    happn_status status = vm_protect(&generation->vm, install, NULL, error);
    if (status != HAPPN_OK) {
        return status;
    }
    generation->inbound_count = settings->options.inbound_count;
    generation->outbound_count = settings->options.outbound_count;
    generation->inbound = load_chain(&loading, settings->inbound, generation->inbound_count, false);
    generation->outbound = load_chain(&loading, settings->outbound, generation->outbound_count, true);
    if (generation->inbound == NULL || generation->outbound == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    load_routes(&loading);
    load_others(&loading);
    return loading.failures == 0 ? HAPPN_OK : HAPPN_E_SCRIPT;
}

const char *scripts_keep(struct scripts *scripts, struct str text)
{
    struct settings *settings = &scripts->settings;
    for (const struct kept *kept = settings->kept; kept != NULL; kept = kept->next) {
        if (str_equal(kept->text, text)) {
            return kept->text.ptr;
        }
    }
    struct kept *kept = settings->kept_count < MOST_KEPT ? arena_alloc(&settings->arena, sizeof *kept) : NULL;
    struct str copy = kept != NULL ? arena_str(&settings->arena, text) : STR_NONE;
    if (copy.ptr == NULL) {
        return "a route";
    }
    *kept = (struct kept){settings->kept, copy};
    settings->kept = kept;
    settings->kept_count++;
    return copy.ptr;
}

struct generation *generation_load(struct scripts *scripts, happn_error *error)
{
    struct core *core = scripts->core;
    watch_forget(&scripts->watch);
    struct generation *generation = memory_zalloc(core->allocator, sizeof *generation);
    if (generation == NULL) {
        error_set(error, HAPPN_E_MEMORY, "out of memory");
        return NULL;
    }
    generation->scripts = scripts;
    generation->number = scripts->generations + 1;
    arena_init(&generation->arena, core->allocator);
    happn_status status = vm_open(&generation->vm, core->allocator, scripts->settings.options.memory, core->limits.message_bytes);
    generation->vm.owner = generation;
    generation->vm.unbroken_ns = (int64_t)scripts->settings.options.unbroken * 1000000;
    generation->vm.is_alone = scripts->is_trial;
    generation->vm.on_line = scripts->settings.options.on_line;
    generation->vm.on_line_arg = scripts->settings.options.on_line_arg;
    generation->vm.line = &core->loop->whereabouts.line;
    if (status != HAPPN_OK) {
        error_set(error, status, "%s", happn_status_text(status));
    } else {
        status = load_all(generation, error);
    }
    if (status != HAPPN_OK) {
        generation_free(generation);
        return NULL;
    }
    return generation;
}

void generation_free(struct generation *generation)
{
    struct scripts *scripts = generation->scripts;
    timers_end(generation); /* those of scripts that never served */
    vm_close(&generation->vm);
    task_free_pool(generation);
    arena_fini(&generation->arena);
    memory_free(scripts->core->allocator, generation);
}

void generation_release(struct generation *generation)
{
    if (!generation->is_retired || generation->running != NULL || generation->timers_closing != 0) {
        return;
    }
    struct scripts *scripts = generation->scripts;
    struct generation **at = &scripts->retired;
    while (*at != generation) {
        at = &(*at)->next;
    }
    *at = generation->next;
    generation_free(generation);
    scripts_release(scripts);
}

static void retire(struct generation *generation)
{
    struct scripts *scripts = generation->scripts;
    lifecycle_end(generation);
    generation->is_retired = true;
    generation->next = scripts->retired;
    scripts->retired = generation;
    scripts->holds++;
    generation_release(generation);
}

/* -- life -- */

static happn_layer_fn const layer_functions[LAYER_CHAINS] = {[LAYERS_INBOUND] = layer_inbound,
                                                              [LAYERS_AUTHORIZED] = layer_authorized,
                                                              [LAYERS_OUTBOUND] = layer_outbound,
                                                              [LAYERS_PUBLISHED] = layer_published};

static bool has_layers(const struct scripts_options *options, enum layer_chain chain)
{
    return chain == LAYERS_INBOUND || chain == LAYERS_AUTHORIZED ? options->inbound_count != 0 : options->outbound_count != 0;
}

static happn_status add_layers(struct scripts *scripts)
{
    for (int chain = 0; chain < LAYER_CHAINS; chain++) {
        if (has_layers(&scripts->settings.options, chain)) {
            scripts->layers[chain] = layers_add(scripts->core, chain, layer_functions[chain], scripts);
            if (scripts->layers[chain] == NULL) {
                return HAPPN_E_MEMORY;
            }
        }
    }
    return HAPPN_OK;
}

/* What no script of the generation wants is left out: a layer for each recipient costs an encoding for each. */
static void set_layers(struct scripts *scripts)
{
    const struct generation *generation = scripts->current;
    bool wanted[LAYER_CHAINS] = {false};
    for (size_t i = 0; i < generation->inbound_count; i++) {
        wanted[generation->inbound[i]->is_authorized ? LAYERS_AUTHORIZED : LAYERS_INBOUND] = true;
    }
    for (size_t i = 0; i < generation->outbound_count; i++) {
        wanted[generation->outbound[i]->is_for_all ? LAYERS_PUBLISHED : LAYERS_OUTBOUND] = true;
    }
    for (int chain = 0; chain < LAYER_CHAINS; chain++) {
        if (scripts->layers[chain] != NULL) {
            scripts->layers[chain]->is_idle = chain != LAYERS_OUTBOUND && !wanted[chain];
            scripts->layers[chain]->is_for_replies = chain == LAYERS_OUTBOUND && !wanted[chain];
        }
    }
}

static void close_layers(struct scripts *scripts)
{
    for (int chain = 0; chain < LAYER_CHAINS; chain++) {
        if (scripts->layers[chain] != NULL) {
            scripts->layers[chain]->run = layer_closed;
            scripts->layers[chain]->arg = NULL;
        }
    }
}

static void free_scripts(struct scripts *scripts)
{
    shared_fini(&scripts->shared);
    metrics_fini(&scripts->metrics);
    watch_forget(&scripts->watch);
    memory_free(scripts->core->allocator, scripts->watch.files);
    arena_fini(&scripts->settings.arena);
    memory_free(scripts->core->allocator, scripts);
}

/* Only for scripts that want to know: events cost a text each. */
static void watch(struct scripts *scripts)
{
    bool wants = false;
    for (struct script *script = scripts->current->all; script != NULL; script = script->next) {
        wants = wants || script->on_session != LUA_NOREF || script->on_security != LUA_NOREF;
    }
    if (wants && !scripts->is_watching) {
        scripts->is_watching = events_watch(scripts->core, lifecycle_event, scripts) == HAPPN_OK;
    }
}

static void serve(struct scripts *scripts)
{
    watch(scripts);
    if (scripts->core->security != NULL) {
        scripts->core->security->scripted_auth = lifecycle_login;
        scripts->core->security->scripted_auth_arg = scripts;
    }
    lifecycle_begin(scripts->current);
}

void scripts_begin(struct scripts *scripts)
{
    scripts->is_serving = true;
    watch_files_begin(&scripts->watch);
    serve(scripts);
}

happn_status scripts_open(struct core *core, const struct scripts_options *options, struct scripts **out, happn_error *error)
{
    struct scripts *scripts = memory_zalloc(core->allocator, sizeof *scripts);
    if (scripts == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    scripts->core = core;
    scripts->ready_tail = &scripts->ready;
    scripts->holds = 1;
    scripts->watch = (struct watch){.scripts = scripts, .is_on = options->watches};
    shared_init(&scripts->shared, core->allocator, options->shared != 0 ? options->shared : DEFAULT_SHARED);
    metrics_init(&scripts->metrics, core->allocator);
    arena_init(&scripts->settings.arena, core->allocator);
    happn_status status = settings_copy(&scripts->settings, options) ? HAPPN_OK : error_set(error, HAPPN_E_MEMORY, "out of memory");
    if (status == HAPPN_OK && (scripts->current = generation_load(scripts, error)) == NULL) {
        status = HAPPN_E_SCRIPT;
    }
    if (status == HAPPN_OK && (status = add_layers(scripts)) != HAPPN_OK) {
        error_set(error, status, "out of memory");
        close_layers(scripts);
        generation_free(scripts->current);
    }
    if (status != HAPPN_OK) {
        free_scripts(scripts);
        return status;
    }
    scripts->generations = 1;
    set_layers(scripts);
    core->scripts = scripts;
    core->script_route = route_answer;
    core->script_has_route = route_is_there;
    core->script_is_public = route_is_public;
    *out = scripts;
    return HAPPN_OK;
}

/* What is handed over may be what was too much: a reload for want of memory does without it. */
static happn_status reload(struct scripts *scripts, bool needs_state, happn_error *error)
{
    if (scripts->is_closing) {
        return error_set(error, HAPPN_E_CLOSED, "the server is stopping");
    }
    struct generation *generation = generation_load(scripts, error);
    if (generation == NULL) {
        return HAPPN_E_SCRIPT;
    }
    struct generation *old = scripts->current;
    if (lifecycle_hand_over(old, generation, error) != HAPPN_OK && needs_state) {
        generation_free(generation);
        return HAPPN_E_SCRIPT;
    }
    scripts->current = generation;
    scripts->generations++;
    set_layers(scripts);
    retire(old);
    if (scripts->is_serving) {
        serve(scripts);
    }
    return HAPPN_OK;
}

happn_status scripts_reload(struct scripts *scripts, happn_error *error)
{
    return reload(scripts, true, error);
}

/* -- when memory stays full: one script that keeps too much would be the end of all others -- */

enum { RELIEVE_MS = 10000 };

static void relieve(void *arg)
{
    struct scripts *scripts = arg;
    struct vm *vm = scripts->current != NULL ? &scripts->current->vm : NULL;
    if (vm != NULL && vm->was_full && !scripts->is_closing) {
        vm->was_full = false;
        lua_gc(vm->L, LUA_GCCOLLECT);
        if (vm->used > vm->limit / 4 * 3) {
            happn_error error = {0};
            log_write(scripts->core->log, LOG_ERROR, "script", "the scripts keep %zu of %zu bytes: they are loaded anew", vm->used, vm->limit);
            if (reload(scripts, false, &error) != HAPPN_OK) {
                log_write(scripts->core->log, LOG_ERROR, "script", "the old scripts stay: %s", error.message);
            }
        }
    }
    scripts_release(scripts);
}

void scripts_relieve(struct scripts *scripts)
{
    uint64_t now = loop_ticks(scripts->core->loop);
    if (now >= scripts->relieve_after && !scripts->is_closing && loop_post(scripts->core->loop, relieve, scripts) == HAPPN_OK) {
        scripts->relieve_after = now + RELIEVE_MS;
        scripts->holds++;
    }
}

static bool cancel_one(struct generation *generation)
{
    for (struct task *task = generation->running; task != NULL; task = task->next) {
        if (!task->is_cancelled && !task->is_stopping) {
            task->is_silent = task->kind == TASK_BACKGROUND;
            task_cancel(task, "the server is stopping");
            return true;
        }
    }
    return false;
}

/* Cancelling may cause anything, so the lists are looked at anew each time. */
static void cancel_all(struct scripts *scripts)
{
    bool again = true;
    while (again) {
        again = false;
        struct generation *generation = scripts->retired;
        while (generation != NULL && !(again = cancel_one(generation))) {
            generation = generation->next;
        }
    }
}

void scripts_release(struct scripts *scripts)
{
    if (--scripts->holds != 0) {
        return;
    }
    if (scripts->fetcher != NULL) {
        fetcher_close(scripts->fetcher); /* comes back here */
        return;
    }
    void (*closed)(void *arg) = scripts->closed;
    void *arg = scripts->closed_arg;
    free_scripts(scripts);
    if (closed != NULL) {
        closed(arg);
    }
}

static void release_later(void *scripts)
{
    scripts_release(scripts);
}

static void stop_watching(struct scripts *scripts)
{
    if (scripts->is_watching) {
        events_unwatch(scripts->core, lifecycle_event, scripts);
    }
    if (scripts->core->security != NULL && scripts->core->security->scripted_auth_arg == scripts) {
        scripts->core->security->scripted_auth = NULL;
    }
}

void scripts_close(struct scripts *scripts, void (*closed)(void *arg), void *arg)
{
    scripts->is_closing = true;
    scripts->closed = closed;
    scripts->closed_arg = arg;
    close_layers(scripts);
    scripts->core->script_route = NULL;
    scripts->core->script_has_route = NULL;
    scripts->core->script_is_public = NULL;
    scripts->core->scripts = NULL;
    stop_watching(scripts);
    watch_files_end(&scripts->watch);
    struct generation *current = scripts->current;
    scripts->current = NULL;
    retire(current);
    cancel_all(scripts);
    if (loop_post(scripts->core->loop, release_later, scripts) != HAPPN_OK) {
        scripts_release(scripts); /* better early than never */
    }
}
