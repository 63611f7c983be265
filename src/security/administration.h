/* What administrators do: users, groups, permissions, sessions, tokens. One call, one verb, JSON in and JSON out: the HTTP interface, the
 * commands, C hosts and the bindings all come here. */
#ifndef HAPPN_SECURITY_ADMINISTRATION_H
#define HAPPN_SECURITY_ADMINISTRATION_H

#include "security/security.h"

/* error NULL: it is done, and result is raw JSON. Borrowed until it returns. */
typedef void (*administration_fn)(const happn_error *error, struct str result, void *arg);

/* done is called once, maybe before this returns. arguments: raw JSON object, copied. Unknown verbs are an error that names it. */
void administration_call(struct security *security, struct str verb, struct str arguments, administration_fn done, void *arg);

/* For documentation and checks: the i-th verb, what it takes, what it does. False: there are no more. */
struct administration_verb {
    const char *name, *takes, *does;
};
bool administration_verb(size_t index, struct administration_verb *out);

#endif
