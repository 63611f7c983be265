#include "net/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/id.h"
#include "security/crypto.h"

enum { VALID_DAYS = 397, MOST_NAMES = 4096 };

bool certificate_default_paths(char cert_path[512], char key_path[512])
{
    const char *home = getenv("HOME");
    return home != NULL && snprintf(cert_path, 512, "%s/.happn-https-cert", home) < 512 && snprintf(key_path, 512, "%s/.happn-https-key", home) < 512;
}

static happn_status complain(happn_error *error, const char *what)
{
    char text[200] = "it is not readable";
    unsigned long code = ERR_get_error();
    if (ERR_GET_REASON(code) == ERR_R_INTERRUPTED_OR_CANCELLED) {
        snprintf(text, sizeof text, "it has a password, which nobody can be asked for: take it off with openssl pkey -in FILE -out FILE"); /* crypto_no_password */
    } else if (code != 0) {
        ERR_error_string_n(code, text, sizeof text);
    }
    ERR_clear_error();
    return error_set(error, HAPPN_E_CONFIG, "error creating server: %s: %s", what, text);
}

/* --- using */

static happn_status use_chain(SSL_CTX *ctx, BIO *bio, happn_error *error)
{
    X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, crypto_no_password, NULL);
    if (certificate == NULL || SSL_CTX_use_certificate(ctx, certificate) != 1) {
        X509_free(certificate);
        return complain(error, "the certificate");
    }
    X509_free(certificate);
    SSL_CTX_clear_chain_certs(ctx);
    X509 *next;
    while ((next = PEM_read_bio_X509(bio, NULL, crypto_no_password, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
            X509_free(next);
            return complain(error, "the certificate's chain");
        }
    }
    ERR_clear_error(); /* the end of the text */
    return HAPPN_OK;
}

static happn_status use_key(SSL_CTX *ctx, BIO *bio, happn_error *error)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, crypto_no_password, NULL);
    bool used = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    return used ? HAPPN_OK : complain(error, "the key");
}

static BIO *open_bio(struct str text, struct str path)
{
    return str_is_set(text) ? BIO_new_mem_buf(text.ptr, (int)text.len) : BIO_new_file(path.ptr, "r");
}

static happn_status use(SSL_CTX *ctx, const struct certificate_source *source, happn_error *error)
{
    BIO *cert = open_bio(source->cert, source->cert_path);
    BIO *key = open_bio(source->key, source->key_path);
    happn_status status = cert != NULL ? use_chain(ctx, cert, error) : complain(error, "the certificate");
    if (status == HAPPN_OK) {
        status = key != NULL ? use_key(ctx, key, error) : complain(error, "the key");
    }
    BIO_free(cert);
    BIO_free(key);
    return status;
}

static bool exists(struct str path)
{
    return path.len != 0 && access(path.ptr, F_OK) == 0;
}

/* In the original's words. */
static happn_status check(const struct certificate_source *source, happn_error *error)
{
    bool has_cert = exists(source->cert_path), has_key = exists(source->key_path);
    if (str_is_set(source->cert) != str_is_set(source->key)) {
        return error_set(error, HAPPN_E_CONFIG, "%s", str_is_set(source->cert) ? "key file missing for cert" : "cert file missing key");
    }
    if (!str_is_set(source->cert) && has_cert != has_key) {
        struct str missing = has_cert ? source->key_path : source->cert_path;
        return error_set(error, HAPPN_E_CONFIG, "missing %s file: %.300s", has_cert ? "key" : "cert", missing.len != 0 ? missing.ptr : "undefined");
    }
    if (!str_is_set(source->cert) && !has_cert && (source->cert_path.len == 0 || source->key_path.len == 0)) {
        return error_set(error, HAPPN_E_CONFIG, "missing %s file: undefined", source->key_path.len == 0 ? "key" : "cert");
    }
    return HAPPN_OK;
}

happn_status certificate_use(SSL_CTX *ctx, const struct certificate_source *source, bool *was_made, happn_error *error)
{
    happn_status status = check(source, error);
    *was_made = false;
    if (status == HAPPN_OK && !str_is_set(source->cert) && !exists(source->cert_path)) {
        *was_made = true;
        status = certificate_make(source->cert_path.ptr, source->key_path.ptr, error);
    }
    return status == HAPPN_OK ? use(ctx, source, error) : status;
}

void certificate_harden(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
}

/* --- making */

/* "DNS:localhost,DNS:box,IP:127.0.0.1,IP:10.0.0.7" */
static void list_names(char *out, size_t size)
{
    char host[256] = "";
    struct ifaddrs *first = NULL;
    size_t len = (size_t)snprintf(out, size, "DNS:localhost");
    if (gethostname(host, sizeof host - 1) == 0 && host[0] != '\0' && strcmp(host, "localhost") != 0 && strchr(host, ',') == NULL) {
        len += (size_t)snprintf(out + len, size - len, ",DNS:%s", host);
    }
    if (getifaddrs(&first) != 0) {
        return;
    }
    for (const struct ifaddrs *each = first; each != NULL && len + 64 < size; each = each->ifa_next) {
        char text[INET6_ADDRSTRLEN] = "";
        if (each->ifa_addr != NULL && each->ifa_addr->sa_family == AF_INET) {
            inet_ntop(AF_INET, &((const struct sockaddr_in *)each->ifa_addr)->sin_addr, text, sizeof text);
        } else if (each->ifa_addr != NULL && each->ifa_addr->sa_family == AF_INET6) {
            inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)each->ifa_addr)->sin6_addr, text, sizeof text);
        }
        if (text[0] != '\0') {
            len += (size_t)snprintf(out + len, size - len, ",IP:%s", text);
        }
    }
    freeifaddrs(first);
}

static bool add_extension(X509 *certificate, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool set_serial(X509 *certificate)
{
    uint64_t number;
    id_random(&number, sizeof number);
    return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1) == 1;
}

static X509 *make(EVP_PKEY *key)
{
    char names[MOST_NAMES];
    list_names(names, sizeof names);
    X509 *certificate = X509_new();
    X509_NAME *name = certificate != NULL ? X509_get_subject_name(certificate) : NULL;
    bool made = name != NULL && X509_set_version(certificate, 2) == 1 && set_serial(certificate) &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * VALID_DAYS) != NULL &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"happn", -1, -1, 0) == 1 &&
                X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
                add_extension(certificate, NID_subject_alt_name, names) && add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
                add_extension(certificate, NID_ext_key_usage, "serverAuth") && X509_sign(certificate, key, EVP_sha256()) != 0;
    if (!made) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

/* Appears complete or not at all. */
static happn_status write_file(const char *path, mode_t mode, X509 *certificate, EVP_PKEY *key, happn_error *error)
{
    char fresh[600];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL) {
        return error_set(error, HAPPN_E_IO, "cannot write %.300s: %s", fresh, strerror(errno));
    }
    bool written = certificate != NULL ? PEM_write_X509(file, certificate) == 1 : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
    written = fflush(file) == 0 && fsync(fd) == 0 && written;
    if (fclose(file) != 0 || !written || rename(fresh, path) != 0) {
        unlink(fresh);
        return error_set(error, HAPPN_E_IO, "cannot write %.300s: %s", path, strerror(errno));
    }
    return HAPPN_OK;
}

happn_status certificate_make(const char *cert_path, const char *key_path, happn_error *error)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key != NULL ? make(key) : NULL;
    happn_status status = certificate != NULL ? HAPPN_OK : complain(error, "a certificate could not be made");
    if (status == HAPPN_OK) {
        status = write_file(key_path, 0600, NULL, key, error);
    }
    if (status == HAPPN_OK) {
        status = write_file(cert_path, 0644, certificate, NULL, error);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return status;
}
