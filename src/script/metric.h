/* happn.metric: numbers by name that scripts count, for statistics. They survive a reload. */
#ifndef HAPPN_SCRIPT_METRIC_H
#define HAPPN_SCRIPT_METRIC_H

#include "base/buf.h"
#include "script/vm.h"

struct metric;

struct metrics {
    const struct allocator *allocator;
    struct metric *first, **last;
    size_t count;
};

void metrics_init(struct metrics *metrics, const struct allocator *allocator);
void metrics_fini(struct metrics *metrics);
/* A JSON object, in the order of their first use. */
void metrics_add(const struct metrics *metrics, struct buf *out);

/* Adds `metric` to the table on top of the stack. */
void metric_add(lua_State *L);
void metric_install(lua_State *L);

#endif
