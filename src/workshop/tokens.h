/* The words of a Lua source, for looks that need no grammar. */
#ifndef HAPPN_WORKSHOP_TOKENS_H
#define HAPPN_WORKSHOP_TOKENS_H

#include "base/str.h"

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_TEXT, TOKEN_NUMBER, TOKEN_SIGN };

struct token {
    enum token_kind kind;
    struct str text; /* of a text: what is between its quotes, escapes not decoded */
    int line;
};

struct tokens {
    struct str rest;
    int line;
};

/* The source is one that compiles; of another one the words may be wrong, but there is an end. */
struct tokens tokens_of(struct str source);
struct token token_next(struct tokens *tokens);

static inline bool token_is(const struct token *token, const char *text)
{
    return (token->kind == TOKEN_NAME || token->kind == TOKEN_SIGN) && str_is(token->text, text);
}

#endif
