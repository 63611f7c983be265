/* One load of all scripts: a VM, the scripts in it, and the calls under way. Never changed after it was loaded. */
#ifndef HAPPN_SCRIPT_GENERATION_H
#define HAPPN_SCRIPT_GENERATION_H

#include "script/errors.h"
#include "script/metric.h"
#include "script/scripts.h"
#include "script/shared.h"
#include "script/watch.h"
#include "script/vm.h"

struct task;
struct generation;

struct kept {
    struct kept *next;
    struct str text;
};

/* The options, copied: entries and texts live in the arena. */
struct settings {
    struct arena arena;
    struct kept *kept; /* texts of generations that may be gone */
    size_t kept_count;
    struct scripts_options options;
    struct script_entry *inbound, *outbound, *routes, *others;
};

struct script {
    struct generation *generation;
    struct script *next;
    const struct script_entry *entry;
    const char *file;
    const char *name;
    unsigned actions;       /* bits of enum action */
    struct str *paths;      /* patterns in the string language */
    size_t path_count;
    bool has_paths;
    bool is_authorized;     /* its inbound function sees only what is permitted */
    bool is_for_all;        /* its outbound function sees an event once, for all recipients */
    int inbound, outbound, config; /* registry references, LUA_NOREF when absent */
    int start, stop, save, restore, on_session, on_security, login;
    int environment, modules;
    size_t begun;           /* tasks under way that its own calls have begun */
    size_t after;           /* timers that its calls have made */
    uint64_t calls, refusals, errors; /* since it was loaded */
};

/* One path of a script's routes: literal segments, and names for those that take anything. */
struct segment {
    struct str text;
    bool is_parameter;
};

struct script_route {
    struct script *script;
    const char *key; /* "GET /{id}" */
    const char *place; /* the same, as long as there are scripts */
    struct str method;
    struct segment *segments;
    size_t count;
    int function;
    bool is_public; /* needs no permission on a secured service */
};

struct generation {
    uint64_t number; /* the first one is 1 */
    struct vm vm;
    struct scripts *scripts;
    struct generation *next;
    struct arena arena;
    struct script *all;
    struct script **inbound, **outbound;
    size_t inbound_count, outbound_count;
    struct script_route *routes;
    size_t route_count, route_room;
    struct task *running;
    struct task *pool;
    size_t task_count; /* running */
    struct script_timer *timers;
    size_t timer_count, timers_closing;
    uint64_t last_timer;
    struct script_listener *listeners;
    size_t listener_count;
    struct ears *ears;   /* the sessions of listeners */
    bool is_serving;     /* between lifecycle_begin and _end */
    bool is_over;        /* after that: no new timers */
    bool is_retired;
};

struct scripts {
    struct core *core;
    struct settings settings;
    struct generation *current, *retired;
    struct errors errors;
    struct shared shared;
    struct metrics metrics;
    struct watch watch;
    struct fetcher *fetcher; /* NULL until a script asks another server */
    uint64_t last_task, generations;
    struct task *ready, **ready_tail; /* woken, to be continued this turn */
    bool drain_posted, is_serving, is_watching, is_closing;
    bool is_trial; /* for tools: there is nobody whom a script could hold up */
    struct layer *layers[LAYER_CHAINS];
    uint64_t relieve_after; /* of the loop's clock: not before that again */
    size_t holds;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* Copies the options and fills in defaults; false: out of memory. */
bool settings_copy(struct settings *settings, const struct scripts_options *options);
/* Loads everything; NULL and error (file and line) on failure. */
struct generation *generation_load(struct scripts *scripts, happn_error *error);
/* Frees it when it is retired and nothing of it runs. */
void generation_release(struct generation *generation);
void generation_free(struct generation *generation);
void scripts_release(struct scripts *scripts);
/* A copy of the text that stays as long as the scripts do; of the same text it is the same one. "a route" when there are too many. */
const char *scripts_keep(struct scripts *scripts, struct str text);
/* A call has ended, and memory was refused: when what the scripts keep is still too much after a collection, they are loaded anew. Later. */
void scripts_relieve(struct scripts *scripts);

/* load.c: runs a script's file, checks what it returns and keeps its functions. */
struct script *script_load(struct generation *generation, const struct script_entry *entry, happn_error *error);
/* Reads a text file below the root into the arena. */
happn_status script_read(struct generation *generation, struct arena *arena, const char *file, struct str *out,
                         happn_error *error);

/* route.c: takes the routes of the table on top of the stack into the generation. Raises. */
void routes_declare(lua_State *L, struct script *script, int table);

#endif
