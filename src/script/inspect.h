/* What scripts do right now, for whoever operates the server. */
#ifndef HAPPN_SCRIPT_INSPECT_H
#define HAPPN_SCRIPT_INSPECT_H

#include "base/buf.h"
#include "script/scripts.h"

/* Adds a JSON object: {"generation":3,"memory":..,"memoryLimit":..,"timers":..,"listeners":..,
 * "scripts":[{"script","calls","refusals","errors"}], "metrics":{...}, "stalls":{...},
 * "tasks":[{"id","script","hook","line","age","state","path","generation"}]}; age in milliseconds. */
void inspect_add(struct scripts *scripts, struct buf *out);

/* Adds the sums of all of it for statistics: {"generation","memory","tasks","calls","refusals","errors","metrics":{...}}. */
void inspect_add_totals(const struct scripts *scripts, struct buf *out);

/* Adds how often the loop has stood still, by the watchdog: {"count","longest","last"}, these null or {"ms","isOver","place","note"}. */
void inspect_add_stalls(const struct loop *loop, struct buf *out);

/* Ends the task with this number as a failure. False: it is not there (any more). */
bool inspect_kill(struct scripts *scripts, uint64_t id);

#endif
