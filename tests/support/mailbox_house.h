/* A mailbox, and what a host does with it: sends verbs under tickets of its own, takes the events that come. A header, because the mailbox is the
 * test's own. */
#ifndef HAPPN_TEST_MAILBOX_HOUSE_H
#define HAPPN_TEST_MAILBOX_HOUSE_H

#define HELPER static __attribute__((unused))

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "happn/mailbox.h"
#include "happn/status.h"

static happn_mailbox *mailbox;
static happn_runtime *stepped; /* turned whenever the test waits; NULL: the mailbox has a thread of its own */
static uint64_t last_ticket;

struct event {
    int kind, status;
    uint64_t ticket, token; /* the latter of HOOK and CANCEL */
    char meta[1000], body[1000];
};

HELPER uint64_t ticket(void)
{
    return ++last_ticket;
}

HELPER int set_up(void **state)
{
    (void)state;
    stepped = NULL;
    assert_int_equal(happn_mailbox_open(NULL, NULL, 0, &mailbox), HAPPN_OK);
    return 0;
}

HELPER int tear_down(void **state)
{
    (void)state;
    happn_mailbox_close(mailbox);
    return 0;
}

/* False: nothing is there although the descriptor said so, or after one turn. */
HELPER bool next_batch(size_t max, happn_batch **batch)
{
    struct pollfd poller = {happn_mailbox_fd(mailbox), POLLIN, 0};
    assert_true(stepped == NULL || happn_runtime_step(stepped, 0) >= 0);
    int ready = poll(&poller, 1, stepped != NULL ? 1 : 10000);
    assert_true(ready == 1 || stepped != NULL);
    assert_int_equal(happn_mailbox_take(mailbox, max, batch), HAPPN_OK);
    return *batch != NULL;
}

HELPER struct event next_event(void)
{
    happn_batch *batch;
    for (int tries = 0; !next_batch(1, &batch); tries++) {
        assert_true(tries < 10000);
    }
    const happn_event *event = happn_batch_event(batch, 0);
    struct event copy = {.kind = event->kind, .status = event->status, .ticket = event->ticket};
    snprintf(copy.meta, sizeof copy.meta, "%.*s", (int)event->meta_len, event->meta);
    snprintf(copy.body, sizeof copy.body, "%.*s", (int)event->body_len, event->body);
    if (copy.kind == HAPPN_EV_HOOK || copy.kind == HAPPN_EV_CANCEL) {
        assert_memory_equal(copy.meta, "{\"token\":", 9);
        copy.token = strtoull(copy.meta + 9, NULL, 10);
    }
    assert_null(happn_batch_event(batch, 1));
    happn_batch_free(batch);
    return copy;
}

HELPER struct event expect(int kind, uint64_t number, int status)
{
    struct event event = next_event();
    if (event.kind != kind || event.ticket != number || event.status != status) {
        fail_msg("wanted %d of %d with %d, got %d of %d with %d: %s %s", kind, (int)number, status, event.kind, (int)event.ticket,
                 event.status, event.meta, event.body);
    }
    return event;
}

HELPER uint64_t open_client(uint64_t service)
{
    uint64_t client = ticket();
    assert_int_equal(happn_mb_client_open(mailbox, client, service, NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, client, HAPPN_OK);
    return client;
}

HELPER uint64_t set(uint64_t client, const char *path, const char *json)
{
    uint64_t number = ticket();
    assert_int_equal(happn_mb_set(mailbox, number, client, path, json, strlen(json), NULL, 0), HAPPN_OK);
    return number;
}

#endif
