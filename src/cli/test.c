/* happn test: the tests of scripts, once or whenever a file changes. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/test_report.h"
#include "cli/watch_folder.h"
#include "happn/workshop.h"

struct testing {
    happn_test_options options;
    const char *junit_file, *folder;
    char *config, base_dir[4096];
    FILE *junit, *cases; /* the file, and what is to go into it */
    char *cases_text;
    size_t cases_len;
    size_t number;
    int is_watching, lines, ran;
};

static void print_help(void)
{
    puts("usage: happn test [OPTIONS] [FOLDER | FILE_test.lua] ...\n"
         "\n"
         "Runs the tests of a folder of Lua scripts (default: this one): every file whose name ends in _test.lua. They run in this process, on real\n"
         "servers that keep their documents in memory and use no sockets; time goes on when a test says so. docs/lua-tools.md shows how they are written.\n"
         "\n"
         "  --root FOLDER   where the scripts' names begin (default: what the happn.json of the folder, or of one above, says; or the folder)\n"
         "  --filter TEXT   only cases whose name contains the text\n"
         "  --coverage      which lines of the scripts have run\n"
         "  --junit FILE    the results as XML, too\n"
         "  --watch         once more whenever a file changes, until it is interrupted\n"
         "\n"
         "The output is TAP. Exit code: 0 all is well, 1 a test failed or there was none, 2 wrong use.");
}

static void tell(const happn_test_result *result, void *arg)
{
    struct testing *testing = arg;
    test_report_tap(stdout, result, ++testing->number);
    fflush(stdout);
    if (testing->junit != NULL) {
        test_report_xml(testing->cases, result);
    }
}

static void print_coverage(const char *file, int ran, int lines, const char *missing)
{
    printf("# %5.1f%%  %s%s%s\n", lines != 0 ? 100.0 * ran / lines : 100.0, file, missing[0] != '\0' ? "  not run: " : "", missing);
}

static void covered(const happn_test_coverage *coverage, void *arg)
{
    struct testing *testing = arg;
    testing->lines += coverage->lines;
    testing->ran += coverage->ran;
    print_coverage(coverage->file, coverage->ran, coverage->lines, coverage->missing);
}

static int open_junit(struct testing *testing)
{
    testing->junit = testing->junit_file != NULL ? fopen(testing->junit_file, "w") : NULL;
    if (testing->junit_file != NULL && testing->junit == NULL) {
        fprintf(stderr, "happn test: %s cannot be written: %s\n", testing->junit_file, strerror(errno));
        return 0;
    }
    if (testing->junit != NULL && (testing->cases = open_memstream(&testing->cases_text, &testing->cases_len)) == NULL) {
        fclose(testing->junit);
        testing->junit = NULL;
        fprintf(stderr, "happn test: out of memory\n");
        return 0;
    }
    return 1;
}

/* How many there are stands at the beginning. */
static int close_junit(struct testing *testing, const happn_test_summary *summary)
{
    int failed = 0;
    if (testing->junit != NULL) {
        failed = fclose(testing->cases);
        test_report_xml_all(testing->junit, summary, testing->cases_text);
        failed |= ferror(testing->junit) | fclose(testing->junit);
        free(testing->cases_text);
        testing->junit = NULL;
    }
    if (failed) {
        fprintf(stderr, "happn test: %s cannot be written\n", testing->junit_file);
    }
    return !failed;
}

static int run(struct testing *testing)
{
    happn_error error = {.status = HAPPN_OK};
    happn_test_summary summary = {0, 0, 0};
    testing->number = 0;
    testing->lines = testing->ran = 0;
    if (!open_junit(testing)) {
        return EXIT_FAILED;
    }
    puts("TAP version 14");
    happn_status status = happn_test(&testing->options, &summary, &error);
    if (status == HAPPN_OK && testing->options.coverage) {
        print_coverage("all", testing->ran, testing->lines, "");
    }
    printf("1..%zu\n# %zu passed, %zu failed\n", testing->number, summary.passed, summary.failed);
    fflush(stdout);
    if (status != HAPPN_OK) {
        fprintf(stderr, "happn test: %s\n", error.message);
    } else if (testing->number == 0) {
        fprintf(stderr, "happn test: there is no test%s\n", testing->options.filter != NULL ? " with such a name" : ": no case in a file that ends in _test.lua");
    }
    int ok = close_junit(testing, &summary) && status == HAPPN_OK && summary.failed == 0 && testing->number != 0;
    return ok ? EXIT_DONE : EXIT_FAILED;
}

static int run_for_ever(struct testing *testing)
{
    for (;;) {
        int watch = watch_begin(testing->folder);
        if (watch < 0) {
            break;
        }
        run(testing);
        fprintf(stderr, "happn test: waiting for a change\n");
        if (watch_end(watch) != 0) {
            break;
        }
    }
    fprintf(stderr, "happn test: %s cannot be watched: %s\n", testing->folder, strerror(errno));
    return EXIT_FAILED;
}

static int is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A folder is tested as a whole; a part of one, and files, within what the configuration above says. */
static int read_arguments(struct testing *testing, int count, char **names)
{
    static const char *const here = ".";
    char name[4200];
    const char *place = count > 0 ? names[0] : here;
    int is_one_folder = count == 0 || (count == 1 && is_folder(place));
    int found = testing->options.root == NULL ? config_file_find(place, name, sizeof name) : CONFIG_NONE;
    testing->folder = is_one_folder ? place : here;
    if (!is_one_folder || found == CONFIG_ABOVE) {
        testing->options.files = count > 0 ? (const char *const *)names : &here;
        testing->options.file_count = count > 0 ? (size_t)count : 1;
    }
    if (found == CONFIG_NONE) {
        testing->options.root = testing->options.root != NULL ? testing->options.root : testing->folder;
        return EXIT_DONE;
    }
    testing->config = config_file_read(name, &testing->options.config_len, testing->base_dir, sizeof testing->base_dir);
    testing->options.config = testing->config;
    testing->options.base_dir = testing->base_dir;
    testing->folder = found == CONFIG_ABOVE ? testing->base_dir : testing->folder;
    return testing->config != NULL ? EXIT_DONE : EXIT_FAILED;
}

static int read_options(struct testing *testing, int argc, char **argv)
{
    static const struct option options[] = {{"root", required_argument, NULL, 'r'},  {"filter", required_argument, NULL, 'f'},
                                            {"coverage", no_argument, NULL, 'c'},    {"junit", required_argument, NULL, 'j'},
                                            {"watch", no_argument, NULL, 'w'},       {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'r':
            testing->options.root = optarg;
            break;
        case 'f':
            testing->options.filter = optarg;
            break;
        case 'c':
            testing->options.coverage = 1;
            break;
        case 'j':
            testing->junit_file = optarg;
            break;
        case 'w':
            testing->is_watching = 1;
            break;
        case 'h':
            print_help();
            exit(EXIT_DONE);
        default:
            fprintf(stderr, "happn test: see happn test --help\n");
            return EXIT_USAGE;
        }
    }
    return read_arguments(testing, argc - optind, argv + optind);
}

int command_test(int argc, char **argv)
{
    struct testing testing = {.options = {.size = sizeof testing.options, .tell = tell, .covered = covered}};
    testing.options.arg = &testing;
    int code = read_options(&testing, argc, argv);
    if (code != EXIT_DONE) {
        return code;
    }
    code = testing.is_watching ? run_for_ever(&testing) : run(&testing);
    free(testing.config);
    return code;
}
