/* The program: finds the command and runs it. */

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "happn/version.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text;
} commands[] = {
    {"serve", command_serve, "starts a server"},
    {"init", command_init, "makes a folder to start with: a configuration, scripts, a test"},
    {"check", command_check, "looks at scripts: what is wrong with them, before they serve"},
    {"test", command_test, "runs the tests of scripts"},
    {"repl", command_repl, "Lua, line by line, on a server"},
    {"scripts", command_scripts, "what the scripts of a running server do; ends a call"},
    {"reload", command_reload, "loads the scripts of a running server anew"},
    {"import", command_import, "reads documents of happn-3, or exported ones, into a database"},
    {"export", command_export, "writes the documents of a database as JSON lines"},
    {"backup", command_backup, "copies a database, also while it is being served"},
    {"user", command_user, "users of a secured server"},
    {"group", command_group, "groups, and who is in them"},
    {"permission", command_permission, "who may do what"},
    {"session", command_session, "who is connected"},
    {"token", command_token, "tokens that were revoked"},
};

static void print_help(FILE *out)
{
    fprintf(out, "happn %s: realtime JSON documents\n\nusage: happn COMMAND [OPTIONS]\n\ncommands:\n", happn_version());
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].text);
    }
    fprintf(out, "\n  happn COMMAND --help tells more; happn --version prints the version\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0) {
        printf("%s\n", happn_version());
        return EXIT_DONE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    print_help(stderr);
    fprintf(stderr, name[0] == '\0' ? "happn: name a command\n" : "happn: there is no command %s\n", name);
    return EXIT_USAGE;
}
