/* Looking at scripts without serving them: for tools. Beside scripts.h the only header of this room that others include; the tools also use
 * the values of vm.h, value.h and view.h. */
#ifndef HAPPN_SCRIPT_TRIAL_H
#define HAPPN_SCRIPT_TRIAL_H

#include "script/generation.h"

/* Scripts that nobody calls: a VM with everything in it. */
struct trial {
    struct scripts scripts;
    struct generation *generation;
};

/* Loads the scripts that options list, maybe none. trial_close is needed in any case. */
happn_status trial_open(struct trial *trial, struct core *core, const struct scripts_options *options, happn_error *error);
void trial_close(struct trial *trial);

/* What a script is configured for; ROLE_ANY: nobody has said. */
enum script_role { ROLE_ANY, ROLE_INBOUND, ROLE_OUTBOUND, ROLE_ROUTES, ROLE_OTHER };

/* Loads one script as the server would and forgets it. options give root and limits; their lists are not used. The core needs no more
 * than a loop, an allocator and limits. On failure error says file, line and reason. */
happn_status trial_load(struct core *core, const struct scripts_options *options, const struct script_entry *entry, enum script_role role,
                        happn_error *error);

/* Tells every name that scripts find without declaring it: "pairs", "string", "string.format", "happn.log.info". */
happn_status trial_names(struct core *core, void (*take)(void *arg, const char *name), void *arg, happn_error *error);

#endif
