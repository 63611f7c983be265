/* administer: what an administrator does, over a connection that is logged in: the verbs of POST /_admin, with the same answers. Data is
 * {"verb":"upsertUser","arguments":{...}}. A session of the host's own may, too. */

#include "core/dispatch.h"
#include "core/session.h"
#include "json/scan.h"
#include "security/administration.h"

static void administered(const happn_error *error, struct str result, void *arg)
{
    struct request *request = arg;
    if (error != NULL) {
        int code = error->status == HAPPN_E_DENIED ? 403 : 0;
        core_fail(request, error->status, NULL, error->code != 0 ? error->code : code, error->message);
        return;
    }
    core_reply_text(request, result);
}

static bool is_administrator(const struct session *session)
{
    return session->is_trusted || (session->identity != NULL && identity_is_admin(session->identity));
}

void action_administer(struct request *request)
{
    struct security *security = request->core->security;
    struct str verb = json_string(&request->arena, json_get(request->data, "verb"));
    struct str arguments = json_get(request->data, "arguments");
    if (security == NULL) {
        core_fail(request, HAPPN_E_UNSUPPORTED, NULL, 0, "this server has no users: it is not secured (\"secure\": true)");
    } else if (!is_administrator(request->session)) {
        core_fail(request, HAPPN_E_DENIED, "AccessDenied", 403, "only members of the group _ADMIN may do this");
    } else if (!str_is_set(verb) || (str_is_set(arguments) && json_type_of(arguments) != JSON_OBJECT)) {
        core_fail(request, HAPPN_E_ARGUMENT, NULL, 0, "administer takes {\"verb\": \"upsertUser\", \"arguments\": {...}}");
    } else {
        administration_call(security, verb, arguments, administered, request);
    }
}
