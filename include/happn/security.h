/* Users, groups, permissions, sessions and tokens of a secured service. */
#ifndef HAPPN_SECURITY_H
#define HAPPN_SECURITY_H

#include "happn/service.h"

#ifdef __cplusplus
extern "C" {
#endif

/* error NULL: it is done, and json is the result's text. Borrowed until the function returns. */
typedef void (*happn_security_fn)(const happn_error *error, const char *json, size_t len, void *arg);

/* Does what an administrator does: verb is "upsertUser", "linkGroup", "revokeToken", ... (docs/security.md has all of them), arguments the text
 * (UTF-8) of a JSON object with what the verb takes. Both are copied. done is called once, on the loop's thread, maybe before this returns. E_ARGUMENT: the
 * arguments are no JSON object in UTF-8; E_CLOSED: the service does not run; E_UNSUPPORTED: it is not secured; then done is not called. */
HAPPN_API HAPPN_MUST_USE happn_status happn_security_call(happn_service *service, const char *verb, const char *arguments, size_t len,
                                                          happn_security_fn done, void *arg);

#ifdef __cplusplus
}
#endif
#endif
