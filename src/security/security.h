/* Security of one service: the directory, the secrets tokens are signed with, the logins that live. */
#ifndef HAPPN_SECURITY_SECURITY_H
#define HAPPN_SECURITY_SECURITY_H

#include "base/log.h"
#include "base/loop.h"
#include "happn/auth.h"
#include "security/directory.h"
#include "security/ecies.h"
#include "security/identity.h"
#include "security/lockout.h"
#include "security/lookup.h"
#include "security/nonces.h"
#include "security/policy.h"
#include "security/revoked.h"
#include "security/token.h"
#include "store/datastores.h"

enum { SECURITY_SECRETS = 2 };

typedef void (*change_fn)(happn_status status, const happn_error *error, void *arg);

/* What the configuration says. Texts are NUL terminated and live as long as the service. */
struct security_settings {
    struct str name;               /* of the service: what tokens are issued by */
    struct str admin_password;     /* not set: "happn" */
    struct str admin_public_key;   /* not set: none */
    struct str admin_custom_data;  /* raw JSON, or not set */
    struct str token_secret;       /* not set: the stored one, made at the first start */
    struct str private_key, public_key; /* of payload encryption, base64; not set: the stored ones, made at the first start */
    bool encrypts_payloads;        /* clients of protocols 1 to 3 are told to encrypt */
    struct str profiles;           /* raw JSON list, or not set */
    int iterations;                /* of new password hashes */
    int64_t nonce_ms;
    bool keeps_permissions;        /* in the store; else they end with the process */
    bool nests_permissions;        /* reading above what is permitted gives what is permitted */
    bool admin_stays_in;           /* the administrator logs in within the process only */
    bool locks_token_to_type;      /* a token of an HTTP login opens no connection, and the other way round */
    bool admits_anonymous;
    bool is_production;            /* the default password is refused */
    bool logs_activity;            /* what a session did last is listed with it */
    bool lockout_is_off;
    bool folds_names;              /* names of users in lower case, but for folds_except (raw JSON list) */
    struct str folds_except;
    int64_t lockout_attempts, lockout_retry_ms, logins_per_minute;
};

/* What those who let somebody in are told. */
struct security_host {
    /* The rights of a live login may be others now. what and detail (raw JSON) say why. */
    void (*rights_changed)(struct identity *identity, const char *what, struct str detail);
    /* A login is over: its user is gone, its token was revoked, its time is up. */
    void (*ended)(struct identity *identity, const char *reason);
    /* A connection is to be closed, its login stays good. */
    void (*disconnect)(struct identity *identity, const char *reason);
    /* For whoever watches: "security-data-changed", "login-refused", ...; detail is a raw JSON object. */
    void (*happened)(void *arg, const char *event, struct str detail);
};

struct security {
    struct loop *loop;
    const struct allocator *allocator;
    struct log *log;
    struct datastores *stores;
    struct security_settings settings;
    const struct security_host *host;
    void *host_arg;
    struct arena arena; /* of the profiles */
    struct profiles profiles;
    struct directory directory;
    struct lookup *lookup;         /* tables, and the permissions that ask them */
    struct token_secret secrets[SECURITY_SECRETS]; /* the first one signs */
    size_t secret_count;
    struct key_pair key_pair;      /* of payload encryption */
    struct str public_key;         /* its base64 text; in the arena */
    struct hashing *hashing;
    struct activity *activity;     /* of tokens over HTTP */
    struct lockout lockout;
    struct revoked revoked;
    struct nonces nonces;          /* of digest logins over HTTP */
    int64_t tidied;                /* when outlived revocations were looked for last */
    size_t changes;                /* of the directory, being stored */
    struct turn *turns, *last_turn; /* changes that wait for them */
    bool takes_turns;
    struct user *touched;          /* their rights changed since the last settle */
    struct identity *live;         /* logins that keep a connection */
    happn_auth_fn auth;            /* the host's own way to log in; NULL: none */
    void *auth_arg;
    happn_auth_fn scripted_auth;   /* asked after the host's: a script's; NULL: none */
    void *scripted_auth_arg;
    bool is_loading;
};

/* Makes it of the settings; reads nothing yet. E_CONFIG says which profile is wrong. host NULL: nobody is told. */
happn_status security_new(struct loop *loop, const struct allocator *allocator, struct log *log, struct datastores *stores,
                          const struct security_settings *settings, struct security **out, happn_error *error);
void security_watch(struct security *security, const struct security_host *host, void *arg);

/* Reads the directory and the secret from the store, and makes what a new store lacks: the secret, the administrator.
 * ready is called once, maybe before this returns. */
void security_load(struct security *security, void (*ready)(happn_status status, const happn_error *error, void *arg), void *arg);

/* No change and no login is under way any more, and the loop may stop. */
void security_free(struct security *security);

/* A user's name as it is kept: in lower case, where names are. ptr NULL: no memory, or none. */
struct str security_user_name(const struct security *security, struct arena *arena, struct str name);

/* A document below /_SYSTEM/_SECURITY/ was written or removed by somebody else than a change of ours. */
void security_written(struct security *security, const struct document *document);
void security_removed(struct security *security, struct str path);

/* One document of the directory, as it was stored or removed (data: what it was). E_MEMORY. */
happn_status security_put(struct security *security, struct str path, struct str data, int64_t created, int64_t modified);
void security_drop(struct security *security, struct str path, struct str data);

/* Those whose rights changed are told. Called after each change of the directory. */
void security_settle(struct security *security, const char *what, struct str detail);

/* Ends every login with this token, now and later, for as long as the token lives; reason is kept. done is called once, maybe before this
 * returns. E_ARGUMENT: it is no token of ours. */
void security_revoke(struct security *security, struct str token, struct str reason, change_fn done, void *arg);
/* Takes that back, by the token's id. */
void security_restore(struct security *security, struct str token_id, change_fn done, void *arg);
bool security_is_revoked(const struct security *security, struct str token_id);

/* The user's password from now on; hash as password_hash made it. E_NOT_FOUND: the user has gone meanwhile. before: the hash that has to be there
 * still, else E_CONFLICT; not set: any. Texts are copied. */
void security_set_password(struct security *security, struct str username, const char *hash, struct str before, change_fn done, void *arg);

void security_happened(struct security *security, const char *event, struct str detail);

/* Ends what is over by the clock; called every second or so. */
void security_sweep(struct security *security, int64_t now);

#endif
