/* A host that asks for anything at any time: services come and go, clients are closed, lost and back, subscriptions end in every way. Whatever
 * happens, each call has one DONE, each thing that was opened has one END, and nothing comes behind it. */
#include "vectors.h"

#include <poll.h>
#include <string.h>

#include "happn/mailbox.h"
#include "happn/status.h"

enum { STEPS = 6000, MOST_TICKETS = STEPS * 2, MOST_THINGS = 64, PATIENCE_MS = 20000 };

struct ticket {
    bool is_asked, opens, is_done, has_ended, wants_report, is_reported;
    uint64_t parent;
};

/* What was opened, and may have ended. */
struct things {
    uint64_t items[MOST_THINGS];
    size_t count;
};

static happn_mailbox *mailbox;
static struct ticket tickets[MOST_TICKETS];
static uint64_t last_ticket, seed;
static size_t waiting; /* DONE, END and REPORT to come */
static struct things services, clients, subscriptions;
static int ports[MOST_TICKETS], last_port;

static uint64_t draw(uint64_t count)
{
    return vectors_draw(&seed) % count;
}

/* Mostly one that is there. */
static uint64_t any(const struct things *things)
{
    uint64_t number = draw(last_ticket + 2) + 1;
    for (int i = 0; i < 8 && things->count != 0 && draw(40) != 0; i++) {
        number = things->items[draw(things->count)];
        if (tickets[number].is_done && !tickets[number].has_ended) {
            return number;
        }
    }
    return number;
}

static void note(struct things *things, uint64_t number)
{
    things->items[things->count < MOST_THINGS ? things->count++ : draw(MOST_THINGS)] = number;
}

static uint64_t next(void)
{
    assert_true(last_ticket + 1 < MOST_TICKETS);
    return ++last_ticket;
}

static void asked(uint64_t number, int status, bool opens)
{
    assert_int_equal(status, HAPPN_OK);
    tickets[number].is_asked = true;
    tickets[number].opens = opens;
    waiting += 1 + opens;
}

static void take_done(struct ticket *ticket, const happn_event *event)
{
    assert_false(ticket->is_done);
    ticket->is_done = true;
    waiting--;
    const char *port = strstr(event->meta, "\"port\":");
    if (port != NULL) {
        last_port = ports[event->ticket] = atoi(port + 7);
    }
    if (ticket->wants_report && event->status == HAPPN_OK) {
        waiting++;
    } else {
        ticket->wants_report = false;
    }
}

static void take_event(const happn_event *event)
{
    if (event->ticket == 0) {
        return; /* overflow */
    }
    struct ticket *ticket = &tickets[event->ticket];
    assert_true(event->ticket <= last_ticket && ticket->is_asked);
    assert_int_equal(strlen(event->meta), event->meta_len);
    assert_int_equal(strlen(event->body), event->body_len);
    if (ticket->has_ended) {
        fail_msg("%d of %d after its END: %s %s", event->kind, (int)event->ticket, event->meta, event->body);
    }
    if (event->kind == HAPPN_EV_DONE) {
        take_done(ticket, event);
    } else if (event->kind == HAPPN_EV_END) {
        assert_true(ticket->opens && ticket->is_done);
        ticket->has_ended = true;
        waiting--;
    } else if (event->kind == HAPPN_EV_REPORT) {
        assert_true(ticket->wants_report && !ticket->is_reported);
        ticket->is_reported = true;
        waiting--;
    } else {
        assert_true(ticket->opens);
    }
}

/* False: nothing came for a long time. */
static bool take_some(size_t most, int wait_ms)
{
    happn_batch *batch;
    struct pollfd poller = {happn_mailbox_fd(mailbox), POLLIN, 0};
    if (poll(&poller, 1, wait_ms) == 0) {
        return false;
    }
    assert_int_equal(happn_mailbox_take(mailbox, most, &batch), HAPPN_OK);
    for (size_t i = 0; i < happn_batch_count(batch); i++) {
        take_event(happn_batch_event(batch, i));
    }
    happn_batch_free(batch);
    return true;
}

/* --- what a host may ask for */

/* Of a service that is there or was. */
static int a_port(void)
{
    for (int i = 0; i < 50; i++) {
        uint64_t number = draw(last_ticket + 1);
        if (ports[number] != 0) {
            return ports[number];
        }
    }
    return last_port;
}

static void open_service(void)
{
    static const char *const configs[] = {"{\"port\":%d,\"host\":\"127.0.0.1\",\"utils\":{\"logLevel\":\"off\"}}", "{\"deferListen\":true,\"utils\":{\"logLevel\":\"off\"}}",
                                          "{\"port\":\"none\"}", "{"};
    char config[200];
    int len = snprintf(config, sizeof config, configs[draw(10) < 8 ? 0 : draw(4)], a_port()); /* where clients try to come back to */
    uint64_t number = next();
    asked(number, happn_mb_service_open(mailbox, number, config, (size_t)len), true);
    note(&services, number);
}

static void open_client(void)
{
    char options[300];
    uint64_t number = next(), service = any(&services);
    int port = draw(10) != 0 ? a_port() : 1;
    int len = snprintf(options, sizeof options, "{\"url\":\"ws://127.0.0.1:%d\",\"reconnect\":%s,\"reconnectMin\":1,\"reconnectMax\":5,\"reconnectAttempts\":%d}", port,
                       draw(4) != 0 ? "true" : "false", (int)draw(2) * 20);
    bool is_inside = draw(3) == 0;
    asked(number, is_inside ? happn_mb_client_open(mailbox, number, service, NULL, 0) : happn_mb_client_open(mailbox, number, 0, options, (size_t)len), true);
    note(&clients, number);
}

static const char *a_path(void)
{
    static const char *const paths[] = {"/a", "/a/b", "/c", "/a", "/a/b", "/a/*", "*", "bad path"};
    return paths[draw(8)];
}

static void subscribe(void)
{
    static const char *const options[] = {NULL, "{\"count\":1}", "{\"count\":3,\"initialEmit\":true}", "{\"initialCallback\":true}", "{\"event_type\":\"set\"}", "{\"event_type\":\"x\"}", "["};
    const char *text = options[draw(7)];
    uint64_t number = next();
    asked(number, happn_mb_on(mailbox, number, any(&clients), a_path(), text, text != NULL ? strlen(text) : 0), true);
    note(&subscriptions, number);
}

static void publish(void)
{
    static const char *const options[] = {NULL, "{\"consistency\":3,\"onPublished\":true}", "{\"consistency\":1,\"onPublished\":true}", "{\"timeout\":1}"};
    const char *text = options[draw(4)];
    uint64_t number = next();
    tickets[number].wants_report = text != NULL && strstr(text, "onPublished") != NULL;
    asked(number, happn_mb_set(mailbox, number, any(&clients), a_path(), "{\"n\":1}", 7, text, text != NULL ? strlen(text) : 0), false);
}

static void ask_something(void)
{
    uint64_t number = next();
    switch (draw(9)) {
    case 0:
        asked(number, happn_mb_get(mailbox, number, any(&clients), a_path(), NULL, 0), false);
        break;
    case 1:
        asked(number, happn_mb_remove(mailbox, number, any(&clients), a_path(), NULL, 0), false);
        break;
    case 2:
        asked(number, happn_mb_get_paths(mailbox, number, any(&clients), a_path()), false);
        break;
    case 3:
        asked(number, happn_mb_count(mailbox, number, any(&clients), a_path(), NULL, 0), false);
        break;
    case 4:
        asked(number, happn_mb_administer(mailbox, number, draw(2) == 0 ? any(&clients) : any(&services), "listUsers", NULL, 0), false);
        break;
    case 5:
        asked(number, happn_mb_change_password(mailbox, number, any(&clients), "{\"oldPassword\":\"a\",\"newPassword\":\"b\"}", 37), false);
        break;
    case 6:
        asked(number, happn_mb_service_reload(mailbox, number, any(&services)), false);
        break;
    default:
        asked(number, happn_mb_off(mailbox, number, any(&clients), any(&subscriptions)), false);
        break;
    }
}

static void close_something(void)
{
    uint64_t number = next();
    if (draw(4) == 0) {
        asked(number, happn_mb_service_close(mailbox, number, any(&services), draw(4) != 0), false);
    } else {
        asked(number, happn_mb_client_close(mailbox, number, any(&clients)), false);
    }
}

static size_t alive(const struct things *things)
{
    size_t count = 0;
    for (size_t i = 0; i < things->count; i++) {
        count += tickets[things->items[i]].is_done && !tickets[things->items[i]].has_ended;
    }
    return count;
}

static void wait_for(uint64_t number)
{
    while (!tickets[number].is_done) {
        assert_true(take_some(1000, PATIENCE_MS));
    }
}

static void step(void)
{
    uint64_t what = draw(100);
    if (what < 2 || alive(&services) == 0) {
        open_service();
        wait_for(last_ticket);
    } else if (what < 5 || alive(&clients) < 8) {
        open_client();
        if (draw(2) == 0) {
            wait_for(last_ticket);
        }
    } else if (what < 25) {
        subscribe();
    } else if (what < 60) {
        publish();
    } else if (what < 91) {
        ask_something();
    } else if (what < 93) {
        close_something();
    } else {
        (void)take_some(draw(100) + 1, what >= 98 ? 2 : 0);
    }
}

static void close_everything(void)
{
    for (uint64_t i = 1, last = last_ticket; i <= last; i++) {
        if (tickets[i].opens && !tickets[i].has_ended) {
            uint64_t client = next(), service = next();
            asked(client, happn_mb_client_close(mailbox, client, i), false);
            asked(service, happn_mb_service_close(mailbox, service, i, 0), false);
        }
        (void)take_some(1000, 0);
    }
}

static void every_call_is_done_and_everything_ends(void **state)
{
    (void)state;
    seed = vectors_seed();
    assert_int_equal(happn_mailbox_open(NULL, NULL, 0, &mailbox), HAPPN_OK);
    for (int i = 0; i < STEPS && last_ticket < STEPS; i++) {
        step();
    }
    close_everything();
    while (waiting != 0) {
        if (!take_some(1000, PATIENCE_MS)) {
            for (uint64_t i = 1; i <= last_ticket; i++) {
                if (tickets[i].is_asked && (!tickets[i].is_done || (tickets[i].opens && !tickets[i].has_ended))) {
                    print_message("%d: done %d, opens %d, ended %d\n", (int)i, tickets[i].is_done, tickets[i].opens, tickets[i].has_ended);
                }
            }
            fail_msg("%zu never came", waiting);
        }
    }
    happn_mailbox_close(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_done_and_everything_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
