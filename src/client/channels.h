/* What on and off share: the subscriptions of a client, by channel and by handle. */
#ifndef HAPPN_CLIENT_CHANNELS_H
#define HAPPN_CLIENT_CHANNELS_H

#include "client/client.h"

/* One more on the channel, with a handle of its own and what its options say; NULL: no memory. */
struct client_subscription *channels_add(happn_client *client, struct str channel, struct str options);

/* Whether an event is handed to it: not before its own initial values, not after its end. */
bool channels_may_hear(const happn_client *client, const struct client_subscription *subscription);

/* No event any more, the handle is unknown; the memory stays until it may go. */
void channels_end(happn_client *client, struct client_subscription *subscription);
/* Frees one that has ended, now or when it may. */
void channels_release(happn_client *client, struct client_subscription *subscription);
/* Frees what ended while events were handed out. One whose `on` is still unanswered stays until then. */
void channels_sweep(happn_client *client);

/* --- unsubscribe.c: an off that was waiting for the server's answer to on. */
void channels_go_on_with_off(happn_client *client, struct client_subscription *subscription, happn_status on_status);

#endif
