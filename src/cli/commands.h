/* The commands of the program, one file each. */
#ifndef HAPPN_CLI_COMMANDS_H
#define HAPPN_CLI_COMMANDS_H

/* Exit codes: 0 done, 1 it failed, 2 the command line cannot be understood, 3 done but for some lines. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REJECTS = 3 };

int command_serve(int argc, char **argv);
int command_scripts(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_check(int argc, char **argv);
int command_test(int argc, char **argv);
int command_init(int argc, char **argv);
int command_repl(int argc, char **argv);
int command_import(int argc, char **argv);
int command_export(int argc, char **argv);
int command_backup(int argc, char **argv);
int command_user(int argc, char **argv);
int command_group(int argc, char **argv);
int command_permission(int argc, char **argv);
int command_session(int argc, char **argv);
int command_token(int argc, char **argv);

#endif
