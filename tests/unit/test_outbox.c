/* Long lists leave in slices: others have their turn, and for the session itself everything keeps its order. */
#include "core_peer.h"

#include <string.h>

#include "json/scan.h"
#include "store/datastores.h"
#include "store/memory.h"
#include "test_memory.h"

enum { MANY = 20000 }; /* a list of about three megabytes */

static struct peer reader, writer;
static struct test_memory memory = TEST_MEMORY(memory);

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
    memory.left = -1;
    open_core(state);
    fill();
    enter(&reader, "happn_4");
    enter(&writer, "happn_2");
    return 0;
}

static int tear_down(void **state)
{
    memory.left = -1;
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

static struct str number_at(struct str list, size_t at)
{
    struct json_iter it = json_iter(list);
    for (size_t i = 0; i <= at; i++) {
        assert_true(json_next(&it));
    }
    return json_get(it.value, "n");
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
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/00000\",\"data\":{\"n\":-1}}");
    say(&reader, "{\"action\":\"on\",\"eventId\":7,\"path\":\"/ALL@/many/*\",\"options\":{\"initialCallback\":true}}");
    while (reader.session->outbox == NULL) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    int turns = 0;
    for (; encoded == 0; turns++) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    assert_true(turns > 10); /* they are put in order, and that takes its turns, too */
    size_t most = most_in_a_turn();
    assert_true(most > 0 && most < MANY / 5);
    struct str values = json_get(reader.frames[reader.read], "data");
    assert_true(str_is(number_at(values, 0), "1"));
    assert_true(str_is(number_at(values, MANY - 1), "-1")); /* what was changed last comes last */
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

/* ---- what others write while the list is being found. Its first slice has been looked at when `say` returns. */

static void subscribe(const char *path)
{
    char text[160];
    snprintf(text, sizeof text, "{\"action\":\"on\",\"eventId\":2,\"path\":\"%s\",\"data\":null}", path);
    say(&reader, text);
    hear(&reader);
}

static void write_number(const char *path, int number)
{
    char text[160];
    snprintf(text, sizeof text, "{\"action\":\"set\",\"eventId\":3,\"path\":\"%s\",\"data\":{\"n\":%d}}", path, number);
    say(&writer, text);
    forget_frames(&writer);
}

static void expect_event(const char *path, const char *number)
{
    struct str frame = hear(&reader);
    expect_part(frame, path);
    if (!str_is(json_get(json_get(frame, "data"), "n"), number)) {
        fail_msg("wanted %s of %s, got %.*s", number, path, (int)frame.len, frame.ptr);
    }
}

static void expect_numbers(const char *first, const char *last)
{
    struct str list = reader.frames[reader.read++];
    assert_int_equal(items_of(list), MANY + 1);
    assert_true(str_is(number_at(list, 0), first));
    assert_true(str_is(number_at(list, MANY - 1), last));
}

static void finish_requests(void)
{
    while (core.request_count != 0) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
}

static void no_event_overtakes_a_list_that_is_older(void **state)
{
    (void)state;
    subscribe("/ALL@/many/*");
    subscribe("/ALL@/other");
    say(&reader, "{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}");
    write_number("/other", 1);
    expect_event("/SET@/other", "1"); /* nobody waits without a reason */
    write_number("/many/19999", -1);
    expect_event("/SET@/many/19999", "-1"); /* the list will have it */
    write_number("/many/00000", -2);
    write_number("/many/00000", -3);
    write_number("/other", 2); /* came after them */
    write_number("/many/19999", -4);
    expect_event("/SET@/many/19999", "-4");
    expect_silence(&reader);
    finish_requests();
    expect_numbers("0", "-4");
    expect_event("/SET@/many/00000", "-2");
    expect_event("/SET@/many/00000", "-3");
    expect_event("/SET@/other", "2");
    expect_silence(&reader);
}

/* Events of what is not stored have nothing to do with a list. */
static void what_is_not_stored_does_not_wait(void **state)
{
    (void)state;
    subscribe("/ALL@/many/*");
    say(&reader, "{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}");
    say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/00000\",\"data\":{\"n\":-1},\"options\":{\"noStore\":true}}");
    expect_event("/SET@/many/00000", "-1");
    finish_requests();
    expect_list("7");
}

/* It is about what the list has seen and about what it will not see any more. */
static void behind_a_removal_by_pattern_everything_waits(void **state)
{
    (void)state;
    subscribe("/ALL@/many/*");
    say(&reader, "{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}");
    say(&writer, "{\"action\":\"remove\",\"eventId\":4,\"path\":\"/many/*9\",\"data\":null}");
    while (writer.read == writer.count) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    expect_silence(&reader);
    write_number("/many/19999", -1);
    expect_silence(&reader);
    finish_requests();
    struct str list = hear(&reader);
    assert_int_equal(list.ptr[0], '[');
    expect_part(hear(&reader), "/REMOVE@/many/*9");
    expect_event("/SET@/many/19999", "-1");
    expect_silence(&reader);
}

/* A channel that is there already has no events held back of its own. */
static void a_second_subscription_has_no_gap_behind_its_values(void **state)
{
    (void)state;
    subscribe("/ALL@/many/*");
    say(&reader, "{\"action\":\"on\",\"eventId\":7,\"path\":\"/ALL@/many/*\",\"options\":{\"initialCallback\":true}}");
    write_number("/many/00000", -1);
    expect_silence(&reader);
    finish_requests();
    assert_true(str_is(number_at(json_get(reader.frames[reader.read], "data"), 0), "0"));
    expect_values("7");
    expect_event("/SET@/many/00000", "-1");
    expect_silence(&reader);
}

/* The store that was asked last answers last: what is written to the others in the meantime is not in their part. */
static void lists_of_several_stores_are_not_overtaken(void **state)
{
    (void)state;
    struct provider *provider;
    happn_error error;
    assert_int_equal(store_memory_open(&loop, NULL, &provider), HAPPN_OK);
    assert_int_equal(datastores_add(core.stores, "few", provider, false, &error), HAPPN_OK);
    assert_int_equal(datastores_add_pattern(core.stores, STR_LIT("/many/few/*"), "few", &error), HAPPN_OK);
    write_number("/many/few/1", 1);
    subscribe("/ALL@/many/few/*");
    subscribe("/ALL@/many/19998");
    say(&reader, "{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}");
    write_number("/many/few/1", 2);
    write_number("/many/19998", -1);
    expect_event("/SET@/many/19998", "-1");
    expect_silence(&reader);
    finish_requests();
    struct str list = hear(&reader);
    assert_int_equal(items_of(list), MANY + 2);
    assert_true(str_is(number_at(list, MANY), "1"));
    expect_event("/SET@/many/few/1", "2");
    expect_silence(&reader);
}

/* More than may wait: it is not left in the belief that it has heard everything. */
static void lose_events(const char *request, void (*expect)(const char *event_id))
{
    enum { LENGTH = 20 << 20 };
    char *text = malloc(LENGTH + 200);
    int len = snprintf(text, 200, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/00000\",\"data\":{\"x\":\"");
    memset(text + len, 'x', LENGTH);
    memcpy(text + len + LENGTH, "\"}}", 4);
    writer.out.max = LENGTH * 2;
    say(&reader, request);
    for (int i = 0; i < 4; i++) {
        say(&writer, text);
    }
    assert_false(reader.closed);
    finish_requests();
    expect("7");
    assert_true(reader.closed);
    while (reader.read < reader.count) {
        assert_null(memmem(reader.frames[reader.read].ptr, reader.frames[reader.read].len, "/SET@", 5));
        reader.read++;
    }
    free(text);
}

static void who_has_lost_events_is_sent_away(void **state)
{
    (void)state;
    subscribe("/ALL@/many/*");
    lose_events("{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}", expect_list);
}

static void who_has_lost_events_behind_initial_values_is_sent_away(void **state)
{
    (void)state;
    lose_events("{\"action\":\"on\",\"eventId\":7,\"path\":\"/ALL@/many/*\",\"options\":{\"initialCallback\":true}}", expect_values);
}

/* Without memory to keep an event it is the same. */
static void without_memory_no_event_is_lost_in_silence(void **state)
{
    (void)state;
    size_t heard = 0, lost = 0;
    for (int n = 0; heard < 3; n++) {
        subscribe("/ALL@/many/*");
        say(&reader, "{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}");
        core.allocator = &memory.allocator;
        memory.left = n;
        say(&writer, "{\"action\":\"set\",\"eventId\":3,\"path\":\"/many/00000\",\"data\":{\"n\":-1},\"options\":{\"publishResults\":true}}");
        memory.left = -1;
        struct str answer = writer.frames[writer.count - 1];
        bool is_written = memmem(answer.ptr, answer.len, "\"publishResults\"", 16) != NULL;
        finish_requests();
        reader.read++; /* the list */
        if (reader.closed) {
            lost++;
        } else if (is_written && reader.read < reader.count) {
            heard++;
            expect_event("/SET@/many/00000", "-1");
            expect_silence(&reader);
        } else if (is_written) {
            expect_part(answer, "\"failed\":1"); /* could not even be encoded */
        }
        leave(&writer), leave(&reader);
        core.allocator = &memory_default;
        enter(&reader, "happn_4"), enter(&writer, "happn_2");
    }
    assert_true(lost > 0);
}

static void a_session_that_goes_while_its_list_is_found(void **state)
{
    (void)state;
    subscribe("/ALL@/many/*");
    say(&reader, "{\"action\":\"get\",\"eventId\":7,\"path\":\"/many/*\"}");
    write_number("/many/00000", -1);
    leave(&reader);
    reader.session = NULL;
    write_number("/many/00000", -2);
    finish_requests();
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
        core.allocator = &memory.allocator;
        memory.left = n;
        say(&reader, request);
        while (core.request_count != 0) {
            uv_run(&loop.uv, UV_RUN_NOWAIT);
        }
        memory.left = -1;
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
        cmocka_unit_test_setup_teardown(no_event_overtakes_a_list_that_is_older, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_stored_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(behind_a_removal_by_pattern_everything_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_subscription_has_no_gap_behind_its_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_of_several_stores_are_not_overtaken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_lost_events_is_sent_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_lost_events_behind_initial_values_is_sent_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_no_event_is_lost_in_silence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_that_goes_while_its_list_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_that_goes_takes_its_list_along, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_farewell_comes_after_the_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_lost_in_silence, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
