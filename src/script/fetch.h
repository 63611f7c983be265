/* happn.http: requests to other servers, which wait. libcurl does the work, on our loop. */
#ifndef HAPPN_SCRIPT_FETCH_H
#define HAPPN_SCRIPT_FETCH_H

#include "script/task.h"

struct fetcher;
struct fetch;

/* Adds the table `http` to the table on top of the stack. */
void fetch_add(lua_State *L);
void fetch_install(lua_State *L);

/* The task does not wait for its answer any more; frees. NULL is fine. */
void fetch_drop(struct fetch *fetch);
/* Nothing is under way; the handles of the loop close later and release the scripts. NULL is fine. */
void fetcher_close(struct fetcher *fetcher);

#endif
