/* What a generation of scripts does besides answering: its timers and listeners, M.start and M.stop, system events, and the values that are
 * handed over at a reload. */
#ifndef HAPPN_SCRIPT_LIFECYCLE_H
#define HAPPN_SCRIPT_LIFECYCLE_H

#include "happn/auth.h"
#include "script/generation.h"

/* It serves from now on. */
void lifecycle_begin(struct generation *generation);
/* It serves no longer; M.stop runs, and what is under way. */
void lifecycle_end(struct generation *generation);

/* Gives to M.restore of the new scripts what M.save of the old ones returns. On failure error names the script. */
happn_status lifecycle_hand_over(struct generation *from, struct generation *to, happn_error *error);

/* An event of the core's, for M.on_session or M.on_security; arg is the struct scripts. */
void lifecycle_event(const char *event, const char *detail, size_t len, void *scripts);

/* The script that M.login belongs to asks who somebody is. */
happn_auth_verdict lifecycle_login(happn_login *login, void *scripts);

#endif
