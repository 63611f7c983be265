/* Lua scripts as layers and routes of one core. The only header of this room that others include. */
#ifndef HAPPN_SCRIPT_SCRIPTS_H
#define HAPPN_SCRIPT_SCRIPTS_H

#include "core/core.h"

struct scripts;

/* A script that the configuration names. */
struct script_entry {
    const char *file;        /* relative to the root */
    const char *config_json; /* an object, NULL for none */
    size_t config_len;
    const char *mount;       /* routes only: what their paths start with, "" or NULL for nothing */
    const char *user;        /* whose rights its timers and listeners have; NULL: nobody's */
    bool sees_secrets;       /* logins show it password, token and digest */
    bool skips_errors;       /* when a layer of it is wrong its message goes on without it */
    bool is_draft;           /* it is only looked at: keys of its config that are required may be missing */
    bool is_trusted;         /* it may use happn.system, and its timers and listeners have all rights */
};

struct fetch;

/* Stands in for all other servers, in tests. ask is given the JSON of what happn.http.request takes, and answers later, in a turn of the loop's thread
 * between two of its own, by fetch_answer or fetch_refuse (fetch.h); or it fails at once. drop: nobody waits for that answer any more. */
struct script_outside {
    happn_status (*ask)(void *arg, struct fetch *fetch, struct str request, uint64_t timeout_ms, happn_error *error);
    void (*drop)(void *arg, struct fetch *fetch);
    void *arg;
};

/* Zero means the default. Time is CPU time of the script for `cpu`, time on the clock for `wall`, in milliseconds. */
struct scripts_options {
    const char *root;           /* folder of the scripts */
    size_t memory;              /* bytes of one generation's VM: 64 MiB */
    uint64_t instructions;      /* of one call: 10 million in a layer, ten times that in a route */
    unsigned layer_cpu, route_cpu;   /* 100, 1000 */
    unsigned layer_wall, route_wall; /* 10 000, 30 000 */
    unsigned unbroken;          /* CPU time in one piece, where a call cannot be interrupted: 50 */
    size_t tasks;               /* calls under way at the same time: 10 000 */
    bool debug;                 /* errors of clients say script, line and text of a failure */
    bool watches;               /* loads anew when a file has changed */
    size_t shared;              /* bytes of happn.shared: 16 MiB */
    void (*on_line)(void *arg, const char *file, int line); /* for coverage: told before each line of Lua; NULL */
    void *on_line_arg;
    const struct script_outside *outside; /* NULL: happn.http asks real servers */
    const struct script_entry *inbound, *outbound, *routes;
    const struct script_entry *others; /* neither layers nor routes: timers, listeners, system events, logins */
    size_t inbound_count, outbound_count, route_count, other_count;
};

/* Loads all scripts, then registers the layers (at this place of the chains, for good) and answers routes. Options are
 * copied. On failure nothing is registered, and error says file and line. */
happn_status scripts_open(struct core *core, const struct scripts_options *options, struct scripts **out,
                          happn_error *error);

/* Everything is there: listeners and timers begin, M.start runs. */
void scripts_begin(struct scripts *scripts);

/* Loads all scripts anew, all or nothing: on failure the old ones serve on. Calls under way finish in the old ones. */
happn_status scripts_reload(struct scripts *scripts, happn_error *error);

/* Cancels what is under way (messages are refused, requests answered with 503) and frees. `closed` is called once, later.
 * The layers stay in their chains and refuse. */
void scripts_close(struct scripts *scripts, void (*closed)(void *arg), void *arg);

#endif
