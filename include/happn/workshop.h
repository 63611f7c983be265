/* What people who write scripts work with: looking at them without a server, and running their tests. */
#ifndef HAPPN_WORKSHOP_H
#define HAPPN_WORKSHOP_H

#include "happn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Something that is wrong (or, a warning, likely to be) with a script or the configuration. Borrowed until the function returns. */
typedef struct happn_finding {
    const char *file; /* relative to the scripts' root */
    int line;         /* 0: of the whole file */
    int is_warning;
    const char *text;
} happn_finding;

typedef struct happn_check_options {
    size_t size;              /* sizeof(happn_check_options) */
    const char *root;         /* the scripts' folder; NULL: the configuration's, or the working directory */
    const char *const *files; /* only these, and those below these folders; NULL: all below the root */
    size_t file_count;
    const char *config;       /* the text of a configuration that names scripts, NULL: none */
    size_t config_len;
    const char *config_name;  /* for findings */
    const char *base_dir;     /* the configuration's folder; NULL: the working directory */
} happn_check_options;

/* Looks at scripts: does each of them compile, does it load as the server would load it, are its globals and the members of happn known.
 * Nothing is served, no file is written. found is called for everything that is wrong, ordered by file and line; *checked is how many files
 * were looked at. An error: it could not look (the root is no folder, a file is not below it, memory). Any thread. */
HAPPN_API HAPPN_MUST_USE happn_status happn_check(const happn_check_options *options, void (*found)(const happn_finding *finding, void *arg),
                                                  void *arg, size_t *checked, happn_error *error);

/* One case of a test, or a file that could not be loaded (name NULL). Borrowed until the function returns. */
typedef struct happn_test_result {
    const char *file, *name;
    int line;                /* where the case begins */
    int is_ok;
    const char *text;        /* why it failed; lines */
    const char *failed_file; /* where; empty: not known */
    int failed_line;
    const char *log;         /* what scripts have logged, when it failed; lines */
    double milliseconds;
} happn_test_result;

typedef struct happn_test_coverage {
    const char *file;
    int lines, ran;      /* lines with code, and how many of them have run */
    const char *missing; /* the others: "12 15-18" */
} happn_test_coverage;

typedef struct happn_test_options {
    size_t size;              /* sizeof(happn_test_options) */
    const char *root;         /* the scripts' folder; NULL: the configuration's, or the working directory */
    const char *config;       /* the text of a configuration: it says where the scripts are. NULL: none */
    size_t config_len;
    const char *base_dir;     /* the configuration's folder; NULL: the working directory */
    const char *const *files; /* only these, and those below these folders that end in _test.lua; NULL: all below the root */
    size_t file_count;
    const char *filter;       /* only cases whose name contains this text; NULL: all */
    int coverage;             /* notes which lines of the other scripts run */
    void (*tell)(const happn_test_result *result, void *arg);
    void (*covered)(const happn_test_coverage *coverage, void *arg); /* at the end, for each script */
    void *arg;
} happn_test_options;

typedef struct happn_test_summary {
    size_t files, passed, failed;
} happn_test_summary;

/* Runs the tests of a folder of scripts (docs/lua-tools.md): in this process, with real servers that keep their documents in memory, use no sockets
 * and have a clock of their own. Tests that fail are told, not returned: an error is that they could not be run (no such folder, memory). One thread
 * at a time. */
HAPPN_API HAPPN_MUST_USE happn_status happn_test(const happn_test_options *options, happn_test_summary *summary, happn_error *error);

/* What a line editor asks of the repl. */
typedef struct happn_repl_desk {
    /* Lets events happen until the input can be read: 1; or until something was written: 0. */
    int (*wait)(void *repl);
    /* Tells all names that the last part of this ("happn.js", "fo") may become; returns how long that part is. */
    size_t (*complete)(void *repl, const char *text, size_t len, void (*take)(const char *name, size_t len, void *arg), void *arg);
    void *repl;
} happn_repl_desk;

/* Where lines come from when a person types them. */
typedef struct happn_repl_editor {
    /* Shows the prompt and reads a line: 1, and *line is valid until the next call. 0: there are no more. -1: the person has begun anew, and what was typed
     * of a statement counts no longer. */
    int (*read_line)(const char *prompt, const happn_repl_desk *desk, const char **line, size_t *len, void *arg);
    void *arg;
} happn_repl_editor;

typedef struct happn_repl_options {
    size_t size;         /* sizeof(happn_repl_options) */
    const char *connect; /* the options of happn_client_connect: a running server. NULL: one of its own, which does not listen */
    size_t connect_len;
    const char *config;  /* its configuration, NULL: none */
    size_t config_len;
    const char *base_dir;
    int input;           /* a descriptor: lines of Lua */
    int is_terminal;     /* somebody types them: prompts are shown */
    void (*write)(const char *text, size_t len, void *arg); /* results, prompts, errors */
    void *arg;
    const happn_repl_editor *editor; /* NULL: the input is read as it is */
    int interrupt;       /* a descriptor that can be read when the statement that runs shall end; only with an editor */
} happn_repl_options;

/* Reads Lua line by line, carries it out with the functions of happn as a client, and shows the results, until the input ends. An error: it could
 * not begin. One thread at a time. */
HAPPN_API HAPPN_MUST_USE happn_status happn_repl(const happn_repl_options *options, happn_error *error);

#ifdef __cplusplus
}
#endif
#endif
