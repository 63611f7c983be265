/* TLS on the listener's port. */
#ifndef HAPPN_NET_TLS_H
#define HAPPN_NET_TLS_H

#include "net/certificate.h"
#include "net/connection.h"

/* Finds out before anything listens whether the certificate can be used. */
happn_status tls_check(const struct listener *listener, happn_error *error);

/* libwebsockets has made its context: ours are the certificate and what is allowed. 0, or -1 when it cannot be used. */
int tls_set_up(struct listener *listener, SSL_CTX *ctx);

/* Takes certificate and key anew when their files have changed since they were taken last. New connections get the new one. When they do not fit
 * together (yet), the old ones go on. */
void tls_look_for_renewal(struct listener *listener);

#endif
