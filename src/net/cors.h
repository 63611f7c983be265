/* Pages of other sites: which of them may ask this server, and what. */
#ifndef HAPPN_NET_CORS_H
#define HAPPN_NET_CORS_H

#include "net/connection.h"

/* Tells the browser whether the page may read the answer. True: the request was a browser's question beforehand, and has been answered. */
bool cors_route(happn_http *http);

/* Pages of this origin may send cookies. */
bool cors_trusts(const happn_http *http, struct str origin);

#endif
