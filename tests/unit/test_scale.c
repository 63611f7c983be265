/* What large numbers cost, counted by the allocator and not by the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/publication.h"
#include "counting.h"
#include "json/scan.h"
#include "store/datastores.h"
#include "store/memory.h"
#include "wire/message.h"

/* A sixteenth of a million: the tables, which double, are then as full as with a million. */
enum { MANY = 62500, MOST_BYTES = 200 };

static struct counting counting;
static struct loop loop;
static struct core core;

/* A link that counts, and holds what is long. */
enum { MOST_HELD = 16, LONG = 4 << 20 };
static size_t sent, held_count;
static struct payload *held[MOST_HELD];

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
    sent++;
    if (payload->len > LONG) {
        assert_true(held_count < MOST_HELD);
        payload_ref(payload);
        held[held_count++] = payload;
    }
}

static void close_link(struct link *link, const char *reason)
{
    (void)link;
    (void)reason;
}

static const struct link_ops link_ops = {begin, commit, send_payload, close_link, NULL, NULL};

static int open_core(void **state)
{
    (void)state;
    counting_init(&counting);
    assert_int_equal(loop_init(&loop, &counting.allocator), HAPPN_OK);
    assert_int_equal(core_init(&core, &loop, &counting.allocator), HAPPN_OK);
    core.wire = &wire_ops;
    core.limits.subscriptions = 2 * MANY;
    struct provider *provider;
    assert_int_equal(store_memory_open(&loop, &counting.allocator, &provider), HAPPN_OK);
    core.stores = datastores_new(&loop, &counting.allocator);
    assert_int_equal(datastores_add(core.stores, "default", provider, true, NULL), HAPPN_OK);
    return 0;
}

static void ignore_closed(void *arg)
{
    (void)arg;
}

static int close_core(void **state)
{
    (void)state;
    core_close_timer(&core);
    datastores_close(core.stores, ignore_closed, NULL);
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

static struct session *open_generation(struct link *link, const char *protocol)
{
    struct session *session = core_session_open(&core, link);
    session->protocol = core.wire->find(&core, str_of(protocol));
    return session;
}

static void receive_long(struct session *session, const char *path, const char *start)
{
    struct buf message;
    buf_init(&message, &counting.allocator, LONG * 2);
    assert_true(buf_reserve(&message, LONG + 300));
    buf_add_format(&message, "{\"action\":\"set\",\"eventId\":1,\"path\":\"%s\",\"data\":{\"text\":\"%s", path, start);
    memset(message.ptr + message.len, 'x', LONG);
    message.len += LONG;
    buf_add_lit(&message, "\"}}");
    core_receive_buf(session, &message);
    buf_fini(&message);
}

/* Each part may be asked for, and they are the whole. */
static void check_message(struct payload *payload, const char *start)
{
    struct str text = payload_text(payload);
    assert_int_equal(text.len, payload->len);
    assert_int_equal(json_check(text, NULL), HAPPN_OK);
    struct str value = json_get(json_get(text, "data"), "text");
    assert_int_equal(value.len, LONG + strlen(start) + 2);
    assert_memory_equal(value.ptr + 1, start, strlen(start));
    char part[65537];
    for (size_t at = 0; at < text.len; at += sizeof part) {
        size_t len = text.len - at < sizeof part ? text.len - at : sizeof part;
        payload_copy(payload, at, part, len);
        assert_memory_equal(part, text.ptr + at, len);
    }
    for (size_t at = 0; at < 400; at++) {
        payload_copy(payload, text.len - 400 + at, part, 400 - at);
        assert_memory_equal(part, text.ptr + text.len - 400 + at, 400 - at);
        payload_copy(payload, at, part, 400);
        assert_memory_equal(part, text.ptr + at, 400);
    }
}

static void drop_held(void)
{
    while (held_count != 0) {
        payload_unref(held[--held_count]);
    }
}

/* What was received is what is sent, to every generation and to who has set it; the store has its own. */
static void a_long_document_is_in_memory_twice(void **state)
{
    (void)state;
    enum { GENERATIONS = 4 };
    static const char *const protocols[GENERATIONS] = {"happn_1", "happn_2", "happn_3", "happn_4"};
    struct link link = {&link_ops};
    struct session *writer = open_generation(&link, "happn_4"), *sessions[GENERATIONS];
    uint64_t reference;
    for (int i = 0; i < GENERATIONS; i++) {
        sessions[i] = open_generation(&link, protocols[i]);
        assert_int_equal(subscribe(sessions[i], 1, &reference), HAPPN_OK);
    }
    size_t before = counting_mark(&counting);
    receive_long(writer, "/plants/0000001/x", "");
    assert_int_equal(held_count, GENERATIONS + 1);
    assert_true(counting.most - before < 2 * (size_t)LONG + LONG / 8);
    for (int i = 0; i < GENERATIONS; i++) {
        core_session_closed(sessions[i]);
    }
    for (size_t i = 0; i < held_count; i++) {
        check_message(held[i], "");
    }
    drop_held();
    assert_true(counting.now - before < (size_t)LONG + LONG / 8);
    counting_mark(&counting);
    core_receive(writer, STR_LIT("{\"action\":\"get\",\"eventId\":2,\"path\":\"/plants/0000001/x\"}"));
    assert_int_equal(held_count, 1);
    assert_true(counting.most - before < 2 * (size_t)LONG + LONG / 8);
    check_message(held[0], "");
    drop_held();
    core_session_closed(writer);
}

/* A line separator has to be escaped, so such a text is never sent as it lies there. */
static void a_long_document_with_line_separators_is_escaped(void **state)
{
    (void)state;
    struct link link = {&link_ops};
    struct session *writer = open_generation(&link, "happn_4"), *listener = open_generation(&link, "happn_3");
    uint64_t reference;
    assert_int_equal(subscribe(listener, 1, &reference), HAPPN_OK);
    receive_long(writer, "/plants/0000001/y", "\xe2\x80\xa8");
    assert_int_equal(held_count, 1); /* the reply was written into the link's buffer */
    check_message(held[0], "\\u2028");
    drop_held();
    core_session_closed(listener);
    core_session_closed(writer);
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
        cmocka_unit_test(a_long_document_is_in_memory_twice),
        cmocka_unit_test(a_long_document_with_line_separators_is_escaped),
        cmocka_unit_test(the_oldest_of_several_references_may_end_first),
    };
    return cmocka_run_group_tests(tests, open_core, close_core);
}
