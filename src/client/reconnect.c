/* A lost connection is made again.
 *
 * The link that ended is closed, then, after a wait, another one is opened, the client introduces itself again and asks again for
 * every subscription that it has; when the last of them is answered it is back. Each attempt that fails makes the next wait
 * longer, up to a limit. What is called meanwhile fails with E_CLOSED: nothing is queued, because nobody knows for how long.
 *
 * With a pool the first connection goes the same way, from server to server, and nobody hears of it until one of them answers.
 *
 * It ends for good when the server says so, when it refuses the login or a subscription, or after the last attempt. */

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "client/client.h"

/* Servers of a pool that have not been tried are tried at once. The first wait is the least; then (1 to 2) * least * 2^(attempt - 1), as the originals
 * wait, so that many clients do not come at once. */
static uint64_t next_wait(happn_client *client)
{
    const struct connect_options *options = &client->options;
    bool has_pool = options->pool_count != 0;
    if (has_pool && pool_has_round(client)) {
        return 0;
    }
    uint64_t wait = options->reconnect_min_ms;
    int64_t number = has_pool ? client->rounds : client->attempt;
    for (int64_t i = 1; i < number && wait < options->reconnect_max_ms; i++) {
        wait *= 2;
    }
    if (number > 1) {
        uint16_t random;
        id_random(&random, sizeof random);
        wait += wait * random / UINT16_MAX;
    }
    return wait < options->reconnect_max_ms ? wait : options->reconnect_max_ms;
}

static void tell(happn_client *client, happn_connection_state state, const char *reason, uint64_t wait_ms)
{
    if (client->watch == NULL || client->is_closing || !client->was_connected) {
        return;
    }
    happn_connection news = {.size = sizeof news, .state = state, .reason = reason, .attempt = client->attempt, .wait_ms = (int64_t)wait_ms};
    client->watch(&news, client->watch_arg);
}

bool reconnect_is_wanted(const happn_client *client, happn_status status)
{
    const struct connect_options *options = &client->options;
    bool has_attempts = options->reconnect_attempts == 0 || client->attempt < options->reconnect_attempts;
    bool may_ever = !client->is_final && !client->is_closing && status != HAPPN_E_DENIED;
    if (!client->was_connected) {
        return may_ever && pool_goes_on(client);
    }
    return options->reconnect && may_ever && has_attempts && (options->pool_count == 0 || pool_goes_on(client));
}

void reconnect_begin(happn_client *client, const char *reason)
{
    bool is_first = client->attempt == 0;
    client->attempt++;
    client->is_down = true;
    client->wait_ms = next_wait(client);
    client->farewell[0] = '\0';
    client->is_leaving = true;
    client->link->ops->close(client->link, reconnect_on_link_closed);
    tell(client, is_first ? HAPPN_CONNECTION_LOST : HAPPN_CONNECTION_RETRY, reason, client->wait_ms);
}

void reconnect_on_link_closed(void *owner)
{
    happn_client *client = owner;
    client->is_leaving = false;
    client->link = NULL;
    if (client->is_closing) {
        client_link_closed(client);
        return;
    }
    loop_timer_start(client->loop, &client->again, reconnect_on_timer, client->wait_ms, 0);
}

void reconnect_on_timer(uv_timer_t *timer)
{
    happn_client *client = timer->data;
    happn_status status = client_open_link(client);
    if (status == HAPPN_OK) {
        return;
    }
    if (client->link != NULL || !reconnect_is_wanted(client, status)) {
        client_lost(client, status, happn_status_text(status));
        return;
    }
    client->attempt++;
    client->wait_ms = next_wait(client);
    tell(client, HAPPN_CONNECTION_RETRY, happn_status_text(status), client->wait_ms);
    if (!client->is_closing) {
        loop_timer_start(client->loop, &client->again, reconnect_on_timer, client->wait_ms, 0);
    }
}

void reconnect_logged_in(happn_client *client)
{
    happn_status status = channels_subscribe_again(client);
    if (status != HAPPN_OK) {
        client_lost(client, status, happn_status_text(status));
    } else if (client->resubscribing == 0) {
        reconnect_done(client);
    }
}

void reconnect_done(happn_client *client)
{
    client->is_down = false;
    pool_connected(client);
    if (!client->was_connected) {
        client->attempt = 0;
        client_tell_connected(client, HAPPN_OK, NULL); /* not the first server of the pool */
        return;
    }
    tell(client, HAPPN_CONNECTION_BACK, "", 0);
    client->attempt = 0;
}
