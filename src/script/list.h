/* insert, remove, move, concat, unpack and sort of the table library, counting their steps. */
#ifndef HAPPN_SCRIPT_LIST_H
#define HAPPN_SCRIPT_LIST_H

#include <lua.h>

/* The table library is on top of the stack: its functions over lists are replaced. */
void list_add(lua_State *L);

#endif
