/* What one does with logins: an administrator with everybody's, everybody with his own. */

#include "base/utf8.h"
#include "client/client.h"
#include "json/scan.h"
#include "json/write.h"

enum { VERB_MOST = 60 };

/* The request begins; its data is written next. NULL: status says why. */
static struct pending *begin(happn_client *client, const char *action, happn_result_fn done, void *arg, happn_status *status)
{
    *status = client_check(client);
    struct pending *pending = *status == HAPPN_OK ? request_new(client, action, done, arg) : NULL;
    if (pending == NULL) {
        *status = *status == HAPPN_OK ? HAPPN_E_MEMORY : *status;
        return NULL;
    }
    request_begin(client, pending);
    buf_add_lit(&client->out, ",\"data\":{");
    return pending;
}

static happn_status finish(happn_client *client, struct pending *pending)
{
    buf_add_char(&client->out, '}');
    happn_status status = request_send(client, pending, 0);
    if (status != HAPPN_OK) {
        request_free(client, pending);
    }
    return status;
}

happn_status happn_client_administer(happn_client *client, const char *verb, const char *arguments, size_t len, happn_result_fn done, void *arg)
{
    struct str name = str_of(verb), given = arguments != NULL ? str_make(arguments, len) : STR_LIT("{}");
    if (client == NULL || name.len == 0 || name.len > VERB_MOST || !utf8_is_valid(name)) {
        return HAPPN_E_ARGUMENT;
    }
    happn_status status = client_check_json(given);
    if (status != HAPPN_OK || json_type_of(given) != JSON_OBJECT) {
        return status != HAPPN_OK ? status : HAPPN_E_JSON;
    }
    struct pending *pending = begin(client, "administer", done, arg, &status);
    if (pending == NULL) {
        return status;
    }
    buf_add_lit(&client->out, "\"verb\":");
    json_add_string(&client->out, name);
    request_add(client, "arguments", given);
    return finish(client, pending);
}

happn_status happn_client_change_password(happn_client *client, const char *old_password, const char *new_password, happn_result_fn done,
                                          void *arg)
{
    struct str before = str_of(old_password), after = str_of(new_password);
    if (client == NULL || old_password == NULL || new_password == NULL || !utf8_is_valid(before) || !utf8_is_valid(after)) {
        return HAPPN_E_ARGUMENT;
    }
    happn_status status;
    struct pending *pending = begin(client, "change-password", done, arg, &status);
    if (pending == NULL) {
        return status;
    }
    buf_add_lit(&client->out, "\"oldPassword\":");
    json_add_string(&client->out, before);
    buf_add_lit(&client->out, ",\"newPassword\":");
    json_add_string(&client->out, after);
    return finish(client, pending);
}

happn_status happn_client_revoke_token(happn_client *client, happn_result_fn done, void *arg)
{
    happn_status status = HAPPN_E_ARGUMENT;
    struct pending *pending = client != NULL ? begin(client, "revoke-token", done, arg, &status) : NULL;
    return pending != NULL ? finish(client, pending) : status;
}
