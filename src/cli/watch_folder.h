/* Noticing that a file of a folder of scripts changes. */
#ifndef HAPPN_CLI_WATCH_FOLDER_H
#define HAPPN_CLI_WATCH_FOLDER_H

/* From now on changes of .lua and .json files below the folder are noticed. Returns a descriptor, -1 when it cannot watch. */
int watch_begin(const char *folder);

/* Returns 0 once something was changed since watch_begin and nothing has happened for a moment; -1 when that cannot be known. Closes fd. */
int watch_end(int fd);

#endif
