#include "workshop/source.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/nearest.h"
#include "script/route.h"

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool names_have(const struct names *names, const char *name)
{
    return bsearch(&name, names->items, names->count, sizeof *names->items, compare_names) != NULL;
}

/* -- reading -- */

static bool cut(struct source *source, struct arena *arena)
{
    struct tokens tokens = tokens_of(source->text);
    size_t count = 1;
    while (token_next(&tokens).kind != TOKEN_END) {
        count++;
    }
    source->words = arena_alloc(arena, count * sizeof *source->words);
    tokens = tokens_of(source->text);
    for (size_t i = 0; source->words != NULL && i < count; i++) {
        source->words[i] = token_next(&tokens);
    }
    source->word_count = count;
    return source->words != NULL;
}

bool source_read(struct source *source, struct arena *arena, struct notes *notes)
{
    happn_error error = {0};
    happn_status status = globals_find(arena, source->file, source->text, &source->globals, &error);
    if (status == HAPPN_E_MEMORY) {
        return false;
    }
    if (status != HAPPN_OK) {
        source->is_broken = true;
        notes_add_error(notes, source->file, error.message);
    }
    return cut(source, arena);
}

static bool is_behind_dot(const struct source *source, size_t i)
{
    return i != 0 && (token_is(&source->words[i - 1], ".") || token_is(&source->words[i - 1], ":"));
}

/* Blocks that are open, innermost last; of those beyond the room nothing is known. */
struct blocks {
    bool are_functions[200];
    size_t count, functions;
};

static void open_block(struct blocks *blocks, bool is_function)
{
    if (blocks->count < sizeof blocks->are_functions / sizeof blocks->are_functions[0]) {
        blocks->are_functions[blocks->count] = is_function;
        blocks->functions += is_function;
    }
    blocks->count++;
}

static void close_block(struct blocks *blocks)
{
    blocks->count -= blocks->count != 0;
    if (blocks->count < sizeof blocks->are_functions / sizeof blocks->are_functions[0]) {
        blocks->functions -= blocks->functions != 0 && blocks->are_functions[blocks->count];
    }
}

/* for and while have a do, then and else are an if's. */
static void follow_blocks(struct blocks *blocks, const struct token *word)
{
    if (token_is(word, "function") || token_is(word, "do") || token_is(word, "if") || token_is(word, "repeat")) {
        open_block(blocks, token_is(word, "function"));
    } else if (token_is(word, "end") || token_is(word, "until")) {
        close_block(blocks);
    }
}

void source_modules(const struct source *source, void (*take)(void *arg, const struct required *required), void *arg)
{
    struct blocks blocks = {.count = 0};
    for (size_t i = 0; i + 2 < source->word_count; i++) {
        const struct token *word = &source->words[i];
        follow_blocks(&blocks, word);
        if (!token_is(word, "require") || is_behind_dot(source, i)) {
            continue;
        }
        const struct token *name = token_is(word + 1, "(") ? word + 2 : word + 1;
        char file[256];
        if (name->kind == TOKEN_TEXT && name->text.len + 5 < sizeof file) {
            snprintf(file, sizeof file, "%.*s.lua", (int)name->text.len, name->text.ptr);
            for (size_t k = 0; k < name->text.len; k++) {
                file[k] = file[k] == '.' ? '/' : file[k];
            }
            take(arg, &(struct required){file, word->line, blocks.functions != 0});
        }
    }
}

int source_line_of(const struct source *source, struct str name)
{
    for (size_t i = 0; i < source->word_count; i++) {
        const struct token *word = &source->words[i];
        if ((word->kind == TOKEN_NAME || word->kind == TOKEN_TEXT) && str_equal(word->text, name)) {
            return word->line;
        }
    }
    return 0;
}

bool source_has_member(const struct source *source, struct str name)
{
    for (size_t i = 0; i + 1 < source->word_count; i++) {
        const struct token *word = &source->words[i];
        bool is_member = token_is(word + 1, "=") || (i > 0 && token_is(word - 1, "."));
        if (word->kind == TOKEN_NAME && is_member && str_equal(word->text, name)) {
            return true;
        }
    }
    return false;
}

bool source_has_route(const struct source *source)
{
    for (size_t i = 0; i < source->word_count; i++) {
        if (source->words[i].kind == TOKEN_TEXT && route_is_key(source->words[i].text)) {
            return true;
        }
    }
    return false;
}

/* -- globals -- */

static bool is_written(const struct source *all, const char *name)
{
    for (; all != NULL; all = all->next) {
        for (const struct global_use *use = all->globals; use != NULL; use = use->next) {
            if (use->is_write && strcmp(use->name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static const char *nearest_name(const struct names *names, const char *name, size_t prefix)
{
    const char *best = NULL;
    for (size_t i = 0; i < names->count; i++) {
        const char *known = names->items[i];
        if (strncmp(known, name, prefix) == 0 && strchr(known + prefix, '.') == NULL) {
            nearest_offer(name + prefix, known + prefix, &best);
        }
    }
    return best;
}

static const char *meaning_of_absence(const char *name)
{
    static const struct {
        const char *name, *text;
    } absent[] = {{"print", "scripts have no terminal: happn.log.info writes to the log"},
                  {"io", "scripts cannot reach files"},
                  {"dofile", "require reads files below the scripts' root"},
                  {"loadfile", "require reads files below the scripts' root"},
                  {"load", "scripts cannot make code"},
                  {"package", "require \"lib.checks\" reads lib/checks.lua below the scripts' root"},
                  {"unpack", "it is table.unpack"}};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        if (strcmp(absent[i].name, name) == 0) {
            return absent[i].text;
        }
    }
    return NULL;
}

static void note_unknown(const struct source *source, const struct global_use *use, const struct names *names, struct notes *notes)
{
    const char *text = meaning_of_absence(use->name), *near = nearest_name(names, use->name, 0);
    if (text != NULL) {
        notes_add(notes, source->file, use->line, false, "there is no global %s: %s", use->name, text);
    } else if (near != NULL) {
        notes_add(notes, source->file, use->line, false, "there is no global %s; did you mean %s?", use->name, near);
    } else {
        notes_add(notes, source->file, use->line, false, "there is no global %s", use->name);
    }
}

void source_check_globals(const struct source *source, const struct source *all, const struct names *names, struct notes *notes)
{
    for (const struct global_use *use = source->globals; use != NULL; use = use->next) {
        bool is_known = names_have(names, use->name);
        if (use->is_write) {
            notes_add(notes, source->file, use->line, true, is_known ? "this replaces the global %s" : "this makes a global of %s; is local %s meant?",
                      use->name, use->name);
        } else if (!is_known && !is_written(all, use->name) && !(source->is_test && strcmp(use->name, "print") == 0)) {
            note_unknown(source, use, names, notes);
        }
    }
}

/* -- members -- */

/* The compiler has seen a global of this name in this line: it is no local of the same name. */
static bool is_global(const struct source *source, const struct token *word)
{
    for (const struct global_use *use = source->globals; use != NULL; use = use->next) {
        if (use->line == word->line && str_is(word->text, use->name)) {
            return true;
        }
    }
    return false;
}

static bool has_members(const struct names *names, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < names->count; i++) {
        if (strncmp(names->items[i], name, len) == 0 && names->items[i][len] == '.') {
            return true;
        }
    }
    return false;
}

static void note_member(const struct source *source, int line, const char *whole, size_t prefix, const struct names *names, struct notes *notes)
{
    const char *near = nearest_name(names, whole, prefix);
    if (near != NULL) {
        notes_add(notes, source->file, line, false, "%.*s has no %s; did you mean %s?", (int)prefix - 1, whole, whole + prefix, near);
    } else {
        notes_add(notes, source->file, line, false, "%.*s has no %s", (int)prefix - 1, whole, whole + prefix);
    }
}

/* The first operands that are safe: a literal, a number, happn.path(...). */
static size_t skip_safe(const struct token *word)
{
    if (word->kind == TOKEN_TEXT || word->kind == TOKEN_NUMBER) {
        return 1;
    }
    if (!token_is(word, "happn") || !token_is(word + 1, ".") || !token_is(word + 2, "path") || !token_is(word + 3, "(")) {
        return 0;
    }
    size_t i = 4;
    for (int depth = 1; depth != 0 && word[i].kind != TOKEN_END; i++) {
        depth += token_is(&word[i], "(") - token_is(&word[i], ")");
    }
    return i;
}

static bool ends_argument(const struct token *word, int depth)
{
    return word->kind == TOKEN_END || (depth == 0 && (token_is(word, ",") || token_is(word, ")")));
}

/* word is the first of an argument. True when it is joined from anything but literals and happn.path. */
static bool is_joined(const struct token *word)
{
    bool has_join = false, is_safe = true, begins = true;
    int depth = 0;
    for (size_t i = 0; !ends_argument(&word[i], depth);) {
        size_t safe = begins && depth == 0 ? skip_safe(&word[i]) : 0;
        bool joins = depth == 0 && token_is(&word[i], "..");
        has_join = has_join || joins;
        is_safe = is_safe && (safe != 0 || joins);
        has_join = has_join || (depth <= 1 && token_is(&word[i], "format") && i != 0);
        depth += token_is(&word[i], "(") + token_is(&word[i], "{") + token_is(&word[i], "[");
        depth -= token_is(&word[i], ")") + token_is(&word[i], "}") + token_is(&word[i], "]");
        begins = joins;
        i += safe != 0 ? safe : 1;
    }
    return has_join && !is_safe;
}

static void check_path(const struct source *source, const struct token *word, const char *name, struct notes *notes)
{
    static const char *const calls[] = {"get", "count", "paths", "set", "set_sibling", "publish", "remove", "on"};
    if (strncmp(name, "happn.", 6) != 0 || !token_is(word, "(")) {
        return;
    }
    const char *last = strncmp(name, "happn.system.", 13) == 0 ? name + 13 : name + 6;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (strcmp(calls[i], last) == 0 && is_joined(word + 1)) {
            notes_add(notes, source->file, word->line, true,
                      "%s: the path is joined from texts; one from outside may contain / or *, which happn.path(base, part) refuses", name);
        }
    }
}

/* happn.log.info from its first word on. */
static void check_chain(const struct source *source, size_t i, const struct names *names, struct notes *notes)
{
    const struct token *word = &source->words[i];
    char name[160];
    size_t len = (size_t)snprintf(name, sizeof name, "%.*s", (int)word->text.len, word->text.ptr);
    for (; token_is(word + 1, ".") && word[2].kind == TOKEN_NAME && has_members(names, name); word += 2) {
        size_t prefix = len + 1;
        if (prefix + word[2].text.len >= sizeof name) {
            return;
        }
        len += (size_t)snprintf(name + len, sizeof name - len, ".%.*s", (int)word[2].text.len, word[2].text.ptr);
        if (!names_have(names, name)) {
            if (!token_is(word + 3, "=")) {
                note_member(source, word[2].line, name, prefix, names, notes);
            }
            return;
        }
    }
    check_path(source, word + 1, name, notes);
}

void source_check_members(const struct source *source, const struct names *names, struct notes *notes)
{
    for (size_t i = 0; i + 1 < source->word_count; i++) {
        const struct token *word = &source->words[i];
        if (word->kind == TOKEN_NAME && token_is(word + 1, ".") && word->text.len < 100 && !is_behind_dot(source, i) && is_global(source, word)) {
            check_chain(source, i, names, notes);
        }
    }
}
