/* happn.http: requests to other servers, which wait. libcurl does the work, on our loop. */
#ifndef HAPPN_SCRIPT_FETCH_H
#define HAPPN_SCRIPT_FETCH_H

#include "script/task.h"

struct fetcher;
struct fetch;

/* Adds the table `http` to the table on top of the stack. */
void fetch_add(lua_State *L);
void fetch_install(lua_State *L);

/* For who stands in for other servers: ends the waiting. head has lines "Name: value\r\n". */
void fetch_answer(struct fetch *fetch, long status, struct str head, struct str body);
void fetch_refuse(struct fetch *fetch, const char *why);
/* The request's own words: "GET https://...". */
const char *fetch_what(const struct fetch *fetch);

/* The task does not wait for its answer any more; frees. NULL is fine. */
void fetch_drop(struct fetch *fetch);
/* Nothing is under way; the handles of the loop close later and release the scripts. NULL is fine. */
void fetcher_close(struct fetcher *fetcher);

#endif
