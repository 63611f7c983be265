/* happn repl: Lua on a running server, or on one of its own. */

#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/administer.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/line_editor.h"
#include "happn/workshop.h"

struct repl {
    const char *url, *username, *token, *ca, *config_file;
    char folder[4096], history[4096];
    struct line_editor *editor; /* NULL: nobody types */
    happn_repl_editor hooks;
    happn_repl_options options;
};

static void print_help(void)
{
    puts("usage: happn repl [OPTIONS]\n"
         "\n"
         "Reads Lua line by line and shows what it gives: happn.get(\"/a/*\"), happn.set(\"/a/b\", { c = 1 }), happn.on(\"/a/*\", print). Without --url it has a\n"
         "server of its own, which does not listen: in memory, or with --config one with the scripts and the file of a configuration.\n"
         "\n"
         "  --url URL       a running server: ws://127.0.0.1:55000, or wss://\n"
         "  --user NAME     who logs in there; the password is HAPPN_PASSWORD, or asked for\n"
         "  --token TOKEN   a token instead\n"
         "  --ca FILE       certificates to trust besides the system's\n"
         "  --config FILE   the configuration of a server of its own\n"
         "\n"
         "help() tells more. Lines may also come from a file or a pipe. At a terminal they can be edited, the tab key completes names, and Ctrl-C begins anew\n"
         "or ends what runs; lines are kept in ~/.happn_history (HAPPN_HISTORY names another file; empty: none).");
}

static void write_text(const char *text, size_t len, void *arg)
{
    const struct repl *repl = arg;
    if (repl->editor != NULL) {
        line_editor_write(repl->editor, text, len);
        return;
    }
    fwrite(text, 1, len, stdout);
    fflush(stdout);
}

/* HAPPN_HISTORY names another file; empty: none. NULL: none. */
static const char *history_file(struct repl *repl)
{
    const char *named = getenv("HAPPN_HISTORY"), *home = getenv("HOME");
    if (named != NULL || home == NULL) {
        return named != NULL && named[0] != '\0' ? named : NULL;
    }
    snprintf(repl->history, sizeof repl->history, "%s/.happn_history", home);
    return repl->history;
}

static void use_editor(struct repl *repl)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || (repl->editor = line_editor_new(history_file(repl))) == NULL) {
        return;
    }
    repl->hooks = line_editor_hooks(repl->editor);
    repl->options.editor = &repl->hooks;
    repl->options.interrupt = line_editor_interrupt(repl->editor);
}

static void add_text(cJSON *options, const char *name, const char *text)
{
    if (text != NULL) {
        cJSON_AddStringToObject(options, name, text);
    }
}

/* The options of happn_client_connect; NULL: no password was given. */
static char *connect_options(const struct repl *repl)
{
    char *asked = NULL;
    const char *password = repl->username != NULL ? getenv("HAPPN_PASSWORD") : NULL;
    if (repl->username != NULL && password == NULL) {
        password = asked = administer_ask_password("password", false);
    }
    if (repl->username != NULL && password == NULL) {
        fprintf(stderr, "happn repl: no password: use a terminal or HAPPN_PASSWORD\n");
        return NULL;
    }
    cJSON *options = cJSON_CreateObject();
    add_text(options, "url", repl->url);
    add_text(options, "username", repl->username);
    add_text(options, "password", password);
    add_text(options, "token", repl->token);
    add_text(options, "ca", repl->ca);
    cJSON_AddBoolToObject(options, "reconnect", 1);
    char *text = cJSON_PrintUnformatted(options);
    cJSON_Delete(options);
    free(asked);
    return text;
}

static int read_options(struct repl *repl, int argc, char **argv)
{
    static const struct option options[] = {{"url", required_argument, NULL, 'u'},   {"user", required_argument, NULL, 'n'},
                                            {"token", required_argument, NULL, 't'}, {"ca", required_argument, NULL, 'a'},
                                            {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'u':
            repl->url = optarg;
            break;
        case 'n':
            repl->username = optarg;
            break;
        case 't':
            repl->token = optarg;
            break;
        case 'a':
            repl->ca = optarg;
            break;
        case 'c':
            repl->config_file = optarg;
            break;
        case 'h':
            print_help();
            exit(EXIT_DONE);
        default:
            fprintf(stderr, "happn repl: see happn repl --help\n");
            return EXIT_USAGE;
        }
    }
    if (repl->url != NULL && strncmp(repl->url, "ws://", 5) != 0 && strncmp(repl->url, "wss://", 6) != 0) {
        fprintf(stderr, "happn repl: --url is like ws://127.0.0.1:55000 or wss://example.org, not %s\n", repl->url);
        return EXIT_USAGE;
    }
    if (optind < argc || (repl->url != NULL && repl->config_file != NULL) || (repl->url == NULL && (repl->username != NULL || repl->token != NULL))) {
        fprintf(stderr, "happn repl: --url for a running server, or --config for one of its own; see happn repl --help\n");
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

int command_repl(int argc, char **argv)
{
    struct repl repl = {.options = {.size = sizeof repl.options, .input = STDIN_FILENO, .is_terminal = isatty(STDIN_FILENO), .write = write_text, .arg = &repl}};
    int code = read_options(&repl, argc, argv);
    char *connect = code == EXIT_DONE && repl.url != NULL ? connect_options(&repl) : NULL;
    char *config = NULL;
    if (code == EXIT_DONE && repl.config_file != NULL) {
        config = config_file_read(repl.config_file, &repl.options.config_len, repl.folder, sizeof repl.folder);
        repl.options.base_dir = repl.folder;
    }
    if (code != EXIT_DONE || (repl.url != NULL && connect == NULL) || (repl.config_file != NULL && config == NULL)) {
        free(connect);
        return code != EXIT_DONE ? code : EXIT_FAILED;
    }
    repl.options.connect = connect;
    repl.options.connect_len = connect != NULL ? strlen(connect) : 0;
    repl.options.config = config;
    happn_error error = {.status = HAPPN_OK};
    use_editor(&repl);
    if (happn_repl(&repl.options, &error) != HAPPN_OK) {
        fprintf(stderr, "happn repl: %s\n", error.message);
        code = EXIT_FAILED;
    }
    line_editor_free(repl.editor);
    free(connect);
    free(config);
    return code;
}
