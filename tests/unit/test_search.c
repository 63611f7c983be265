/* Searches: what was observed and recommended (tests/vectors/search.json), on every provider; errors by name; and limits. */
#include "store_fixture.h"

#include <string.h>

#include "base/error.h"
#include "counting.h"
#include "json/scan.h"
#include "search/search.h"
#include "store/memory.h"
#include "vectors.h"

static struct store_fixture fixture;
static struct str vectors;

/* In the file "@created:/s/07" stands for a document's time, which is its number times a thousand here. */
static struct str with_times(struct str json)
{
    char *out = arena_alloc(&fixture.arena, json.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < json.len;) {
        struct str rest = str_skip(json, i), mark = STR_LIT("\"@created:/s/");
        if (str_starts(rest, mark)) {
            len += (size_t)sprintf(out + len, "%.2s000", rest.ptr + mark.len);
            i += mark.len + 3;
        } else {
            out[len++] = json.ptr[i++];
        }
    }
    return str_make(out, len);
}

static void load(void)
{
    int64_t number = 0;
    for (struct json_iter it = json_iter(json_get(vectors, "dataset")); json_next(&it);) {
        struct store_op op = {.kind = STORE_SET, .path = it.key, .data = it.value, .now = ++number * 1000, .arena = &fixture.arena};
        fixture_run(&fixture, &op);
        assert_int_equal(op.status, HAPPN_OK);
    }
    assert_int_equal(number, 12);
}

static int set_up_memory(void **state)
{
    (void)state;
    fixture_init(&fixture);
    assert_int_equal(store_memory_open(&fixture.loop, NULL, &fixture.provider), HAPPN_OK);
    load();
    return 0;
}

static int set_up_sqlite(void **state)
{
    (void)state;
    fixture_init(&fixture);
    struct sqlite_options options = {.sync = false};
    happn_error error;
    assert_int_equal(fixture_open_sqlite(&fixture, &options, &error), HAPPN_OK);
    load();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

/* As the core reads them: of sort the outer one counts more, of fields the inner one, limit and skip stand inside only. */
static struct search_text text_of(struct str test)
{
    struct str outer = json_get(test, "params"), inner = json_get(test, "options");
    struct str limit = json_get(inner, "limit"), skip = json_get(inner, "skip");
    struct search_text text = {.criteria = json_get(test, "criteria"), .fields = json_get(inner, "fields"), .sort = json_get(outer, "sort")};
    text.fields = str_is_set(text.fields) ? text.fields : json_get(outer, "fields");
    text.sort = str_is_set(text.sort) ? text.sort : json_get(inner, "sort");
    text.limit = json_type_of(limit) == JSON_STRING ? limit.ptr[1] - '0' : json_int(limit, 0);
    text.skip = json_int(skip, 0);
    text.criteria = str_is_set(text.criteria) ? with_times(text.criteria) : STR_NONE;
    return text;
}

static struct store_op ask(struct str test, enum store_kind kind)
{
    struct str path = json_string(&fixture.arena, json_get(test, "get_path"));
    struct store_op op = {.kind = kind, .path = path, .arena = &fixture.arena};
    struct search_text text = text_of(test);
    struct search *search;
    op.status = search_compile(&fixture.arena, &text, &search, &op.error);
    op.search = search;
    if (op.status == HAPPN_OK) {
        fixture_run(&fixture, &op);
    }
    return op;
}

static bool same_paths(const struct store_op *op, struct str paths)
{
    size_t at = 0;
    for (struct json_iter it = json_iter(paths); json_next(&it); at++) {
        if (at >= op->count || !str_equal(op->documents[at].path, json_string(&fixture.arena, it.value))) {
            return false;
        }
    }
    return at == op->count;
}

static void recommended(void **state)
{
    (void)state;
    int checked = 0, wrong = 0;
    for (struct json_iter it = json_iter(json_get(vectors, "cases")); json_next(&it);) {
        struct str wanted = json_get(it.value, "recommended"), id = json_get(it.value, "id");
        struct str paths = json_get(wanted, "paths");
        bool is_error = json_true(json_get(wanted, "error"));
        if (!str_is_set(paths) && !is_error) {
            continue; /* engine-specific, not required */
        }
        struct store_op op = ask(it.value, STORE_FIND);
        bool fits = is_error ? op.status != HAPPN_OK && op.error.message[0] != '\0' : op.status == HAPPN_OK && same_paths(&op, paths);
        checked++;
        if (!fits) {
            wrong++;
            print_error("%.*s: status %d %s, %zu found, wanted %.*s\n", (int)id.len, id.ptr, op.status, op.error.message, op.count,
                        (int)wanted.len, wanted.ptr);
        }
    }
    assert_int_equal(wrong, 0);
    assert_true(checked > 190);
}

static void counts(void **state)
{
    (void)state;
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(vectors, "counts")); json_next(&it); checked++) {
        struct store_op op = ask(it.value, STORE_COUNT);
        struct str value = json_get(json_get(json_get(it.value, "observed"), "13.12.1"), "value");
        assert_int_equal(op.status, HAPPN_OK);
        assert_int_equal(op.count, json_int(value, -1));
    }
    assert_int_equal(checked, 7);
}

static struct store_op search_with(enum store_kind kind, const char *path, const char *criteria, const char *fields, const char *sort,
                                   int64_t skip, int64_t limit)
{
    struct store_op op = fixture_op(&fixture, kind, path, NULL);
    struct search_text text = {str_of(criteria), str_of(fields), str_of(sort), skip, limit};
    struct search *search;
    op.status = search_compile(&fixture.arena, &text, &search, &op.error);
    op.search = search;
    if (op.status == HAPPN_OK) {
        fixture_run(&fixture, &op);
    }
    return op;
}

static void projections(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"/s/01", "{\"name\":1}", "{\"name\":\"Alice\"}"},
        {"/s/01", "{\"data.name\":1}", "{\"name\":\"Alice\"}"},
        {"/s/01", "{\"nested.y.z\":1}", "{\"nested\":{\"y\":{\"z\":\"deep\"}}}"},
        {"/s/01", "{\"nested\":1,\"nested.x\":1}", "{\"nested\":{\"x\":1,\"y\":{\"z\":\"deep\"}}}"},
        {"/s/01", "{\"items.sku\":1,\"age\":true}", "{\"age\":30,\"items\":[{\"sku\":\"A\"},{\"sku\":\"B\"}]}"},
        {"/s/01", "{\"nosuch\":1}", "{}"},
        {"/s/01", "{\"_meta.created\":1}", "{}"},
        {"/s/01", "{\"name\":0}", "{}"},
        {"/s/12", "{\"data\":1}", "{\"value\":\"primitive string\"}"},
        {"/s/04", "{\"nested.x\":1}", "{}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_op op = search_with(STORE_GET, rows[i][0], NULL, rows[i][1], NULL, 0, 0);
        assert_int_equal(op.status, HAPPN_OK);
        assert_int_equal(op.count, 1);
        if (!str_is(op.documents[0].data, rows[i][2])) {
            fail_msg("%s: %.*s", rows[i][1], (int)op.documents[0].data.len, op.documents[0].data.ptr);
        }
    }
}

static void more_operators(void **state)
{
    (void)state;
    static const struct {
        const char *criteria;
        int count;
    } rows[] = {
        {"{\"age\":{\"$mod\":[5,0]}}", 6},           {"{\"age\":{\"$type\":\"string\"}}", 1},
        {"{\"tags\":{\"$type\":\"array\"}}", 7},     {"{\"items\":{\"$elemMatch\":{\"sku\":\"A\",\"qty\":{\"$gt\":5}}}}", 1},
        {"{\"nums\":{\"$elemMatch\":{\"$gt\":9,\"$lt\":12}}}", 1}, {"{\"tags\":{\"$all\":[\"a\",\"b\"]}}", 2},
        {"{\"name\":{\"$regex\":\"^a\",\"$options\":\"i\"}}", 2},  {"{\"$not\":{\"age\":{\"$gt\":0}}}", 5},
        {"{\"arr2\":[[1,2],[3]]}", 1},               {"{\"arr2\":[1,2]}", 1},
        {"{\"_meta.rev\":{\"$gt\":0}}", 12},         {"{\"_tag\":{\"$exists\":true}}", 0},
        {"{\"data\":{\"value\":\"primitive string\"}}", 1}, {"{\"items.sub.k\":2}", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_op op = search_with(STORE_COUNT, "/s/*", rows[i].criteria, NULL, NULL, 0, 0);
        if (op.status != HAPPN_OK || op.count != (size_t)rows[i].count) {
            fail_msg("%s: %zu %s", rows[i].criteria, op.count, op.error.message);
        }
    }
}

static void errors_name_what_is_wrong(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"[]", "criteria must be an object"},
        {"5", "criteria must be an object"},
        {"{\"a\":{\"$in\":5}}", "$in needs an array"},
        {"{\"$or\":{}}", "$or needs an array"},
        {"{\"$or\":[5]}", "$or needs an array of objects"},
        {"{\"a\":{\"$or\":[]}}", "$or combines conditions"},
        {"{\"$gt\":5}", "$gt belongs to a field"},
        {"{\"a\":{\"$where\":\"x\"}}", "unknown operator $where"},
        {"{\"a\":{\"$size\":1.5}}", "$size needs a whole number"},
        {"{\"a\":{\"$mod\":[0,1]}}", "$mod needs"},
        {"{\"a\":{\"$type\":\"float\"}}", "$type needs one of"},
        {"{\"a\":{\"$exists\":\"yes\"}}", "$exists needs true or false"},
        {"{\"a\":{\"$elemMatch\":5}}", "$elemMatch needs an object"},
        {"{\"a\":{\"$not\":5}}", "$not needs an object"},
        {"{\"a\":{\"$regex\":[\"a\",\"q\"]}}", "unknown flag q"},
        {"{\"a\":{\"$regex\":\"[\"}}", "invalid regular expression"},
        {"{\"a\":{\"$options\":\"i\"}}", "$options stands beside $regex only"},
        {"{\"a\":{\"$gt\":1,\"b\":2}}", "unknown operator b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_op op = search_with(STORE_FIND, "*", rows[i][0], NULL, NULL, 0, 0);
        if (op.status == HAPPN_OK || strstr(op.error.message, rows[i][1]) == NULL) {
            fail_msg("%s: %s", rows[i][0], op.error.message);
        }
    }
    assert_non_null(strstr(search_with(STORE_FIND, "*", NULL, NULL, "5", 0, 0).error.message, "sort must be an object"));
    assert_non_null(strstr(search_with(STORE_FIND, "*", NULL, NULL, "{\"a\":2}", 0, 0).error.message, "sort: a must be 1 or -1"));
    assert_non_null(strstr(search_with(STORE_FIND, "*", NULL, "{\"a\":\"x\"}", NULL, 0, 0).error.message, "fields: a must be 1"));
}

static void removes_only_what_matches(void **state)
{
    (void)state;
    assert_int_equal(search_with(STORE_REMOVE, "/s/*", "{\"age\":{\"$gte\":30}}", NULL, NULL, 0, 0).removed, 4);
    assert_int_equal(search_with(STORE_REMOVE, "/s/02", "{\"age\":99}", NULL, NULL, 0, 0).removed, 0);
    assert_int_equal(search_with(STORE_REMOVE, "/s/02", "{\"age\":25}", NULL, NULL, 0, 0).removed, 1);
    assert_int_equal(search_with(STORE_COUNT, "/s/*", NULL, NULL, NULL, 0, 0).count, 7);
}

/* Of many only the first few are kept while they are looked through. */
static void the_top_of_many(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        char path[32], data[32];
        snprintf(path, sizeof path, "/many/%04d", i);
        snprintf(data, sizeof data, "{\"n\":%d}", i * 7919 % 3000);
        struct store_op op = fixture_op(&fixture, STORE_SET, path, data);
        fixture_run(&fixture, &op);
    }
    struct store_op op = search_with(STORE_FIND, "/many/*", "{\"n\":{\"$lt\":2500}}", "{\"n\":1}", "{\"n\":-1}", 5, 10);
    assert_int_equal(op.count, 10);
    for (int i = 0; i < 10; i++) {
        char data[32];
        snprintf(data, sizeof data, "{\"n\":%d}", 2494 - i);
        assert_true(str_is(op.documents[i].data, data));
    }
    op = search_with(STORE_FIND, "/many/*", NULL, NULL, NULL, 100, 3);
    assert_int_equal(op.count, 3);
    assert_true(str_is(op.documents[0].path, "/many/0100"));
    assert_int_equal(op.examined, 103);
}

static void a_hopeless_pattern_ends(void **state)
{
    (void)state;
    char data[5100];
    memset(data, 'a', sizeof data);
    memcpy(data, "{\"a\":\"", 6);
    memcpy(data + 5000, "!\"}", 4);
    struct store_op op = fixture_op(&fixture, STORE_SET, "/slow", data);
    fixture_run(&fixture, &op);
    op = search_with(STORE_FIND, "/slow", "{\"a\":{\"$regex\":\"^(a+)+$\"}}", NULL, NULL, 0, 0);
    assert_int_equal(op.status, HAPPN_E_LIMIT);
    assert_non_null(strstr(op.error.message, "too many steps"));
}

/* The order of texts is that of JavaScript. */
static void texts_compare_by_utf16(void **state)
{
    (void)state;
    assert_true(value_compare_texts(STR_LIT("Z"), STR_LIT("a")) < 0);
    assert_true(value_compare_texts(STR_LIT("a"), STR_LIT("ab")) < 0);
    assert_true(value_compare_texts(STR_LIT("\xf0\x9f\x98\x80"), STR_LIT("\xef\xbf\xbd")) < 0); /* D83D is before FFFD */
    assert_true(value_compare_texts(STR_LIT("\xf0\x9f\x98\x80"), STR_LIT("\xe2\x82\xac")) > 0);
}

/* What was found in one document is not taken for the next one's, though it may lie at the same place. */
static void one_text_after_another_at_the_same_place(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        bool matches;
    } documents[] = {
        {"{\"n\":3}", true}, {"{\"n\":7}", false}, {"{\"n\":2}", true}, {"{\"m\":3}", false}, {"{\"n\":9,\"n\":3}", true}, {"{\"n\":3,\"n\":9}", false},
        {"{\"n\":[1,9]}", true}, /* one element is great enough, another one small enough */
        {"{\"n\":[9,9]}", false}, {"{\"n\":\"3\"}", false}, {"{\"n\":4}", true},
    };
    struct arena arena;
    struct search *search;
    struct search_work work;
    happn_error error;
    char place[64];
    arena_init(&arena, NULL);
    search_work_init(&work, NULL);
    struct search_text text = {.criteria = STR_LIT("{\"n\":{\"$gte\":2,\"$lt\":5},\"m\":{\"$ne\":1}}")};
    assert_int_equal(search_compile(&arena, &text, &search, &error), HAPPN_OK);
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        snprintf(place, sizeof place, "%s", documents[i].data);
        struct document document = {.path = STR_LIT("/a"), .data = str_of(place)};
        if (search_matches(search, &document, &work) != documents[i].matches) {
            fail_msg("%s", documents[i].data);
        }
    }
    search_work_fini(&work);
    arena_fini(&arena);
}

/* What is found but not answered is not kept: neither the rest of a sorted search with a limit, nor the members nobody asked for. */
static void only_what_is_answered_is_kept(void **state)
{
    (void)state;
    enum { COUNT = 5000, LENGTH = 2000 };
    static const struct {
        struct search_text text;
        size_t count;
        const char *first;
    } cases[] = {
        {{.sort = {"{\"n\":1}", 7}, .limit = 10}, 10, "{\"n\":0,"},
        {{.sort = {"{\"n\":-1}", 8}, .limit = 10, .skip = 5}, 10, "{\"n\":4994,"}, /* each one is better than those before */
        {{.sort = {"{\"n\":-1}", 8}, .limit = 10, .fields = {"{\"n\":1}", 7}}, 10, "{\"n\":4999}"},
        {{.fields = {"{\"n\":1}", 7}}, COUNT, "{\"n\":0}"},
    };
    static char filler[LENGTH];
    memset(filler, 'x', sizeof filler - 1);
    for (int n = 0; n < COUNT; n++) {
        char path[32], data[LENGTH + 64];
        snprintf(path, sizeof path, "/kept/%04d", n);
        snprintf(data, sizeof data, "{\"n\":%d,\"text\":\"%s\"}", n, filler);
        struct store_op op = fixture_op(&fixture, STORE_SET, path, data);
        fixture_run(&fixture, &op);
        assert_int_equal(op.status, HAPPN_OK);
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct counting counting;
        struct arena arena;
        struct search *search;
        counting_init(&counting);
        arena_init(&arena, &counting.allocator);
        struct store_op op = fixture_op(&fixture, STORE_FIND, "/kept/*", NULL);
        assert_int_equal(search_compile(&fixture.arena, &cases[i].text, &search, &op.error), HAPPN_OK);
        op.search = search;
        op.arena = &arena;
        fixture_run(&fixture, &op);
        assert_int_equal(op.status, HAPPN_OK);
        assert_int_equal(op.count, cases[i].count);
        assert_true(str_starts(op.documents[0].data, str_of(cases[i].first)));
        assert_true(str_starts(op.documents[0].path, STR_LIT("/kept/")));
        assert_true(counting.most < COUNT * LENGTH / 4);
        arena_fini(&arena);
        assert_int_equal(counting.now, 0);
    }
}

/* However many there are, and however few steps are taken at a time. */
static void any_number_is_sorted_in_steps(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 1023, 1024, 1025, 2048, 2049, 3073, 5000}, steps[] = {0, 1, 7, 1000};
    struct arena arena;
    struct search *search;
    happn_error error;
    unsigned seed = 7;
    arena_init(&arena, NULL);
    struct search_text text = {.sort = STR_LIT("{\"n\":-1}")};
    assert_int_equal(search_compile(&arena, &text, &search, &error), HAPPN_OK);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] * 4; i++) {
        size_t count = counts[i / 4], turns = 1;
        struct document *documents = arena_alloc(&arena, count * sizeof *documents);
        for (size_t n = 0; n < count; n++) {
            char path[32], data[24];
            seed = seed * 1103515245 + 12345;
            snprintf(path, sizeof path, "/%06zu", n);
            snprintf(data, sizeof data, "{\"n\":%u}", (seed >> 16) % 500 + 100);
            documents[n] = (struct document){.path = arena_str(&arena, str_of(path)), .data = arena_str(&arena, str_of(data))};
        }
        struct sorting *sorting = search_sort_begin(search, NULL, documents, count);
        for (; !sorting_go(sorting, steps[i % 4]); turns++) {
        }
        sorting_free(sorting);
        assert_true(steps[i % 4] == 0 ? turns == 1 : turns >= count / steps[i % 4]);
        for (size_t n = 1; n < count; n++) {
            int order = str_compare(documents[n - 1].data, documents[n].data);
            assert_true(order > 0 || (order == 0 && str_compare(documents[n - 1].path, documents[n].path) < 0));
        }
    }
    arena_fini(&arena);
}

#define ON(provider)                                                                          \
    cmocka_unit_test_setup_teardown(recommended, set_up_##provider, tear_down),               \
        cmocka_unit_test_setup_teardown(counts, set_up_##provider, tear_down),                \
        cmocka_unit_test_setup_teardown(projections, set_up_##provider, tear_down),           \
        cmocka_unit_test_setup_teardown(more_operators, set_up_##provider, tear_down),        \
        cmocka_unit_test_setup_teardown(errors_name_what_is_wrong, set_up_##provider, tear_down), \
        cmocka_unit_test_setup_teardown(removes_only_what_matches, set_up_##provider, tear_down), \
        cmocka_unit_test_setup_teardown(the_top_of_many, set_up_##provider, tear_down),       \
        cmocka_unit_test_setup_teardown(only_what_is_answered_is_kept, set_up_##provider, tear_down), \
        cmocka_unit_test_setup_teardown(a_hopeless_pattern_ends, set_up_##provider, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {ON(memory), ON(sqlite), cmocka_unit_test(texts_compare_by_utf16), cmocka_unit_test(any_number_is_sorted_in_steps),
                                       cmocka_unit_test(one_text_after_another_at_the_same_place)};
    vectors = vectors_read("search.json");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free((char *)vectors.ptr);
    return failed;
}
