/* Session tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256, and those of happn-3. */
#ifndef HAPPN_SECURITY_TOKEN_H
#define HAPPN_SECURITY_TOKEN_H

#include "security/policy.h"

enum { TOKEN_MOST = 16384 };

/* What a token says. Texts belong to whoever gives them: when reading, to the arena. */
struct token {
    struct str id;       /* what it is revoked by: the session that was logged in */
    struct str username;
    struct str userid;   /* not set: unknown */
    struct str origin;   /* the server's name */
    struct str profiles[2]; /* names, by session type */
    struct policy policy[2];
    int64_t issued;      /* milliseconds */
    int type;            /* enum session_type it was made for; -1: any */
    bool is_original;    /* made by happn-3 */
};

/* A secret and its name in the header. */
struct token_secret {
    char id[24];
    struct str key;
};

/* When it ends, in milliseconds: the later of the two ends; 0: never, for one kind of session may use it for ever. */
int64_t token_expiry(const struct token *token);

/* Adds the text. False: it would be longer than TOKEN_MOST, or memory is out. */
bool token_write(const struct token *token, const struct token_secret *secret, struct buf *out);

/* False for everything that is not a whole token signed with one of the secrets; HS256 only. Whether it has expired is not looked at. */
bool token_read(struct arena *arena, struct str text, const struct token_secret *secrets, size_t count, struct token *out);

#endif
