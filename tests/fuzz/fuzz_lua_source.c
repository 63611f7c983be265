/* Lua sources: the words of any text end and lie within it, and what the compiler's dump says about globals is within the text, too. */
#include <stdlib.h>

#include "workshop/globals.h"
#include "workshop/tokens.h"

static int line_count(struct str text)
{
    int lines = 1;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.ptr[i] == '\n' || text.ptr[i] == '\r';
    }
    return lines;
}

static void check_words(struct str text)
{
    struct tokens tokens = tokens_of(text);
    size_t count = 0;
    for (struct token token = token_next(&tokens); token.kind != TOKEN_END; token = token_next(&tokens)) {
        if (++count > text.len || token.text.len > text.len || (token.text.len != 0 && (token.text.ptr < text.ptr || token.text.ptr + token.text.len > text.ptr + text.len))) {
            abort();
        }
    }
}

static void note_line(void *arg, int line)
{
    if (line < 1 || line > *(int *)arg) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size < 20000 ? size : 20000);
    struct arena arena;
    struct global_use *uses = NULL;
    happn_error error = {0};
    int lines = line_count(text);
    arena_init(&arena, NULL);
    check_words(text);
    happn_status status = globals_find(&arena, "x.lua", text, &uses, &error);
    if (status != HAPPN_OK && error.message[0] == '\0') {
        abort();
    }
    for (; uses != NULL; uses = uses->next) {
        if (uses->line < 1 || uses->line > lines || uses->name[0] == '\0') {
            abort();
        }
    }
    if (status == HAPPN_OK && globals_lines(&arena, "x.lua", text, note_line, &lines, &error) != HAPPN_OK) {
        abort();
    }
    arena_fini(&arena);
    return 0;
}
