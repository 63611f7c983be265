/* The head of a request: its headers, and what of a body comes behind it. */

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "net/chunked.h"
#include "net/http_request.h"
#include "net/peer.h"
#include "security/http_path.h"

enum { NAME_BYTES = 128, MOST_DIGITS = 20 /* libwebsockets reads no longer number */ };

/* -- headers */

/* What cannot be copied must not be taken for what was not sent. */
static char *header_room(happn_http *http, size_t len)
{
    char *text = arena_alloc(&http->arena, len + 1);
    http->lacks_memory = http->lacks_memory || text == NULL;
    return text;
}

static struct str copy_token(happn_http *http, enum lws_token_indexes token)
{
    int len = lws_hdr_total_length(http->wsi, token);
    char *text = len > 0 ? header_room(http, (size_t)len) : NULL;
    if (text == NULL || lws_hdr_copy(http->wsi, text, len + 1, token) < 0) {
        return STR_NONE;
    }
    return str_make(text, (size_t)len);
}

/* The raw query: lws keeps it in fragments without their &. */
static struct str copy_query(happn_http *http)
{
    int total = lws_hdr_total_length(http->wsi, WSI_TOKEN_HTTP_URI_ARGS);
    size_t room = total > 0 ? (size_t)total + 64 : 0;
    char *text = total > 0 ? header_room(http, room) : NULL;
    size_t len = 0;
    for (int i = 0; text != NULL; i++) {
        int size = lws_hdr_fragment_length(http->wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (size <= 0 || len + (size_t)size + 2 > room) {
            break;
        }
        if (len != 0) {
            text[len++] = '&';
        }
        if (lws_hdr_copy_fragment(http->wsi, text + len, size + 1, WSI_TOKEN_HTTP_URI_ARGS, i) < 0) {
            break;
        }
        len += (size_t)size;
    }
    return text != NULL ? str_make(text, len) : STR_NONE;
}

/* lws keeps names it knows under numbers and all others by name, both with the colon. */
static enum lws_token_indexes find_token(const char *name)
{
    for (int token = 0; token < WSI_TOKEN_COUNT; token++) {
        const char *known = (const char *)lws_token_to_string((enum lws_token_indexes)token);
        if (known != NULL && strcmp(known, name) == 0) {
            return (enum lws_token_indexes)token;
        }
    }
    return WSI_TOKEN_COUNT;
}

static struct str local_header(const struct local_request *local, const char *name)
{
    for (size_t i = 0; i < local->header_count; i++) {
        if (strcmp(local->headers[i].name, name) == 0) {
            return local->headers[i].value;
        }
    }
    return STR_NONE;
}

struct str http_header(const happn_http *http, const char *name)
{
    if (http->local != NULL) {
        return local_header(http->local, name);
    }
    happn_http *self = (happn_http *)http; /* the copy belongs to the request's arena */
    char with_colon[NAME_BYTES];
    size_t name_len = strlen(name) + 1;
    if (http->wsi == NULL || name_len < 2 || name_len >= sizeof with_colon) {
        return STR_NONE;
    }
    memcpy(with_colon, name, name_len - 1);
    memcpy(with_colon + name_len - 1, ":", 2);
    enum lws_token_indexes token = find_token(with_colon);
    if (token != WSI_TOKEN_COUNT) {
        return copy_token(self, token);
    }
    int size = lws_hdr_custom_length(http->wsi, with_colon, (int)name_len);
    char *text = size >= 0 ? header_room(self, (size_t)size) : NULL;
    if (text == NULL || lws_hdr_custom_copy(http->wsi, text, size + 1, with_colon, (int)name_len) < 0) {
        return STR_NONE;
    }
    return str_make(text, (size_t)size);
}

/* -- requests */

static const struct {
    enum lws_token_indexes token;
    const char *name;
} methods[] = {
    {WSI_TOKEN_GET_URI, "GET"},       {WSI_TOKEN_POST_URI, "POST"},     {WSI_TOKEN_PUT_URI, "PUT"},
    {WSI_TOKEN_PATCH_URI, "PATCH"},   {WSI_TOKEN_DELETE_URI, "DELETE"}, {WSI_TOKEN_HEAD_URI, "HEAD"},
    {WSI_TOKEN_OPTIONS_URI, "OPTIONS"},
};

static happn_http *new_http(struct listener *listener, struct lws *wsi, struct connection *connection, struct str path)
{
    happn_http *http = http_new(listener, path);
    if (http == NULL) {
        return NULL;
    }
    http->connection = connection;
    http->wsi = wsi;
    http->query = copy_query(http);
    http->method = "";
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (lws_hdr_total_length(wsi, methods[i].token) > 0) {
            http->method = methods[i].name;
        }
    }
    peer_address(listener, wsi, connection, http->address);
    http->is_encrypted = peer_is_encrypted(listener, wsi, connection);
    connection->http = http;
    return http;
}

static void look_at_name(const char *name, int len, void *arg)
{
    bool *is_odd = arg;
    for (int i = 0; i < len; i++) {
        *is_odd = *is_odd || (unsigned char)name[i] <= ' ';
    }
}

/* "Content-Length : 5" is a header of its own to us, and a length to others. */
static bool has_odd_name(struct lws *wsi)
{
    bool is_odd = false;
    lws_hdr_custom_name_foreach(wsi, look_at_name, &is_odd);
    return is_odd;
}

static int take_chunks(happn_http *http)
{
    struct str coding = copy_token(http, WSI_TOKEN_HTTP_TRANSFER_ENCODING);
    if (coding.len != 7 || strncasecmp(coding.ptr, "chunked", 7) != 0) {
        return http->lacks_memory ? -1 : http_refuse(http, 501, "of transfer encodings only chunked is understood\n");
    }
    if (http_is_old(http)) {
        return http_refuse(http, 400, "HTTP/1.0 has no chunks\n");
    }
    http->chunks = arena_alloc(&http->arena, sizeof *http->chunks);
    if (http->chunks == NULL) {
        return -1;
    }
    *http->chunks = (struct chunked){.step = CHUNKED_SIZE};
    return http_body_await(http, SIZE_MAX);
}

static int take_length(happn_http *http, struct str length)
{
    char *end;
    unsigned long long expected = strtoull(length.ptr, &end, 10);
    if (*end != '\0' || !isdigit((unsigned char)length.ptr[0]) || length.len > MOST_DIGITS) {
        return http_refuse(http, 400, "the Content-Length is not a number\n");
    }
    if (expected > http->listener->options.body_bytes) {
        return http_refuse(http, 413, "the body is too large\n");
    }
    if (expected == 0 && strcmp(http->method, "POST") != 0) {
        http_body_end(http);
        return http_route(http);
    }
    return http_body_await(http, (size_t)expected); /* lws gives us the body next; a POST of length 0 too */
}

static int begin_request(happn_http *http)
{
    struct str length = copy_token(http, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    bool is_coded = lws_hdr_total_length(http->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    bool takes_body = strcmp(http->method, "POST") == 0 || strcmp(http->method, "PUT") == 0 || strcmp(http->method, "PATCH") == 0;
    if (http->lacks_memory) {
        return -1;
    }
    if (has_odd_name(http->wsi)) {
        return http_refuse(http, 400, "the name of a header has a space\n");
    }
    if (!takes_body && !is_coded && (!str_is_set(length) || str_is(length, "0"))) {
        return http_route(http);
    }
    http_body_begin(http);
    if (is_coded && str_is_set(length)) { /* a proxy before us may have believed the other one */
        return http_refuse(http, 400, "send a Content-Length or a Transfer-Encoding, not both\n");
    }
    if (is_coded) {
        return take_chunks(http);
    }
    return str_is_set(length) ? take_length(http, length) : http_refuse(http, 411, "send a Content-Length\n");
}

int http_request(struct listener *listener, struct lws *wsi, struct connection *connection, struct str path)
{
    if (connection->http != NULL) {
        return -1;
    }
    happn_http *http = new_http(listener, wsi, connection, path);
    if (http == NULL || http->path.ptr == NULL) {
        return -1;
    }
    happn_error error;
    return http_path_check(http->path, &error) == HAPPN_OK ? begin_request(http) : http_refuse(http, 400, error.message);
}
