/* System events for the host: connect, authentic, disconnect, session-ended, login-refused, security-data-changed. */
#ifndef HAPPN_CORE_EVENTS_H
#define HAPPN_CORE_EVENTS_H

#include "core/session.h"

struct watcher {
    struct watcher *next;
    happn_system_fn fn;
    void *arg;
};

happn_status events_watch(struct core *core, happn_system_fn fn, void *arg);
void events_unwatch(struct core *core, happn_system_fn fn, void *arg);
void events_forget_all(struct core *core);

/* detail is a raw JSON object. */
void events_emit(struct core *core, const char *event, struct str detail);

/* A request was refused: who wanted what, and why not. */
void events_refused(const struct request *request);

/* A peer is there; its end will be told, too. */
void events_connected(struct session *session);

struct happn_login;

/* Somebody logged in for requests over HTTP. */
void events_authentic(struct core *core, const struct happn_login *login);

/* Somebody could not log in: name, address, code and message. */
void events_login_refused(struct core *core, const struct happn_login *login);

/* What is known of the session: id, protocol, username, info, address; and the reason, when there is one. */
void events_session(struct core *core, const char *event, const struct session *session, const char *reason);

#endif
