/* The client against a real core in this process: verbs, events, handles, errors, closing at every moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "happn/client.h"
#include "happn/service.h"

static happn_runtime *runtime;
static happn_service *service;
static int happened;

static void step_until(int count)
{
    for (int turns = 0; happened < count; turns++) {
        if (turns > 200000) {
            fail_msg("only %d of %d things happened", happened, count);
        }
        assert_true(happn_runtime_step(runtime, 0) >= 0);
    }
}

static void turn(int times)
{
    while (times-- > 0) {
        assert_true(happn_runtime_step(runtime, 0) >= 0);
    }
}

static void on_done(happn_status status, const happn_error *error, void *arg)
{
    (void)error;
    *(happn_status *)arg = status;
    happened++;
}

static void on_closed(void *arg)
{
    (void)arg;
    happened++;
}

static int open_service(void **state)
{
    (void)state;
    happn_status started = HAPPN_PENDING;
    happened = 0;
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime), HAPPN_OK);
    assert_int_equal(happn_service_new(runtime, "{\"port\":0}", 10, NULL, &service, NULL), HAPPN_OK);
    happn_service_start(service, on_done, &started);
    step_until(1);
    assert_int_equal(started, HAPPN_OK);
    happened = 0;
    return 0;
}

static int close_service(void **state)
{
    (void)state;
    if (service != NULL) {
        happened = 0;
        happn_service_close(service, 0, on_closed, NULL);
        step_until(1);
    }
    happn_runtime_close(runtime);
    return 0;
}

static happn_client *open_client(void)
{
    happn_client *client;
    happn_status status = HAPPN_PENDING;
    int before = happened;
    assert_int_equal(happn_client_open(service, on_done, &status, &client), HAPPN_OK);
    assert_int_equal(status, HAPPN_PENDING);
    step_until(before + 1);
    assert_int_equal(status, HAPPN_OK);
    happened = before;
    return client;
}

static void close_client(happn_client *client)
{
    int before = happened;
    happn_client_close(client, on_closed, NULL);
    assert_int_equal(happened, before);
    step_until(before + 1);
}

/* What a callback was given. */
struct answer {
    int count;
    happn_status status;
    char name[48];
    char message[464];
    char data[4096];
    char meta[4096];
};

static void on_result(const happn_result *result, void *arg)
{
    struct answer *answer = arg;
    answer->count++;
    answer->status = result->status;
    snprintf(answer->data, sizeof answer->data, "%.*s", (int)result->data_len, result->data);
    snprintf(answer->meta, sizeof answer->meta, "%.*s", (int)result->meta_len, result->meta);
    assert_true((result->error == NULL) == (result->status == HAPPN_OK));
    if (result->error != NULL) {
        snprintf(answer->name, sizeof answer->name, "%s", result->error->name);
        snprintf(answer->message, sizeof answer->message, "%s", result->error->message);
    }
    happened++;
}

static void on_event(const char *data, size_t data_len, const char *meta, size_t meta_len, void *arg)
{
    struct answer *answer = arg;
    answer->count++;
    snprintf(answer->data, sizeof answer->data, "%.*s", (int)data_len, data);
    snprintf(answer->meta, sizeof answer->meta, "%.*s", (int)meta_len, meta);
    happened++;
}

#define WAIT(call, answer)                              \
    do {                                                \
        memset(&(answer), 0, sizeof(answer));           \
        assert_int_equal((call), HAPPN_OK);             \
        assert_int_equal((answer).count, 0);            \
        for (int i_ = 0; (answer).count == 0; i_++) {   \
            assert_true(i_ < 1000);                     \
            turn(1);                                    \
        }                                               \
        assert_int_equal((answer).count, 1);            \
    } while (0)

static void set(happn_client *client, const char *path, const char *json)
{
    struct answer answer;
    WAIT(happn_client_set(client, path, json, strlen(json), NULL, on_result, &answer), answer);
    assert_int_equal(answer.status, HAPPN_OK);
}

static void the_verbs(void **state)
{
    (void)state;
    happn_client *client = open_client();
    struct answer answer;
    WAIT(happn_client_set(client, "/v/1", "{\"a\":1}", 7, NULL, on_result, &answer), answer);
    assert_string_equal(answer.data, "{\"a\":1}");
    assert_non_null(strstr(answer.meta, "\"path\":\"/v/1\""));
    WAIT(happn_client_set(client, "/v/1", "{\"b\":2}", 7, "{\"merge\":true}", on_result, &answer), answer);
    assert_string_equal(answer.data, "{\"a\":1,\"b\":2}");
    set(client, "/v/2", "[1,\"\\u2028\"]");
    WAIT(happn_client_get(client, "/v/1", NULL, on_result, &answer), answer);
    assert_string_equal(answer.data, "{\"a\":1,\"b\":2}");
    assert_non_null(strstr(answer.meta, "\"created\":"));
    WAIT(happn_client_get(client, "/v/nothing", NULL, on_result, &answer), answer);
    assert_string_equal(answer.data, "null");
    WAIT(happn_client_get(client, "/v/*", NULL, on_result, &answer), answer);
    assert_memory_equal(answer.data, "[{\"a\":1,\"b\":2,\"_meta\":{", 23);
    assert_string_equal(answer.data + strlen(answer.data) - 16, ",\"_id\":\"/v/2\"}}]");
    WAIT(happn_client_get(client, "/none/*", NULL, on_result, &answer), answer);
    assert_string_equal(answer.data, "[]");
    WAIT(happn_client_get_paths(client, "/v/*", on_result, &answer), answer);
    assert_non_null(strstr(answer.data, "\"path\":\"/v/2\""));
    WAIT(happn_client_get_paths(client, "/v/2", on_result, &answer), answer);
    assert_string_equal(answer.data, "{\"_meta\":{\"path\":\"/v/2\"}}");
    WAIT(happn_client_remove(client, "/v/*", NULL, on_result, &answer), answer);
    assert_string_equal(answer.data, "{\"removed\":2}");
    close_client(client);
}

static void what_is_not_valid_fails_at_once(void **state)
{
    (void)state;
    happn_client *client = open_client();
    struct answer answer = {0};
    assert_int_equal(happn_client_set(client, "/a", "{", 1, NULL, on_result, &answer), HAPPN_E_JSON);
    assert_int_equal(happn_client_set(client, "/a", "\"\xff\"", 3, NULL, on_result, &answer), HAPPN_E_JSON);
    assert_int_equal(happn_client_set(client, "/a", "1e999", 5, NULL, on_result, &answer), HAPPN_E_NUMBER);
    assert_int_equal(happn_client_set(client, "/a", NULL, 0, NULL, on_result, &answer), HAPPN_E_JSON);
    assert_int_equal(happn_client_set(client, "/a/*", "1", 1, NULL, on_result, &answer), HAPPN_E_PATH);
    assert_int_equal(happn_client_set(client, "", "1", 1, NULL, on_result, &answer), HAPPN_E_PATH);
    happn_error error;
    assert_int_equal(happn_client_check_path("/a/*", "set", &error), HAPPN_E_PATH);
    assert_non_null(strstr(error.message, "wildcard"));
    assert_int_equal(happn_client_check_path("/a/*", "get", &error), HAPPN_OK);
    assert_int_equal(happn_client_check_path("/\xff", "get", &error), HAPPN_E_PATH);
    assert_int_equal(happn_client_check_path("/a", "fly", NULL), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_client_set(client, "/a", "1", 1, "[]", on_result, &answer), HAPPN_E_JSON);
    assert_int_equal(happn_client_set(client, NULL, "1", 1, NULL, on_result, &answer), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_client_get(client, "/\xff", NULL, on_result, &answer), HAPPN_E_PATH);
    assert_int_equal(happn_client_on(client, "/\xff", NULL, on_event, &answer, on_result, &answer, NULL), HAPPN_E_PATH);
    assert_int_equal(happn_client_on(client, "/a", "{\"a\":\"\xff\"}", on_event, &answer, on_result, &answer, NULL), HAPPN_E_JSON);
    assert_int_equal(happn_client_on(client, "/a", "{\"event_type\":\"dance\"}", on_event, &answer, on_result, &answer, NULL),
                     HAPPN_E_ARGUMENT);
    assert_int_equal(happn_client_off(client, 77, on_result, &answer), HAPPN_E_NOT_FOUND);
    turn(20);
    assert_int_equal(answer.count, 0);
    close_client(client);
}

static happn_verdict refuse(happn_message *message, void *arg)
{
    (void)arg;
    size_t len;
    const char *path = happn_message_path(message, &len);
    if (path == NULL || len != 7 || memcmp(path, "/refuse", 7) != 0) {
        return HAPPN_NEXT;
    }
    happn_message_set_error(message, "AccessDenied", "not for you", 403, "{\"field\":\"a\"}", 13);
    return HAPPN_FAIL;
}

static void errors_come_by_name(void **state)
{
    (void)state;
    assert_int_equal(happn_service_add_layer(service, 0, refuse, NULL), HAPPN_OK);
    happn_client *client = open_client();
    struct answer answer;
    WAIT(happn_client_set(client, "/refuse", "1", 1, NULL, on_result, &answer), answer);
    assert_int_equal(answer.status, HAPPN_E_DENIED);
    assert_string_equal(answer.name, "AccessDenied");
    assert_string_equal(answer.message, "not for you");
    assert_non_null(strstr(answer.meta, "\"field\":\"a\""));
    WAIT(happn_client_on(client, "*/b", NULL, on_event, NULL, on_result, &answer, NULL), answer);
    assert_int_equal(answer.status, HAPPN_E_REFUSED);
    WAIT(happn_client_set(client, "/x", "1", 1, "{\"depth\":1000000000}", on_result, &answer), answer);
    assert_true(answer.status < 0);
    assert_string_equal(answer.name, "SystemError");
    assert_non_null(strstr(answer.message, "depth"));
    close_client(client);
}

static void events_and_handles(void **state)
{
    (void)state;
    happn_client *client = open_client();
    struct answer answer, one = {0}, two = {0}, removed = {0}, once = {0};
    int64_t first, second, third;
    WAIT(happn_client_on(client, "/e/*", NULL, on_event, &one, on_result, &answer, &first), answer);
    assert_non_null(strstr(answer.data, "\"id\":"));
    WAIT(happn_client_on(client, "/e/*", NULL, on_event, &two, on_result, &answer, &second), answer);
    WAIT(happn_client_on(client, "/e/*", "{\"event_type\":\"remove\"}", on_event, &removed, on_result, &answer, &third), answer);
    WAIT(happn_client_on(client, "/e/1", "{\"event_type\":\"set\",\"count\":1}", on_event, &once, on_result, &answer, NULL), answer);
    assert_true(first != second && second != third);
    set(client, "/e/1", "{\"n\":1}");
    assert_int_equal(one.count, 1);
    assert_int_equal(two.count, 1);
    assert_int_equal(removed.count, 0);
    assert_string_equal(one.data, "{\"n\":1}");
    assert_non_null(strstr(one.meta, "\"path\":\"/e/1\""));
    WAIT(happn_client_off(client, first, on_result, &answer), answer);
    assert_int_equal(happn_client_off(client, first, on_result, &answer), HAPPN_E_NOT_FOUND);
    set(client, "/e/1", "{\"n\":2}");
    assert_int_equal(one.count, 1);
    assert_int_equal(two.count, 2);
    assert_int_equal(once.count, 1);
    WAIT(happn_client_remove(client, "/e/1", NULL, on_result, &answer), answer);
    assert_int_equal(removed.count, 1);
    assert_int_equal(two.count, 3);
    close_client(client);
}

static void off_before_the_answer_to_on(void **state)
{
    (void)state;
    happn_client *client = open_client();
    struct answer on = {0}, off = {0}, event = {0};
    int64_t handle;
    assert_int_equal(happn_client_on(client, "/q", NULL, on_event, &event, on_result, &on, &handle), HAPPN_OK);
    assert_int_equal(happn_client_off(client, handle, on_result, &off), HAPPN_OK);
    step_until(2);
    assert_int_equal(on.status, HAPPN_OK);
    assert_int_equal(off.status, HAPPN_OK);
    set(client, "/q", "1");
    assert_int_equal(event.count, 0);
    happened = 0;
    memset(&on, 0, sizeof on), memset(&off, 0, sizeof off);
    assert_int_equal(happn_client_on(client, "*/b", NULL, on_event, &event, on_result, &on, &handle), HAPPN_OK);
    assert_int_equal(happn_client_off(client, handle, on_result, &off), HAPPN_OK);
    step_until(2);
    assert_int_equal(on.status, HAPPN_E_REFUSED);
    assert_int_equal(off.status, HAPPN_OK);
    close_client(client);
}

static void off_path_ends_what_matches(void **state)
{
    (void)state;
    happn_client *client = open_client();
    struct answer answer, a = {0}, b = {0}, c = {0};
    WAIT(happn_client_on(client, "/o/a", NULL, on_event, &a, on_result, &answer, NULL), answer);
    WAIT(happn_client_on(client, "/o/a", "{\"event_type\":\"set\"}", on_event, &a, on_result, &answer, NULL), answer);
    WAIT(happn_client_on(client, "/o/b", NULL, on_event, &b, on_result, &answer, NULL), answer);
    WAIT(happn_client_on(client, "/p/c", NULL, on_event, &c, on_result, &answer, NULL), answer);
    WAIT(happn_client_off_path(client, "/o/*", on_result, &answer), answer);
    assert_int_equal(answer.status, HAPPN_OK);
    set(client, "/o/a", "1"), set(client, "/o/b", "1"), set(client, "/p/c", "1");
    assert_int_equal(a.count + b.count, 0);
    assert_int_equal(c.count, 1);
    WAIT(happn_client_off_path(client, "/nothing", on_result, &answer), answer);
    WAIT(happn_client_off_path(client, "*", on_result, &answer), answer);
    set(client, "/p/c", "2");
    assert_int_equal(c.count, 1);
    close_client(client);
}

static void initial_values(void **state)
{
    (void)state;
    happn_client *client = open_client();
    struct answer answer, event = {0};
    int64_t handle;
    set(client, "/i/1", "{\"a\":1}"), set(client, "/i/2", "{\"a\":2}");
    WAIT(happn_client_on(client, "/i/*", "{\"initialCallback\":true}", on_event, &event, on_result, &answer, &handle), answer);
    assert_int_equal(event.count, 0);
    assert_non_null(strstr(answer.data, "{\"a\":2,\"_meta\":"));
    WAIT(happn_client_off(client, handle, on_result, &answer), answer);
    WAIT(happn_client_on(client, "/i/*", "{\"initialEmit\":true}", on_event, &event, on_result, &answer, &handle), answer);
    assert_int_equal(event.count, 2);
    assert_string_equal(event.data, "{\"a\":2}");
    assert_non_null(strstr(event.meta, "\"path\":\"/i/2\""));
    close_client(client);
}

/* --- closing at awkward moments */

struct closer {
    happn_client *client;
    int count;
};

static void close_in_result(const happn_result *result, void *arg)
{
    struct closer *closer = arg;
    (void)result;
    closer->count++;
    happn_client_close(closer->client, on_closed, NULL);
}

static void close_in_event(const char *data, size_t data_len, const char *meta, size_t meta_len, void *arg)
{
    (void)data, (void)data_len, (void)meta, (void)meta_len;
    close_in_result(NULL, arg);
}

static void closing_inside_callbacks(void **state)
{
    (void)state;
    struct closer closer = {open_client(), 0};
    struct answer late = {0};
    assert_int_equal(happn_client_set(closer.client, "/c", "1", 1, NULL, close_in_result, &closer), HAPPN_OK);
    assert_int_equal(happn_client_get(closer.client, "/c", NULL, on_result, &late), HAPPN_OK);
    step_until(2);
    assert_int_equal(closer.count, 1);
    assert_int_equal(late.count, 1);
    assert_int_equal(late.status, HAPPN_E_CLOSED);

    happened = 0;
    closer = (struct closer){open_client(), 0};
    struct answer answer, other = {0};
    WAIT(happn_client_on(closer.client, "/c", NULL, close_in_event, &closer, on_result, &answer, NULL), answer);
    WAIT(happn_client_on(closer.client, "/c", NULL, on_event, &other, on_result, &answer, NULL), answer);
    happened = 0;
    assert_int_equal(happn_client_set(closer.client, "/c", "2", 1, NULL, on_result, &late), HAPPN_OK);
    step_until(2);
    assert_int_equal(closer.count, 1);
    assert_int_equal(other.count, 0);
}

static void pending_requests_are_answered_by_close(void **state)
{
    (void)state;
    happn_client *client = open_client();
    struct answer set_answer = {0}, on_answer = {0}, off_answer = {0}, event = {0};
    int64_t handle;
    assert_int_equal(happn_client_set(client, "/kept", "1", 1, NULL, on_result, &set_answer), HAPPN_OK);
    assert_int_equal(happn_client_on(client, "/kept", NULL, on_event, &event, on_result, &on_answer, &handle), HAPPN_OK);
    assert_int_equal(happn_client_off(client, handle, on_result, &off_answer), HAPPN_OK);
    happn_client_close(client, on_closed, NULL);
    assert_int_equal(happn_client_get(client, "/kept", NULL, on_result, &set_answer), HAPPN_E_CLOSED);
    step_until(4);
    assert_int_equal(set_answer.status, HAPPN_E_CLOSED);
    assert_int_equal(on_answer.status, HAPPN_E_CLOSED);
    assert_int_equal(off_answer.status, HAPPN_E_CLOSED);
    assert_int_equal(set_answer.count + on_answer.count + off_answer.count, 3);
    client = open_client(); /* what was sent before has reached the core */
    WAIT(happn_client_get(client, "/kept", NULL, on_result, &set_answer), set_answer);
    assert_string_equal(set_answer.data, "{\"value\":1}");
    close_client(client);
    happn_status status = HAPPN_PENDING; /* closing while it opens */
    happened = 0;
    assert_int_equal(happn_client_open(service, on_done, &status, &client), HAPPN_OK);
    happn_client_close(client, on_closed, NULL);
    step_until(2);
    assert_int_equal(status, HAPPN_E_CLOSED);
}

struct ender {
    happn_client *client;
    happn_client *other;
    int64_t handles[3];
    int count;
};

/* Ends itself and its neighbours, and subscribes anew, all inside an event. */
static void end_all_in_event(const char *data, size_t data_len, const char *meta, size_t meta_len, void *arg)
{
    (void)data, (void)data_len, (void)meta, (void)meta_len;
    struct ender *ender = arg;
    ender->count++;
    for (int i = 0; i < 3; i++) {
        if (ender->handles[i] != 0) {
            assert_int_equal(happn_client_off(ender->client, ender->handles[i], NULL, NULL), HAPPN_OK);
            ender->handles[i] = 0;
        }
    }
    assert_int_equal(happn_client_on(ender->client, "/n", NULL, end_all_in_event, ender, NULL, NULL, &ender->handles[0]), HAPPN_OK);
}

static void off_inside_events(void **state)
{
    (void)state;
    struct ender ender = {.client = open_client()};
    struct answer answer;
    for (int i = 0; i < 3; i++) {
        WAIT(happn_client_on(ender.client, "/n", NULL, end_all_in_event, &ender, on_result, &answer, &ender.handles[i]), answer);
    }
    set(ender.client, "/n", "1");
    assert_int_equal(ender.count, 1);
    set(ender.client, "/n", "2");
    assert_int_equal(ender.count, 2);
    WAIT(happn_client_off_path(ender.client, "*", on_result, &answer), answer);
    set(ender.client, "/n", "3");
    assert_int_equal(ender.count, 2);
    close_client(ender.client);
}

static char end_reason[100];

static void on_end(const char *reason, void *arg)
{
    (void)arg;
    snprintf(end_reason, sizeof end_reason, "%s", reason);
    happened++;
}

static void the_service_ends_first(void **state)
{
    (void)state;
    happn_client *client = open_client();
    struct answer answer = {0};
    happn_client_on_end(client, on_end, NULL);
    happn_service_close(service, 0, on_closed, NULL);
    service = NULL;
    (void)!happn_client_set(client, "/late", "1", 1, NULL, on_result, &answer);
    step_until(2);
    turn(5);
    assert_string_equal(end_reason, "server-side-disconnect");
    assert_int_equal(happn_client_set(client, "/late", "1", 1, NULL, on_result, &answer), HAPPN_E_CLOSED);
    happened = 0;
    close_client(client);
}

static happn_message *parked;

static happn_verdict park(happn_message *message, void *arg)
{
    (void)arg;
    size_t len;
    const char *path = happn_message_path(message, &len);
    if (path == NULL || len != 5 || memcmp(path, "/park", 5) != 0) {
        return HAPPN_NEXT;
    }
    parked = message;
    return HAPPN_LATER;
}

static void count_result(const happn_result *result, void *arg)
{
    (void)arg;
    assert_int_equal(result->status, HAPPN_OK);
    happened++;
}

/* Far more than the core keeps waiting for one session stay in the link, in order. */
static void a_parked_request_times_out_and_holds_back_the_rest(void **state)
{
    (void)state;
    assert_int_equal(happn_service_add_layer(service, 0, park, NULL), HAPPN_OK);
    happn_client *client = open_client();
    struct answer answer = {0};
    assert_int_equal(happn_client_set(client, "/park", "1", 1, "{\"timeout\":30}", on_result, &answer), HAPPN_OK);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(happn_client_set(client, "/after", "1", 1, NULL, count_result, NULL), HAPPN_OK);
    }
    for (int i = 0; i < 100 && answer.count == 0; i++) {
        assert_true(happn_runtime_step(runtime, 1) >= 0);
    }
    assert_int_equal(answer.status, HAPPN_E_TIMEOUT);
    assert_non_null(parked);
    happened = 0;
    happn_message_resume(parked, HAPPN_NEXT);
    step_until(3000);
    close_client(client);
}

static void many_pipelined(void **state)
{
    (void)state;
    happn_client *client = open_client();
    char path[40], json[40];
    uint64_t start = (uint64_t)clock();
    happened = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(path, sizeof path, "/many/%d", i);
        int len = snprintf(json, sizeof json, "{\"number\":%d}", i);
        assert_int_equal(happn_client_set(client, path, json, (size_t)len, NULL, count_result, NULL), HAPPN_OK);
    }
    assert_int_equal(happened, 0);
    step_until(10000);
    print_message("10000 pipelined sets: %.2f us each\n",
                  (double)((uint64_t)clock() - start) * 1e6 / CLOCKS_PER_SEC / 10000);
    close_client(client);
}

static void closing_the_runtime_closes_clients(void **state)
{
    (void)state;
    happn_client *client = open_client();
    struct answer answer = {0};
    assert_int_equal(happn_client_set(client, "/r", "1", 1, NULL, on_result, &answer), HAPPN_OK);
    service = NULL; /* the runtime closes both */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_service, close_service)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_verbs),
        TEST(what_is_not_valid_fails_at_once),
        TEST(errors_come_by_name),
        TEST(events_and_handles),
        TEST(off_before_the_answer_to_on),
        TEST(off_path_ends_what_matches),
        TEST(initial_values),
        TEST(closing_inside_callbacks),
        TEST(pending_requests_are_answered_by_close),
        TEST(off_inside_events),
        TEST(the_service_ends_first),
        TEST(a_parked_request_times_out_and_holds_back_the_rest),
        TEST(many_pipelined),
        TEST(closing_the_runtime_closes_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
