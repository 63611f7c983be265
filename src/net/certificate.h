/* A certificate and its key, as PEM texts: read from files or given, checked, made when there are none. */
#ifndef HAPPN_NET_CERTIFICATE_H
#define HAPPN_NET_CERTIFICATE_H

#include <openssl/ssl.h>

#include "base/str.h"
#include "happn/status.h"

/* What the configuration says; texts not set where it says nothing. */
struct certificate_source {
    struct str cert, key;       /* PEM */
    struct str cert_path, key_path;
};

/* Where the files are when nothing is said: in the home directory, as happn-3 has them. False: there is no home. */
bool certificate_default_paths(char cert_path[512], char key_path[512]);

/* Finds certificate and key, makes self-signed ones when neither file exists, and has the context use them. Errors say which file is missing or
 * what OpenSSL dislikes. *was_made: files were written. */
happn_status certificate_use(SSL_CTX *ctx, const struct certificate_source *source, bool *was_made, happn_error *error);

/* Writes a self-signed certificate (P-256, for this machine's names and addresses, valid for a year) and its key, which only the owner may read. */
happn_status certificate_make(const char *cert_path, const char *key_path, happn_error *error);

/* Protocols and ciphers of today. */
void certificate_harden(SSL_CTX *ctx);

#endif
