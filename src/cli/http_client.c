#include "cli/http_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ANSWER = 256 << 20 };

static bool copy_part(char *out, size_t size, const char *text, size_t len)
{
    if (len == 0 || len >= size) {
        return false;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

bool http_read_url(const char *url, struct http_target *out)
{
    out->is_encrypted = strncmp(url, "https://", 8) == 0;
    if (!out->is_encrypted && strncmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *host = url + (out->is_encrypted ? 8 : 7);
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    bool is_bracketed = host[0] == '[' && len >= 3;
    const char *rest = host + len;
    if (!copy_part(out->host, sizeof out->host, is_bracketed ? host + 1 : host, is_bracketed ? len - 2 : len)) {
        return false;
    }
    if (*rest != ':') {
        strcpy(out->port, out->is_encrypted ? "443" : "80");
        return *rest == '\0' || strcmp(rest, "/") == 0;
    }
    size_t digits = strspn(rest + 1, "0123456789");
    const char *end = rest + 1 + digits;
    return copy_part(out->port, sizeof out->port, rest + 1, digits) && (*end == '\0' || strcmp(end, "/") == 0);
}

static BIO *fail(BIO *bio, char why[300], const char *what)
{
    char text[200] = "";
    unsigned long code = ERR_peek_last_error();
    if (code != 0) {
        ERR_error_string_n(code, text, sizeof text);
    }
    snprintf(why, 300, "%s%s%s", what, text[0] != '\0' ? ": " : "", text);
    ERR_clear_error();
    BIO_free_all(bio);
    return NULL;
}

static bool trust(SSL_CTX *ctx, const struct http_target *target)
{
    if (target->is_insecure) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        return true;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_default_verify_paths(ctx);
    return target->ca == NULL || SSL_CTX_load_verify_locations(ctx, target->ca, NULL) == 1;
}

static bool expect_host(SSL *ssl, const struct http_target *target)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    SSL_set_tlsext_host_name(ssl, target->host);
    return target->is_insecure || X509_VERIFY_PARAM_set1_ip_asc(param, target->host) == 1 || SSL_set1_host(ssl, target->host) == 1;
}

static BIO *encrypt(BIO *bio, const struct http_target *target, char why[300])
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || !trust(ctx, target)) {
        SSL_CTX_free(ctx);
        return fail(bio, why, "the certificates to trust cannot be read");
    }
    BIO *outer = BIO_new_ssl(ctx, 1);
    SSL *ssl = NULL;
    SSL_CTX_free(ctx);
    if (outer == NULL || BIO_get_ssl(outer, &ssl) != 1 || !expect_host(ssl, target)) {
        BIO_free(outer);
        return fail(bio, why, "TLS cannot be used");
    }
    BIO_push(outer, bio);
    return BIO_do_handshake(outer) == 1 ? outer : fail(outer, why, "the server's certificate is not trusted (--ca FILE, --insecure)");
}

static BIO *connect_to(const struct http_target *target, char why[300])
{
    BIO *bio = BIO_new(BIO_s_connect());
    if (bio != NULL) {
        BIO_set_conn_hostname(bio, target->host);
        BIO_set_conn_port(bio, target->port);
    }
    if (bio == NULL || BIO_do_connect(bio) != 1) {
        char text[300];
        snprintf(text, sizeof text, "nothing answers at %.200s:%s: is the server running? (--url)", target->host, target->port);
        ERR_clear_error();
        return fail(bio, why, text);
    }
    return target->is_encrypted ? encrypt(bio, target, why) : bio;
}

static bool write_all(BIO *bio, const char *bytes, size_t len)
{
    while (len != 0) {
        int written = BIO_write(bio, bytes, len < 65536 ? (int)len : 65536);
        if (written <= 0) {
            return false;
        }
        bytes += written;
        len -= (size_t)written;
    }
    return true;
}

/* Until the server closes. */
static char *read_all(BIO *bio)
{
    size_t len = 0, room = 65536;
    char *text = malloc(room);
    for (int got; text != NULL && (got = BIO_read(bio, text + len, (int)(room - len - 1))) > 0;) {
        len += (size_t)got;
        if (room - len < 4096) {
            char *more = room < MOST_ANSWER ? realloc(text, room *= 2) : NULL;
            if (more == NULL) {
                free(text);
                return NULL;
            }
            text = more;
        }
    }
    if (text != NULL) {
        text[len] = '\0';
    }
    return text;
}

char *http_post(const struct http_target *target, const char *path, const char *token, const char *json, int *status, char why[300])
{
    BIO *bio = connect_to(target, why);
    if (bio == NULL) {
        return NULL;
    }
    char head[20000];
    int len = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                       "Connection: close\r\n%s%s%s\r\n",
                       path, target->host, target->port, strlen(json), token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "",
                       token != NULL ? "\r\n" : "");
    bool sent = len < (int)sizeof head && write_all(bio, head, (size_t)len) && write_all(bio, json, strlen(json));
    char *answer = sent ? read_all(bio) : NULL;
    BIO_free_all(bio);
    const char *body = answer != NULL ? strstr(answer, "\r\n\r\n") : NULL;
    if (body == NULL || sscanf(answer, "HTTP/1.%*c %d", status) != 1) {
        snprintf(why, 300, "the server does not answer as a happn server would");
        free(answer);
        return NULL;
    }
    memmove(answer, body + 4, strlen(body + 4) + 1);
    return answer;
}
