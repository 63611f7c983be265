#include "net/tls.h"

#include <sys/stat.h>

happn_status tls_check(const struct listener *listener, happn_error *error)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    bool was_made = false;
    happn_status status = ctx != NULL ? certificate_use(ctx, &listener->options.certificate, &was_made, error) : HAPPN_E_MEMORY;
    SSL_CTX_free(ctx);
    if (was_made && status == HAPPN_OK) {
        log_write(listener->core->log, LOG_WARN, "net", "there was no certificate: made a self-signed one, %s, with its key %s",
                  listener->options.certificate.cert_path.ptr, listener->options.certificate.key_path.ptr);
    }
    return status;
}

/* Changes with the file's content, as far as that can be seen from outside. */
static int64_t stamp_of(struct str path)
{
    struct stat found;
    if (path.len == 0 || stat(path.ptr, &found) != 0) {
        return 0;
    }
    return (int64_t)found.st_mtim.tv_sec * 1000003 + found.st_mtim.tv_nsec + (int64_t)found.st_ino * 31 + found.st_size;
}

static int64_t stamp_of_both(const struct listener *listener)
{
    return stamp_of(listener->options.certificate.cert_path) * 31 + stamp_of(listener->options.certificate.key_path);
}

int tls_set_up(struct listener *listener, SSL_CTX *ctx)
{
    bool was_made;
    happn_error error;
    listener->tls = ctx;
    listener->certificate_stamp = stamp_of_both(listener);
    certificate_harden(ctx);
    return certificate_use(ctx, &listener->options.certificate, &was_made, &error) == HAPPN_OK ? 0 : -1;
}

void tls_look_for_renewal(struct listener *listener)
{
    int64_t stamp = listener->tls != NULL && !str_is_set(listener->options.certificate.cert) ? stamp_of_both(listener) : 0;
    if (stamp == 0 || stamp == listener->certificate_stamp) {
        return;
    }
    /* A trial first: a context that took half of it would serve nobody. */
    bool was_made;
    happn_error error = {.status = HAPPN_OK};
    SSL_CTX *trial = SSL_CTX_new(TLS_server_method());
    happn_status status = trial != NULL ? certificate_use(trial, &listener->options.certificate, &was_made, &error) : HAPPN_E_MEMORY;
    SSL_CTX_free(trial);
    if (status == HAPPN_OK && certificate_use(listener->tls, &listener->options.certificate, &was_made, &error) == HAPPN_OK) {
        listener->certificate_stamp = stamp;
        log_write(listener->core->log, LOG_INFO, "net", "the certificate was renewed");
    } else if (listener->refused_stamp != stamp) {
        listener->refused_stamp = stamp;
        log_write(listener->core->log, LOG_WARN, "net", "the changed certificate cannot be used, the old one goes on: %s", error.message);
    }
}
