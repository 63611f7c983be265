#include "cli/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int config_file_find(const char *place, char *out, size_t size)
{
    if (is_folder(place) && snprintf(out, size, "%s/happn.json", place) < (int)size && access(out, F_OK) == 0) {
        return CONFIG_HERE;
    }
    char *path = realpath(place, NULL);
    int found = CONFIG_NONE;
    while (path != NULL && found == CONFIG_NONE && path[0] != '\0') {
        *strrchr(path, '/') = '\0';
        found = snprintf(out, size, "%s/happn.json", path) < (int)size && access(out, F_OK) == 0 ? CONFIG_ABOVE : CONFIG_NONE;
    }
    free(path);
    return found;
}
