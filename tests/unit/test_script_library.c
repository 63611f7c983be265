/* The scripts and modules that come with happn (lua/happn), each as its head says it is used. */
#include "script_house.h"

#include "script/library.h"

static void use(struct script_entry *entry, const char *file, const char *config)
{
    *entry = (struct script_entry){.file = file, .config_json = config, .config_len = strlen(config)};
}

static void set(struct peer *peer, const char *path, const char *data, const char *opts)
{
    char text[400];
    snprintf(text, sizeof text, "{\"action\":\"set\",\"eventId\":1,\"path\":\"%s\",\"data\":%s%s%s}", path, data, opts != NULL ? ",\"options\":" : "",
             opts != NULL ? opts : "");
    say(peer, text);
}

static void documents_that_do_not_fit_their_schema_are_refused(void **state)
{
    (void)state;
    struct peer peer;
    use(&inbound[0], "happn/validate.lua",
        "{\"schemas\":{\"/s/*\":{\"type\":\"object\",\"required\":[\"value\"],\"additionalProperties\":false,\"properties\":{"
        "\"value\":{\"type\":\"number\",\"minimum\":0,\"exclusiveMaximum\":100},"
        "\"unit\":{\"enum\":[\"C\",\"F\",null]},"
        "\"name\":{\"type\":[\"string\",\"null\"],\"minLength\":2,\"maxLength\":5,\"matches\":\"[a-z]+\"},"
        "\"n\":{\"type\":\"integer\",\"multipleOf\":2},"
        "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":3,\"uniqueItems\":true},"
        "\"any\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"boolean\"}]},"
        "\"one\":{\"oneOf\":[{\"minimum\":5},{\"maximum\":7}]},"
        "\"not\":{\"not\":{\"const\":{\"a\":[1]}}}}}}}");
    options.inbound_count = 1;
    open_scripts();
    enter(&peer);
    static const struct {
        const char *data, *says;
    } wrong[] = {{"{}", "/value is missing"},
                 {"{\"value\":\"hot\"}", "/value must be a number, is string"},
                 {"{\"value\":null}", "/value must be a number, is null"},
                 {"{\"value\":-1}", "/value must be at least 0"},
                 {"{\"value\":100}", "/value must be less than 100"},
                 {"{\"value\":1,\"more\":1}", "/more is not a known member"},
                 {"{\"value\":1,\"unit\":\"K\"}", "/unit must be one of the listed values"},
                 {"{\"value\":1,\"name\":\"x\"}", "/name must have at least 2 characters"},
                 {"{\"value\":1,\"name\":\"abcdef\"}", "/name must have at most 5 characters"},
                 {"{\"value\":1,\"name\":\"AB\"}", "/name must look like"},
                 {"{\"value\":1,\"n\":1.5}", "/n must be an integer, is number"},
                 {"{\"value\":1,\"n\":3}", "/n must be a multiple of 2"},
                 {"{\"value\":1,\"tags\":[]}", "/tags must have at least 1 elements"},
                 {"{\"value\":1,\"tags\":[\"a\",5]}", "/tags/1 must be a string, is integer"},
                 {"{\"value\":1,\"tags\":[\"a\",null]}", "/tags/1 must be a string, is null"},
                 {"{\"value\":1,\"tags\":[\"a\",\"a\"]}", "/tags/1 is there twice"},
                 {"{\"value\":1,\"any\":5}", "/any is none of what is allowed"},
                 {"{\"value\":1,\"one\":6}", "/one is more than one of what is allowed"},
                 {"{\"value\":1,\"not\":{\"a\":[1]}}", "/not is what is not allowed"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        set(&peer, "/s/1", wrong[i].data, NULL);
        struct str frame = hear(&peer);
        expect_part(frame, "\"name\":\"ValidationError\"");
        expect_part(frame, wrong[i].says);
    }
    static const char *const right[] = {"{\"value\":1}",
                                        "{\"value\":99.5,\"unit\":null,\"name\":\"abc\",\"n\":4,\"tags\":[\"a\",\"b\"],\"any\":true,\"one\":9,\"not\":{\"a\":[2]}}",
                                        "{\"value\":1,\"name\":null}"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        set(&peer, "/s/1", right[i], NULL);
        assert_true(str_is(json_get(hear(&peer), "data"), right[i]));
    }
    set(&peer, "/s/1", "{\"name\":\"xyz\"}", "{\"merge\":true}"); /* what is missing may be there */
    expect_part(hear(&peer), "\"name\":\"xyz\"");
    set(&peer, "/s/1", "{\"value\":-5}", "{\"merge\":true}");
    expect_error(&peer, "at least 0");
    set(&peer, "/other", "{\"anything\":1}", NULL);
    expect_data(&peer, "{\"anything\":1}");
    leave(&peer);
}

static void schemas_that_are_wrong_are_no_silence(void **state)
{
    (void)state;
    static const struct {
        const char *config, *says;
    } wrong[] = {{"{\"schemas\":{\"/a\":{\"pattern\":\"^a\"}}}", "the schema of /a: "},
                 {"{\"schemas\":{\"/a\":{\"type\":\"text\"}}}", "there is no type text"},
                 {"{\"schemas\":{\"/a\":{\"properties\":{\"b\":5}}}}", "a schema is a table"},
                 {"{}", "config.schemas is missing"},
                 {"{\"schema\":{}}", "the script does not know \"schema\""}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        happn_error error = {0};
        struct scripts *out;
        use(&inbound[0], "happn/validate.lua", wrong[i].config);
        options.inbound_count = 1;
        assert_int_not_equal(scripts_open(&core, &options, &out, &error), HAPPN_OK);
        if (strstr(error.message, wrong[i].says) == NULL) {
            fail_msg("%s is not in %s", wrong[i].says, error.message);
        }
    }
}

static void what_is_done_too_often_is_refused(void **state)
{
    (void)state;
    struct peer one, two;
    use(&inbound[0], "happn/limit.lua", "{\"most\":2,\"window\":\"1h\",\"paths\":[\"/limited/*\"],\"actions\":[\"set\"]}");
    use(&inbound[1], "happn/limit.lua", "{\"most\":3,\"per\":\"path\",\"name\":\"hot\",\"window\":\"1h\",\"paths\":[\"/hot\"]}");
    options.inbound_count = 2;
    open_scripts();
    enter(&one);
    enter(&two);
    for (int i = 0; i < 3; i++) {
        set(&one, "/limited/a", "{}", NULL);
        expect_part(hear(&one), i < 2 ? "\"status\":\"ok\"" : "\"name\":\"RateLimited\"");
    }
    set(&one, "/free", "{}", NULL);
    expect_part(hear(&one), "\"status\":\"ok\"");
    set(&two, "/limited/a", "{}", NULL); /* another session */
    expect_part(hear(&two), "\"status\":\"ok\"");
    for (int i = 0; i < 4; i++) { /* both count for the path */
        set(i % 2 == 0 ? &one : &two, "/hot", "{}", NULL);
        expect_part(hear(i % 2 == 0 ? &one : &two), i < 3 ? "\"status\":\"ok\"" : "more than 3 in 1h");
    }
    leave(&one);
    leave(&two);
}

static void fields_leave_for_nobody_who_may_not_see_them(void **state)
{
    (void)state;
    struct peer peer;
    use(&outbound[0], "happn/redact.lua", "{\"fields\":{\"/people/*\":{\"salary\":[\"hr\"],\"home.street\":[],\"none.at.all\":[]}}}");
    options.outbound_count = 1;
    open_scripts();
    enter(&peer);
    say(&peer, "{\"action\":\"on\",\"eventId\":1,\"path\":\"/ALL@/people/*\"}");
    hear(&peer);
    set(&peer, "/people/1", "{\"name\":\"x\",\"salary\":5,\"home\":{\"street\":\"s\",\"town\":\"t\"},\"none\":1}", NULL);
    for (int i = 0; i < 2; i++) { /* the event and the answer */
        struct str frame = hear(&peer);
        assert_false(has_part(frame, "salary"));
        assert_false(has_part(frame, "street"));
        expect_part(frame, "\"town\":\"t\"");
    }
    say(&peer, "{\"action\":\"get\",\"eventId\":1,\"path\":\"/people/*\"}");
    assert_false(has_part(hear(&peer), "salary"));
    leave(&peer);
}

static void changes_are_kept(void **state)
{
    (void)state;
    struct peer peer;
    use(&inbound[0], "happn/audit.lua", "{\"paths\":[\"/orders/*\"],\"into\":\"/audit\",\"data\":true}");
    inbound[0].is_trusted = true;
    use(&inbound[1], "happn/requests.lua", "{\"actions\":[\"remove\"]}");
    options.inbound_count = 2;
    open_scripts();
    enter(&peer);
    set(&peer, "/orders/1", "{\"n\":1}", NULL);
    hear(&peer);
    set(&peer, "/other", "{\"n\":1}", NULL);
    hear(&peer);
    say(&peer, "{\"action\":\"remove\",\"eventId\":1,\"path\":\"/orders/1\"}");
    hear(&peer);
    say(&peer, "{\"action\":\"get\",\"eventId\":1,\"path\":\"/audit/*\"}");
    struct str frame = hear(&peer);
    expect_part(frame, "\"action\":\"set\"");
    expect_part(frame, "\"data\":{\"n\":1}");
    expect_part(frame, "\"action\":\"remove\"");
    expect_part(frame, "\"path\":\"/orders/1\"");
    assert_false(has_part(frame, "\"path\":\"/other\""));
    expect_part(read_log(), "remove /orders/1 user=- session=");
    leave(&peer);
}

static void pages_of_other_sites_may_ask(void **state)
{
    (void)state;
    use_routes("r.lua", "", "local cors = require 'happn.cors'\n"
                            "return cors.wrap({ name = 'r', ['GET /a'] = function() return { ok = true } end, ['POST /a'] = function() return 201, { made = true }, { location = '/a/1' } end,\n"
                            "  ['GET /b'] = { public = true, run = function() end } }, { origins = { 'https://x' } })");
    open_scripts();
    happn_http http = ask("OPTIONS", "/a", NULL, NULL);
    assert_int_equal(http.status, 204);
    expect_part(str_of(http.headers), "access-control-allow-methods=");
    http = ask("POST", "/a", NULL, NULL);
    assert_int_equal(http.status, 201);
    expect_part(str_of(http.headers), "location=/a/1;");
    expect_part(str_of(http.headers), "vary=Origin;");
    assert_false(has_part(str_of(http.headers), "access-control-allow-origin"));
    http = ask("GET", "/b", NULL, NULL);
    assert_int_equal(http.status, 204);
}

static void digests_are_those_of_the_standards(void **state)
{
    (void)state;
    use_routes("r.lua", "", "return { ['GET /'] = function() return { a = happn.hash('abc'), b = happn.hmac('key', 'The quick brown fox jumps over the lazy dog') } end }");
    open_scripts();
    struct str answer = str_of(ask("GET", "/", NULL, NULL).answer);
    expect_part(answer, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_part(answer, "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
}

static void all_of_them_load(void **state)
{
    (void)state;
    size_t count = 0;
    struct str text;
    for (; library_name(count) != NULL; count++) {
        assert_true(library_find(library_name(count), &text));
        assert_true(text.len > 100);
    }
    assert_true(count >= 8);
    assert_false(library_find("happn/none.lua", &text));
    assert_false(library_find("validate.lua", &text));
    expect_load_error("local x = require 'happn.none' return { inbound = function() end }", "happn/none.lua: cannot be read");
}

/* docs/lua-library.md: its script, in a route. */
static void the_guides_script_runs(void **state)
{
    (void)state;
    static char text[32768];
    FILE *file = fopen(HAPPN_SOURCE_DIR "/docs/lua-library.md", "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char *start = strstr(text, "```lua\n") + 7;
    *strstr(start, "```") = '\0';
    use_routes("guide.lua", "", start);
    open_scripts();
    happn_http http = ask("POST", "/orders", NULL, "{\"id\":\"a/b\"}");
    assert_int_equal(http.status, 422);
    expect_part(str_of(http.answer), "/id must look like %w+");
    assert_int_equal(ask("POST", "/orders", NULL, "{}").status, 422);
    assert_int_equal(ask("POST", "/orders", NULL, "{\"id\":\"7\"}").status, 201);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_core, close_core)

int main(void)
{
    const struct CMUnitTest tests[] = {T(documents_that_do_not_fit_their_schema_are_refused), T(schemas_that_are_wrong_are_no_silence),
                                       T(what_is_done_too_often_is_refused), T(fields_leave_for_nobody_who_may_not_see_them), T(changes_are_kept),
                                       T(pages_of_other_sites_may_ask), T(digests_are_those_of_the_standards), T(all_of_them_load), T(the_guides_script_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
