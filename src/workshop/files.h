/* Finding and reading the files of a folder of scripts. */
#ifndef HAPPN_WORKSHOP_FILES_H
#define HAPPN_WORKSHOP_FILES_H

#include "base/arena.h"
#include "base/str.h"
#include "happn/status.h"

struct file_list {
    const char **names; /* relative to the root, sorted */
    size_t count, room;
};

/* Adds the files below root whose names end with suffix. Folders that start with a dot, node_modules and links to folders are left out.
 * E_ARGUMENT: root is no folder; E_LIMIT: there are too many. */
happn_status files_find(struct arena *arena, const char *root, const char *suffix, struct file_list *out, happn_error *error);

/* Adds a file, or the files below a folder whose names end with suffix; both named from the working directory. E_ARGUMENT: it is not below root. */
happn_status files_take(struct arena *arena, const char *root, const char *place, const char *suffix, struct file_list *out, happn_error *error);

/* Adds one name; false: out of memory. */
bool files_add(struct arena *arena, struct file_list *list, const char *name);

/* The whole text of root/file, at most 1 MiB. */
happn_status files_read(struct arena *arena, const char *root, const char *file, struct str *out, happn_error *error);

/* The name of `file` (of the working directory) below root, "" for the root itself; E_ARGUMENT: it is not there. */
happn_status files_relative(struct arena *arena, const char *root, const char *file, const char **out, happn_error *error);

#endif
