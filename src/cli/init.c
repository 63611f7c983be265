/* happn init: a folder to start with. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/starter.h"

static void print_help(void)
{
    puts("usage: happn init [OPTIONS] [FOLDER]\n"
         "\n"
         "Makes a folder to start with (default: this one): a configuration, a layer and a route in Lua, a test of both, and what editors with the\n"
         "Lua language server need to know about happn. Files that are there stay as they are; then nothing is written.\n"
         "\n"
         "  --types     only types/ and .luarc.json, anew: for a folder that is there already, and after an update of happn");
}

static int is_for_editors(const char *name)
{
    return strncmp(name, "types/", 6) == 0 || strcmp(name, ".luarc.json") == 0;
}

static int path_of(char *path, size_t size, const char *folder, const char *name)
{
    return snprintf(path, size, "%s/%s", folder, name) < (int)size;
}

static int make_folder(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST;
}

/* The folders above a file of the starter: one at most. */
static int make_parent(const char *folder, const char *name)
{
    char path[4096];
    const char *slash = strchr(name, '/');
    snprintf(path, sizeof path, "%s/%.*s", folder, slash != NULL ? (int)(slash - name) : 0, name);
    return slash == NULL || make_folder(path);
}

static int write_file(const char *folder, const struct starter_file *file)
{
    char path[4096];
    FILE *out = path_of(path, sizeof path, folder, file->name) && make_parent(folder, file->name) ? fopen(path, "wb") : NULL;
    int ok = out != NULL && fwrite(file->bytes, 1, file->len, out) == file->len;
    ok = out != NULL && fclose(out) == 0 && ok;
    if (!ok) {
        fprintf(stderr, "happn init: %s/%s cannot be written: %s\n", folder, file->name, strerror(errno));
    } else {
        printf("%s/%s\n", folder, file->name);
    }
    return ok;
}

static int is_free(const char *folder)
{
    int free_of_all = 1;
    for (size_t i = 0; i < starter_file_count; i++) {
        char path[4096];
        if (path_of(path, sizeof path, folder, starter_files[i].name) && access(path, F_OK) == 0) {
            fprintf(stderr, "happn init: %s is there already\n", path);
            free_of_all = 0;
        }
    }
    return free_of_all;
}

static int write_all(const char *folder, int types_only)
{
    if (!make_folder(folder)) {
        fprintf(stderr, "happn init: %s: %s\n", folder, strerror(errno));
        return EXIT_FAILED;
    }
    if (!types_only && !is_free(folder)) {
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < starter_file_count; i++) {
        if ((!types_only || is_for_editors(starter_files[i].name)) && !write_file(folder, &starter_files[i])) {
            return EXIT_FAILED;
        }
    }
    if (!types_only) {
        printf("\nNext: cd %s; happn test; happn serve --config happn.json\n", folder);
    }
    return EXIT_DONE;
}

int command_init(int argc, char **argv)
{
    static const struct option options[] = {{"types", no_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int option, types_only = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            print_help();
            return EXIT_DONE;
        }
        if (option != 't') {
            fprintf(stderr, "happn init: see happn init --help\n");
            return EXIT_USAGE;
        }
        types_only = 1;
    }
    if (argc - optind > 1) {
        fprintf(stderr, "happn init: name one folder\n");
        return EXIT_USAGE;
    }
    return write_all(optind < argc ? argv[optind] : ".", types_only);
}
