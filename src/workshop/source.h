/* One file of scripts, taken apart, and what can be said about it without running it. */
#ifndef HAPPN_WORKSHOP_SOURCE_H
#define HAPPN_WORKSHOP_SOURCE_H

#include "workshop/globals.h"
#include "workshop/notes.h"
#include "workshop/tokens.h"

/* The names that scripts find without declaring them, sorted. */
struct names {
    const char **items;
    size_t count;
};

bool names_have(const struct names *names, const char *name);

struct source {
    struct source *next;
    const char *file;
    struct str text;
    struct token *words; /* the last one is TOKEN_END */
    size_t word_count;
    struct global_use *globals;
    bool is_broken; /* it does not compile */
    bool is_module; /* another file requires it, or it is below lib/ */
    bool is_test;   /* ..._test.lua */
    bool is_loaded; /* the configuration names it: as it says */
};

/* Compiles the text and cuts it into words; what the compiler says goes to notes. False: out of memory. */
bool source_read(struct source *source, struct arena *arena, struct notes *notes);

/* A module that is required by a literal name. */
struct required {
    const char *file; /* "lib/checks.lua" */
    int line;
    bool in_function; /* not while the file itself runs */
};

/* Calls take with every one. */
void source_modules(const struct source *source, void (*take)(void *arg, const struct required *required), void *arg);

/* Globals that nobody knows: not the sandbox, not a source of the list `all`. */
void source_check_globals(const struct source *source, const struct source *all, const struct names *names, struct notes *notes);

/* Members of happn and the libraries that are not there; paths that are joined from texts. */
void source_check_members(const struct source *source, const struct names *names, struct notes *notes);

/* The line of the first word that is `name`; 0: none. */
int source_line_of(const struct source *source, struct str name);

/* Is the name used as a member, or set? A parameter or variable that is only called so is none. */
bool source_has_member(const struct source *source, struct str name);

/* Is there a text such as "GET /{id}"? */
bool source_has_route(const struct source *source);

#endif
