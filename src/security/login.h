/* A login: from credentials to an identity. */
#ifndef HAPPN_SECURITY_LOGIN_H
#define HAPPN_SECURITY_LOGIN_H

#include "happn/auth.h"
#include "security/hashing.h"
#include "security/identity.h"
#include "security/token.h"

/* The caller fills the first part and keeps everything alive until done. */
struct happn_login {
    struct security *security;
    struct arena *arena;
    struct str credentials;   /* raw JSON object: username, and password, token, or publicKey and digest */
    struct str info;          /* raw JSON that the client tells of itself, or not set */
    struct str session_id;    /* what the session, and a new token, are called by */
    struct str address;       /* of the peer; empty within the process */
    struct str nonce;         /* that a digest must have signed (32 bytes); not set: none is valid */
    enum session_type type;
    bool is_local;            /* within the process */
    bool is_forwarded;        /* it came through a proxy */
    bool is_browser;
    bool is_counted;          /* login_may_try was asked */
    void (*done)(struct happn_login *login); /* called once, maybe before login_begin returns */
    void *arg;

    struct identity *identity; /* the caller's now; NULL: refused */
    struct token token;        /* what the identity's token says */
    happn_error error;         /* AccessDenied, 401 or 403 */
    struct hash_job job;
    struct str username;
    char stored[PASSWORD_STORED];
};

void login_begin(struct happn_login *login);

/* Counts it as one of its address, once; login_begin does that by itself for what is costly. False: there were too many, error says so. */
bool login_may_try(struct happn_login *login);

/* Whom this token stands for in one request that comes from this address. NULL: error says why not. Nothing of it is remembered. */
struct identity *login_by_token(struct security *security, struct arena *arena, struct str text, struct str address, happn_error *error,
                                struct token *token);

#endif
