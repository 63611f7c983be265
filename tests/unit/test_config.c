/* The configuration: defaults, every kind of key, and mistakes that are named with their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service/config.h"

static void defaults(void **state)
{
    (void)state;
    struct config config;
    happn_error error;
    assert_int_equal(config_parse(&config, NULL, STR_LIT(""), "/base", &error), HAPPN_OK);
    assert_int_equal(config.port, 55000);
    assert_true(str_is(config.host, "0.0.0.0"));
    assert_true(str_is(config.log_level, "info"));
    assert_true(str_is(config.durability, "fsync"));
    assert_int_equal(config.data_file.len, 0);
    assert_int_equal(config.inbound.count, 0);
    config_fini(&config);
}

static void every_kind(void **state)
{
    (void)state;
    struct config config;
    happn_error error = {0};
    struct str text = STR_LIT(
        "{\"port\": 0, \"host\": \"::1\", \"secure\": false, \"deferListen\": true, \"utils\": {\"logLevel\": \"debug\"},"
        " \"services\": {\"data\": {\"config\": {\"filename\": \"a/b.db\", \"durability\": \"file\"}},"
        "  \"queue\": {\"config\": {\"concurrency\": 1}},"
        "  \"protocol\": {\"config\": {\"inboundLayers\": [\"one.lua\", {\"script\": \"two.lua\", \"config\": {\"n\": [1]}}]}},"
        "  \"connect\": {\"config\": {\"routes\": [{\"script\": \"r.lua\", \"mount\": \"/r\"}]}}}}");
    assert_int_equal(config_parse(&config, NULL, text, "/base", &error), HAPPN_OK);
    assert_int_equal(config.port, 0);
    assert_true(config.defer_listen);
    assert_true(str_is(config.data_file, "/base/a/b.db"));
    assert_int_equal(config.inbound.count, 2);
    assert_true(str_is(config.inbound.items[1].file, "two.lua"));
    assert_true(str_is(config.inbound.items[1].config, "{\"n\": [1]}"));
    assert_true(str_is(config.routes.items[0].mount, "/r"));
    assert_non_null(strstr(config.warnings.ptr, "services.queue has no effect"));
    assert_int_equal(config_set(&config, "port", STR_LIT("7"), &error), HAPPN_OK);
    assert_int_equal(config.port, 7);
    assert_int_equal(config_set(&config, "prt", STR_LIT("7"), &error), HAPPN_E_CONFIG);
    assert_non_null(strstr(error.message, "did you mean port"));
    assert_int_equal(config_set(&config, "host", STR_LIT("localhost"), &error), HAPPN_E_CONFIG);
    config_fini(&config);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"{\"port\": 1,\n  \"hots\": 1}", "line 2, column 3: the key hots is not known; did you mean host"},
        {"{\"port\": \"1\"}", "line 1, column 10: port must be a whole number from 0 to 65535"},
        {"{\"port\": 1.5}", "must be a whole number"},
        {"{\"port\": 70000}", "from 0 to 65535"},
        {"{\"port\": 1, \"port\": 2}", "port stands here twice"},
        {"{\"host\": 1}", "host must be a text"},
        {"{\"utils\": 1}", "utils must be an object"},
        {"{\"utils\": {\"logLevel\": \"loud\"}}", "must be one of info,off"},
        {"{\"deferListen\": 1}", "must be true or false"},
        {"{\"services\": {\"security\": {\"config\": {\"authProviders\": {\"x\": 1}}}}}", "a JavaScript provider cannot be run here"},
        {"{\"services\": {\"data\": {\"config\": {\"filname\": \"x\"}}}}", "did you mean services.data.config.filename"},
        {"{\"services\": {\"protocol\": {\"config\": {\"inboundLayers\": [{}]}}}}", "names a script"},
        {"{\"services\": {\"connect\": {\"config\": {\"routes\": [{\"script\": \"a\", \"mount\": \"x\"}]}}}}", "begin with a slash"},
        {"{\"port\": 1,}", "this is not JSON"},
        {"[]", "is a JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config config;
        happn_error error = {0};
        assert_int_equal(config_parse(&config, NULL, str_of(cases[i].text), "/base", &error), HAPPN_E_CONFIG);
        if (strstr(error.message, cases[i].part) == NULL) {
            fail_msg("%s\n  said %s", cases[i].text, error.message);
        }
        config_fini(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_kind),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
