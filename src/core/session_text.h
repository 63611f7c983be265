/* The session as its client sees it after a login, in the form its generation knows. */
#ifndef HAPPN_CORE_SESSION_TEXT_H
#define HAPPN_CORE_SESSION_TEXT_H

#include "core/session.h"

struct happn_login;

/* {"name":...,"secure":...}: what `describe` answers. */
void session_add_description(struct buf *out, const struct session *session);

/* What `login` answers; login NULL: on an unsecured service, or for the host's own. */
void session_add_text(struct buf *out, const struct session *session, const struct happn_login *login);

#endif
