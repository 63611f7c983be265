#include "workshop/tokens.h"

#include <ctype.h>

struct tokens tokens_of(struct str source)
{
    struct tokens tokens = {source, 1};
    if (source.len != 0 && source.ptr[0] == '#') { /* a line for the shell */
        const char *end = memchr(source.ptr, '\n', source.len);
        tokens.rest = str_skip(source, end != NULL ? (size_t)(end - source.ptr) : source.len);
    }
    return tokens;
}

static char char_at(const struct tokens *tokens, size_t index)
{
    return index < tokens->rest.len ? tokens->rest.ptr[index] : '\0';
}

static struct str step(struct tokens *tokens, size_t len)
{
    struct str text = str_make(tokens->rest.ptr, len < tokens->rest.len ? len : tokens->rest.len);
    for (size_t i = 0; i < text.len; i++) {
        tokens->line += text.ptr[i] == '\n';
    }
    tokens->rest = str_skip(tokens->rest, len);
    return text;
}

/* [==[ at index: how many bytes until behind ]==]; 0 when there is none. */
static size_t long_bracket(const struct tokens *tokens, size_t index, size_t *level)
{
    size_t at = index + 1;
    *level = 0;
    if (char_at(tokens, index) != '[') {
        return 0;
    }
    for (; char_at(tokens, at) == '='; at++) {
        ++*level;
    }
    if (char_at(tokens, at) != '[') {
        return 0;
    }
    for (at++; at < tokens->rest.len; at++) {
        size_t equals = 0;
        while (char_at(tokens, at) == ']' && equals < *level && char_at(tokens, at + 1 + equals) == '=') {
            equals++;
        }
        if (char_at(tokens, at) == ']' && equals == *level && char_at(tokens, at + 1 + equals) == ']') {
            return at + 2 + equals - index;
        }
    }
    return tokens->rest.len - index;
}

static void skip_space(struct tokens *tokens)
{
    for (;;) {
        size_t len = 0, level;
        while (len < tokens->rest.len && isspace((unsigned char)tokens->rest.ptr[len])) {
            len++;
        }
        step(tokens, len);
        if (char_at(tokens, 0) != '-' || char_at(tokens, 1) != '-') {
            return;
        }
        size_t comment = long_bracket(tokens, 2, &level);
        if (comment == 0) {
            const char *end = memchr(tokens->rest.ptr, '\n', tokens->rest.len);
            comment = end != NULL ? (size_t)(end - tokens->rest.ptr) : tokens->rest.len;
        } else {
            comment += 2;
        }
        step(tokens, comment);
    }
}

static struct str take_quoted(struct tokens *tokens)
{
    char quote = char_at(tokens, 0);
    size_t len = 1;
    while (len < tokens->rest.len && tokens->rest.ptr[len] != quote) {
        len += tokens->rest.ptr[len] == '\\' ? 2 : 1;
    }
    struct str text = step(tokens, len + 1);
    return text.len >= 2 ? str_make(text.ptr + 1, text.len - 2) : STR_LIT("");
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t name_length(const struct tokens *tokens)
{
    size_t len = 0;
    while (is_name_char(char_at(tokens, len))) {
        len++;
    }
    return len;
}

static size_t number_length(const struct tokens *tokens)
{
    size_t len = 1;
    for (char c; (c = char_at(tokens, len)) != '\0'; len++) {
        char before = char_at(tokens, len - 1);
        bool is_sign = (c == '+' || c == '-') && (before == 'e' || before == 'E' || before == 'p' || before == 'P');
        if (!is_name_char(c) && c != '.' && !is_sign) {
            break;
        }
    }
    return len;
}

static size_t sign_length(const struct tokens *tokens)
{
    static const char *const long_signs[] = {"...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>"};
    for (size_t i = 0; i < sizeof long_signs / sizeof long_signs[0]; i++) {
        if (str_starts(tokens->rest, str_of(long_signs[i]))) {
            return strlen(long_signs[i]);
        }
    }
    return 1;
}

struct token token_next(struct tokens *tokens)
{
    size_t level;
    skip_space(tokens);
    struct token token = {TOKEN_END, STR_NONE, tokens->line};
    char c = char_at(tokens, 0);
    if (tokens->rest.len == 0) {
        return token;
    }
    size_t bracket = long_bracket(tokens, 0, &level);
    if (isalpha((unsigned char)c) || c == '_') {
        token.kind = TOKEN_NAME;
        token.text = step(tokens, name_length(tokens));
    } else if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)char_at(tokens, 1)))) {
        token.kind = TOKEN_NUMBER;
        token.text = step(tokens, number_length(tokens));
    } else if (c == '"' || c == '\'') {
        token.kind = TOKEN_TEXT;
        token.text = take_quoted(tokens);
    } else if (bracket >= 2 * (level + 2)) {
        struct str text = step(tokens, bracket);
        token.kind = TOKEN_TEXT;
        token.text = str_make(text.ptr + level + 2, text.len - 2 * (level + 2));
    } else {
        token.kind = TOKEN_SIGN;
        token.text = step(tokens, sign_length(tokens));
    }
    return token;
}
