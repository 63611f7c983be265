/* What large numbers cost, counted by the allocator and not by the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/publication.h"
#include "counting.h"
#include "wire/message.h"

/* A sixteenth of a million: the tables, which double, are then as full as with a million. */
enum { MANY = 62500, MOST_BYTES = 200 };

static struct counting counting;
static struct loop loop;
static struct core core;

/* A link that nobody listens to. */
static size_t sent;

static struct buf *begin(struct link *link)
{
    (void)link;
    return NULL;
}

static void commit(struct link *link)
{
    (void)link;
}

static void send_payload(struct link *link, struct payload *payload)
{
    (void)link;
    (void)payload;
    sent++;
}

static void close_link(struct link *link, const char *reason)
{
    (void)link;
    (void)reason;
}

static const struct link_ops link_ops = {begin, commit, send_payload, close_link, NULL};

static int open_core(void **state)
{
    (void)state;
    counting_init(&counting);
    assert_int_equal(loop_init(&loop, &counting.allocator), HAPPN_OK);
    assert_int_equal(core_init(&core, &loop, &counting.allocator), HAPPN_OK);
    core.wire = &wire_ops;
    core.limits.subscriptions = 2 * MANY;
    return 0;
}

static int close_core(void **state)
{
    (void)state;
    core_close_timer(&core);
    loop_fini(&loop);
    core_fini(&core);
    return 0;
}

static happn_status subscribe(struct session *session, int i, uint64_t *reference)
{
    char text[64];
    int len = snprintf(text, sizeof text, "/SET@/plants/%07d/*", i);
    struct subscribing how = {.events = EVENT_SET, .language = i % 2, .depth = 1, .listener = -1};
    return session_subscribe(session, str_make(text, (size_t)len), str_make(text + 5, (size_t)len - 5), &how, reference);
}

static void publish(const char *path, size_t recipients)
{
    struct link link = {&link_ops};
    struct session *publisher = core_session_open(&core, &link);
    struct arena arena;
    arena_init(&arena, core.allocator);
    struct publication publication = {.core = &core, .publisher = publisher, .arena = &arena, .event = EVENT_SET,
                                      .path = str_of(path), .data = STR_LIT("{}"), .posted = STR_LIT("{}")};
    sent = 0;
    publication_deliver(&publication);
    assert_int_equal(sent, recipients);
    arena_fini(&arena);
    core_session_closed(publisher);
}

static void wildcard_subscriptions_cost_at_most_200_bytes(void **state)
{
    (void)state;
    struct link link = {&link_ops};
    struct session *session = core_session_open(&core, &link);
    size_t before = counting_mark(&counting);
    uint64_t reference = 0;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(subscribe(session, i, &reference), HAPPN_OK);
    }
    size_t each = (counting.now - before) / MANY;
    print_message("%zu bytes a subscription\n", each);
    assert_true(each <= MOST_BYTES);
    publish("/plants/0062499/x", 1);
    publish("/plants/0062500/x", 0);
    core_session_closed(session);
    publish("/plants/0062499/x", 0);
    assert_int_equal(subscriptions_count(core.subscriptions), 0);
}

/* The first of a key is another one each time, and the others must still be found. */
static void sessions_that_share_a_pattern_leave_in_any_order(void **state)
{
    (void)state;
    enum { SESSIONS = 100 };
    struct link link = {&link_ops};
    struct session *sessions[SESSIONS];
    uint64_t reference;
    for (int i = 0; i < SESSIONS; i++) {
        sessions[i] = core_session_open(&core, &link);
        assert_int_equal(subscribe(sessions[i], 7, &reference), HAPPN_OK);
        assert_int_equal(subscribe(sessions[i], 7, &reference), HAPPN_OK);
    }
    for (int i = 0; i < SESSIONS; i++) {
        publish("/plants/0000007/x", (size_t)(SESSIONS - i));
        core_session_closed(sessions[i * 37 % SESSIONS]);
    }
    assert_int_equal(subscriptions_count(core.subscriptions), 0);
}

static void the_oldest_of_several_references_may_end_first(void **state)
{
    (void)state;
    struct link link = {&link_ops};
    struct session *session = core_session_open(&core, &link);
    struct str text = STR_LIT("/SET@/plants/0000001/*");
    uint64_t numbers[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(subscribe(session, 1, &numbers[i]), HAPPN_OK);
    }
    static const int order[] = {0, 2, 1, 3};
    for (size_t i = 0; i < 4; i++) {
        publish("/plants/0000001/x", 1);
        assert_int_equal(session_unsubscribe(session, text, numbers[order[i]]), 1);
        assert_int_equal(session_unsubscribe(session, text, numbers[order[i]]), 0);
        assert_int_equal(session->reference_count, 3 - i);
    }
    publish("/plants/0000001/x", 0);
    core_session_closed(session);
}

/* Defect 22 of the originals: a cache by the text of the options. */
static void options_are_forgotten_with_their_request(void **state)
{
    (void)state;
    struct link link = {&link_ops};
    struct session *session = core_session_open(&core, &link);
    session->protocol = core.wire->find(&core, STR_LIT("happn_4"));
    size_t before = 0;
    for (int i = 0; i < 20000; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"action\":\"off\",\"eventId\":%d,\"path\":\"/SET@/a%d\",\"options\":{\"referenceId\":\"r%d\",\"meta\":{\"n\":%d}}}", i, i, i, i);
        core_receive(session, str_of(text));
        before = i == 1000 ? counting.now : before;
    }
    assert_true(counting.now <= before);
    core_session_closed(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcard_subscriptions_cost_at_most_200_bytes),
        cmocka_unit_test(sessions_that_share_a_pattern_leave_in_any_order),
        cmocka_unit_test(options_are_forgotten_with_their_request),
        cmocka_unit_test(the_oldest_of_several_references_may_end_first),
    };
    return cmocka_run_group_tests(tests, open_core, close_core);
}
