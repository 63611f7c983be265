/* A long text is lent: from the memory it was received in to the reply and to publications, and from what a get has read. The n-th
 * allocation fails, for every n: the client gets an answer, an error, or its connection ends; the document is the old or the new one; every
 * subscriber has the event as a whole, or it is counted; nothing leaks. */
#include "core_peer.h"

#include <string.h>

#include "json/scan.h"
#include "store/datastores.h"
#include "test_memory.h"

enum { LENGTH = 150000, LISTENERS = 4 };

static struct peer writer, listeners[LISTENERS];
static struct test_memory memory = TEST_MEMORY(memory);

static void listen_to(struct peer *peer, int generation, const char *options)
{
    char text[200];
    snprintf(text, sizeof text, "happn_%d", generation);
    enter(peer, text);
    snprintf(text, sizeof text, "{\"action\":\"on\",\"eventId\":2,\"path\":\"/SET@/l\",\"data\":null,\"options\":%s}", options);
    say(peer, text);
    expect_part(hear(peer), "\"ok\"");
}

static int set_up(void **state)
{
    (void)state;
    memory.left = -1;
    memory.in_use = 0;
    open_core_with(&memory.allocator);
    enter(&writer, "happn_4");
    for (int i = 0; i < LISTENERS; i++) {
        listen_to(&listeners[i], i + 1, i == 0 ? "{\"merge\":true}" : "{}");
    }
    return 0;
}

static int tear_down(void **state)
{
    memory.left = -1;
    leave(&writer);
    for (int i = 0; i < LISTENERS; i++) {
        leave(&listeners[i]);
    }
    close_core(state);
    assert_int_equal(memory.in_use, 0);
    return 0;
}

/* {"action":...,"data":{"mark":c,"text":"ccc..."}}, in a buffer as the socket has it. */
static void compose(struct buf *message, const char *options, const char *before, char mark)
{
    size_t len = LENGTH + (size_t)mark % 32 * 1000; /* each needs another room in the store */
    buf_init(message, &memory.allocator, LENGTH * 2);
    buf_add_format(message, "{\"action\":\"set\",\"eventId\":7,\"path\":\"/l\",\"options\":%s,\"data\":%s{\"mark\":\"%c\",\"text\":\"", options, before, mark);
    buf_reserve(message, len);
    memset(message->ptr + message->len, mark, len);
    message->len += len;
    buf_add_lit(message, "\"}");
    buf_add_text(message, before[0] == '[' ? "]}" : "}");
    assert_int_equal(message->status, HAPPN_OK);
}

/* Writers come anew: a connection that has ended stays so. */
static void come_back(void)
{
    leave(&writer);
    enter(&writer, "happn_4");
}

static void receive(struct buf *message, int n)
{
    memory.has_failed = false;
    memory.left = n;
    core_receive_buf(writer.session, message);
    while (core.request_count != 0) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    memory.left = -1;
    buf_fini(message);
}

static bool holds(struct str text, char mark)
{
    char *run = memory_alloc(NULL, LENGTH);
    memset(run, mark, LENGTH);
    bool is_there = memmem(text.ptr, text.len, run, LENGTH) != NULL;
    memory_free(NULL, run);
    return is_there;
}

/* What the writer was told: true for success. Silence is no answer. */
static bool is_answered_well(void)
{
    bool is_well = false;
    if (writer.read == writer.count) {
        assert_true(writer.closed || writer.failed);
        writer.failed = false;
    } else {
        struct str frame = hear(&writer);
        is_well = memmem(frame.ptr, frame.len, "\"status\":\"ok\"", 13) != NULL;
        if (!is_well) {
            expect_part(frame, "\"status\":\"error\"");
        }
    }
    expect_silence(&writer);
    return is_well;
}

static struct str stored(struct arena *arena)
{
    struct store_op op = {.kind = STORE_GET, .path = STR_LIT("/l"), .arena = arena};
    assert_int_equal(datastores_submit(core.stores, datastores_target(core.stores, &op), &op), HAPPN_OK);
    return op.count == 1 ? op.documents[0].data : STR_NONE;
}

static void check_store(bool is_new, char before, char mark)
{
    struct arena arena;
    arena_init(&arena, NULL);
    struct str data = stored(&arena);
    if (is_new) {
        assert_true(holds(data, mark));
    } else {
        assert_true(holds(data, mark) || holds(data, before)); /* the answer may have failed after the set */
    }
    arena_fini(&arena);
}

static size_t events_heard(char mark)
{
    size_t heard = 0;
    for (int i = 0; i < LISTENERS; i++) {
        if (listeners[i].read != listeners[i].count) {
            assert_true(holds(hear(&listeners[i]), mark));
            heard++;
        }
        expect_silence(&listeners[i]);
        forget_frames(&listeners[i]);
    }
    return heard;
}

static void try_sets(const char *options, const char *before)
{
    int failures = 0;
    struct buf message;
    compose(&message, options, before, 'a');
    receive(&message, -1);
    assert_non_null(writer.lent[writer.read]); /* else there is nothing to test */
    assert_non_null(listeners[1].lent[listeners[1].read]);
    assert_true(is_answered_well());
    assert_int_equal(events_heard('a'), LISTENERS);
    char last = 'a';
    memory.has_failed = true;
    for (int n = 0; memory.has_failed; n++) {
        char mark = (char)('b' + n % 20);
        compose(&message, options, before, mark);
        uint64_t failed = core.stats.failed_deliveries;
        uint64_t published = core.stats.publications;
        receive(&message, n);
        bool is_well = is_answered_well();
        failures += !is_well;
        check_store(is_well, last, mark);
        size_t heard = events_heard(mark);
        if (core.stats.publications != published) {
            assert_int_equal(heard + (core.stats.failed_deliveries - failed), LISTENERS);
            last = mark;
        } else {
            assert_false(is_well);
            assert_int_equal(heard, 0);
        }
        assert_true(n < 1000);
        come_back();
    }
    assert_true(failures > 1);
}

static void a_set_of_a_long_text(void **state)
{
    (void)state;
    try_sets("{}", "");
}

static void a_merge_of_a_long_text(void **state)
{
    (void)state;
    try_sets("{\"merge\":true}", "");
}

static void a_long_list_becomes_a_document(void **state)
{
    (void)state;
    try_sets("{}", "[");
}

static void a_get_of_a_long_text(void **state)
{
    (void)state;
    struct buf message;
    compose(&message, "{}", "", 'g');
    receive(&message, -1);
    assert_true(is_answered_well());
    assert_int_equal(events_heard('g'), LISTENERS);
    int failures = 0;
    memory.has_failed = true;
    for (int n = 0; memory.has_failed; n++) {
        come_back();
        buf_init(&message, &memory.allocator, 1000);
        buf_add_lit(&message, "{\"action\":\"get\",\"eventId\":8,\"path\":\"/l\",\"data\":null}");
        receive(&message, n);
        struct payload *held = writer.lent[writer.read];
        bool is_well = is_answered_well();
        failures += !is_well;
        assert_true(!is_well || holds(writer.frames[writer.read - 1], 'g'));
        assert_true(memory.has_failed || held != NULL); /* else nothing was lent */
    }
    assert_true(failures > 0);
}

/* Whoever needs the message in one piece gets it, or is told that there is no memory, and may ask again. */
static void a_lent_text_in_one_piece(void **state)
{
    (void)state;
    struct buf message;
    compose(&message, "{}", "", 'p');
    receive(&message, -1);
    struct payload *payload = listeners[1].lent[listeners[1].read];
    assert_non_null(payload);
    memory.left = 0;
    assert_null(payload_text(payload).ptr);
    memory.left = -1;
    struct str whole = payload_text(payload);
    assert_int_equal(json_check(whole, NULL), HAPPN_OK);
    assert_true(holds(whole, 'p'));
    assert_true(is_answered_well());
    assert_int_equal(events_heard('p'), LISTENERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_set_of_a_long_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_merge_of_a_long_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_list_becomes_a_document, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_get_of_a_long_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lent_text_in_one_piece, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
