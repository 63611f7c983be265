/* One login: who somebody is, what they may do, and for how long. */
#ifndef HAPPN_SECURITY_IDENTITY_H
#define HAPPN_SECURITY_IDENTITY_H

#include "security/directory.h"
#include "security/permissions.h"
#include "security/policy.h"

struct security;
struct token;

/* Why something is not done. */
struct denial {
    const char *reason;  /* for the error; NULL: the permission is missing */
    const char *closing; /* the connection ends with this reason; NULL: it stays */
};

extern const struct denial refused_unauthorized, refused_no_login, refused_expired, refused_inactive, refused_used_up, refused_limited,
    refused_revoked, refused_gone;

struct identity {
    size_t refs;
    struct security *security;
    struct user *user;                   /* NULL: is gone */
    struct identity *next_of_user;
    struct identity *previous, *next;    /* live ones */
    struct permission_set *limits;       /* of the profile, in place of the user's rights; NULL: none */
    struct policy policy;                /* of its session type, numbers only */
    const struct denial *ended;         /* nothing is allowed any more, and why; NULL: it is alive */
    enum session_type type;
    int64_t issued, last_used;
    int64_t used;
    struct str username, token, token_id; /* owned */
    char session_id[40];                 /* of the connection */
    const char *last_action;             /* what it did last, when that is kept; NULL: nothing */
    bool last_refused;
    char last_path[200];
    void *owner;                         /* the session; NULL: a single request */
};

/* For this user, by what the token says; one reference is the caller's. NULL: out of memory, or a profile's permissions cannot be read. */
struct identity *identity_new(struct security *security, struct user *user, const struct token *token, struct str token_text,
                              enum session_type type);
void identity_ref(struct identity *identity);
void identity_unref(struct identity *identity); /* NULL is fine */

/* It belongs to a connection from now on: whoever watches is told when its rights change or it ends. */
void identity_keep(struct identity *identity, void *owner, const char *session_id);
/* The connection is gone, or has another identity: nobody is told any more. */
void identity_leave(struct identity *identity);

/* What it may do; compiled when somebody asks. NULL: nothing (it has ended, or memory is out). Borrowed. */
struct permission_set *identity_rights(struct identity *identity);

/* The user's own, whoever asks. */
struct permission_set *user_rights(struct security *security, struct user *user);

bool identity_is_admin(const struct identity *identity);

/* Is it over by the clock? NULL: no. */
const struct denial *identity_over(const struct identity *identity, int64_t now);

/* Nothing is allowed any more. */
void identity_end(struct identity *identity, const struct denial *why);

#endif
