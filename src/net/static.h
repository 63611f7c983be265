/* Files of folders, for browsers. */
#ifndef HAPPN_NET_STATIC_H
#define HAPPN_NET_STATIC_H

#include "net/connection.h"

/* Answers from the folder whose mount is the longest that the path begins with; false: there is none. Nothing outside of a folder can be reached,
 * also not through links in it. Files are read by libuv's pool. */
bool static_route(happn_http *http, struct str path);

#endif
