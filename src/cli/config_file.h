/* The configuration's file. */
#ifndef HAPPN_CLI_CONFIG_FILE_H
#define HAPPN_CLI_CONFIG_FILE_H

#include <stddef.h>

/* The whole file, to be freed; NULL with a message. *folder gets the folder it is in. */
char *config_file_read(const char *file, size_t *len, char *folder, size_t folder_size);

enum { CONFIG_NONE, CONFIG_HERE, CONFIG_ABOVE };

/* The happn.json in this folder (CONFIG_HERE), or of the nearest one above this folder or file that has one (CONFIG_ABOVE). */
int config_file_find(const char *place, char *out, size_t size);

#endif
