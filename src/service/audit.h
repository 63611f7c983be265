/* The audit log: logins, refusals, changes of users and permissions, revocations, as JSON lines. */
#ifndef HAPPN_SERVICE_AUDIT_H
#define HAPPN_SERVICE_AUDIT_H

#include "core/core.h"

struct audit;

/* Appends to the file, which is made when it is not there and which only its owner may read. */
happn_status audit_open(struct core *core, const char *file, struct audit **out, happn_error *error);

/* The file was moved away: goes on in a new one of the same name. */
void audit_reopen(struct audit *audit);

/* Writes what waits, then calls closed, maybe before this returns. */
void audit_close(struct audit *audit, void (*closed)(void *arg), void *arg);

#endif
