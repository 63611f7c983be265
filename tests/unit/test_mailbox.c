/* The boundary for other languages: tickets, batches, signals, limits, and closing from several threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mailbox_house.h"

#define CONFIG "{\"port\":0}"

static void expect_nothing(void)
{
    struct pollfd poller = {happn_mailbox_fd(mailbox), POLLIN, 0};
    assert_int_equal(poll(&poller, 1, 30), 0);
}

static uint64_t open_service(void)
{
    uint64_t service = ticket();
    assert_int_equal(happn_mb_service_open(mailbox, service, CONFIG, strlen(CONFIG)), HAPPN_OK);
    struct event event = expect(HAPPN_EV_DONE, service, HAPPN_OK);
    assert_non_null(strstr(event.meta, "\"port\":"));
    return service;
}

static void the_verbs(void **state)
{
    (void)state;
    uint64_t service = open_service(), client = open_client(service), number, on = ticket(), off = ticket();
    assert_string_equal(expect(HAPPN_EV_DONE, set(client, "/a", "{\"x\":1}"), 0).body, "{\"x\":1}");
    number = ticket();
    assert_int_equal(happn_mb_get(mailbox, number, client, "/a", NULL, 0), HAPPN_OK);
    struct event event = expect(HAPPN_EV_DONE, number, 0);
    assert_string_equal(event.body, "{\"x\":1}");
    assert_non_null(strstr(event.meta, "\"path\":\"/a\""));
    assert_int_equal(happn_mb_on(mailbox, on, client, "/*", NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, on, 0);
    number = set(client, "/b", "2");
    event = expect(HAPPN_EV_DATA, on, 0);
    assert_string_equal(event.body, "{\"value\":2}");
    assert_non_null(strstr(event.meta, "\"path\":\"/b\""));
    expect(HAPPN_EV_DONE, number, 0);
    assert_int_equal(happn_mb_off(mailbox, off, client, on), HAPPN_OK);
    expect(HAPPN_EV_END, on, 0);
    expect(HAPPN_EV_DONE, off, 0);
    number = ticket();
    assert_int_equal(happn_mb_get_paths(mailbox, number, client, "/*"), HAPPN_OK);
    assert_non_null(strstr(expect(HAPPN_EV_DONE, number, 0).body, "\"path\":\"/b\""));
    number = ticket();
    assert_int_equal(happn_mb_remove(mailbox, number, client, "/*", NULL, 0), HAPPN_OK);
    assert_string_equal(expect(HAPPN_EV_DONE, number, 0).body, "{\"removed\":2}");
    number = ticket();
    assert_int_equal(happn_mb_client_close(mailbox, number, client), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, 0);
    expect(HAPPN_EV_END, client, 0);
    number = ticket();
    assert_int_equal(happn_mb_service_reload(mailbox, number, service), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, 0);
    number = ticket();
    assert_int_equal(happn_mb_service_close(mailbox, number, service, 1), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, 0);
    expect(HAPPN_EV_END, service, 0);
    expect_nothing();
}

static void everything_in_one_go(void **state)
{
    (void)state;
    uint64_t service = ticket(), client = ticket(), on = ticket(), get = ticket(), off = ticket();
    assert_int_equal(happn_mb_service_open(mailbox, service, CONFIG, strlen(CONFIG)), HAPPN_OK);
    assert_int_equal(happn_mb_client_open(mailbox, client, service, NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, service, 0); /* the client waits for its service */
    expect(HAPPN_EV_DONE, client, 0);
    assert_int_equal(happn_mb_on(mailbox, on, client, "/a", NULL, 0), HAPPN_OK);
    assert_int_equal(happn_mb_off(mailbox, off, client, on), HAPPN_OK);
    assert_int_equal(happn_mb_get(mailbox, get, client, "/a", NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, on, 0); /* END is the last event also when off came early */
    int done = 0;
    bool has_ended = false;
    for (int i = 0; i < 3; i++) { /* whether off finds the answer to on already there is a matter of luck */
        struct event event = next_event();
        has_ended = has_ended || (event.kind == HAPPN_EV_END && event.ticket == on);
        done += event.kind == HAPPN_EV_DONE && event.status == 0 && (event.ticket == get || event.ticket == off);
    }
    assert_true(has_ended);
    assert_int_equal(done, 2);
    expect_nothing();
}

static void a_subscription_ends_with_its_count(void **state)
{
    (void)state;
    uint64_t service = open_service(), client = open_client(service), on = ticket(), off = ticket(), number;
    const char *options = "{\"count\":2,\"initialEmit\":true}";
    expect(HAPPN_EV_DONE, set(client, "/a", "0"), 0);
    assert_int_equal(happn_mb_on(mailbox, on, client, "/a", options, strlen(options)), HAPPN_OK);
    expect(HAPPN_EV_DATA, on, 0); /* an initial value does not count */
    expect(HAPPN_EV_DONE, on, 0);
    number = set(client, "/a", "1");
    expect(HAPPN_EV_DATA, on, 0);
    expect(HAPPN_EV_DONE, number, 0);
    number = set(client, "/a", "2");
    expect(HAPPN_EV_DATA, on, 0);
    expect(HAPPN_EV_END, on, 0);
    expect(HAPPN_EV_DONE, number, 0);
    expect(HAPPN_EV_DONE, set(client, "/a", "3"), 0);
    assert_int_equal(happn_mb_off(mailbox, off, client, on), HAPPN_OK);
    expect(HAPPN_EV_DONE, off, HAPPN_E_CLOSED);
    expect_nothing();
}

static void reports_of_publications(void **state)
{
    (void)state;
    uint64_t service = open_service(), client = open_client(service), on = ticket(), number = ticket();
    const char *options = "{\"consistency\":3,\"onPublished\":true}";
    assert_int_equal(happn_mb_on(mailbox, on, client, "/*", NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, on, 0);
    assert_int_equal(happn_mb_set(mailbox, number, client, "/a", "1", 1, options, strlen(options)), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, 0); /* these levels answer before they publish */
    expect(HAPPN_EV_DATA, on, 0);
    struct event event = expect(HAPPN_EV_REPORT, number, 0);
    assert_non_null(strstr(event.body, "\"acknowledged\":1"));
    number = ticket();
    assert_int_equal(happn_mb_remove(mailbox, number, client, "/a/$", options, strlen(options)), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, HAPPN_E_PATH);
    number = ticket();
    assert_int_equal(happn_mb_set(mailbox, number, client, "/a", "1", 1, "{\"onPublished\":true}", 20), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, HAPPN_E_ARGUMENT); /* level 2 has none */
    expect_nothing();
}

static void failures(void **state)
{
    (void)state;
    uint64_t service = open_service(), client = open_client(service), number = ticket();
    assert_int_equal(happn_mb_set(mailbox, 0, client, "/a", "1", 1, NULL, 0), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_mb_set(mailbox, (uint64_t)1 << 53, client, "/a", "1", 1, NULL, 0), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_mb_set(mailbox, number, client, NULL, "1", 1, NULL, 0), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_mb_set(NULL, number, client, "/a", "1", 1, NULL, 0), HAPPN_E_ARGUMENT);
    expect_nothing();
    assert_string_equal(expect(HAPPN_EV_DONE, set(client, "/a", "{"), HAPPN_E_JSON).body,
                        "{\"name\":\"InvalidJson\",\"message\":\"the text is not valid JSON\"}");
    expect(HAPPN_EV_DONE, set(client, "/a", ""), HAPPN_E_JSON);
    expect(HAPPN_EV_DONE, set(client, "/*", "1"), HAPPN_E_PATH);
    expect(HAPPN_EV_DONE, set(service, "/a", "1"), HAPPN_E_CLOSED); /* not a client */
    expect(HAPPN_EV_DONE, set(4711, "/a", "1"), HAPPN_E_CLOSED);
    number = ticket();
    assert_int_equal(happn_mb_on(mailbox, number, client, "*/b", NULL, 0), HAPPN_OK);
    assert_non_null(strstr(expect(HAPPN_EV_DONE, number, HAPPN_E_REFUSED).body, "subscribe failed"));
    expect(HAPPN_EV_END, number, 0);
    number = ticket();
    assert_int_equal(happn_mb_on(mailbox, number, 4711, "/b", NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, HAPPN_E_CLOSED);
    expect(HAPPN_EV_END, number, 0);
    assert_int_equal(happn_mb_client_open(mailbox, client, service, NULL, 0), HAPPN_OK); /* the number is taken */
    expect(HAPPN_EV_DONE, client, HAPPN_E_ARGUMENT);
    number = ticket();
    assert_int_equal(happn_mb_service_open(mailbox, number, "{", 1), HAPPN_OK);
    expect(HAPPN_EV_DONE, number, HAPPN_E_CONFIG);
    expect(HAPPN_EV_END, number, HAPPN_E_CONFIG);
    number = ticket();
    const char *nowhere = "{\"port\":1}";
    assert_int_equal(happn_mb_client_open(mailbox, number, 0, nowhere, strlen(nowhere)), HAPPN_OK);
    assert_non_null(strstr(expect(HAPPN_EV_DONE, number, HAPPN_E_CONNECT).body, "127.0.0.1:1"));
    expect(HAPPN_EV_END, number, 0);
    happn_mailbox *other;
    assert_int_equal(happn_mailbox_open(NULL, "[]", 2, &other), HAPPN_E_JSON);
    assert_int_equal(happn_mailbox_open(NULL, "{\"highWater\":0}", 15, &other), HAPPN_E_ARGUMENT);
    expect_nothing();
}

static void the_service_goes_first(void **state)
{
    (void)state;
    uint64_t service = open_service(), client = open_client(service), on = ticket(), number = ticket();
    assert_int_equal(happn_mb_on(mailbox, on, client, "/a", NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, on, 0);
    assert_int_equal(happn_mb_service_close(mailbox, number, service, 1), HAPPN_OK);
    int ends = 0, done = 0;
    for (int i = 0; i < 4; i++) {
        struct event event = next_event();
        ends += event.kind == HAPPN_EV_END;
        done += event.kind == HAPPN_EV_DONE && event.ticket == number;
        if (event.kind == HAPPN_EV_END && event.ticket == client) {
            assert_non_null(strstr(event.meta, "server-side-disconnect"));
        }
    }
    assert_int_equal(ends, 3);
    assert_int_equal(done, 1);
    expect(HAPPN_EV_DONE, set(client, "/a", "1"), HAPPN_E_CLOSED);
}

static void too_many_events(void **state)
{
    (void)state;
    happn_mailbox_close(mailbox);
    assert_int_equal(happn_mailbox_open(NULL, "{\"highWater\":10}", 16, &mailbox), HAPPN_OK);
    uint64_t client = open_client(open_service()), on = ticket();
    assert_int_equal(happn_mb_on(mailbox, on, client, "/a", NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, on, 0);
    for (int i = 0; i < 100; i++) {
        set(client, "/a", "1");
    }
    usleep(300000); /* the host sleeps */
    int data = 0, done = 0, states = 0;
    while (done < 100) {
        struct event event = next_event();
        data += event.kind == HAPPN_EV_DATA;
        done += event.kind == HAPPN_EV_DONE;
        if (event.kind == HAPPN_EV_STATE) {
            states++;
            assert_string_equal(event.meta, "{\"state\":\"overflow\",\"highWater\":10}");
        }
    }
    assert_int_equal(data, 10);
    assert_int_equal(states, 1);
    uint64_t number = set(client, "/a", "1");
    assert_string_equal(expect(HAPPN_EV_STATE, 0, 0).meta, "{\"state\":\"overflow-ended\",\"dropped\":90}");
    expect(HAPPN_EV_DATA, on, 0);
    expect(HAPPN_EV_DONE, number, 0);
}

static void too_many_bytes(void **state)
{
    (void)state;
    happn_mailbox *refused;
    assert_int_equal(happn_mailbox_open(NULL, "{\"highWaterBytes\":0}", 20, &refused), HAPPN_E_ARGUMENT);
    happn_mailbox_close(mailbox);
    assert_int_equal(happn_mailbox_open(NULL, "{\"highWaterBytes\":1000}", 23, &mailbox), HAPPN_OK);
    uint64_t client = open_client(open_service()), on = ticket(), last = 0;
    assert_int_equal(happn_mb_on(mailbox, on, client, "/a", NULL, 0), HAPPN_OK);
    expect(HAPPN_EV_DONE, on, 0);
    char text[601];
    snprintf(text, sizeof text, "\"%0598d\"", 0);
    for (int i = 0; i < 1000; i++) {
        last = set(client, "/a", text);
    }
    for (bool is_over = false; !is_over;) {
        happn_batch *batch;
        int data = 0;
        while (!next_batch(10000, &batch)) {
        }
        for (size_t i = 0; i < happn_batch_count(batch); i++) {
            const happn_event *event = happn_batch_event(batch, i);
            data += event->kind == HAPPN_EV_DATA;
            is_over = is_over || (event->kind == HAPPN_EV_DONE && event->ticket == last);
        }
        happn_batch_free(batch);
        assert_in_range(data, 0, 2); /* whoever comes when a thousand bytes wait is dropped */
    }
}

static atomic_int wakes;

static void on_wake(void *context)
{
    atomic_int *counter = context;
    (*counter)++;
}

static void wait_for_wakes(int count)
{
    for (int i = 0; atomic_load(&wakes) < count; i++) {
        assert_true(i < 5000);
        usleep(1000);
    }
}

static size_t take_all(size_t max)
{
    happn_batch *batch;
    assert_int_equal(happn_mailbox_take(mailbox, max, &batch), HAPPN_OK);
    size_t count = happn_batch_count(batch);
    happn_batch_free(batch);
    return count;
}

static void one_wake_between_two_takes(void **state)
{
    (void)state;
    uint64_t client = open_client(open_service());
    atomic_store(&wakes, 0);
    happn_mailbox_wake(mailbox, on_wake, &wakes);
    for (int i = 0; i < 50; i++) {
        set(client, "/a", "1");
    }
    wait_for_wakes(1);
    usleep(200000);
    assert_int_equal(atomic_load(&wakes), 1);
    assert_int_equal(take_all(10), 10);
    assert_int_equal(atomic_load(&wakes), 2); /* there are more */
    assert_int_equal(take_all(1000), 40);
    assert_int_equal(atomic_load(&wakes), 2);
    assert_int_equal(take_all(1000), 0);
    set(client, "/a", "1");
    wait_for_wakes(3);
    atomic_int other = 0;
    happn_mailbox_wake(mailbox, on_wake, &other); /* what waits is told to the new one */
    assert_int_equal(atomic_load(&other), 1);
    happn_mailbox_wake(mailbox, NULL, NULL);
    take_all(1000);
    set(client, "/a", "1");
    next_event(); /* the descriptor again */
    assert_int_equal(atomic_load(&other), 1);
    assert_int_equal(atomic_load(&wakes), 3);
}

static void closing_with_everything_open(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        atomic_store(&wakes, 0);
        uint64_t service = ticket(), client = ticket(), remote = ticket();
        happn_mailbox_wake(mailbox, on_wake, &wakes);
        assert_int_equal(happn_mb_service_open(mailbox, service, CONFIG, strlen(CONFIG)), HAPPN_OK);
        assert_int_equal(happn_mb_client_open(mailbox, client, service, NULL, 0), HAPPN_OK);
        assert_int_equal(happn_mb_client_open(mailbox, remote, 0, "{\"port\":1}", 10), HAPPN_OK);
        if (round % 2 != 0) {
            wait_for_wakes(1);
            usleep(2000);
        }
        for (int i = 0; i < 20; i++) {
            assert_int_equal(happn_mb_on(mailbox, ticket(), client, "/a", NULL, 0), HAPPN_OK);
            set(client, "/a", "1");
        }
        if (round % 3 == 0) {
            assert_int_equal(happn_mb_client_close(mailbox, ticket(), client), HAPPN_OK);
            assert_int_equal(happn_mb_service_close(mailbox, ticket(), service, 1), HAPPN_OK);
        }
        happn_mailbox_close(mailbox);
        int after = atomic_load(&wakes);
        assert_int_equal(happn_mailbox_open(NULL, NULL, 0, &mailbox), HAPPN_OK);
        assert_int_equal(atomic_load(&wakes), after);
    }
}

static void a_forked_child_is_told(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        happn_batch *batch;
        bool told = happn_mb_service_open(mailbox, 1, CONFIG, strlen(CONFIG)) == HAPPN_E_FORK &&
                    happn_mailbox_take(mailbox, 1, &batch) == HAPPN_E_FORK;
        happn_mailbox_close(mailbox); /* returns */
        _exit(told ? 0 : 1);
    }
    int result;
    waitpid(child, &result, 0);
    assert_int_equal(result, 0);
}

/* --- several threads */

enum { PRODUCERS = 3, CALLS = 2000 };

static uint64_t shared_client;

static void *produce(void *arg)
{
    uint64_t first = 1000000 + 1000000 * (uint64_t)(uintptr_t)arg;
    for (uint64_t i = 0; i < CALLS; i++) {
        if (happn_mb_set(mailbox, first + i, shared_client, "/t", "{\"a\":1}", 7, NULL, 0) != HAPPN_OK) {
            abort();
        }
        if (i % 50 == 0) {
            (void)!happn_mb_on(mailbox, first + CALLS + 2 * i, shared_client, "/t", "{\"count\":1}", 11);
            (void)!happn_mb_off(mailbox, first + CALLS + 2 * i + 1, shared_client, first + CALLS + 2 * i);
        }
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    shared_client = open_client(open_service());
    pthread_t threads[PRODUCERS];
    for (uintptr_t i = 0; i < PRODUCERS; i++) {
        pthread_create(&threads[i], NULL, produce, (void *)i);
    }
    size_t done = 0, ends = 0, wanted = PRODUCERS * (CALLS + 2 * (CALLS / 50)), wanted_ends = PRODUCERS * (CALLS / 50);
    while (done < wanted || ends < wanted_ends) {
        happn_batch *batch;
        if (!next_batch(256, &batch)) {
            continue;
        }
        for (size_t i = 0; i < happn_batch_count(batch); i++) {
            done += happn_batch_event(batch, i)->kind == HAPPN_EV_DONE;
            ends += happn_batch_event(batch, i)->kind == HAPPN_EV_END;
        }
        happn_batch_free(batch);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(done, wanted);
    assert_int_equal(ends, wanted_ends);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void how_fast(void **state)
{
    (void)state;
    enum { COUNT = 20000, SINGLE = 500 };
    uint64_t client = open_client(open_service());
    double start = seconds();
    for (int i = 0; i < COUNT; i++) {
        set(client, "/fast", "{\"number\":12345678}");
    }
    size_t done = 0;
    while (done < COUNT) {
        happn_batch *batch;
        if (next_batch(256, &batch)) {
            done += happn_batch_count(batch);
            happn_batch_free(batch);
        }
    }
    double pipelined = (seconds() - start) / COUNT;
    start = seconds();
    for (int i = 0; i < SINGLE; i++) {
        set(client, "/fast", "{\"number\":12345678}");
        next_event();
    }
    print_message("set through the mailbox: %.2f us pipelined, %.2f us one by one\n", pipelined * 1e6,
                  (seconds() - start) / SINGLE * 1e6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_verbs),
        TEST(everything_in_one_go),
        TEST(a_subscription_ends_with_its_count),
        TEST(reports_of_publications),
        TEST(failures),
        TEST(the_service_goes_first),
        TEST(too_many_events),
        TEST(too_many_bytes),
        TEST(one_wake_between_two_takes),
        TEST(closing_with_everything_open),
        TEST(a_forked_child_is_told),
        TEST(many_threads),
        TEST(how_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
