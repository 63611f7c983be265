/* What was found, and where. */
#ifndef HAPPN_WORKSHOP_NOTES_H
#define HAPPN_WORKSHOP_NOTES_H

#include "base/arena.h"
#include "happn/workshop.h"

struct note {
    struct note *next;
    happn_finding finding;
};

enum { NOTES_MOST = 1000 };

struct notes {
    struct arena *arena;
    struct note *first;
    size_t count;
    bool is_full; /* out of memory */
};

/* Each finding once; those after NOTES_MOST are left out. */
void notes_add(struct notes *notes, const char *file, int line, bool is_warning, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* An error of a load: "layers/a.lua:3: what", "layers/a.lua: what", or anything, which then is file's. */
void notes_add_error(struct notes *notes, const char *file, const char *text);

/* Is something said about this line that names `text`? */
bool notes_mention(const struct notes *notes, const char *file, int line, const char *text);

/* Ordered by file and line. False: out of memory. */
bool notes_tell(const struct notes *notes, void (*found)(const happn_finding *finding, void *arg), void *arg);

#endif
