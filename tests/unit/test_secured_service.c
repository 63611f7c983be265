/* A secured service and its host, in C: administration, the host's own way to log in, clients over WebSockets, events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "happn/happn.h"

struct house {
    happn_runtime *runtime;
    happn_service *service;
    int port;
    bool is_done;
    happn_status status;
    char text[8192], error[500];
    char events[16384];
};

static struct house house;

static void await(void)
{
    while (!house.is_done) {
        happn_runtime_step(house.runtime, 1);
    }
    house.is_done = false;
}

static void take_status(happn_status status, const happn_error *error, void *arg)
{
    (void)arg;
    house.status = status;
    snprintf(house.error, sizeof house.error, "%s", error != NULL ? error->message : "");
    house.is_done = true;
}

static void take_answer(const happn_error *error, const char *json, size_t len, void *arg)
{
    (void)arg;
    house.status = error != NULL ? error->status : HAPPN_OK;
    snprintf(house.error, sizeof house.error, "%s", error != NULL ? error->message : "");
    snprintf(house.text, sizeof house.text, "%.*s", (int)len, json != NULL ? json : "");
    house.is_done = true;
}

static void take_result(const happn_result *result, void *arg)
{
    (void)arg;
    house.status = result->status;
    snprintf(house.error, sizeof house.error, "%s", result->error != NULL ? result->error->message : "");
    house.is_done = true;
}

static void note_event(const char *event, const char *json, size_t len, void *arg)
{
    (void)arg;
    size_t at = strlen(house.events);
    snprintf(house.events + at, sizeof house.events - at, "%s %.*s\n", event, (int)(len < 300 ? len : 300), json);
}

static int open_house(void **state)
{
    (void)state;
    static const char config[] = "{\"port\":0,\"host\":\"127.0.0.1\",\"secure\":true,\"utils\":{\"logLevel\":\"error\"},\"services\":{\"security\":{\"config\":"
                                 "{\"adminUser\":{\"password\":\"secret\"},\"pbkdf2Iterations\":10}}}}";
    memset(&house, 0, sizeof house);
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &house.runtime), HAPPN_OK);
    assert_int_equal(happn_service_new(house.runtime, config, strlen(config), NULL, &house.service, NULL), HAPPN_OK);
    assert_int_equal(happn_service_watch(house.service, note_event, NULL), HAPPN_OK);
    happn_service_start(house.service, take_status, NULL);
    await();
    assert_int_equal(house.status, HAPPN_OK);
    house.port = happn_service_port(house.service);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    happn_runtime_close(house.runtime);
    return 0;
}

/* Does it, and expects this status. */
static const char *call(const char *verb, const char *arguments, happn_status expected)
{
    assert_int_equal(happn_security_call(house.service, verb, arguments, strlen(arguments), take_answer, NULL), HAPPN_OK);
    await();
    if (house.status != expected) {
        fail_msg("%s %s: %d %s", verb, arguments, house.status, house.error);
    }
    return house.text;
}

static happn_client *log_in(const char *credentials, happn_status expected)
{
    char options[9000];
    happn_client *client = NULL;
    int len = snprintf(options, sizeof options, "{\"port\":%d,%s}", house.port, credentials);
    assert_int_equal(happn_client_connect(house.runtime, options, (size_t)len, take_status, NULL, &client), HAPPN_OK);
    await();
    if (house.status != expected) {
        fail_msg("%s: %d %s", credentials, house.status, house.error);
    }
    return client;
}

static void closed(void *arg)
{
    (void)arg;
    house.is_done = true;
}

static void leave(happn_client *client)
{
    happn_client_close(client, closed, NULL);
    await();
}

static void set(happn_client *client, const char *path, happn_status expected)
{
    assert_int_equal(happn_client_set(client, path, "{}", 2, NULL, take_result, NULL), HAPPN_OK);
    await();
    assert_int_equal(house.status, expected);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void an_unsecured_service_has_no_users(void **state)
{
    (void)state;
    happn_service *plain = NULL;
    static const char config[] = "{\"deferListen\":true,\"utils\":{\"logLevel\":\"error\"}}";
    assert_int_equal(happn_service_new(house.runtime, config, strlen(config), NULL, &plain, NULL), HAPPN_OK);
    assert_int_equal(happn_security_call(plain, "listUsers", "{}", 2, take_answer, NULL), HAPPN_E_CLOSED);
    happn_service_start(plain, take_status, NULL);
    await();
    assert_int_equal(happn_security_call(plain, "listUsers", "{}", 2, take_answer, NULL), HAPPN_E_UNSUPPORTED);
    happn_service_close(plain, 0, closed, NULL);
    await();
}

static void calls_say_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(happn_security_call(house.service, "listUsers", "[", 1, take_answer, NULL), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_security_call(house.service, "listUsers", "[]", 2, take_answer, NULL), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_security_call(house.service, "listUsers", "{\"name\":\"\xff\"}", 12, take_answer, NULL), HAPPN_E_ARGUMENT);
    call("fly", "{}", HAPPN_E_UNSUPPORTED);
    assert_string_equal(house.error, "there is no verb fly");
    static const struct {
        const char *verb, *arguments, *message;
    } rows[] = {
        {"upsertGroup", "{\"group\":null}", "group is null or not an object"},
        {"upsertGroup", "{\"group\":{\"name\":\"G\",\"permissions\":{\"/x\":{\"actions\":[\"fly\"]},\"/y\":{}}}}",
         "group permissions invalid: unknown action: fly for path: /x,missing allowed actions or prohibit rules: /y"},
        {"upsertGroup", "{\"group\":{\"name\":\"G\",\"permissions\":{\"/{{w}}\":{\"actions\":[\"get\"]}}}}",
         "invalid permission path, cannot contain special string {{w}}"},
        {"upsertGroup", "{\"group\":{\"name\":\"C\"},\"parent\":{}}", "validation error: parent group path is not in your request, have you included the _meta?"},
        {"upsertUser", "{\"user\":null}", "user is null or not an object"},
        {"upsertUser", "{\"user\":{}}", "validation failure: no username specified"},
        {"upsertUser", "{\"user\":{\"username\":\"u\"}}", "validation failure: no password or publicKey specified for a new user"},
        {"upsertUser", "{\"user\":{\"username\":\"u\",\"password\":\"\"}}", "validation failure: no password or publicKey specified for a new user"},
        {"upsertUser", "{\"user\":{\"username\":\"u\",\"password\":5}}", "validation failure: a password must be a text"},
        {"listUserNamesByGroup", "{}", "validation error: groupName must be specified"},
        {"getGroup", "{\"name\":\"N*\"}", "invalid group name: N*"},
        {"getGroup", "{}", "invalid group name: null"},
        {"revokeToken", "{}", "token not defined"},
        {"revokeToken", "{\"token\":\"a.b.c\"}", "invalid token"},
        {"listUsers", "{\"criteria\":{\"a\":{\"$fly\":1}}}", "$fly"},
        {"listUsers", "{\"limit\":-1}", "skip and limit must not be negative"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        call(rows[i].verb, rows[i].arguments, HAPPN_E_ARGUMENT);
        if (!has(house.error, rows[i].message)) {
            fail_msg("%s: wanted %s, got %s", rows[i].verb, rows[i].message, house.error);
        }
    }
    call("deleteUser", "{\"username\":\"_ADMIN\"}", HAPPN_E_DENIED);
    assert_string_equal(house.error, "unable to delete a user with the reserved name: _ADMIN");
    call("upsertGroup", "{\"group\":{\"name\":\"C\"},\"parent\":{\"_meta\":{\"path\":\"/_SYSTEM/_SECURITY/_GROUP/NOPE\"}}}", HAPPN_E_NOT_FOUND);
    assert_string_equal(house.error, "validation error: parent group does not exist: /_SYSTEM/_SECURITY/_GROUP/NOPE");
    call("deleteGroup", "{\"name\":\"none\"}", HAPPN_E_NOT_FOUND);
    assert_string_equal(house.error, "group you are deleting does not exist");
    call("linkGroup", "{\"group\":\"none\",\"username\":\"_ADMIN\"}", HAPPN_E_NOT_FOUND);
    assert_string_equal(house.error, "validation error: group does not exist or has not been saved");
    call("linkGroup", "{\"group\":\"_ADMIN\",\"username\":\"none\"}", HAPPN_E_NOT_FOUND);
    assert_string_equal(house.error, "validation error: user does not exist or has not been saved");
    assert_true(has(call("listGroups", "{}", HAPPN_OK), "[{\"name\":\"_ADMIN\"")); /* nothing of what was refused was stored */
    assert_false(has(house.text, "\"G\""));
}

static void groups_and_permissions(void **state)
{
    (void)state;
    call("upsertGroup", "{\"group\":{\"name\":\"G1\",\"custom_data\":{\"a\":1},\"permissions\":{\"/a/*\":{\"actions\":[\"get\",\"set\"]},\"/b\":{\"actions\":[\"*\"]}}}}", HAPPN_OK);
    call("upsertGroup", "{\"group\":{\"name\":\"G1\",\"permissions\":{\"/a/*\":{\"actions\":[\"get\"]},\"/b\":{\"remove\":true,\"actions\":[\"*\"]}}}}", HAPPN_OK);
    assert_string_equal(call("getGroup", "{\"name\":\"G1\"}", HAPPN_OK), "{\"name\":\"G1\",\"permissions\":{\"/a/*\":{\"actions\":[\"get\",\"set\"]}}}");
    call("upsertGroup", "{\"group\":{\"name\":\"CHILD\"},\"parent\":\"G1\"}", HAPPN_OK);
    assert_string_equal(call("getGroup", "{\"name\":\"G1/CHILD\"}", HAPPN_OK), "{\"name\":\"CHILD\",\"permissions\":{}}");
    assert_string_equal(call("upsertPermission", "{\"group\":\"G1\",\"path\":\"/z/*\",\"action\":\"on\",\"authorized\":false}", HAPPN_OK),
                        "{\"action\":\"on\",\"authorized\":false,\"path\":\"/z/*\"}");
    assert_string_equal(call("listPermissions", "{\"group\":\"G1\"}", HAPPN_OK),
                        "[{\"action\":\"on\",\"authorized\":false,\"path\":\"/z/*\"},{\"action\":\"get\",\"authorized\":true,\"path\":\"/a/*\"},"
                        "{\"action\":\"set\",\"authorized\":true,\"path\":\"/a/*\"}]");
    call("upsertPermission", "{\"group\":\"G1\",\"path\":\"/z/*\",\"action\":\"on\"}", HAPPN_OK); /* the last one counts */
    assert_true(has(call("getGroup", "{\"name\":\"G1\"}", HAPPN_OK), "\"/z/*\":{\"actions\":[\"on\"]}"));
    assert_string_equal(call("removePermission", "{\"group\":\"G1\",\"path\":\"/z/*\",\"action\":\"on\"}", HAPPN_OK), "{\"removed\":1}");
    assert_string_equal(call("removePermission", "{\"group\":\"G1\",\"path\":\"/z/*\",\"action\":\"on\"}", HAPPN_OK), "{\"removed\":0}");
    call("deleteGroup", "{\"name\":\"G1/CHILD\"}", HAPPN_OK);
    call("deleteGroup", "{\"name\":\"G1\"}", HAPPN_OK);
    assert_string_equal(call("getGroup", "{\"name\":\"G1\"}", HAPPN_OK), "null");
}

static void lists_have_criteria_sort_skip_limit_and_count(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"user\":{\"username\":\"list%02d\",\"publicKey\":\"k\",\"custom_data\":{\"n\":%d}}}", i, i);
        call("upsertUser", text, HAPPN_OK);
    }
    assert_string_equal(call("listUsers", "{\"name\":\"list\",\"count\":true}", HAPPN_OK), "{\"value\":20}");
    assert_string_equal(call("listUsers", "{\"name\":\"list1*\",\"count\":true}", HAPPN_OK), "{\"value\":10}");
    call("listUsers", "{\"name\":\"list\",\"criteria\":{\"custom_data.n\":{\"$gte\":5}},\"sort\":{\"custom_data.n\":-1},\"skip\":1,\"limit\":2}", HAPPN_OK);
    assert_true(has(house.text, "\"list18\"") && has(house.text, "\"list17\"") && !has(house.text, "\"list19\"") && !has(house.text, "\"list16\""));
    call("upsertGroup", "{\"group\":{\"name\":\"listed\"}}", HAPPN_OK);
    call("linkGroup", "{\"group\":\"listed\",\"username\":\"list03\",\"data\":{\"since\":1}}", HAPPN_OK);
    assert_string_equal(call("listUserNamesByGroup", "{\"group\":\"listed\"}", HAPPN_OK), "[\"list03\"]");
    assert_string_equal(call("getGroupMemberships", "{\"username\":\"list03\"}", HAPPN_OK), "[{\"groupName\":\"listed\",\"membership\":{\"data\":{\"since\":1}}}]");
    assert_string_equal(call("userBelongsToGroups", "{\"username\":\"list03\",\"groups\":[\"listed\"]}", HAPPN_OK), "true");
    assert_string_equal(call("userBelongsToGroups", "{\"username\":\"list03\",\"groups\":[\"listed\",\"_ADMIN\"]}", HAPPN_OK), "false");
    call("deleteUser", "{\"username\":\"list03\"}", HAPPN_OK);
    assert_string_equal(call("listUserNamesByGroup", "{\"group\":\"listed\"}", HAPPN_OK), "[]");
}

static void take_data(const happn_result *result, void *arg)
{
    take_result(result, arg);
    snprintf(house.text, sizeof house.text, "%.*s", (int)result->data_len, result->data);
}

static const char *administer(happn_client *client, const char *verb, const char *arguments, happn_status expected)
{
    assert_int_equal(happn_client_administer(client, verb, arguments, arguments != NULL ? strlen(arguments) : 0, take_data, NULL), HAPPN_OK);
    await();
    if (house.status != expected) {
        fail_msg("%s: %d %s", verb, house.status, house.error);
    }
    return house.text;
}

static void administrators_work_through_clients(void **state)
{
    (void)state;
    happn_client *admin = log_in("\"username\":\"_ADMIN\",\"password\":\"secret\"", HAPPN_OK);
    assert_true(has(happn_client_session(admin), "\"username\":\"_ADMIN\"") && has(happn_client_session(admin), "\"token\":\""));
    assert_true(has(administer(admin, "upsertUser", "{\"user\":{\"username\":\"w\",\"password\":\"pw\"}}", HAPPN_OK), "\"username\":\"w\""));
    assert_true(has(administer(admin, "listUsers", NULL, HAPPN_OK), "\"w\""));
    administer(admin, "deleteGroup", "{\"name\":\"none\"}", HAPPN_E_NOT_FOUND);
    assert_string_equal(house.error, "group you are deleting does not exist");
    administer(admin, "fly", "{}", HAPPN_E_UNSUPPORTED);
    assert_string_equal(house.error, "there is no verb fly");
    assert_int_equal(happn_client_administer(admin, "listUsers", "[]", 2, take_data, NULL), HAPPN_E_JSON);
    assert_int_equal(happn_client_administer(admin, "", NULL, 0, take_data, NULL), HAPPN_E_ARGUMENT);
    happn_client *user = log_in("\"username\":\"w\",\"password\":\"pw\"", HAPPN_OK), *host = NULL;
    administer(user, "listUsers", NULL, HAPPN_E_DENIED);
    assert_string_equal(house.error, "only members of the group _ADMIN may do this");
    administer(admin, "linkGroup", "{\"group\":\"_ADMIN\",\"username\":\"w\"}", HAPPN_OK);
    administer(user, "listUsers", NULL, HAPPN_OK); /* counts at once */
    assert_int_equal(happn_client_open(house.service, take_status, NULL, &host), HAPPN_OK);
    await();
    administer(host, "deleteUser", "{\"username\":\"w\"}", HAPPN_OK);
    leave(user);
    leave(host);
    leave(admin);
}

static void somebody_within_the_process(void **state)
{
    (void)state;
    call("upsertUser", "{\"user\":{\"username\":\"in\",\"password\":\"pw\",\"permissions\":{\"/in/*\":{\"actions\":[\"set\"]}}}}", HAPPN_OK);
    static const char login[] = "{\"username\":\"in\",\"password\":\"pw\"}", wrong[] = "{\"username\":\"in\",\"password\":\"no\"}";
    happn_client *client = NULL;
    assert_int_equal(happn_client_open_as(house.service, wrong, strlen(wrong), take_status, NULL, &client), HAPPN_OK);
    await();
    assert_int_equal(house.status, HAPPN_E_DENIED);
    leave(client);
    assert_int_equal(happn_client_open_as(house.service, "5", 1, take_status, NULL, &client), HAPPN_E_JSON);
    assert_int_equal(happn_client_open_as(house.service, login, strlen(login), take_status, NULL, &client), HAPPN_OK);
    await();
    assert_int_equal(house.status, HAPPN_OK);
    set(client, "/in/1", HAPPN_OK);
    set(client, "/out/1", HAPPN_E_DENIED);
    administer(client, "listUsers", NULL, HAPPN_E_DENIED);
    leave(client);
}

static void an_administrator_can_end_itself(void **state)
{
    (void)state;
    call("upsertUser", "{\"user\":{\"username\":\"brief\",\"password\":\"pw\"}}", HAPPN_OK);
    call("linkGroup", "{\"group\":\"_ADMIN\",\"username\":\"brief\"}", HAPPN_OK);
    happn_client *client = log_in("\"username\":\"brief\",\"password\":\"pw\"", HAPPN_OK);
    assert_int_equal(happn_client_administer(client, "deleteUser", "{\"username\":\"brief\"}", strlen("{\"username\":\"brief\"}"), take_data, NULL), HAPPN_OK);
    await(); /* the answer, or the end of the connection: one of them, once */
    assert_true(house.status == HAPPN_OK || house.status == HAPPN_E_CLOSED);
    leave(client);
    assert_string_equal(call("getUser", "{\"username\":\"brief\"}", HAPPN_OK), "null");
}

static void clients_log_in_by_password_and_token(void **state)
{
    (void)state;
    call("upsertUser", "{\"user\":{\"username\":\"c\",\"password\":\"pw\",\"permissions\":{\"/c/*\":{\"actions\":[\"set\"]}}}}", HAPPN_OK);
    house.events[0] = '\0';
    leave(log_in("\"username\":\"c\",\"password\":\"wrong\"", HAPPN_E_DENIED));
    assert_string_equal(house.error[0] != '\0' ? "said" : "silent", "said");
    assert_true(has(house.events, "login-refused") && has(house.events, "\"username\":\"c\""));
    happn_client *client = log_in("\"username\":\"c\",\"password\":\"pw\"", HAPPN_OK);
    assert_true(has(house.events, "authentic"));
    set(client, "/c/1", HAPPN_OK);
    set(client, "/d/1", HAPPN_E_DENIED);
    call("listActiveSessions", "{}", HAPPN_OK);
    assert_true(has(house.text, "\"username\":\"c\""));
    leave(client);
    assert_true(has(house.events, "disconnect"));
    assert_string_equal(call("listActiveSessions", "{\"criteria\":{\"username\":\"c\"}}", HAPPN_OK), "[]");
}

/* --- the host's own way to log in */

struct waiting {
    happn_login *login;
    int asked;
};

static happn_auth_verdict decide(happn_login *login, void *arg)
{
    struct waiting *waiting = arg;
    size_t len;
    const char *credentials = happn_login_credentials(login, &len);
    waiting->asked++;
    assert_non_null(happn_login_address(login, NULL));
    if (memmem(credentials, len, "one-time", 8) == NULL) {
        return HAPPN_AUTH_USUAL;
    }
    waiting->login = login;
    return HAPPN_AUTH_LATER;
}

static happn_client *start_login(const char *password, struct waiting *waiting)
{
    char options[200];
    happn_client *client = NULL;
    int len = snprintf(options, sizeof options, "{\"port\":%d,\"username\":\"whoever\",\"password\":\"%s\"}", house.port, password);
    waiting->login = NULL;
    assert_int_equal(happn_client_connect(house.runtime, options, (size_t)len, take_status, NULL, &client), HAPPN_OK);
    while (waiting->login == NULL) {
        happn_runtime_step(house.runtime, 1);
    }
    return client;
}

static void a_host_decides_who_logs_in(void **state)
{
    (void)state;
    struct waiting waiting = {.asked = 0};
    assert_int_equal(happn_service_set_auth(house.service, decide, &waiting), HAPPN_OK);
    happn_client *client = start_login("one-time 1", &waiting);
    happn_login_accept(waiting.login, "c");
    await();
    assert_int_equal(house.status, HAPPN_OK);
    set(client, "/c/2", HAPPN_OK);
    leave(client);
    client = start_login("one-time 2", &waiting);
    happn_login_accept(waiting.login, "nobody");
    await();
    assert_int_equal(house.status, HAPPN_E_DENIED);
    leave(client);
    client = start_login("one-time 3", &waiting);
    happn_login_refuse(waiting.login, "the code was used already");
    await();
    assert_string_equal(house.error, "the code was used already");
    leave(client);
    client = start_login("one-time 4", &waiting);
    happn_login_usual(waiting.login);
    await();
    assert_int_equal(house.status, HAPPN_E_DENIED);
    leave(client);
    leave(log_in("\"username\":\"c\",\"password\":\"pw\"", HAPPN_OK));
    assert_true(waiting.asked >= 5);
    assert_int_equal(happn_service_set_auth(house.service, NULL, NULL), HAPPN_OK);
}

static void a_client_in_the_process_is_trusted(void **state)
{
    (void)state;
    happn_client *client = NULL;
    assert_int_equal(happn_client_open(house.service, take_status, NULL, &client), HAPPN_OK);
    await();
    assert_int_equal(house.status, HAPPN_OK);
    set(client, "/anything", HAPPN_OK);
    leave(client);
}

static void set_as_host(happn_client *host, const char *path, const char *json)
{
    assert_int_equal(happn_client_set(host, path, json, strlen(json), NULL, take_result, NULL), HAPPN_OK);
    await();
    assert_int_equal(house.status, HAPPN_OK);
}

static void remove_as_host(happn_client *host, const char *path)
{
    assert_int_equal(happn_client_remove(host, path, NULL, take_result, NULL), HAPPN_OK);
    await();
    assert_int_equal(house.status, HAPPN_OK);
}

static void documents_of_the_directory_count_when_the_host_writes_them(void **state)
{
    (void)state;
    happn_client *host = NULL;
    assert_int_equal(happn_client_open(house.service, take_status, NULL, &host), HAPPN_OK);
    await();
    call("upsertUser", "{\"user\":{\"username\":\"d\",\"password\":\"pw\"}}", HAPPN_OK);
    happn_client *client = log_in("\"username\":\"d\",\"password\":\"pw\"", HAPPN_OK);
    set(client, "/d/1", HAPPN_E_DENIED);
    set_as_host(host, "/_SYSTEM/_SECURITY/_GROUP/DG", "{\"name\":\"DG\"}");
    set_as_host(host, "/_SYSTEM/_SECURITY/_PERMISSIONS/DG/set//d/{{w}}", "{\"action\":\"set\",\"authorized\":true,\"path\":\"/d/*\"}");
    set_as_host(host, "/_SYSTEM/_SECURITY/_USER/d/_USER_GROUP/DG", "{}");
    set(client, "/d/1", HAPPN_OK);
    remove_as_host(host, "/_SYSTEM/_SECURITY/_PERMISSIONS/DG/set//d/{{w}}");
    set(client, "/d/1", HAPPN_E_DENIED);
    remove_as_host(host, "/_SYSTEM/_SECURITY/_USER/d/_USER_GROUP/DG");
    assert_string_equal(call("getGroupMemberships", "{\"username\":\"d\"}", HAPPN_OK), "[]");
    remove_as_host(host, "/_SYSTEM/_SECURITY/_USER/d");
    assert_string_equal(call("getUser", "{\"username\":\"d\"}", HAPPN_OK), "null");
    leave(client);
    leave(host);
}

static void note_answer(const happn_error *error, const char *json, size_t len, void *arg)
{
    (void)json, (void)len;
    *(happn_status *)arg = error != NULL ? error->status : HAPPN_OK;
}

/* Whichever of the two comes first: who knows the old password only has no say any more. */
static void a_password_that_was_reset_is_not_changed_by_who_knew_the_old_one(void **state)
{
    (void)state;
    call("upsertUser", "{\"user\":{\"username\":\"r\",\"password\":\"old\"}}", HAPPN_OK);
    for (int head_start = 0; head_start < 20; head_start++) {
        call("resetPassword", "{\"username\":\"r\",\"password\":\"old\"}", HAPPN_OK);
        happn_client *client = log_in("\"username\":\"r\",\"password\":\"old\"", HAPPN_OK);
        assert_int_equal(happn_client_change_password(client, "old", "own", take_result, NULL), HAPPN_OK);
        for (int i = 0; i < head_start; i++) {
            happn_runtime_step(house.runtime, 0);
        }
        static const char reset[] = "{\"username\":\"r\",\"password\":\"new\"}";
        happn_status answer = HAPPN_PENDING;
        assert_int_equal(happn_security_call(house.service, "resetPassword", reset, strlen(reset), note_answer, &answer), HAPPN_OK);
        while (answer == HAPPN_PENDING) {
            happn_runtime_step(house.runtime, 1);
        }
        await();
        leave(log_in("\"username\":\"r\",\"password\":\"own\"", HAPPN_E_DENIED));
        leave(client);
    }
    leave(log_in("\"username\":\"r\",\"password\":\"new\"", HAPPN_OK));
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

/* Its password is being hashed, on another thread, when the service is asked to end. */
static void what_the_host_asked_for_is_answered_before_the_service_ends(void **state)
{
    (void)state;
    static const char config[] = "{\"secure\":true,\"deferListen\":true,\"utils\":{\"logLevel\":\"error\"},\"services\":{\"security\":{\"config\":"
                                 "{\"adminUser\":{\"password\":\"secret\"},\"pbkdf2Iterations\":30000}}}}";
    static const char user[] = "{\"user\":{\"username\":\"late\",\"password\":\"pw\"}}";
    happn_service *own = NULL;
    happn_status answer = HAPPN_PENDING;
    bool is_closed = false;
    assert_int_equal(happn_service_new(house.runtime, config, strlen(config), NULL, &own, NULL), HAPPN_OK);
    happn_service_start(own, take_status, NULL);
    await();
    assert_int_equal(house.status, HAPPN_OK);
    assert_int_equal(happn_security_call(own, "upsertUser", user, strlen(user), note_answer, &answer), HAPPN_OK);
    happn_service_close(own, 1, note_closed, &is_closed);
    while (!is_closed) {
        happn_runtime_step(house.runtime, 1);
    }
    assert_int_equal(answer, HAPPN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unsecured_service_has_no_users),
        cmocka_unit_test(calls_say_what_is_wrong),
        cmocka_unit_test(groups_and_permissions),
        cmocka_unit_test(lists_have_criteria_sort_skip_limit_and_count),
        cmocka_unit_test(administrators_work_through_clients),
        cmocka_unit_test(somebody_within_the_process),
        cmocka_unit_test(an_administrator_can_end_itself),
        cmocka_unit_test(clients_log_in_by_password_and_token),
        cmocka_unit_test(a_host_decides_who_logs_in),
        cmocka_unit_test(a_client_in_the_process_is_trusted),
        cmocka_unit_test(documents_of_the_directory_count_when_the_host_writes_them),
        cmocka_unit_test(a_password_that_was_reset_is_not_changed_by_who_knew_the_old_one),
        cmocka_unit_test(what_the_host_asked_for_is_answered_before_the_service_ends),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
