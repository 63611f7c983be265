/* Work of scripts that nobody waits for: spawned functions, timers, listeners, system events, start and stop. */
#ifndef HAPPN_SCRIPT_BACKGROUND_H
#define HAPPN_SCRIPT_BACKGROUND_H

#include "script/task.h"

/* A task that will call the function. hook names it in the log and lives as long as the generation. It acts for nobody until its actor is
 * set (background_act). NULL: too many are under way, or no memory. */
struct task *background_new(struct script *script, const char *hook, int function);

/* The same, begun by a call: it acts for whoever the call is made for. Of all calls under way one script's calls may have begun half, those
 * that go back to one session an eighth. NULL also when there are more. */
struct task *background_begin(struct task *by, const char *hook, int function);
/* What a call goes back to: the session of a message, or NULL. Only to be compared, it may be gone. */
const void *background_origin(const struct task *task);

/* Its calls are made for this one; takes a reference of its own. */
void background_act(struct task *task, struct actor actor);
/* ... for the user that the script's entry in the configuration names, or with all rights when the script is trusted. */
void background_act_for_script(struct task *task);
/* That user, as of now; a reference. NULL: there is none, or no memory. */
struct identity *background_identity(const struct script *script);

/* What the function is given: the elements of a JSON array. False: no memory. */
bool background_give(struct task *task, struct str json);

/* Begins in a later turn of the loop. */
void background_run(struct task *task);
/* Instead: it never was. The function remains the caller's. */
void background_drop(struct task *task);

#endif
