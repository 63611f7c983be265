/* For whoever writes scripts: they are loaded anew when one of their files has changed. */
#ifndef HAPPN_SCRIPT_WATCH_H
#define HAPPN_SCRIPT_WATCH_H

#include "base/memory.h"
#include "script/scripts.h"

#include <uv.h>

/* A file as it was when it was read, or looked for. */
struct watched_file {
    char *path; /* owned */
    long long modified_ns, size;
};

struct watch {
    struct scripts *scripts;
    uv_timer_t timer;
    struct watched_file *files;
    size_t count, room;
    bool is_on, has_timer;
};

/* The files of a load are noted while it runs, those of a failed one, too: mending it is a change. */
void watch_forget(struct watch *watch);
void watch_note(struct watch *watch, const char *path);

/* Looks from now on, when it is on. */
void watch_files_begin(struct watch *watch);
/* The handle closes later and releases the scripts. */
void watch_files_end(struct watch *watch);

#endif
