/* Wakes a JavaScript function when events wait in a mailbox. */
#ifndef HAPPN_NODE_WAKE_H
#define HAPPN_NODE_WAKE_H

#include <node_api.h>

#include "happn/mailbox.h"

struct wake;

/* From now on `function` is called, soon, when events wait. The process may end meanwhile; then the mailbox is closed. */
struct wake *wake_open(napi_env env, happn_mailbox *mailbox, napi_value function);
/* Whether the process must stay alive for what is to come. */
void wake_keep_alive(napi_env env, struct wake *wake, int keep);
/* Closes the mailbox too. Joins. */
void wake_close(napi_env env, struct wake *wake);

#endif
