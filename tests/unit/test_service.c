/* Whole services in this process: several runtimes, several services each, and answers that a timer brings. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/runtime.h"
#include "happn/happn.h"
#include "json/scan.h"
#include "service/service.h"
#include "test_folder.h"

enum { PATIENCE_MS = 20000 };

struct house {
    happn_mailbox *mailbox;
    uint64_t ticket;
    int ports[2];
    uint64_t services[2];
};

/* Waits for the DONE of a ticket; returns its status and keeps its texts. */
static int await_done(struct house *house, uint64_t ticket, char *meta, char *body, size_t room)
{
    for (;;) {
        happn_batch *batch = NULL;
        assert_int_equal(happn_mailbox_take(house->mailbox, 1, &batch), 0);
        if (batch == NULL) {
            struct pollfd fd = {.fd = happn_mailbox_fd(house->mailbox), .events = POLLIN};
            assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
            continue;
        }
        const happn_event *event = happn_batch_event(batch, 0);
        bool is_it = event->kind == HAPPN_EV_DONE && event->ticket == ticket;
        int status = event->status;
        if (is_it && meta != NULL) {
            snprintf(meta, room, "%.*s", (int)event->meta_len, event->meta);
        }
        if (is_it && body != NULL) {
            snprintf(body, room, "%.*s", (int)event->body_len, event->body);
        }
        happn_batch_free(batch);
        if (is_it) {
            return status;
        }
    }
}

static void open_house(struct house *house)
{
    static const char config[] = "{\"port\":0,\"host\":\"127.0.0.1\",\"utils\":{\"logLevel\":\"warn\"}}";
    *house = (struct house){.ticket = 0};
    assert_int_equal(happn_mailbox_open(NULL, NULL, 0, &house->mailbox), 0);
    for (int i = 0; i < 2; i++) {
        char meta[200];
        house->services[i] = ++house->ticket;
        assert_int_equal(happn_mb_service_open(house->mailbox, house->services[i], config, strlen(config)), 0);
        assert_int_equal(await_done(house, house->services[i], meta, NULL, sizeof meta), HAPPN_OK);
        house->ports[i] = (int)json_int(json_get(str_of(meta), "port"), 0);
        assert_true(house->ports[i] > 0);
    }
}

static uint64_t connect_to(struct house *house, int port)
{
    char options[64];
    int len = snprintf(options, sizeof options, "{\"port\":%d}", port);
    uint64_t client = ++house->ticket;
    assert_int_equal(happn_mb_client_open(house->mailbox, client, 0, options, (size_t)len), 0);
    assert_int_equal(await_done(house, client, NULL, NULL, 0), HAPPN_OK);
    return client;
}

static void set_text(struct house *house, uint64_t client, const char *path, const char *json)
{
    uint64_t ticket = ++house->ticket;
    assert_int_equal(happn_mb_set(house->mailbox, ticket, client, path, json, strlen(json), NULL, 0), 0);
    assert_int_equal(await_done(house, ticket, NULL, NULL, 0), HAPPN_OK);
}

static void get_text(struct house *house, uint64_t client, const char *path, char *body, size_t room)
{
    uint64_t ticket = ++house->ticket;
    assert_int_equal(happn_mb_get(house->mailbox, ticket, client, path, NULL, 0), 0);
    assert_int_equal(await_done(house, ticket, NULL, body, room), HAPPN_OK);
}

/* Two runtimes with two services each: nobody sees the others' documents, and each can talk to each. */
static void two_runtimes_with_two_services_each(void **state)
{
    (void)state;
    struct house houses[2];
    for (int i = 0; i < 2; i++) {
        open_house(&houses[i]);
    }
    for (int i = 0; i < 4; i++) {
        char json[64], body[200];
        uint64_t client = connect_to(&houses[(i + 1) % 2], houses[i / 2].ports[i % 2]);
        snprintf(json, sizeof json, "{\"service\":%d}", i);
        get_text(&houses[(i + 1) % 2], client, "/who", body, sizeof body);
        assert_string_equal(body, "null");
        set_text(&houses[(i + 1) % 2], client, "/who", json);
    }
    for (int i = 0; i < 4; i++) {
        char json[64], body[200];
        uint64_t client = connect_to(&houses[i % 2], houses[i / 2].ports[i % 2]);
        snprintf(json, sizeof json, "{\"service\":%d}", i);
        get_text(&houses[i % 2], client, "/who", body, sizeof body);
        assert_non_null(strstr(body, "\"service\":"));
        assert_int_equal(json_int(json_get(str_of(body), "service"), -1), i);
    }
    for (int i = 0; i < 2; i++) {
        happn_mailbox_close(houses[i].mailbox);
    }
}

/* ---- a layer whose answer a timer brings */

struct slow {
    happn_runtime *runtime;
    happn_service *service;
    uv_timer_t timer;
    happn_message *message;
    int port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void on_timer(uv_timer_t *timer)
{
    struct slow *slow = timer->data;
    uv_close((uv_handle_t *)timer, NULL);
    happn_message_resume(slow->message, HAPPN_NEXT);
}

static happn_verdict wait_a_little(happn_message *message, void *arg)
{
    struct slow *slow = arg;
    size_t len;
    const char *action = happn_message_action(message, &len);
    if (len != 3 || memcmp(action, "set", 3) != 0) {
        return HAPPN_NEXT;
    }
    slow->message = message;
    slow->timer.data = slow;
    uv_timer_init(&runtime_loop(slow->runtime)->uv, &slow->timer);
    uv_timer_start(&slow->timer, on_timer, 30, 0);
    return HAPPN_LATER;
}

static void started(happn_status status, const happn_error *error, void *arg)
{
    struct slow *slow = arg;
    (void)error;
    pthread_mutex_lock(&slow->lock);
    slow->port = status == HAPPN_OK ? happn_service_port(slow->service) : -1;
    pthread_cond_signal(&slow->changed);
    pthread_mutex_unlock(&slow->lock);
}

static void start(void *arg)
{
    static const char config[] = "{\"port\":0,\"host\":\"127.0.0.1\",\"utils\":{\"logLevel\":\"warn\"}}";
    struct slow *slow = arg;
    happn_error error;
    if (happn_service_new(slow->runtime, config, strlen(config), NULL, &slow->service, &error) != HAPPN_OK ||
        happn_service_add_layer(slow->service, 0, wait_a_little, slow) != HAPPN_OK) {
        abort();
    }
    happn_service_start(slow->service, started, slow);
}

/* Nothing else arrives on that loop: were the answer not written before the loop sleeps, it would stay for ever. */
static void an_answer_from_a_timer_leaves_an_idle_loop_at_once(void **state)
{
    (void)state;
    struct slow slow = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_THREADED, &slow.runtime), HAPPN_OK);
    assert_int_equal(happn_post(slow.runtime, start, &slow), HAPPN_OK);
    pthread_mutex_lock(&slow.lock);
    while (slow.port == 0) {
        pthread_cond_wait(&slow.changed, &slow.lock);
    }
    pthread_mutex_unlock(&slow.lock);
    assert_true(slow.port > 0);
    struct house house = {.ticket = 0};
    assert_int_equal(happn_mailbox_open(NULL, NULL, 0, &house.mailbox), 0);
    uint64_t client = connect_to(&house, slow.port);
    uint64_t ticket = ++house.ticket;
    const char options[] = "{\"timeout\":10000}";
    assert_int_equal(happn_mb_set(house.mailbox, ticket, client, "/t", "1", 1, options, strlen(options)), 0);
    assert_int_equal(await_done(&house, ticket, NULL, NULL, 0), HAPPN_OK);
    happn_mailbox_close(house.mailbox);
    happn_runtime_close(slow.runtime);
}

/* ---- stores and their upkeep, stepped */

struct told {
    int count;
    happn_status status;
    char data[256];
};

static void tell_done(happn_status status, const happn_error *error, void *arg)
{
    struct told *told = arg;
    (void)error;
    told->status = status;
    told->count++;
}

static void tell_result(const happn_result *result, void *arg)
{
    struct told *told = arg;
    told->status = result->status;
    snprintf(told->data, sizeof told->data, "%.*s", (int)result->data_len, result->data);
    told->count++;
}

static void await_told(happn_runtime *runtime, struct told *told)
{
    while (told->count == 0) {
        happn_runtime_step(runtime, 1);
    }
    assert_int_equal(told->count, 1);
}

static void set_in(happn_runtime *runtime, happn_client *client, const char *path, const char *json)
{
    struct told told = {0};
    assert_int_equal(happn_client_set(client, path, json, strlen(json), NULL, tell_result, &told), HAPPN_OK);
    await_told(runtime, &told);
    assert_int_equal(told.status, HAPPN_OK);
}

static void count_in(happn_runtime *runtime, happn_client *client, const char *path, const char *expected)
{
    struct told told = {0};
    assert_int_equal(happn_client_count(client, path, NULL, tell_result, &told), HAPPN_OK);
    await_told(runtime, &told);
    assert_string_equal(told.data, expected);
}

static void keep_stats(const char *json, size_t len, void *arg)
{
    snprintf(arg, 4096, "%.*s", (int)len, json);
}

static void datastores_change_while_it_runs(void **state)
{
    (void)state;
    static const char config[] = "{\"deferListen\":true,\"utils\":{\"logLevel\":\"error\"},\"services\":{\"data\":{\"config\":{\"datastores\":["
                                 "{\"name\":\"one\",\"isDefault\":true},{\"name\":\"two\",\"patterns\":[\"/two/*\"]}]}}}}";
    happn_runtime *runtime;
    happn_service *service;
    happn_client *client;
    happn_error error = {.status = HAPPN_OK};
    struct told opened = {0}, compacted = {0};
    char stats[4096];
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime), HAPPN_OK);
    assert_int_equal(happn_service_new(runtime, config, strlen(config), NULL, &service, &error), HAPPN_OK);
    assert_int_equal(happn_service_compact(service, "one", tell_done, &compacted, &error), HAPPN_E_CLOSED);
    assert_int_equal(happn_service_stats(service, keep_stats, stats), HAPPN_E_CLOSED);
    happn_service_start(service, tell_done, &opened);
    await_told(runtime, &opened);
    assert_int_equal(opened.status, HAPPN_OK);
    assert_int_equal(happn_client_open(service, NULL, NULL, &client), HAPPN_OK);
    set_in(runtime, client, "/two/1", "{}");
    set_in(runtime, client, "/three/1", "{}");
    count_in(runtime, client, "*", "{\"value\":2}");
    assert_int_equal(happn_service_add_datastore_pattern(service, "/three/*", "nope", &error), HAPPN_E_ARGUMENT);
    assert_string_equal(error.message, "missing datastore with the key [nope]");
    assert_int_equal(happn_service_add_datastore_pattern(service, "/three/*", "two", &error), HAPPN_OK);
    count_in(runtime, client, "*", "{\"value\":1}"); /* what lies in the other store is out of sight */
    set_in(runtime, client, "/three/2", "{}");
    count_in(runtime, client, "/three/*", "{\"value\":1}");
    assert_int_equal(happn_service_remove_datastore_pattern(service, "/three/*", &error), HAPPN_OK);
    assert_int_equal(happn_service_remove_datastore_pattern(service, "/three/*", &error), HAPPN_E_NOT_FOUND);
    count_in(runtime, client, "/three/*", "{\"value\":1}"); /* the first one again */
    assert_int_equal(happn_service_compact(service, "nope", tell_done, &compacted, &error), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_service_compact(service, "one", tell_done, &compacted, &error), HAPPN_OK);
    assert_int_equal(compacted.count, 0); /* never before it returns */
    await_told(runtime, &compacted);
    assert_int_equal(compacted.status, HAPPN_OK);
    assert_int_equal(happn_service_stats(service, keep_stats, stats), HAPPN_OK);
    assert_non_null(strstr(stats, "\"stores\":[{\"name\":\"one\",\"provider\":\"memory\",\"length\":0},{\"name\":\"two\""));
    happn_client_close(client, NULL, NULL);
    happn_service_close(service, 0, NULL, NULL);
    happn_runtime_close(runtime);
}

/* ---- the watchdog, stepped */

/* Until the watchdog has seen it. */
static void be_stuck(void *runtime)
{
    while (!atomic_load(&runtime_loop(runtime)->whereabouts.is_stuck)) {
        usleep(1000);
    }
}

static happn_verdict be_stuck_with(happn_message *message, void *runtime)
{
    size_t len;
    const char *path = happn_message_path(message, &len);
    if (path != NULL && len == 6 && memcmp(path, "/stuck", 6) == 0) {
        be_stuck(runtime);
    }
    return HAPPN_NEXT;
}

static void be_stuck_at(void *runtime, const char *file, int line)
{
    if (strcmp(file, "stuck.lua") == 0 && line == 3) {
        be_stuck(runtime);
    }
}

static bool has_logged(const char *folder, const char *text)
{
    static char log[65536];
    char path[128];
    snprintf(path, sizeof path, "%s/log", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    log[fread(log, 1, sizeof log - 1, file)] = '\0';
    fclose(file);
    return strstr(log, text) != NULL;
}

static void a_server_that_stands_still_says_where(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_SIZE], config[400], stats[4096];
    happn_runtime *runtime;
    happn_service *service;
    happn_client *client;
    happn_error error = {.status = HAPPN_OK};
    struct told opened = {0};
    test_folder_make(folder);
    test_folder_put(folder, "stuck.lua", "return { actions = { 'set' }, paths = { '/slow' }, inbound = function(msg)\n"
                                         "  local long = ('x'):rep(2000000)\n"
                                         "  msg.data.n = #long\n"
                                         "end }\n");
    snprintf(config, sizeof config,
             "{\"deferListen\":true,\"utils\":{\"logFile\":\"log\",\"watchdogMs\":20},"
             "\"services\":{\"protocol\":{\"config\":{\"inboundLayers\":[\"stuck.lua\"]}},"
             "\"script\":{\"config\":{\"layerCpuMs\":60000}}}}");
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime), HAPPN_OK);
    assert_int_equal(happn_service_new(runtime, config, strlen(config), folder, &service, &error), HAPPN_OK);
    assert_int_equal(happn_service_add_layer(service, 0, be_stuck_with, runtime), HAPPN_OK);
    service->on_line = be_stuck_at;
    service->on_line_arg = runtime;
    happn_service_start(service, tell_done, &opened);
    await_told(runtime, &opened);
    assert_int_equal(opened.status, HAPPN_OK);
    assert_int_equal(happn_client_open(service, NULL, NULL, &client), HAPPN_OK);
    while (!has_logged(folder, " ms or more: in C: set, a layer; a layer's message of /stuck\n")) { /* on a busy machine it barks at more than that */
        set_in(runtime, client, "/stuck", "{}");
    }
    assert_true(has_logged(folder, " ms so far: in C: set, a layer\n"));
    while (!has_logged(folder, "or after; stuck.lua near line 3, a message of /slow\n")) {
        set_in(runtime, client, "/slow", "{}");
    }
    assert_true(has_logged(folder, " ms so far: stuck.lua, inbound, line "));
    assert_int_equal(happn_service_stats(service, keep_stats, stats), HAPPN_OK);
    assert_non_null(strstr(stats, "\"stalls\":{\"count\":"));
    assert_non_null(strstr(stats, "\"isOver\":true,\"place\":\""));
    happn_client_close(client, NULL, NULL);
    happn_service_close(service, 0, NULL, NULL);
    happn_runtime_close(runtime);
    test_folder_remove(folder);
}

/* Puts its letter behind those that are there. */
static happn_verdict add_letter(happn_message *message, void *letter)
{
    char json[100];
    size_t len;
    const char *data = happn_message_data(message, &len);
    struct str before = data != NULL ? json_get(str_make(data, len), "order") : STR_NONE;
    if (!str_is_set(before)) {
        return HAPPN_NEXT; /* a login, a get */
    }
    snprintf(json, sizeof json, "{\"order\":\"%.*s%s\"}", (int)before.len - 2, before.ptr + 1, (const char *)letter);
    return happn_message_set_data(message, json, strlen(json)) == HAPPN_OK ? HAPPN_NEXT : HAPPN_FAIL;
}

/* Those of the host from before the start, the scripts in the order of the configuration, the host's from later. */
static void layers_of_a_host_and_of_scripts_are_one_chain(void **state)
{
    (void)state;
    static const char config[] = "{\"deferListen\":true,\"services\":{\"protocol\":{\"config\":{\"inboundLayers\":[\"b.lua\",\"c.lua\"]}}}}";
    char folder[TEST_FOLDER_SIZE];
    happn_runtime *runtime;
    happn_service *service;
    happn_client *client;
    happn_error error = {.status = HAPPN_OK};
    struct told opened = {0}, got = {0};
    test_folder_make(folder);
    test_folder_put(folder, "b.lua", "return { actions = { 'set' }, inbound = function(msg) msg.data.order = msg.data.order .. 'b' end }");
    test_folder_put(folder, "c.lua", "return { actions = { 'set' }, inbound = function(msg) happn.sleep(1); msg.data.order = msg.data.order .. 'c' end }");
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime), HAPPN_OK);
    assert_int_equal(happn_service_new(runtime, config, strlen(config), folder, &service, &error), HAPPN_OK);
    assert_int_equal(happn_service_add_layer(service, 0, add_letter, "a"), HAPPN_OK);
    happn_service_start(service, tell_done, &opened);
    await_told(runtime, &opened);
    assert_int_equal(opened.status, HAPPN_OK);
    assert_int_equal(happn_service_add_layer(service, 0, add_letter, "d"), HAPPN_OK);
    assert_int_equal(happn_client_open(service, NULL, NULL, &client), HAPPN_OK);
    set_in(runtime, client, "/order", "{\"order\":\"-\"}");
    assert_int_equal(happn_client_get(client, "/order", NULL, tell_result, &got), HAPPN_OK);
    await_told(runtime, &got);
    assert_non_null(strstr(got.data, "\"order\":\"-abcd\""));
    happn_client_close(client, NULL, NULL);
    happn_service_close(service, 0, NULL, NULL);
    happn_runtime_close(runtime);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_runtimes_with_two_services_each),
        cmocka_unit_test(datastores_change_while_it_runs),
        cmocka_unit_test(a_server_that_stands_still_says_where),
        cmocka_unit_test(layers_of_a_host_and_of_scripts_are_one_chain),
        cmocka_unit_test(an_answer_from_a_timer_leaves_an_idle_loop_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
