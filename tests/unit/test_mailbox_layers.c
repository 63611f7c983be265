/* Layers of a host: messages that wait for it, what it decides, what becomes of them when it does not. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "mailbox_house.h"

#include "base/clock.h"
#include "base/runtime.h"

#define CONFIG "{\"deferListen\":true,\"utils\":{\"logLevel\":\"off\"}}"

static int set_up_stepped(void **state)
{
    (void)state;
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &stepped), HAPPN_OK);
    clock_freeze(runtime_loop(stepped), 1000000);
    assert_int_equal(happn_mailbox_open(stepped, NULL, 0, &mailbox), HAPPN_OK);
    return 0;
}

static atomic_bool is_closed;

static void *close_mailbox(void *arg)
{
    happn_mailbox_close(arg);
    atomic_store(&is_closed, true);
    return NULL;
}

/* Closing waits for the loop, which is ours to step. */
static int tear_down_stepped(void **state)
{
    (void)state;
    pthread_t closer;
    atomic_store(&is_closed, false);
    assert_int_equal(pthread_create(&closer, NULL, close_mailbox, mailbox), 0);
    while (!atomic_load(&is_closed)) {
        assert_true(happn_runtime_step(stepped, 0) >= 0);
        usleep(100);
    }
    pthread_join(closer, NULL);
    happn_runtime_close(stepped);
    return 0;
}

static uint64_t new_service(const char *config)
{
    uint64_t service = ticket();
    assert_int_equal(happn_mb_service_new(mailbox, service, config, strlen(config)), HAPPN_OK);
    expect(HAPPN_EV_DONE, service, HAPPN_OK);
    return service;
}

static void start_service(uint64_t service)
{
    uint64_t number = ticket();
    assert_int_equal(happn_mb_service_start(mailbox, number, service), HAPPN_OK);
    assert_string_equal(expect(HAPPN_EV_DONE, number, HAPPN_OK).meta, "{\"port\":0}");
}

static uint64_t add_layer(uint64_t service, const char *options)
{
    uint64_t layer = ticket();
    assert_int_equal(happn_mb_layer_add(mailbox, layer, service, options, strlen(options)), HAPPN_OK);
    expect(HAPPN_EV_DONE, layer, HAPPN_OK);
    return layer;
}

static uint64_t complete(uint64_t token, int verdict, const char *json)
{
    uint64_t number = ticket();
    assert_int_equal(happn_mb_hook_complete(mailbox, number, token, verdict, json, json != NULL ? strlen(json) : 0), HAPPN_OK);
    return number;
}

/* Answers nobody. */
static void decide(uint64_t token, int verdict, const char *json)
{
    assert_int_equal(happn_mb_hook_complete(mailbox, 0, token, verdict, json, json != NULL ? strlen(json) : 0), HAPPN_OK);
}

static void what_a_host_decides(void **state)
{
    (void)state;
    uint64_t service = new_service(CONFIG), layer = add_layer(service, "{\"actions\":\"set\",\"path\":[\"/a/*\",\"/c\"]}");
    start_service(service);
    uint64_t client = open_client(service), other = open_client(service), number;
    expect(HAPPN_EV_DONE, set(client, "/b", "1"), 0); /* nobody wanted to see it */
    number = ticket();
    assert_int_equal(happn_mb_get(mailbox, number, client, "/a/1", NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, 0);

    number = set(client, "/a/1", "{\"n\":1}");
    struct event hook = expect(HAPPN_EV_HOOK, layer, 0);
    assert_string_equal(hook.body, "{\"n\":1}");
    assert_non_null(strstr(hook.meta, "\"action\":\"set\",\"path\":\"/a/1\",\"session\":{\"id\":\""));
    assert_non_null(strstr(hook.meta, "\"username\":\"\"}"));
    assert_non_null(strstr(hook.meta, "\"options\":"));
    expect(HAPPN_EV_DONE, set(other, "/b", "2"), 0); /* others go on */
    uint64_t behind = set(client, "/b", "3");
    decide(hook.token, HAPPN_NEXT, NULL);
    assert_string_equal(expect(HAPPN_EV_DONE, number, 0).body, "{\"n\":1}");
    expect(HAPPN_EV_DONE, behind, 0);

    number = set(client, "/c", "{\"n\":2}");
    decide(expect(HAPPN_EV_HOOK, layer, 0).token, HAPPN_NEXT, "{\"n\":3}");
    assert_string_equal(expect(HAPPN_EV_DONE, number, 0).body, "{\"n\":3}");
    number = set(client, "/a/2", "{\"n\":4}");
    decide(expect(HAPPN_EV_HOOK, layer, 0).token, HAPPN_REPLY, "{\"instead\":true}");
    assert_string_equal(expect(HAPPN_EV_DONE, number, 0).body, "{\"instead\":true}");
    number = set(client, "/a/3", "{\"n\":5}");
    decide(expect(HAPPN_EV_HOOK, layer, 0).token, HAPPN_FAIL, "{\"name\":\"NotYours\",\"message\":\"that is \\\"his\\\"\",\"code\":403}");
    assert_string_equal(expect(HAPPN_EV_DONE, number, HAPPN_E_DENIED).body, "{\"name\":\"NotYours\",\"message\":\"that is \\\"his\\\"\",\"code\":403}");
    number = set(client, "/a/3", "{\"n\":5}");
    decide(expect(HAPPN_EV_HOOK, layer, 0).token, HAPPN_FAIL, NULL);
    assert_string_equal(expect(HAPPN_EV_DONE, number, HAPPN_E_REFUSED).body, "{\"name\":\"Refused\",\"message\":\"the request was refused\"}");
}

static void tokens_that_nobody_waits_with(void **state)
{
    (void)state;
    expect(HAPPN_EV_DONE, complete(1, HAPPN_NEXT, NULL), HAPPN_E_NOT_FOUND); /* there is no layer at all */
    uint64_t service = new_service(CONFIG), layer = add_layer(service, "{\"actions\":\"set\"}");
    start_service(service);
    uint64_t client = open_client(service), number = set(client, "/a", "1"), first, second;
    uint64_t token = expect(HAPPN_EV_HOOK, layer, 0).token;
    expect(HAPPN_EV_DONE, complete(token + 1, HAPPN_NEXT, NULL), HAPPN_E_NOT_FOUND);
    expect(HAPPN_EV_DONE, complete(token, HAPPN_DROP, NULL), HAPPN_E_ARGUMENT);
    expect(HAPPN_EV_DONE, complete(token, HAPPN_LATER, NULL), HAPPN_E_ARGUMENT);
    expect(HAPPN_EV_DONE, complete(token, HAPPN_NEXT, "{"), HAPPN_E_JSON);
    expect(HAPPN_EV_DONE, complete(token, HAPPN_REPLY, "{"), HAPPN_E_JSON);
    expect(HAPPN_EV_DONE, complete(token, HAPPN_FAIL, "[]"), HAPPN_E_JSON);
    assert_int_equal(happn_mb_hook_complete(mailbox, ticket(), token, -1, NULL, 0), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_mb_hook_complete(mailbox, ticket(), (uint64_t)1 << 53, HAPPN_NEXT, NULL, 0), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_mb_hook_complete(NULL, 0, token, HAPPN_NEXT, NULL, 0), HAPPN_E_ARGUMENT);
    first = complete(token, HAPPN_NEXT, NULL); /* it still waits */
    second = complete(token, HAPPN_REPLY, "\"too late\"");
    int good = 0;
    for (int i = 0; i < 3; i++) {
        struct event event = next_event();
        good += event.kind == HAPPN_EV_DONE && ((event.ticket == first && event.status == 0) || (event.ticket == second && event.status == HAPPN_E_NOT_FOUND) ||
                                                (event.ticket == number && event.status == 0 && strcmp(event.body, "{\"value\":1}") == 0));
    }
    assert_int_equal(good, 3);
}

/* Time passes, and what it has caused happens. */
static void pass(uint64_t ms)
{
    struct loop *loop = runtime_loop(stepped);
    uint64_t until = loop_ticks(loop) + ms;
    while (clock_step(loop, until)) {
        assert_true(happn_runtime_step(stepped, 0) >= 0);
    }
}

static void a_host_that_does_not_answer(void **state)
{
    (void)state;
    uint64_t service = new_service(CONFIG), strict = add_layer(service, "{\"actions\":\"set\",\"path\":\"/strict\",\"deadline\":50}");
    uint64_t lax = add_layer(service, "{\"actions\":[\"set\"],\"path\":\"/lax\",\"deadline\":200,\"onDeadline\":\"next\"}");
    start_service(service);
    uint64_t one = open_client(service), two = open_client(service), later = set(two, "/lax", "{\"n\":1}");
    uint64_t other = expect(HAPPN_EV_HOOK, lax, 0).token, number = set(one, "/strict", "1"), token = expect(HAPPN_EV_HOOK, strict, 0).token;
    pass(49);
    expect(HAPPN_EV_DONE, complete(4711, HAPPN_NEXT, NULL), HAPPN_E_NOT_FOUND); /* nothing else has happened */
    pass(1);
    assert_int_equal(expect(HAPPN_EV_CANCEL, strict, 0).token, token);
    assert_string_equal(expect(HAPPN_EV_DONE, number, HAPPN_E_TIMEOUT).body, "{\"name\":\"Timeout\",\"message\":\"a layer did not answer in time\"}");
    expect(HAPPN_EV_DONE, complete(token, HAPPN_NEXT, NULL), HAPPN_E_NOT_FOUND);
    pass(150);
    assert_int_equal(expect(HAPPN_EV_CANCEL, lax, 0).token, other);
    assert_string_equal(expect(HAPPN_EV_DONE, later, 0).body, "{\"n\":1}");
    number = set(one, "/strict", "2"); /* the next one has its own time */
    token = expect(HAPPN_EV_HOOK, strict, 0).token;
    pass(49);
    expect(HAPPN_EV_DONE, complete(token, HAPPN_NEXT, NULL), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, 0);
    set(one, "/strict", "3"); /* waits when the mailbox closes */
    expect(HAPPN_EV_HOOK, strict, 0);
}

static void a_host_that_is_busy(void **state)
{
    (void)state;
    uint64_t service = new_service(CONFIG), layer = add_layer(service, "{\"actions\":\"set\",\"maxPending\":2}");
    start_service(service);
    uint64_t one = open_client(service), two = open_client(service), three = open_client(service);
    uint64_t first = set(one, "/a", "1"), token = expect(HAPPN_EV_HOOK, layer, 0).token, second = set(two, "/a", "2");
    uint64_t next = expect(HAPPN_EV_HOOK, layer, 0).token;
    assert_string_equal(expect(HAPPN_EV_DONE, set(three, "/a", "3"), HAPPN_E_BUSY).body,
                        "{\"name\":\"Busy\",\"message\":\"too much is waiting, try again later\"}");
    decide(next, HAPPN_NEXT, NULL);
    expect(HAPPN_EV_DONE, second, 0);
    second = set(three, "/a", "3");
    next = expect(HAPPN_EV_HOOK, layer, 0).token;
    decide(token, HAPPN_NEXT, NULL);
    expect(HAPPN_EV_DONE, first, 0);
    decide(next, HAPPN_NEXT, NULL);
    expect(HAPPN_EV_DONE, second, 0);
}

/* Puts the letter behind those that are there. */
static void add_letter(uint64_t layer, const char *before, char letter)
{
    char data[100];
    struct event event = expect(HAPPN_EV_HOOK, layer, 0);
    snprintf(data, sizeof data, "{\"order\":\"%s\"}", before);
    assert_string_equal(event.body, data);
    snprintf(data, sizeof data, "{\"order\":\"%s%c\"}", before, letter);
    decide(event.token, HAPPN_NEXT, data);
}

static void layers_of_a_host_stand_around_the_scripts(void **state)
{
    (void)state;
    static const char config[] = "{\"deferListen\":true,\"services\":{\"protocol\":{\"config\":{\"inboundLayers\":[\"b.lua\"]}}}}";
    char folder[] = "/tmp/happn-mailbox-XXXXXX", before[1000], command[64];
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    FILE *stream = fopen("b.lua", "we");
    assert_non_null(stream);
    fputs("return { actions = { 'set' }, inbound = function(msg) happn.sleep(1); msg.data.order = msg.data.order .. 'b' end }", stream);
    fclose(stream);
    uint64_t service = new_service(config), front = add_layer(service, "{\"actions\":\"set\"}"), start = ticket(), back = ticket();
    const char *options = "{\"actions\":\"set\"}";
    assert_int_equal(happn_mb_service_start(mailbox, start, service), HAPPN_OK);
    assert_int_equal(happn_mb_layer_add(mailbox, back, service, options, strlen(options)), HAPPN_OK); /* waits for the scripts */
    expect(HAPPN_EV_DONE, start, 0);
    expect(HAPPN_EV_DONE, back, 0);
    uint64_t last = add_layer(service, options), number = set(open_client(service), "/order", "{\"order\":\"-\"}");
    add_letter(front, "-", 'a');
    add_letter(back, "-ab", 'c');
    add_letter(last, "-abc", 'd');
    assert_string_equal(expect(HAPPN_EV_DONE, number, 0).body, "{\"order\":\"-abcd\"}");
    assert_int_equal(chdir(before), 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void who_asked_has_gone(void **state)
{
    (void)state;
    uint64_t service = new_service(CONFIG), layer = add_layer(service, "{\"actions\":\"set\"}");
    start_service(service);
    uint64_t client = open_client(service), other = open_client(service), number = set(client, "/a", "{\"n\":1}"), close = ticket();
    uint64_t token = expect(HAPPN_EV_HOOK, layer, 0).token, get = ticket();
    assert_int_equal(happn_mb_client_close(mailbox, close, client), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, HAPPN_E_CLOSED);
    expect(HAPPN_EV_DONE, close, 0);
    expect(HAPPN_EV_END, client, 0);
    expect(HAPPN_EV_DONE, complete(token, HAPPN_NEXT, "{\"n\":2}"), HAPPN_OK); /* what was asked for is done all the same */
    assert_int_equal(happn_mb_get(mailbox, get, other, "/a", NULL, 0), HAPPN_OK);
    assert_string_equal(expect(HAPPN_EV_DONE, get, 0).body, "{\"n\":2}");
}

/* An acknowledgement overtakes what its session waits for, so it never waits itself. */
static void a_layer_that_wants_everything(void **state)
{
    (void)state;
    static const char reported[] = "{\"consistency\":3,\"onPublished\":true}";
    uint64_t service = new_service(CONFIG), client, on = ticket(), number = ticket(), layer;
    start_service(service);
    client = open_client(service);
    layer = add_layer(service, "{}");
    assert_int_equal(happn_mb_on(mailbox, on, client, "/a", NULL, 0), HAPPN_OK);
    struct event hook = expect(HAPPN_EV_HOOK, layer, 0);
    assert_non_null(strstr(hook.meta, "\"action\":\"on\""));
    assert_string_equal(hook.body, "null");
    decide(hook.token, HAPPN_NEXT, NULL);
    expect(HAPPN_EV_DONE, on, 0);
    assert_int_equal(happn_mb_set(mailbox, number, client, "/a", "1", 1, reported, strlen(reported)), HAPPN_OK);
    decide(expect(HAPPN_EV_HOOK, layer, 0).token, HAPPN_NEXT, NULL);
    expect(HAPPN_EV_DONE, number, 0);
    expect(HAPPN_EV_DATA, on, 0);
    assert_non_null(strstr(expect(HAPPN_EV_REPORT, number, 0).body, "\"acknowledged\":1"));
}

static void a_service_closes_while_messages_wait(void **state)
{
    (void)state;
    uint64_t service = new_service(CONFIG), layer = add_layer(service, "{\"actions\":\"set\"}"), close = ticket();
    start_service(service);
    uint64_t client = open_client(service), number = set(client, "/a", "1"), token = expect(HAPPN_EV_HOOK, layer, 0).token;
    uint64_t behind = set(client, "/a", "2"); /* is not asked for any more */
    assert_int_equal(happn_mb_service_close(mailbox, close, service, 1), HAPPN_OK);
    assert_int_equal(expect(HAPPN_EV_CANCEL, layer, 0).token, token);
    bool has_layer_ended = false;
    for (int i = 0; i < 6; i++) {
        struct event event = next_event();
        if (event.ticket == number || event.ticket == behind) {
            assert_int_equal(event.status, HAPPN_E_CLOSED);
            assert_string_equal(event.body, "{\"name\":\"Closed\",\"message\":\"the server is stopping\"}");
        } else if (event.ticket == layer) {
            assert_int_equal(event.kind, HAPPN_EV_END);
            has_layer_ended = true;
        } else if (event.ticket == service) {
            assert_int_equal(event.kind, HAPPN_EV_END);
            assert_true(has_layer_ended);
        } else {
            assert_true(event.ticket == close || event.ticket == client);
        }
    }
    expect(HAPPN_EV_DONE, complete(token, HAPPN_NEXT, NULL), HAPPN_E_NOT_FOUND);
}

static void a_mailbox_closes_while_messages_wait(void **state)
{
    (void)state;
    uint64_t service = new_service(CONFIG), layer = add_layer(service, "{\"actions\":\"set\"}");
    start_service(service);
    uint64_t client = open_client(service);
    set(client, "/a", "1");
    expect(HAPPN_EV_HOOK, layer, 0);
    set(client, "/a", "2");
    set(open_client(service), "/a", "3"); /* closed below, with all of it open */
}

static void refuse_layer(uint64_t service, const char *options, int status, const char *why)
{
    uint64_t layer = ticket();
    assert_int_equal(happn_mb_layer_add(mailbox, layer, service, options, strlen(options)), HAPPN_OK);
    struct event event = expect(HAPPN_EV_DONE, layer, status);
    if (strstr(event.body, why) == NULL) {
        fail_msg("%s: %s", options, event.body);
    }
    expect(HAPPN_EV_END, layer, status);
}

static void options_that_make_no_sense(void **state)
{
    (void)state;
    uint64_t service = new_service(CONFIG);
    refuse_layer(service, "[]", HAPPN_E_JSON, "must be a JSON object");
    refuse_layer(service, "{", HAPPN_E_JSON, "must be a JSON object");
    refuse_layer(service, "{\"outbound\":true}", HAPPN_E_UNSUPPORTED, "what goes out cannot wait");
    refuse_layer(service, "{\"action\":\"set\"}", HAPPN_E_ARGUMENT, "has no option \\\"action\\\"");
    refuse_layer(service, "{\"actions\":[\"set\",\"sett\"]}", HAPPN_E_ARGUMENT, "no action \\\"sett\\\"");
    refuse_layer(service, "{\"actions\":[1]}", HAPPN_E_ARGUMENT, "layer's actions must be a text");
    refuse_layer(service, "{\"actions\":[]}", HAPPN_E_ARGUMENT, "layer's actions must be a text");
    refuse_layer(service, "{\"path\":{}}", HAPPN_E_ARGUMENT, "layer's path must be a text");
    refuse_layer(service, "{\"deadline\":0}", HAPPN_E_ARGUMENT, "deadline must be a number from 1 to 3600000");
    refuse_layer(service, "{\"deadline\":\"1\"}", HAPPN_E_ARGUMENT, "deadline must be a number");
    refuse_layer(service, "{\"maxPending\":-1}", HAPPN_E_ARGUMENT, "maxPending must be a number");
    refuse_layer(service, "{\"onDeadline\":\"drop\"}", HAPPN_E_ARGUMENT, "onDeadline must be \\\"refuse\\\" or \\\"next\\\"");
    uint64_t layer = ticket();
    assert_int_equal(happn_mb_layer_add(mailbox, layer, 4711, NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, layer, HAPPN_E_CLOSED);
    expect(HAPPN_EV_END, layer, 0);
    start_service(service);
    expect(HAPPN_EV_DONE, set(open_client(service), "/a", "1"), 0); /* none of them is there */
}

static void a_service_in_two_steps(void **state)
{
    (void)state;
    uint64_t service = new_service(CONFIG), client = ticket(), number = ticket();
    assert_int_equal(happn_mb_client_open(mailbox, client, service, NULL, 0), HAPPN_OK); /* waits for the start */
    start_service(service);
    expect(HAPPN_EV_DONE, client, 0);
    assert_int_equal(happn_mb_service_start(mailbox, number, service), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, HAPPN_E_ARGUMENT);
    number = ticket();
    assert_int_equal(happn_mb_service_start(mailbox, number, client), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, HAPPN_E_CLOSED);

    uint64_t other = new_service(CONFIG), close = ticket(), layer = add_layer(other, "{}"), waiting = ticket();
    assert_int_equal(happn_mb_client_open(mailbox, waiting, other, NULL, 0), HAPPN_OK);
    assert_int_equal(happn_mb_service_close(mailbox, close, other, 1), HAPPN_OK); /* without a start */
    expect(HAPPN_EV_DONE, waiting, HAPPN_E_CLOSED);
    expect(HAPPN_EV_END, waiting, 0);
    expect(HAPPN_EV_END, layer, 0);
    expect(HAPPN_EV_DONE, close, 0);
    expect(HAPPN_EV_END, other, 0);
}

enum { CLIENTS = 8, ROUNDS = 200 };
static atomic_int completions;

/* Two hosts answer the same messages: one of them is always late. */
static void *answer_twice(void *arg)
{
    atomic_ullong *newest = arg;
    for (uint64_t token = 1; token <= CLIENTS * ROUNDS; token++) {
        while (atomic_load(newest) < token) {
            usleep(10);
        }
        assert_int_equal(happn_mb_hook_complete(mailbox, 0, token, HAPPN_NEXT, NULL, 0), HAPPN_OK);
        atomic_fetch_add(&completions, 1);
    }
    return NULL;
}

static void two_threads_answer_everything(void **state)
{
    (void)state;
    static atomic_ullong newest;
    pthread_t threads[2];
    uint64_t service = new_service(CONFIG), layer = add_layer(service, "{\"actions\":\"set\"}"), clients[CLIENTS], highest = 0;
    start_service(service);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = open_client(service);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, answer_twice, &newest), 0);
    }
    for (int i = 0; i < CLIENTS * ROUNDS; i++) {
        set(clients[i % CLIENTS], "/a", "1");
    }
    for (int done = 0; done < CLIENTS * ROUNDS;) {
        struct event event = next_event();
        assert_int_equal(event.status, 0);
        if (event.kind == HAPPN_EV_HOOK) {
            assert_int_equal(event.ticket, layer);
            assert_int_equal(event.token, highest + 1);
            atomic_store(&newest, ++highest);
        } else {
            done++;
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&completions), 2 * CLIENTS * ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_host_decides),
        TEST(tokens_that_nobody_waits_with),
        cmocka_unit_test_setup_teardown(a_host_that_does_not_answer, set_up_stepped, tear_down_stepped),
        TEST(a_host_that_is_busy),
        TEST(layers_of_a_host_stand_around_the_scripts),
        TEST(who_asked_has_gone),
        TEST(a_layer_that_wants_everything),
        TEST(a_service_closes_while_messages_wait),
        TEST(a_mailbox_closes_while_messages_wait),
        TEST(options_that_make_no_sense),
        TEST(a_service_in_two_steps),
        TEST(two_threads_answer_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
