/* The first words on a connection: configure-session, then login with what the options say, by password, token or key.
 *
 * A login by key needs the server's nonce first, so it leaves only when that has come, and what the program asks before would overtake it:
 * until then client_check says E_BUSY. */

#include <stdio.h>

#include "base/error.h"
#include "base/utf8.h"
#include "client/client.h"
#include "json/scan.h"
#include "json/write.h"
#include "security/crypto.h"
#include "security/header.h"
#include "security/signing.h"

#define CONFIGURATION "{\"protocol\":\"happn_2\",\"leavesWithLogin\":true}"

/* No connection comes of it: the first one's caller hears that, or it is tried again, or that was the end. */
static void not_admitted(happn_client *client, const happn_error *error)
{
    client->is_signing = false;
    if (client->is_down || reconnect_is_wanted(client, error->status)) {
        client_lost(client, error->status, error->message);
    } else {
        client_tell_connected(client, error->status, error);
    }
}

/* A member that is null is as good as not there. */
static struct str given(struct str options, const char *name)
{
    struct str value = client_options(options, name);
    return json_type_of(value) == JSON_NULL ? STR_NONE : value;
}

static bool has_credentials(struct str options)
{
    static const char *const names[] = {"username", "token", "cookie"};
    bool has = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        has = has || str_is_set(given(options, names[i]));
    }
    return has;
}

static void say_what_is_missing(const happn_client *client, happn_error *error)
{
    if (error->status == HAPPN_E_DENIED && !has_credentials(str_of(client->introduction))) {
        char text[200];
        snprintf(text, sizeof text, "%.60s: this server wants a login: username and password, username and privateKey, or token", error->message);
        utf8_mend(text); /* the message may have been cut */
        snprintf(error->message, sizeof error->message, "%s", text);
    }
}

static void remember_session(happn_client *client, struct str data)
{
    struct str id = json_string(&client->arena, json_get(data, "id"));
    snprintf(client->session_id, sizeof client->session_id, "%.*s", (int)(id.len < 79 ? id.len : 0), id.ptr != NULL ? id.ptr : "");
    memory_free(client->allocator, client->session);
    client->session = memory_strdup(client->allocator, data.ptr, data.len);
}

static bool login_answered(happn_client *client, struct pending *pending, const happn_result *result)
{
    (void)pending;
    client->is_signing = false;
    if (result->status != HAPPN_OK) {
        happn_error error = *result->error;
        say_what_is_missing(client, &error);
        not_admitted(client, &error);
        return false;
    }
    remember_session(client, str_make(result->data, result->data_len));
    if (client->is_down) {
        reconnect_logged_in(client);
    } else {
        pool_connected(client);
        client_tell_connected(client, HAPPN_OK, NULL);
    }
    return false;
}

/* When it fails the login's answer would only be a consequence. */
static bool configure_answered(happn_client *client, struct pending *pending, const happn_result *result)
{
    (void)pending;
    if (result->status != HAPPN_OK) {
        not_admitted(client, result->error);
    }
    return false;
}

static happn_status send_first(happn_client *client, const char *action, pending_hook hook, struct str data, uint64_t timeout_ms)
{
    struct pending *pending = request_new(client, action, NULL, NULL);
    if (pending == NULL) {
        return HAPPN_E_MEMORY;
    }
    pending->hook = hook;
    request_begin(client, pending);
    request_add(client, "data", data);
    happn_status status = request_send(client, pending, timeout_ms);
    if (status != HAPPN_OK) {
        request_free(client, pending);
    }
    return status;
}

/* --- what a login says */

static void add_member(struct buf *out, const char *name, struct str value)
{
    if (str_is_set(value)) {
        buf_add_format(out, ",\"%s\":", name);
        buf_add_str(out, value);
    }
}

static void add_text(struct buf *out, const char *name, struct str text)
{
    if (str_is_set(text)) {
        buf_add_format(out, ",\"%s\":", name);
        json_add_string(out, text);
    }
}

struct str login_cookie_token(struct arena *arena, struct str options)
{
    struct str header = json_string(arena, given(options, "cookie"));
    struct str name = json_string(arena, given(options, "cookieName"));
    name = str_is_set(name) ? name : STR_LIT("happn_token");
    struct str token = str_is_set(header) ? cookie_read(header, name) : STR_NONE;
    if (!str_is_set(header) || str_is_set(token)) {
        return token;
    }
    return cookie_read(header, arena_join(arena, (struct str[]){name, STR_LIT("_https")}, 2)); /* as servers behind TLS call it */
}

struct str login_private_key(struct arena *arena, struct str options)
{
    struct str key = given(options, "privateKey");
    return json_string(arena, str_is_set(key) ? key : given(given(options, "keyPair"), "privateKey"));
}

static void add_credentials(struct buf *out, struct arena *arena, struct str options)
{
    add_member(out, "username", given(options, "username"));
    add_member(out, "password", given(options, "password"));
    struct str token = given(options, "token");
    if (str_is_set(token)) {
        add_member(out, "token", token);
    } else {
        add_text(out, "token", login_cookie_token(arena, options));
    }
    add_member(out, "info", given(options, "info"));
}

/* --- by key */

/* As it is given: servers compare it as text with the one that they have; else the one that belongs to the private key. */
static bool find_public_key(struct arena *arena, struct str options, struct buf *out)
{
    struct str key = given(options, "publicKey");
    key = json_string(arena, str_is_set(key) ? key : given(given(options, "keyPair"), "publicKey"));
    if (str_is_set(key)) {
        buf_add_str(out, key);
        return out->status == HAPPN_OK;
    }
    return signing_public_key(login_private_key(arena, options), out);
}

static happn_status sign_and_send(happn_client *client, struct str nonce, struct buf *login, struct buf *key, struct buf *signature)
{
    struct str options = str_of(client->introduction);
    if (!find_public_key(&client->arena, options, key) ||
        !signing_sign_nonce(login_private_key(&client->arena, options), crypto_base64_decode(&client->arena, nonce), signature)) {
        return HAPPN_E_PROTOCOL; /* the key was looked at before: it is the nonce */
    }
    buf_add_lit(login, "{\"protocol\":\"happn_2\",\"loginType\":\"digest\"");
    add_credentials(login, &client->arena, options);
    add_text(login, "publicKey", buf_str(key));
    add_text(login, "digest", buf_str(signature));
    buf_add_char(login, '}');
    return login->status == HAPPN_OK ? send_first(client, "login", login_answered, buf_str(login), client->options.connect_ms) : login->status;
}

static happn_status sign(happn_client *client, struct str nonce)
{
    struct buf login, key, signature;
    buf_init(&login, client->allocator, CLIENT_MAX_MESSAGE);
    buf_init(&key, client->allocator, 1 << 16);
    buf_init(&signature, client->allocator, 1 << 16);
    happn_status status = sign_and_send(client, nonce, &login, &key, &signature);
    buf_fini(&login);
    buf_fini(&key);
    buf_fini(&signature);
    return status;
}

static bool nonce_answered(happn_client *client, struct pending *pending, const happn_result *result)
{
    (void)pending;
    happn_error error;
    if (result->status != HAPPN_OK) {
        not_admitted(client, result->error);
        return false;
    }
    struct str nonce = json_string(&client->arena, json_get(str_make(result->data, result->data_len), "nonce"));
    happn_status status = sign(client, nonce);
    if (status != HAPPN_OK) {
        bool is_nonce = status == HAPPN_E_PROTOCOL;
        error_set(&error, status, "%s", is_nonce ? "the server's nonce cannot be signed: it must be 32 bytes in base64" : happn_status_text(status));
        not_admitted(client, &error);
    }
    return false;
}

static happn_status ask_for_nonce(happn_client *client, struct str options, uint64_t timeout_ms)
{
    struct buf data, key;
    buf_init(&data, client->allocator, 1 << 16);
    buf_init(&key, client->allocator, 1 << 16);
    bool has_key = find_public_key(&client->arena, options, &key);
    buf_add_lit(&data, "{\"publicKey\":");
    json_add_string(&data, buf_str(&key));
    buf_add_char(&data, '}');
    happn_status status = !has_key ? HAPPN_E_ARGUMENT : data.status;
    if (status == HAPPN_OK) {
        status = send_first(client, "request-nonce", nonce_answered, buf_str(&data), timeout_ms);
    }
    client->is_signing = status == HAPPN_OK;
    buf_fini(&data);
    buf_fini(&key);
    return status;
}

static happn_status log_in(happn_client *client, struct str options, uint64_t timeout_ms)
{
    struct buf login;
    buf_init(&login, client->allocator, CLIENT_MAX_MESSAGE);
    buf_add_lit(&login, "{\"protocol\":\"happn_2\"");
    add_credentials(&login, &client->arena, options);
    buf_add_char(&login, '}');
    happn_status status = login.status == HAPPN_OK ? send_first(client, "login", login_answered, buf_str(&login), timeout_ms) : login.status;
    buf_fini(&login);
    return status;
}

bool login_is_by_key(struct str options)
{
    bool has_key = str_is_set(given(options, "privateKey")) || str_is_set(given(options, "keyPair"));
    bool has_other = str_is_set(given(options, "password")) || str_is_set(given(options, "token")) ||
                     str_is_set(given(options, "cookie"));
    return has_key && !has_other;
}

happn_status login_introduce(happn_client *client, struct str options, uint64_t timeout_ms)
{
    happn_status status = send_first(client, "configure-session", configure_answered, STR_LIT(CONFIGURATION), timeout_ms);
    if (status != HAPPN_OK) {
        return status;
    }
    return login_is_by_key(options) ? ask_for_nonce(client, options, timeout_ms) : log_in(client, options, timeout_ms);
}
