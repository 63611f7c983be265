/* Long lists leave in slices: others have their turn, and for the session itself everything keeps its order. */
#include "core_peer.h"

#include <string.h>

#include "json/scan.h"
#include "store/datastores.h"

enum { MANY = 20000 }; /* a list of about three megabytes */

static struct peer reader, writer;
static int left = -1; /* allocations that succeed; -1: all */

static void *resize(void *context, void *ptr, size_t size)
{
    (void)context;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    if (left == 0) {
        return NULL;
    }
    left -= left > 0;
    return realloc(ptr, size);
}

static const struct allocator allocator = {resize, NULL};

static void keep_silent(struct store_op *op)
{
    (void)op;
}

static void fill(void)
{
    struct arena arena;
    arena_init(&arena, NULL);
    for (int i = 0; i < MANY; i++) {
        char path[32], data[32];
        snprintf(path, sizeof path, "/many/%05d", i);
        snprintf(data, sizeof data, "{\"n\":%d}", i);
        struct store_op op = {.kind = STORE_SET, .path = str_of(path), .data = str_of(data), .arena = &arena, .done = keep_silent};
        assert_int_equal(datastores_submit(core.stores, datastores_target(core.stores, &op), &op), HAPPN_OK);
    }
    arena_fini(&arena);
}

static int set_up(void **state)
{
    left = -1;
    open_core(state);
    fill();
    enter(&reader, "happn_4");
    enter(&writer, "happn_2");
    return 0;
}

static int tear_down(void **state)
{
    left = -1;
    leave(&writer);
    if (reader.session != NULL) {
        leave(&reader);
    }
    while (core.request_count != 0) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    return close_core(state);
}

/* The store has found them, and the first slices are encoded. */
static void begin_list(void)
{
    say(&reader, "{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}");
    while (reader.session->outbox == NULL) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    assert_non_null(reader.session->outbox);
    expect_silence(&reader);
}

static void finish_lists(void)
{
    while (reader.session->outbox != NULL) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
}

static void expect_list(const char *event_id)
{
    struct str frame = hear(&reader);
    size_t count = 0;
    struct str last = STR_NONE;
    for (struct json_iter it = json_iter(frame); json_next(&it); count++) {
        if (count < MANY) {
            char number[16];
            snprintf(number, sizeof number, "%zu", count);
            assert_true(str_is(json_get(it.value, "n"), number));
        }
        last = it.value;
    }
    assert_int_equal(count, MANY + 1);
    assert_true(str_is(json_get(last, "eventId"), event_id));
}

static void others_are_answered_meanwhile(void **state)
{
    (void)state;
    begin_list();
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/x\",\"data\":{\"a\":1}}");
    expect_reply(&writer, "3", "{\"a\":1}");
    expect_silence(&reader);
    finish_lists();
    expect_list("7");
    expect_silence(&reader);
}

static void what_comes_later_is_seen_later(void **state)
{
    (void)state;
    say(&reader, "{\"action\":\"on\",\"eventId\":2,\"path\":\"/ALL@/many/*\",\"data\":null}");
    hear(&reader);
    begin_list();
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/00000\",\"data\":{\"n\":-1}}");
    say(&reader, "{\"action\":\"set\",\"eventId\":8,\"path\":\"/y\",\"data\":{\"a\":2}}");
    say(&writer, "{\"action\":\"set\",\"eventId\":4,\"path\":\"/many/00000\",\"data\":{\"n\":0}}");
    expect_silence(&reader); /* what waits is no reason to hurry: others would be held up again */
    assert_non_null(reader.session->outbox);
    say(&reader, "{\"action\":\"get\",\"eventId\":9,\"path\":\"/many/*\"}");
    while (core.request_count != 0) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    expect_list("7");
    expect_part(hear(&reader), "\"data\":{\"n\":-1}");
    expect_reply(&reader, "8", "{\"a\":2}");
    expect_part(hear(&reader), "\"data\":{\"n\":0}");
    expect_list("9");
    expect_silence(&reader);
}

/* Two of them: the second begins where the first ends. */
static void lists_follow_each_other(void **state)
{
    (void)state;
    say(&reader, "{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}");
    say(&reader, "{\"action\":\"get\",\"eventId\":8,\"path\":\"/many/*\"}");
    say(&reader, "{\"action\":\"set\",\"eventId\":9,\"path\":\"/y\",\"data\":{\"a\":2}}");
    while (core.request_count != 0) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    expect_list("7");
    expect_list("8");
    expect_reply(&reader, "9", "{\"a\":2}");
}

static void the_language_does_not_change_within_a_list(void **state)
{
    (void)state;
    begin_list();
    say(&reader, "{\"action\":\"configure-session\",\"eventId\":8,\"data\":{\"protocol\":\"happn_1\"}}");
    finish_lists();
    struct str frame = reader.frames[reader.read];
    assert_null(memmem(frame.ptr, frame.len, "\"_id\"", 5));
    expect_list("7");
    while (reader.read == reader.count) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    expect_reply(&reader, "8", "null");
}

/* ---- initial values */

/* A protocol as it is, which counts the documents that it encodes. */
static const struct protocol *counted;
static struct protocol counting;
static size_t encoded;

static void count_reply(const struct request *request, struct buf *out)
{
    encoded += request->reply.count;
    counted->encode_reply(request, out);
}

static bool count_list(const struct request *request, size_t *next, size_t bytes, struct buf *out)
{
    size_t before = *next;
    bool is_last = counted->encode_list(request, next, bytes, out);
    encoded += *next - before;
    return is_last;
}

static void count_value(const struct request *request, const struct document *document, struct buf *out)
{
    encoded++;
    counted->encode_value(request, document, out);
}

static void count_documents(struct session *session)
{
    counted = session->protocol;
    encoded = 0;
    counting = *counted;
    counting.encode_reply = count_reply;
    counting.encode_list = count_list;
    counting.encode_value = counted->encode_value != NULL ? count_value : NULL;
    session->protocol = &counting;
}

/* How many documents the turn with the most of them encoded, until all is answered. */
static size_t most_in_a_turn(void)
{
    size_t most = encoded;
    while (core.request_count != 0) {
        encoded = 0;
        uv_run(&loop.uv, UV_RUN_NOWAIT);
        most = encoded > most ? encoded : most;
    }
    return most;
}

static size_t items_of(struct str list)
{
    size_t count = 0;
    for (struct json_iter it = json_iter(list); json_next(&it); count++) {
    }
    return count;
}

static void expect_values(const char *event_id)
{
    struct str frame = hear(&reader), meta = json_get(frame, "_meta");
    assert_true(str_is(json_get(meta, "eventId"), event_id));
    assert_true(str_is_set(json_get(meta, "referenceId")));
    assert_int_equal(items_of(json_get(frame, "data")), MANY);
    assert_int_equal(items_of(json_get(frame, "initialValues")), MANY);
    assert_true(str_is(json_get(frame, "protocol"), "\"happn_4\""));
}

static void initial_values_hold_up_nobody(void **state)
{
    (void)state;
    count_documents(reader.session);
    say(&reader, "{\"action\":\"on\",\"eventId\":7,\"path\":\"/ALL@/many/*\",\"options\":{\"initialCallback\":true}}");
    size_t most = most_in_a_turn();
    assert_true(most > 0 && most < MANY / 5);
    expect_values("7");
    expect_silence(&reader);
}

/* Older clients get each value as an event of its own, then the reply with all of them. */
static void initial_values_as_events_hold_up_nobody(void **state)
{
    (void)state;
    enum { VALUES = 40 };
    static char text[40000];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < VALUES; i++) {
        char data[41000];
        snprintf(data, sizeof data, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/large/%02d\",\"data\":{\"i\":%d,\"text\":\"%s\"}}", i, i, text);
        say(&writer, data);
    }
    say(&reader, "{\"action\":\"configure-session\",\"eventId\":6,\"data\":{\"protocol\":\"happn_1\"}}");
    expect_reply(&reader, "6", "null");
    count_documents(reader.session);
    say(&reader, "{\"action\":\"on\",\"eventId\":7,\"path\":\"/ALL@/large/*\",\"options\":{\"initialEmit\":true}}");
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/large/00\",\"data\":{\"n\":1}}");
    size_t most = most_in_a_turn();
    assert_true(most > 0 && most < VALUES / 2);
    for (int i = 0; i < VALUES; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        struct str event = hear(&reader);
        assert_true(str_is(json_get(json_get(event, "data"), "i"), number));
        assert_true(str_is(json_get(json_get(event, "_meta"), "type"), "\"data\""));
    }
    assert_true(str_is(json_get(json_get(hear(&reader), "_meta"), "eventId"), "7"));
    expect_part(hear(&reader), "\"data\":{\"n\":1}");
    expect_silence(&reader);
}

static struct str number_at(struct str list, size_t at)
{
    struct json_iter it = json_iter(list);
    for (size_t i = 0; i <= at; i++) {
        assert_true(json_next(&it));
    }
    return json_get(it.value, "n");
}

/* No gap, no double: what the values tell is not told again, whatever came while they were found and encoded follows. */
static void events_follow_the_initial_values(void **state)
{
    (void)state;
    say(&reader, "{\"action\":\"on\",\"eventId\":7,\"path\":\"/ALL@/many/*\",\"options\":{\"initialCallback\":true}}");
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/00000\",\"data\":{\"n\":-1}}"); /* has been found already */
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/19999\",\"data\":{\"n\":-2}}"); /* is still to be found */
    while (reader.session->outbox == NULL) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/19999\",\"data\":{\"n\":-3}}");
    say(&reader, "{\"action\":\"off\",\"eventId\":8,\"path\":\"/ALL@/many/*\",\"options\":{}}");
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/19999\",\"data\":{\"n\":-4}}");
    expect_silence(&reader);
    finish_lists();
    struct str values = json_get(reader.frames[reader.read], "data");
    assert_true(str_is(number_at(values, 0), "0"));
    assert_true(str_is(number_at(values, MANY - 1), "-2"));
    expect_values("7");
    expect_part(hear(&reader), "\"data\":{\"n\":-1}");
    expect_part(hear(&reader), "\"data\":{\"n\":-3}");
    expect_part(hear(&reader), "\"eventId\":8");
    expect_silence(&reader);
}

static void a_session_that_goes_takes_its_values_along(void **state)
{
    (void)state;
    for (int turns = 0; turns < 20; turns++) {
        say(&reader, "{\"action\":\"on\",\"eventId\":7,\"path\":\"/ALL@/many/*\",\"options\":{\"initialCallback\":true}}");
        say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/00000\",\"data\":{\"n\":-1}}");
        for (int i = 0; i < turns; i++) {
            uv_run(&loop.uv, UV_RUN_NOWAIT);
        }
        leave(&reader);
        while (core.request_count != 0) {
            uv_run(&loop.uv, UV_RUN_NOWAIT);
        }
        assert_int_equal(subscriptions_count(core.subscriptions), 0);
        enter(&reader, "happn_4");
    }
}

static void a_session_that_goes_takes_its_list_along(void **state)
{
    (void)state;
    begin_list();
    leave(&reader);
    reader.session = NULL;
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/1\",\"data\":{\"n\":-1}}");
    expect_reply(&writer, "3", "{\"n\":-1}");
}

static void a_farewell_comes_after_the_list(void **state)
{
    (void)state;
    begin_list();
    session_disconnect(reader.session, false, "enough");
    assert_true(reader.closed);
    expect_list("7");
    expect_part(hear(&reader), "enough");
}

/* Whatever fails: the list comes as a whole, or the client is told that it does not. */
static void run_out_of_memory(const char *request, void (*expect)(const char *event_id))
{
    size_t lists = 0, failures = 0;
    for (int n = 0; lists < 4; n++) {
        core.allocator = &allocator;
        left = n;
        say(&reader, request);
        while (core.request_count != 0) {
            uv_run(&loop.uv, UV_RUN_NOWAIT);
        }
        left = -1;
        failures += reader.failed;
        if (!reader.failed && memchr(reader.frames[reader.read].ptr, '[', 10) != NULL) {
            lists++;
            expect("7");
        } else if (!reader.failed) {
            expect_part(hear(&reader), "\"status\":\"error\"");
        }
        expect_silence(&reader);
        reader.failed = false;
        leave(&reader);
        core.allocator = &memory_default;
        enter(&reader, "happn_4");
    }
    assert_true(failures > 0);
}

static void without_memory_nothing_is_lost_in_silence(void **state)
{
    (void)state;
    run_out_of_memory("{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}", expect_list);
}

static void without_memory_no_values_are_lost_in_silence(void **state)
{
    (void)state;
    run_out_of_memory("{\"action\":\"on\",\"eventId\":7,\"path\":\"/ALL@/many/*\",\"options\":{\"initialCallback\":true}}", expect_values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(others_are_answered_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_later_is_seen_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_follow_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_language_does_not_change_within_a_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(initial_values_hold_up_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(initial_values_as_events_hold_up_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(events_follow_the_initial_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_that_goes_takes_its_values_along, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_no_values_are_lost_in_silence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_that_goes_takes_its_list_along, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_farewell_comes_after_the_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_lost_in_silence, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
