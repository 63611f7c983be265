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
    const char *const *files; /* only these, NULL: all below the root */
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

#ifdef __cplusplus
}
#endif
#endif
