/* HTTP routes of scripts. */
#ifndef HAPPN_SCRIPT_ROUTE_H
#define HAPPN_SCRIPT_ROUTE_H

#include "script/generation.h"

/* core->script_route: false when no script has a route for the request's path. */
bool route_answer(void *scripts, happn_http *http);

/* core->script_has_route: there is one that would answer. */
bool route_is_there(void *scripts, const happn_http *http);
/* core->script_is_public: the route that would answer is marked so. */
bool route_is_public(void *scripts, const happn_http *http);

/* True for a key such as "GET /{id}". */
bool route_is_key(struct str key);

#endif
