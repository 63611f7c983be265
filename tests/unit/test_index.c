/* Declared indexes: the results are the same with and without, whatever is stored, overwritten, removed and asked; and they are
 * used where they help. */
#include "store_fixture.h"

#include <string.h>

#include "search/key.h"
#include "search/search.h"
#include "store/memory.h"

static struct store_fixture plain, indexed, in_memory;
static const struct str fields[] = {STR_LIT("n"), STR_LIT("text"), STR_LIT("list.sku"), STR_LIT("_meta.modified")};

static void open_indexed(const struct str *names, size_t count)
{
    happn_error error = {.status = HAPPN_OK};
    struct sqlite_options options = {.sync = false, .indexes = names, .index_count = count};
    if (fixture_open_sqlite(&indexed, &options, &error) != HAPPN_OK) {
        fail_msg("%s", error.message);
    }
}

static void open_in_memory(const struct str *names, size_t count)
{
    happn_error error = {.status = HAPPN_OK};
    if (store_memory_open_indexed(&in_memory.loop, NULL, names, count, &in_memory.provider, &error) != HAPPN_OK) {
        fail_msg("%s", error.message);
    }
}

static int set_up(void **state)
{
    (void)state;
    happn_error error;
    struct sqlite_options options = {.sync = false};
    fixture_init(&plain);
    fixture_init(&indexed);
    fixture_init(&in_memory);
    assert_int_equal(fixture_open_sqlite(&plain, &options, &error), HAPPN_OK);
    open_indexed(fields, 4);
    open_in_memory(fields, 4);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_fini(&plain);
    fixture_fini(&indexed);
    fixture_fini(&in_memory);
    return 0;
}

static uint32_t state_of_random = 12345;

static uint32_t draw(uint32_t below)
{
    state_of_random = state_of_random * 1664525u + 1013904223u;
    return (state_of_random >> 8) % below;
}

static const char *draw_value(void)
{
    static char text[64];
    static const char *const values[] = {"null", "true", "false", "\"\"", "\"a\"", "\"b\\u00e9\"", "\"\\uD83D\\uDE00\"", "\"\\uFFFD\"", "[]", "{}", "[1,2]",
                                         "[3,\"a\",null]", "{\"x\":1}", "[[1,2]]", "-0", "1e300"};
    if (draw(3) != 0) {
        snprintf(text, sizeof text, "%d%s", (int)draw(20) - 10, draw(3) == 0 ? ".5" : "");
        return text;
    }
    return values[draw(sizeof values / sizeof values[0])];
}

static void everywhere(enum store_kind kind, const char *path, const char *data, int64_t now)
{
    struct store_fixture *all[] = {&plain, &indexed, &in_memory};
    for (int i = 0; i < 3; i++) {
        struct store_op op = fixture_op(all[i], kind, path, data);
        op.now = now;
        fixture_run(all[i], &op);
        assert_int_equal(op.status, HAPPN_OK);
    }
}

static void change_something(void)
{
    char path[32], data[300];
    snprintf(path, sizeof path, "/d/%02u", draw(60));
    if (draw(5) == 0) {
        everywhere(STORE_REMOVE, path, NULL, 1);
        return;
    }
    size_t len = (size_t)snprintf(data, sizeof data, "{\"x\":0");
    if (draw(4) != 0) {
        len += (size_t)snprintf(data + len, sizeof data - len, ",\"n\":%s", draw_value());
    }
    if (draw(4) != 0) {
        len += (size_t)snprintf(data + len, sizeof data - len, ",\"text\":%s", draw_value());
    }
    if (draw(3) == 0) {
        len += (size_t)snprintf(data + len, sizeof data - len, ",\"list\":[{\"sku\":%s}", draw_value());
        len += (size_t)snprintf(data + len, sizeof data - len, ",{\"sku\":%s}]", draw_value());
    }
    snprintf(data + len, sizeof data - len, "}");
    everywhere(draw(4) == 0 ? STORE_MERGE : STORE_SET, path, data, 1000 + draw(50));
}

static void draw_condition(char *out, size_t size)
{
    static const char *const names[] = {"n", "text", "list.sku", "_meta.modified", "x", "n"};
    static const char *const operators[] = {"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"};
    const char *name = names[draw(6)];
    char value[64];
    snprintf(value, sizeof value, "%s", strcmp(name, "_meta.modified") == 0 ? "1020" : draw_value());
    switch (draw(7)) {
    case 0:
        snprintf(out, size, "\"%s\":%s", name, value[0] == '{' ? "5" : value);
        return;
    case 1:
        snprintf(out, size, "\"%s\":{\"$in\":[%s,1,\"a\"]}", name, value);
        return;
    case 2:
        snprintf(out, size, "\"%s\":{\"$gte\":-3,\"$lt\":4}", name);
        return;
    case 3:
        snprintf(out, size, "\"$or\":[{\"%s\":%s},{\"x\":1}]", name, value[0] == '{' ? "5" : value);
        return;
    case 4:
        snprintf(out, size, "\"%s\":{\"$not\":{\"$gt\":1}}", name);
        return;
    default:
        snprintf(out, size, "\"%s\":{\"%s\":%s}", name, operators[draw(6)], value);
    }
}

static struct store_op ask(struct store_fixture *fixture, enum store_kind kind, const char *criteria)
{
    struct store_op op = fixture_op(fixture, kind, "/d/*", NULL);
    struct search_text text = {.criteria = arena_str(&fixture->arena, str_of(criteria))};
    struct search *search;
    if (search_compile(&fixture->arena, &text, &search, &op.error) != HAPPN_OK) {
        fail_msg("%s: %s", criteria, op.error.message);
    }
    op.search = search;
    fixture_run(fixture, &op);
    assert_int_equal(op.status, HAPPN_OK);
    return op;
}

static size_t compare(struct store_fixture *with, const char *criteria)
{
    struct store_op expected = ask(&plain, STORE_FIND, criteria), got = ask(with, STORE_FIND, criteria);
    if (expected.count != got.count) {
        fail_msg("%s: %zu without, %zu with the index %.*s", criteria, expected.count, got.count, (int)got.index.len, got.index.ptr);
    }
    for (size_t i = 0; i < got.count; i++) {
        assert_true(str_equal(expected.documents[i].path, got.documents[i].path));
        assert_true(str_equal(expected.documents[i].data, got.documents[i].data));
    }
    assert_false(str_is_set(expected.index));
    return str_is_set(got.index) ? 1 : 0;
}

static void results_are_the_same_with_and_without(void **state)
{
    (void)state;
    size_t used = 0, used_in_memory = 0;
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i < 5; i++) {
            change_something();
        }
        for (int i = 0; i < 5; i++) {
            char criteria[400], one[150], two[150];
            draw_condition(one, sizeof one);
            draw_condition(two, sizeof two);
            bool is_double = strncmp(one, two, 4) == 0;
            snprintf(criteria, sizeof criteria, is_double ? "{%s}" : "{%s,%s}", one, two);
            used += compare(&indexed, criteria);
            used_in_memory += compare(&in_memory, criteria);
        }
    }
    assert_true(used > 400);
    assert_int_equal(used_in_memory, used);
}

static void check_use(struct store_fixture *with)
{
    struct store_op op = ask(with, STORE_FIND, "{\"n\":{\"$gte\":10,\"$lt\":13},\"text\":{\"$gt\":\"\"}}");
    assert_int_equal(op.count, 3);
    assert_true(op.examined <= 4); /* the end itself is looked at, too */
    assert_true(str_is(op.index, "n"));
    op = ask(with, STORE_COUNT, "{\"text\":\"t3\"}");
    assert_int_equal(op.count, 100);
    assert_int_equal(op.examined, 100);
    op = ask(with, STORE_REMOVE, "{\"n\":{\"$in\":[1,2,3000]}}");
    assert_int_equal(op.removed, 2);
    assert_int_equal(op.examined, 2);
    op = ask(with, STORE_FIND, "{\"n\":{\"$lt\":4}}");
    assert_int_equal(op.count, 2);
    op = ask(with, STORE_FIND, "{\"x\":5}");
    assert_false(str_is_set(op.index));
}

static void indexes_are_used_where_they_help(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char path[32], data[64];
        snprintf(path, sizeof path, "/d/%04d", i);
        snprintf(data, sizeof data, "{\"n\":%d,\"text\":\"t%d\"}", i, i % 10);
        everywhere(STORE_SET, path, data, 1);
    }
    check_use(&indexed);
    check_use(&in_memory);
}

static void other_declarations_are_made_at_the_next_start(void **state)
{
    (void)state;
    static const struct str other[] = {STR_LIT("text"), STR_LIT("size")};
    everywhere(STORE_SET, "/d/1", "{\"n\":1,\"text\":\"a\",\"size\":7}", 1);
    fixture_close(&indexed);
    open_indexed(other, 2);
    assert_true(str_is(ask(&indexed, STORE_FIND, "{\"size\":7}").index, "size"));
    assert_false(str_is_set(ask(&indexed, STORE_FIND, "{\"n\":1}").index));
    fixture_close(&indexed);
    open_indexed(NULL, 0); /* somebody who knows of none writes */
    struct store_op op = fixture_op(&indexed, STORE_SET, "/d/2", "{\"size\":7}");
    fixture_run(&indexed, &op);
    fixture_close(&indexed);
    open_indexed(other, 2);
    assert_int_equal(ask(&indexed, STORE_FIND, "{\"size\":7}").count, 2);
    assert_true(fixture_is_intact(indexed.file));
}

/* Somebody has put the documents into other rows, as VACUUM may. */
static void rows_that_have_moved_are_noticed(void **state)
{
    (void)state;
    everywhere(STORE_SET, "/d/1", "{\"n\":1}", 1);
    everywhere(STORE_SET, "/d/2", "{\"n\":2}", 1);
    everywhere(STORE_SET, "/d/3", "{\"n\":2}", 1);
    fixture_close(&indexed);
    fixture_sql(indexed.file, "UPDATE documents SET rowid = rowid + 1000; UPDATE documents SET rowid = 1 WHERE path = '/d/3'");
    open_indexed(fields, 4);
    struct store_op op = ask(&indexed, STORE_FIND, "{\"n\":1}");
    assert_true(str_is_set(op.index));
    assert_int_equal(op.count, 1);
    assert_true(str_is(op.documents[0].path, "/d/1"));
    assert_int_equal(ask(&indexed, STORE_FIND, "{\"n\":2}").count, 2);
}

/* Before 0.1 entries had no rows. */
static void the_first_layout_is_made_anew(void **state)
{
    (void)state;
    everywhere(STORE_SET, "/d/1", "{\"n\":1}", 1);
    fixture_close(&indexed);
    fixture_sql(indexed.file, "DROP TABLE entries; CREATE TABLE entries(field INTEGER NOT NULL, key BLOB NOT NULL, path TEXT NOT NULL,"
                              " PRIMARY KEY(field, key, path)) STRICT, WITHOUT ROWID; CREATE INDEX entries_by_path ON entries(path)");
    open_indexed(fields, 4);
    assert_int_equal(ask(&indexed, STORE_FIND, "{\"n\":1}").count, 1);
    assert_true(fixture_is_intact(indexed.file));
}

/* How the store takes it; the operation is done when this returns. */
static happn_status submit(struct store_op *op, enum store_kind kind, const char *path, const char *criteria)
{
    *op = fixture_op(&indexed, kind, path, NULL);
    if (criteria != NULL) {
        struct search_text text = {.criteria = str_of(criteria)};
        struct search *search;
        assert_int_equal(search_compile(&indexed.arena, &text, &search, &op->error), HAPPN_OK);
        op->search = search;
    }
    fixture_submit(&indexed, op);
    happn_status status = op->context != NULL ? op->status : HAPPN_PENDING;
    fixture_wait(&indexed, op);
    return status;
}

/* A machine with other work may take longer than the loop lets it, now and then. */
static bool is_answered_at_once(enum store_kind kind, const char *path, const char *criteria, size_t count)
{
    for (int i = 0; i < 1000; i++) {
        struct store_op op;
        happn_status status = submit(&op, kind, path, criteria);
        assert_int_equal(op.status, HAPPN_OK);
        assert_int_equal(op.count, count);
        assert_true(str_is_set(op.index) == (criteria != NULL));
        if (status == HAPPN_OK) {
            return true;
        }
    }
    return false;
}

static void set_one(const char *path, const char *data)
{
    struct store_op op = fixture_op(&indexed, STORE_SET, path, data);
    fixture_run(&indexed, &op);
    assert_int_equal(op.status, HAPPN_OK);
}

static void brief_searches_are_answered_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char path[32], data[64];
        snprintf(path, sizeof path, "/d/%04d", i);
        snprintf(data, sizeof data, "{\"n\":%d,\"x\":%d}", i, i);
        set_one(path, data);
    }
    assert_true(is_answered_at_once(STORE_FIND, "/d/*", "{\"n\":{\"$gte\":10,\"$lt\":20}}", 10));
    assert_true(is_answered_at_once(STORE_COUNT, "/d/*", "{\"n\":{\"$in\":[1,5,2000]}}", 2));
    assert_true(is_answered_at_once(STORE_FIND, "/d/000*", NULL, 10));
    assert_true(is_answered_at_once(STORE_COUNT, "/d/01*", NULL, 100));
    assert_true(is_answered_at_once(STORE_FIND, "/d/0001", NULL, 1));
}

/* Others in the loop shall not wait for many of them. */
static void one_search_a_turn_is_answered_at_once(void **state)
{
    (void)state;
    set_one("/d/1", "{\"n\":1}");
    bool was_first = false;
    for (int i = 0; i < 1000 && !was_first; i++) {
        struct store_op first = fixture_op(&indexed, STORE_FIND, "/d/*", NULL), second = first;
        uv_run(&indexed.loop.uv, UV_RUN_NOWAIT);
        fixture_submit(&indexed, &first);
        fixture_submit(&indexed, &second);
        was_first = first.context != NULL;
        assert_null(second.context);
        fixture_wait(&indexed, &first);
        fixture_wait(&indexed, &second);
        assert_int_equal(first.count + second.count, 2);
    }
    assert_true(was_first);
}

static void long_searches_are_left_to_the_thread(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char path[32], data[64];
        snprintf(path, sizeof path, "/d/%04d", i);
        snprintf(data, sizeof data, "{\"n\":%d,\"x\":%d}", i, i);
        set_one(path, data);
    }
    static const struct {
        enum store_kind kind;
        const char *path, *criteria;
        size_t count, examined;
        bool has_index;
    } asked[] = {
        {STORE_FIND, "/d/*", "{\"n\":{\"$gte\":10,\"$lt\":310}}", 300, 301, true},
        {STORE_COUNT, "/d/*", "{\"n\":{\"$gte\":10}}", 990, 990, true},
        {STORE_FIND, "/d/000*", "{\"x\":3}", 1, 10, false}, /* without an index nobody knows how long it takes */
        {STORE_FIND, "*", NULL, 1000, 1000, false},
        {STORE_COUNT, "/d/0*", NULL, 1000, 1000, false},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct store_op op;
        assert_int_equal(submit(&op, asked[i].kind, asked[i].path, asked[i].criteria), HAPPN_PENDING);
        assert_int_equal(op.status, HAPPN_OK);
        assert_int_equal(op.count, asked[i].count);
        assert_int_equal(op.examined, asked[i].examined); /* what the loop had seen does not count */
        assert_true(str_is_set(op.index) == asked[i].has_index);
    }
}

/* A few documents, but long ones; and each is there once. */
static void long_documents_are_left_to_the_thread(void **state)
{
    (void)state;
    enum { LEN = 100000 };
    char *data = malloc(LEN + 64);
    for (int i = 0; i < 4; i++) {
        char path[32];
        snprintf(path, sizeof path, "/d/%d", i);
        int head = snprintf(data, 64, "{\"n\":%d,\"text\":\"", i);
        memset(data + head, 'x', LEN);
        memcpy(data + head + LEN, "\"}", 3);
        set_one(path, data);
    }
    assert_true(is_answered_at_once(STORE_FIND, "/d/*", "{\"n\":{\"$lt\":1}}", 1));
    struct store_op op;
    assert_int_equal(submit(&op, STORE_FIND, "/d/*", "{\"n\":{\"$gte\":0}}"), HAPPN_PENDING);
    assert_int_equal(op.count, 4);
    assert_int_equal(submit(&op, STORE_FIND, "/d/*", NULL), HAPPN_PENDING);
    assert_int_equal(op.count, 4);
    free(data);
}

/* Whoever has asked for a write, and did not wait for it, finds it. */
static void searches_see_writes_that_are_under_way(void **state)
{
    (void)state;
    set_one("/d/1", "{\"n\":1}");
    for (int i = 0; i < 200; i++) {
        char data[32], criteria[32];
        snprintf(data, sizeof data, "{\"n\":%d}", i);
        snprintf(criteria, sizeof criteria, "{\"n\":%d}", i);
        struct store_op set = fixture_op(&indexed, STORE_SET, "/d/1", data), op;
        fixture_submit(&indexed, &set);
        assert_int_equal(submit(&op, STORE_FIND, "/d/*", criteria), HAPPN_PENDING);
        assert_int_equal(op.count, 1);
        assert_true(op.snapshot_rev >= op.documents[0].rev);
        assert_true(is_answered_at_once(STORE_FIND, "/d/*", criteria, 1));
    }
    struct store_op removal = fixture_op(&indexed, STORE_REMOVE, "/d/*", NULL), op;
    fixture_submit(&indexed, &removal);
    assert_int_equal(submit(&op, STORE_COUNT, "/d/*", NULL), HAPPN_PENDING);
    assert_int_equal(op.count, 0);
}

/* More than one slice, and more than is sorted. */
static void large_results_in_memory_are_complete(void **state)
{
    (void)state;
    enum { DOCUMENTS = 25000 };
    for (int i = 0; i < DOCUMENTS; i++) {
        char path[32], data[64];
        snprintf(path, sizeof path, "/d/%05d", i * 7919 % DOCUMENTS);
        snprintf(data, sizeof data, "{\"n\":%d,\"text\":\"%s\"}", i, i % 2 == 0 ? "even" : "odd");
        struct store_op op = fixture_op(&in_memory, STORE_SET, path, data);
        fixture_run(&in_memory, &op);
    }
    struct store_op even = ask(&in_memory, STORE_FIND, "{\"text\":\"even\"}");
    assert_int_equal(even.count, DOCUMENTS / 2);
    assert_int_equal(even.examined, DOCUMENTS / 2);
    struct store_op some = ask(&in_memory, STORE_FIND, "{\"n\":{\"$gte\":5000,\"$lt\":11000}}");
    assert_int_equal(some.count, 6000);
    assert_int_equal(some.examined, 6001);
    for (size_t i = 1; i < some.count; i++) {
        assert_true(str_compare(some.documents[i - 1].path, some.documents[i].path) < 0);
    }
    struct store_op most = ask(&in_memory, STORE_FIND, "{\"n\":{\"$gte\":1000}}");
    assert_int_equal(most.count, DOCUMENTS - 1000);
    assert_false(str_is_set(most.index)); /* walking along all is the better way */
}

/* A list of thousands is found by each of its elements, without an entry for each. */
static void long_lists_are_found_too(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, NULL, 1 << 20);
    buf_add_lit(&text, "{\"n\":[0");
    for (int i = 1; i < 5000; i++) {
        buf_add_format(&text, ",%d", i);
    }
    buf_add_lit(&text, "]}");
    buf_add_char(&text, '\0');
    everywhere(STORE_SET, "/d/long", text.ptr, 1);
    everywhere(STORE_SET, "/d/short", "{\"n\":4711}", 1);
    buf_fini(&text);
    static const char *const criteria[] = {"{\"n\":4711}", "{\"n\":{\"$in\":[-1,4999]}}", "{\"n\":{\"$gt\":4700,\"$lt\":4800}}", "{\"n\":{\"$gt\":5000}}", "{\"n\":\"x\"}"};
    for (size_t i = 0; i < sizeof criteria / sizeof criteria[0]; i++) {
        assert_int_equal(compare(&in_memory, criteria[i]), 1);
    }
}

static void names_that_cannot_be_indexed_are_refused(void **state)
{
    (void)state;
    char name[200] = "a";
    for (int i = 0; i < 40; i++) {
        strcat(name, ".a");
    }
    happn_error error;
    struct provider *provider = NULL;
    struct str names[] = {str_of(name)};
    assert_int_equal(store_memory_open_indexed(&in_memory.loop, NULL, names, 1, &provider, &error), HAPPN_E_LIMIT);
    assert_null(provider);
}

static void a_refused_write_leaves_the_index_alone(void **state)
{
    (void)state;
    everywhere(STORE_SET, "/d/1", "{\"n\":1}", 1);
    fixture_close(&indexed);
    fixture_sql(indexed.file, "CREATE TRIGGER a BEFORE UPDATE ON documents BEGIN SELECT RAISE(ABORT, 'not this'); END;");
    open_indexed(fields, 4);
    struct store_op op = fixture_op(&indexed, STORE_SET, "/d/1", "{\"n\":2}");
    fixture_run(&indexed, &op);
    assert_int_equal(op.status, HAPPN_E_STORE);
    assert_non_null(strstr(op.error.message, "not this"));
    assert_int_equal(ask(&indexed, STORE_FIND, "{\"n\":1}").count, 1);
    assert_int_equal(ask(&indexed, STORE_FIND, "{\"n\":2}").count, 0);
}

/* The order of keys is the order of sorting. */
static void keys_sort_as_values_do(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, NULL);
    for (int i = 0; i < 3000; i++) {
        struct value a = value_of(&arena, arena_str(&arena, str_of(draw_value())));
        struct value b = value_of(&arena, arena_str(&arena, str_of(draw_value())));
        struct buf x, y;
        buf_init(&x, NULL, 1000);
        buf_init(&y, NULL, 1000);
        key_add(&x, &a);
        key_add(&y, &b);
        int keys = str_compare(buf_str(&x), buf_str(&y)), values = value_sort(&arena, &a, &b);
        bool has_content = a.type != VALUE_ARRAY && a.type != VALUE_OBJECT;
        if (has_content || a.type != b.type) {
            assert_int_equal(keys < 0, values < 0);
            assert_int_equal(keys > 0, values > 0);
        }
        buf_fini(&x);
        buf_fini(&y);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(results_are_the_same_with_and_without, set_up, tear_down),
        cmocka_unit_test_setup_teardown(indexes_are_used_where_they_help, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_declarations_are_made_at_the_next_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_that_have_moved_are_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_layout_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(brief_searches_are_answered_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_search_a_turn_is_answered_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_searches_are_left_to_the_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_documents_are_left_to_the_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(searches_see_writes_that_are_under_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_results_in_memory_are_complete, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_lists_are_found_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_cannot_be_indexed_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_write_leaves_the_index_alone, set_up, tear_down),
        cmocka_unit_test(keys_sort_as_values_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
