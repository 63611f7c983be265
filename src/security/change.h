/* Documents of the directory that are written together: all are stored, then all count. */
#ifndef HAPPN_SECURITY_CHANGE_H
#define HAPPN_SECURITY_CHANGE_H

#include "security/security.h"

struct change;

/* NULL: out of memory. */
struct change *change_new(struct security *security);

/* Adds a document to be written or removed. Texts are copied. A failure is remembered until change_submit. A removed permission's data
 * must be given: it says what is taken away. A path, or data to be written, that is not set is one that there was no memory for: the change
 * fails. */
void change_put(struct change *change, struct str path, struct str data);
void change_remove(struct change *change, struct str path, struct str data);

/* What of the directory it is about: "upsert-user", ...; detail is a raw JSON object that watchers are told. */
void change_says(struct change *change, const char *what, struct str detail);

/* Writes. done is called once, maybe before this returns; then the change is freed. What could be stored counts even when something else could not. */
void change_submit(struct change *change, change_fn done, void *arg);

/* Instead of change_submit: nothing is written. */
void change_drop(struct change *change);

/* Whatever makes a change of what the directory has now waits until the changes under way are stored: else it would not know of them, and write
 * over them. run is called once, in the order of asking, maybe before this returns. */
struct turn {
    struct turn *next;
    void (*run)(struct turn *turn);
};
void change_in_turn(struct security *security, struct turn *turn, void (*run)(struct turn *turn));
bool change_is_under_way(const struct security *security);

/* The document of a permission: its path below /_SYSTEM/_SECURITY/, and its data. owner: "_USER/bob", or a group. ptr NULL: no memory. */
struct str permission_path(struct arena *arena, struct str owner, const char *action, struct str path);
struct str permission_data(struct arena *arena, const char *action, struct str path, bool authorized);

#endif
