/* The configuration's file. */
#ifndef HAPPN_CLI_CONFIG_FILE_H
#define HAPPN_CLI_CONFIG_FILE_H

#include <stddef.h>

/* The whole file, to be freed; NULL with a message. *folder gets the folder it is in. */
char *config_file_read(const char *file, size_t *len, char *folder, size_t folder_size);

#endif
