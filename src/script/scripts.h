/* Lua: layers, routes, and the calls they may make. One virtual machine a service. */
#ifndef HAPPN_SCRIPT_SCRIPTS_H
#define HAPPN_SCRIPT_SCRIPTS_H

#include "core/core.h"

/* A script that the configuration names. */
struct script_entry {
    struct str file;   /* from the root */
    struct str config; /* raw JSON value: what the script is told; may be not set */
    struct str mount;  /* of a route: put before its paths; may be empty */
};

struct scripts_options {
    struct str root;      /* folder; NUL terminated */
    size_t memory;        /* for everything in Lua */
    int64_t slice_ms;     /* an unbroken run */
    int64_t wall_ms;      /* a call with its pauses */
    const struct script_entry *inbound, *outbound, *routes; /* must stay valid */
    size_t inbound_count, outbound_count, route_count;
};

struct scripts;

/* Loads all scripts and puts them into the core's chains. On failure error says file and line. */
happn_status scripts_open(struct core *core, const struct scripts_options *options, struct scripts **out, happn_error *error);

/* Loads all scripts anew, all or nothing: running calls of the old ones finish. */
happn_status scripts_reload(struct scripts *scripts, happn_error *error);

/* Stops what runs (its messages fail), then calls closed, later. */
void scripts_close(struct scripts *scripts, void (*closed)(void *arg), void *arg);

#endif
