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

/* Every key of the original's is honoured, is known to have no effect, or is refused with a reason: none is a stranger. */
static void every_key_of_the_original_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *path, *value;
    } rows[] = {
        {"port", "0"},
        {"host", "\"127.0.0.1\""},
        {"name", "\"x\""},
        {"secure", "false"},
        {"encryptPayloads", "false"},
        {"deferListen", "true"},
        {"utils.logLevel", "\"error\""},
        {"utils.logMessageDelimiter", "\"x\""},
        {"utils.logFile", "\"\""},
        {"utils.logLayout", "{}"},
        {"utils.logDateFormat", "\"x\""},
        {"utils.logStackTraces", "true"},
        {"utils.logComponents", "[]"},
        {"Logger", "{}"},
        {"allowNestedPermissions", "false"},
        {"disableDefaultAdminNetworkConnections", "false"},
        {"services.security.path", "\"x\""},
        {"services.security.instance", "{}"},
        {"services.security.config.adminUser", "{\"password\": \"x\", \"publicKey\": \"k\", \"custom_data\": {}}"},
        {"services.security.config.adminGroup", "{\"custom_data\": {}}"},
        {"services.security.config.sessionTokenSecret", "\"x\""},
        {"services.security.config.keyPair", "{\"privateKey\": \"a\", \"publicKey\": \"b\"}"},
        {"services.security.config.profiles", "[]"},
        {"services.security.config.accountLockout", "{\"enabled\": true, \"attempts\": 4, \"retryInterval\": 600000}"},
        {"services.security.config.defaultNonceTTL", "60000"},
        {"services.security.config.activateSessionManagement", "false"},
        {"services.security.config.logSessionActivity", "false"},
        {"services.security.config.sessionActivityTTL", "1"},
        {"services.security.config.cookieName", "\"x\""},
        {"services.security.config.cookieDomain", "\"x\""},
        {"services.security.config.audit", "{\"paths\": []}"},
        {"services.security.config.expiry_grace", "60"},
        {"services.security.config.groupPermissionsPolicy", "\"x\""},
        {"services.security.config.__cache_users", "{}"},
        {"services.security.config.__cache_groups", "{}"},
        {"services.security.config.__cache_permissions", "{}"},
        {"services.security.config.__cache_checkpoint_authorization", "{}"},
        {"services.security.config.__cache_checkpoint_permissionset", "{}"},
        {"services.security.config.cache_checkpoint_authorization", "{}"},
        {"services.security.config.__cache_users_by_groups", "{}"},
        {"services.security.config.__cache_groups_by_user", "{}"},
        {"services.security.config.pbkdf2Iterations", "10000"},
        {"services.security.config.lockTokenToLoginType", "true"},
        {"services.security.config.lockTokenToUserId", "true"},
        {"services.security.config.allowTTL0Revocations", "true"},
        {"services.security.config.allowLogoutOverHttp", "false"},
        {"services.security.config.httpsCookie", "false"},
        {"services.security.config.usernamesCaseInsensitive", "false"},
        {"services.security.config.usernamesCaseInsensitiveExclude", "[]"},
        {"services.security.config.allowAnonymousAccess", "false"},
        {"services.security.config.authProviders", "{}"},
        {"services.security.config.defaultAuthProvider", "\"happn\""},
        {"services.security.config.allowUserChooseAuthProvider", "true"},
        {"services.security.config.persistPermissions", "true"},
        {"services.security.config.updateSubscriptionsOnSecurityDirectoryChanged", "true"},
        {"services.security.config.disableDefaultAdminNetworkConnections", "false"},
        {"services.security.config.lookup", "{}"},
        {"services.security.config.__userPermissionsPrefix", "\"x\""},
        {"services.transport.config.mode", "\"http\""},
        {"services.transport.config.cert", "\"\""},
        {"services.transport.config.key", "\"\""},
        {"services.transport.config.certPath", "\"\""},
        {"services.transport.config.keyPath", "\"\""},
        {"services.transport.config.keepAliveTimeout", "120000"},
        {"services.connect.config.middleware.security.exclusions", "[]"},
        {"services.connect.config.middleware.security.forbiddenResponsePath", "\"\""},
        {"services.connect.config.middleware.security.unauthorizedResponsePath", "\"\""},
        {"services.connect.config.middleware.security.cookieName", "\"x\""},
        {"services.connect.config.middleware.security.cookieDomain", "\"x\""},
        {"services.protocol.config.inboundLayers", "[]"},
        {"services.protocol.config.outboundLayers", "[]"},
        {"services.protocol.config.protocols", "{}"},
        {"services.protocol.config.loggingEnabled", "false"},
        {"services.protocol.config.benchMarkEnabled", "false"},
        {"services.protocol.config.allowNestedPermissions", "false"},
        {"services.session.config.timeout", "false"},
        {"services.session.config.disconnectTimeout", "1000"},
        {"services.session.config.primusOpts", "{}"},
        {"services.session.config.activeSessionsCache", "{}"},
        {"services.session.config.queuedDisconnectsCache", "{}"},
        {"services.session.config.queuedDisconnectsTTL", "300000"},
        {"services.session.config.unconfiguredSessionCleanup", "{\"interval\": 5000, \"threshold\": 30000, \"verbose\": true}"},
        {"services.session.config.disableSessionEventLogging", "false"},
        {"services.subscription.config.mode", "\"wildstring\""},
        {"services.subscription.config.filter", "null"},
        {"services.subscription.config.subscriptionTree", "{\"searchCache\": 2500, \"permutationCache\": 2500}"},
        {"services.publisher.config.publicationOptions", "{\"acknowledgeTimeout\": 60000}"},
        {"services.publisher.config.timeout", "false"},
        {"services.queue.config.mode", "\"queue\""},
        {"services.queue.config.concurrency", "100"},
        {"services.queue.config.concurrencyIn", "100"},
        {"services.queue.config.concurrencyOut", "1"},
        {"services.queue.config.concurrencyPublisher", "1"},
        {"services.queue.config.systemConcurrency", "1"},
        {"services.cache.config.defaultTTL", "0"},
        {"services.cache.config.defaultCacheName", "\"x\""},
        {"services.cache.config.defaultCacheOpts", "{}"},
        {"services.cache.config.overrides", "{}"},
        {"services.cache.config.statisticsInterval", "1000"},
        {"services.stats.config.debug", "false"},
        {"services.stats.config.interval", "10000"},
        {"services.stats.config.print", "false"},
        {"services.stats.config.statsServer", "\"x\""},
        {"services.stats.config.statsPort", "1"},
        {"services.stats.config.opts", "{}"},
        {"services.system.config.name", "\"x\""},
        {"services.data.config.filename", "\"\""},
        {"services.data.config.dbfile", "\"\""},
        {"services.data.config.compactInterval", "1"},
        {"services.data.config.autoUpdateDBVersion", "false"},
        {"services.data.config.fsync", "false"},
        {"services.data.config.datastores", "[]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1000] = "";
        size_t len = 0, depth = 0;
        for (const char *part = rows[i].path; *part != '\0'; depth++) {
            size_t size = strcspn(part, ".");
            len += (size_t)snprintf(text + len, sizeof text - len, "{\"%.*s\":", (int)size, part);
            part += size + (part[size] == '.');
        }
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", rows[i].value);
        while (depth-- != 0) {
            len += (size_t)snprintf(text + len, sizeof text - len, "}");
        }
        struct config config;
        happn_error error = {.status = HAPPN_OK};
        happn_status status = config_parse(&config, NULL, str_make(text, len), "/tmp", &error);
        if (status != HAPPN_OK && strstr(error.message, "is not known") != NULL) {
            fail_msg("%s: %s", text, error.message);
        }
        config_fini(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_the_original_is_known),
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_kind),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
