/* Who is at the other end: the address of the connection, or, behind a proxy that we trust, the one it names. */
#ifndef HAPPN_NET_PEER_H
#define HAPPN_NET_PEER_H

#include <libwebsockets.h>

#include "net/connection.h"

/* out: "10.0.0.7"; "unknown" when what the trusted proxy says is too long to be read. */
void peer_address(const struct listener *listener, struct lws *wsi, struct connection *connection, char out[64]);

/* TLS up to us, or up to a trusted proxy that says so. */
bool peer_is_encrypted(const struct listener *listener, struct lws *wsi, struct connection *connection);

#endif
