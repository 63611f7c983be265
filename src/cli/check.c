/* happn check: what is wrong with scripts, one line each, for people, editors and CI. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/config_file.h"
#include "happn/workshop.h"

struct checking {
    happn_check_options options;
    const char *config_file;
    char folder[4096], found_config[4200];
    int is_strict, is_quiet;
    size_t errors, warnings;
};

static void print_help(void)
{
    puts("usage: happn check [OPTIONS] [FOLDER | FILE.lua] ...\n"
         "\n"
         "Looks at the Lua scripts of a folder (default: this one): do they compile, do they load as the server would load them, are their\n"
         "globals and the members of happn known, are paths joined from texts. When the folder, or one above, has a happn.json, or with\n"
         "--config, the scripts that it names are loaded as it says, with their config. Nothing is served and nothing is written.\n"
         "\n"
         "  --config FILE   the configuration that names the scripts\n"
         "  --root FOLDER   where the scripts' names begin (default: what the configuration says, or the folder)\n"
         "  --strict        warnings count as errors\n"
         "  --quiet         no last line\n"
         "\n"
         "Each finding is one line, FILE:LINE: error: TEXT. Exit code: 0 all is well, 1 there are errors, 2 wrong use.");
}

static void print_finding(const happn_finding *finding, void *arg)
{
    struct checking *checking = arg;
    size_t *count = finding->is_warning ? &checking->warnings : &checking->errors;
    ++*count;
    printf("%s", finding->file);
    if (finding->line != 0) {
        printf(":%d", finding->line);
    }
    printf(": %s: %s\n", finding->is_warning ? "warning" : "error", finding->text);
}

static int is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A folder is looked at as a whole; a part of one, and files, within what the configuration above says. */
static void read_arguments(struct checking *checking, int count, char **names)
{
    static const char *const here = ".";
    const char *place = count > 0 ? names[0] : here;
    int found = CONFIG_NONE, is_one_folder = count == 0 || (count == 1 && is_folder(place));
    if (checking->config_file == NULL && (found = config_file_find(place, checking->found_config, sizeof checking->found_config)) != CONFIG_NONE) {
        checking->config_file = checking->found_config;
    } else if (checking->config_file == NULL && checking->options.root == NULL) {
        checking->options.root = is_one_folder ? place : here;
    }
    if (!is_one_folder || found == CONFIG_ABOVE) {
        checking->options.files = count > 0 ? (const char *const *)names : &here;
        checking->options.file_count = count > 0 ? (size_t)count : 1;
    }
}

static int read_options(struct checking *checking, int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"root", required_argument, NULL, 'r'},
                                            {"strict", no_argument, NULL, 's'},       {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            checking->config_file = optarg;
            break;
        case 'r':
            checking->options.root = optarg;
            break;
        case 's':
            checking->is_strict = 1;
            break;
        case 'q':
            checking->is_quiet = 1;
            break;
        case 'h':
            print_help();
            exit(EXIT_DONE);
        default:
            fprintf(stderr, "happn check: see happn check --help\n");
            return EXIT_USAGE;
        }
    }
    read_arguments(checking, argc - optind, argv + optind);
    return EXIT_DONE;
}

static int check(struct checking *checking)
{
    size_t checked = 0;
    happn_error error = {.status = HAPPN_OK};
    if (happn_check(&checking->options, print_finding, checking, &checked, &error) != HAPPN_OK) {
        fprintf(stderr, "happn check: %s\n", error.message);
        return EXIT_FAILED;
    }
    if (!checking->is_quiet) {
        printf("%zu file%s, %zu error%s, %zu warning%s\n", checked, checked == 1 ? "" : "s", checking->errors, checking->errors == 1 ? "" : "s",
               checking->warnings, checking->warnings == 1 ? "" : "s");
    }
    return checking->errors != 0 || (checking->is_strict && checking->warnings != 0) ? EXIT_FAILED : EXIT_DONE;
}

int command_check(int argc, char **argv)
{
    struct checking checking = {.options.size = sizeof checking.options};
    int code = read_options(&checking, argc, argv);
    char *config = NULL;
    if (code != EXIT_DONE) {
        return code;
    }
    if (checking.config_file != NULL) {
        config = config_file_read(checking.config_file, &checking.options.config_len, checking.folder, sizeof checking.folder);
        if (config == NULL) {
            return EXIT_FAILED;
        }
        checking.options.config = config;
        checking.options.config_name = checking.config_file;
        checking.options.base_dir = checking.folder;
    }
    code = check(&checking);
    free(config);
    return code;
}
