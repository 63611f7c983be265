#include "cli/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX = 16 << 20 };

char *config_file_read(const char *file, size_t *len, char *folder, size_t folder_size)
{
    FILE *in = fopen(file, "rb");
    char *text = in != NULL ? malloc(CONFIG_MAX) : NULL;
    *len = text != NULL ? fread(text, 1, CONFIG_MAX, in) : 0;
    if (text == NULL || ferror(in)) {
        fprintf(stderr, "happn: cannot read the configuration %s: %s\n", file, strerror(errno));
        free(text);
        text = NULL;
    } else if (*len == CONFIG_MAX) {
        fprintf(stderr, "happn: the configuration %s is too large\n", file);
        free(text);
        text = NULL;
    }
    if (in != NULL) {
        fclose(in);
    }
    char *path = realpath(file, NULL);
    char *slash = path != NULL ? strrchr(path, '/') : NULL;
    snprintf(folder, folder_size, "%.*s", slash != NULL && slash != path ? (int)(slash - path) : 1, path != NULL ? path : ".");
    free(path);
    return text;
}
