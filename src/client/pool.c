/* Several servers, of which a client uses one at a time.
 *
 * Each try to connect takes a server that has not been tried in this round: the first of the list, or any of them. Within a round nobody waits;
 * when all have failed the next round begins after a wait that grows, as for a single server. The server that was just lost has had its try. */

#include "base/id.h"
#include "client/client.h"

static uint64_t bit(size_t index)
{
    return (uint64_t)1 << index;
}

static size_t untried(const happn_client *client, size_t *first)
{
    size_t count = 0;
    for (size_t i = client->options.pool_count; i-- > 0;) {
        if ((client->tried & bit(i)) == 0) {
            *first = i;
            count++;
        }
    }
    return count;
}

/* The n-th of those that have not been tried. */
static size_t nth_untried(const happn_client *client, size_t n)
{
    size_t i = 0;
    while ((client->tried & bit(i)) != 0 || n-- > 0) {
        i++;
    }
    return i;
}

void pool_choose(happn_client *client)
{
    struct connect_options *options = &client->options;
    size_t index = 0, count;
    if (options->pool_count == 0) {
        return;
    }
    if ((count = untried(client, &index)) == 0) {
        client->tried = 0;
        count = untried(client, &index);
    }
    if (options->pool_type == POOL_RANDOM) {
        uint32_t random;
        id_random(&random, sizeof random);
        index = nth_untried(client, random % count);
    }
    client->tried |= bit(index);
    client->current = index;
    client->tries++;
    options->link.place = options->pool[index];
}

void pool_connected(happn_client *client)
{
    client->tries = 0;
    client->tried = bit(client->current);
    client->rounds = 0;
}

bool pool_goes_on(const happn_client *client)
{
    const struct connect_options *options = &client->options;
    bool is_limited = !client->was_connected || options->limits_pool;
    int64_t others = (int64_t)options->pool_count - 1;
    int64_t most = options->limits_pool || options->pool_attempts > others ? options->pool_attempts : others; /* each has its try */
    bool has_attempts = options->pool_attempts == 0 || client->tries <= most;
    return options->pool_count != 0 && (!is_limited || has_attempts);
}

bool pool_has_round(happn_client *client)
{
    size_t first;
    if (untried(client, &first) != 0) {
        return true;
    }
    client->rounds++;
    return false;
}
