/* The n-th allocation fails, for every n, while a host opens a client, subscribes, writes, reads and closes, with a service in its process and over a
 * WebSocket: each call has one DONE, what was opened has one END, and nothing leaks. What a call returned an error for is not asked for. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libwebsockets.h>
#include <uv.h>

#include "happn/mailbox.h"
#include "happn/status.h"

enum { MOST_TICKETS = 32, PATIENCE_MS = 20000 };

static atomic_int left = -1; /* allocations that succeed; -1: all */
static atomic_bool has_failed;

void *__wrap_realloc(void *ptr, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__wrap_realloc(void *ptr, size_t size)
{
    if (size != 0 && atomic_load(&left) >= 0 && atomic_fetch_sub(&left, 1) == 0) {
        atomic_store(&has_failed, true);
        return NULL;
    }
    return __real_realloc(ptr, size);
}

static happn_mailbox *mailbox;
static bool is_asked[MOST_TICKETS], opens[MOST_TICKETS], is_done[MOST_TICKETS], has_ended[MOST_TICKETS];
static uint64_t last;
static int waiting, port;

static void take_event(const happn_event *event)
{
    uint64_t number = event->ticket;
    if (number == 0) {
        return;
    }
    assert_true(number <= last && is_asked[number] && !has_ended[number]);
    if (event->kind == HAPPN_EV_DONE) {
        assert_false(is_done[number]);
        is_done[number] = true;
        waiting--;
        const char *text = strstr(event->meta, "\"port\":");
        port = text != NULL ? atoi(text + 7) : port;
    } else if (event->kind == HAPPN_EV_END) {
        assert_true(opens[number] && is_done[number]);
        has_ended[number] = true;
        waiting--;
    } else if (event->kind == HAPPN_EV_HOOK) { /* when the answer cannot be said, the deadline does */
        (void)!happn_mb_hook_complete(mailbox, 0, strtoull(event->meta + strlen("{\"token\":"), NULL, 10), HAPPN_NEXT, "{\"n\":2}", 7);
    }
}

static void take_until(int count)
{
    while (waiting > count) {
        happn_batch *batch;
        struct pollfd poller = {happn_mailbox_fd(mailbox), POLLIN, 0};
        if (poll(&poller, 1, PATIENCE_MS) == 0) {
            for (uint64_t i = 1; i <= last; i++) {
                print_message("%d: asked %d, opens %d, done %d, ended %d\n", (int)i, is_asked[i], opens[i], is_done[i], has_ended[i]);
            }
            fail_msg("%d never came", waiting);
        }
        (void)!happn_mailbox_take(mailbox, 1000, &batch); /* without memory it is signalled again */
        for (size_t i = 0; i < happn_batch_count(batch); i++) {
            take_event(happn_batch_event(batch, i));
        }
        happn_batch_free(batch);
    }
}

static void ask(int status, bool is_opening)
{
    assert_true(status == HAPPN_OK || status == HAPPN_E_MEMORY);
    is_asked[last] = status == HAPPN_OK;
    opens[last] = is_opening;
    waiting += status == HAPPN_OK ? 1 + is_opening : 0;
}

static uint64_t next(void)
{
    last++;
    is_asked[last] = opens[last] = is_done[last] = has_ended[last] = false;
    return last;
}

#define COMMON "{\"port\":0,\"host\":\"127.0.0.1\",\"utils\":{\"logLevel\":\"off\"}"
static const char open_to_all[] = COMMON "}";
static const char secured[] = COMMON ",\"secure\":true,\"services\":{\"security\":{\"config\":{\"adminUser\":{\"password\":\"secret\"},\"pbkdf2Iterations\":1}}}}";

static void open_service(const char *config)
{
    assert_int_equal(happn_mailbox_open(NULL, NULL, 0, &mailbox), HAPPN_OK);
    last = 0;
    waiting = 0;
    ask(happn_mb_service_open(mailbox, next(), config, strlen(config)), true);
    take_until(1);
}

static void use_open(bool is_inside)
{
    char options[100];
    int len = snprintf(options, sizeof options, "{\"port\":%d,\"timeout\":300,\"connectTimeout\":300}", port);
    static const char late[] = "{\"timeout\":300}", some[] = "{\"timeout\":300,\"count\":2,\"initialEmit\":true}", reported[] = "{\"timeout\":300,\"consistency\":3,\"onPublished\":true}";
    uint64_t client = next(), on;
    ask(is_inside ? happn_mb_client_open(mailbox, client, 1, NULL, 0) : happn_mb_client_open(mailbox, client, 0, options, (size_t)len), true);
    take_until(2);
    ask(happn_mb_on(mailbox, on = next(), client, "/a", some, strlen(some)), true);
    ask(happn_mb_set(mailbox, next(), client, "/a", "{\"n\":1}", 7, reported, strlen(reported)), false);
    ask(happn_mb_get(mailbox, next(), client, "/*", late, strlen(late)), false);
    ask(happn_mb_off(mailbox, next(), client, on), false);
    ask(happn_mb_remove(mailbox, next(), client, "/*", late, strlen(late)), false);
    while (waiting > 3 && !has_ended[client]) {
        take_until(waiting - 1);
    }
}

static void use_layered(bool is_inside)
{
    static const char wanted[] = "{\"actions\":[\"set\",\"get\"],\"path\":\"/a*\",\"deadline\":100,\"onDeadline\":\"next\"}";
    uint64_t client = next();
    (void)is_inside;
    ask(happn_mb_client_open(mailbox, client, 1, NULL, 0), true);
    take_until(2);
    ask(happn_mb_layer_add(mailbox, next(), 1, wanted, strlen(wanted)), true);
    ask(happn_mb_set(mailbox, next(), client, "/a", "{\"n\":1}", 7, NULL, 0), false);
    ask(happn_mb_get(mailbox, next(), client, "/a", "{\"timeout\":300}", 15), false);
    while (waiting > 3 && !has_ended[client]) {
        take_until(waiting - 1);
    }
}

static void administer(uint64_t client, const char *verb, const char *json)
{
    ask(happn_mb_administer(mailbox, next(), client, verb, json, strlen(json)), false);
}

static void use_secured(bool is_inside)
{
    char options[200];
    int len = is_inside ? snprintf(options, sizeof options, "{\"username\":\"_ADMIN\",\"password\":\"secret\"}")
                        : snprintf(options, sizeof options, "{\"port\":%d,\"timeout\":300,\"connectTimeout\":300,\"username\":\"_ADMIN\",\"password\":\"secret\"}", port);
    uint64_t client = next();
    ask(happn_mb_client_open(mailbox, client, is_inside ? 1 : 0, options, (size_t)len), true);
    take_until(2);
    administer(client, "upsertGroup", "{\"group\":{\"name\":\"g\",\"permissions\":{\"/a/{{user.username}}\":{\"actions\":[\"get\"]}}}}");
    administer(1, "upsertUser", "{\"user\":{\"username\":\"u\",\"password\":\"p\"}}");
    administer(client, "listUsers", "{\"criteria\":{\"username\":\"u\"}}");
    ask(happn_mb_change_password(mailbox, next(), client, "{\"oldPassword\":\"a\",\"newPassword\":\"b\"}", 37), false);
    ask(happn_mb_on(mailbox, next(), client, "/a/*", NULL, 0), true);
    ask(happn_mb_set(mailbox, next(), client, "/a/u", "{\"n\":1}", 7, NULL, 0), false);
    ask(happn_mb_revoke_token(mailbox, next(), client), false);
    while (waiting > 3 && !has_ended[client]) {
        take_until(waiting - 1);
    }
}

static void for_every_allocation(const char *config, void (*use)(bool is_inside), bool is_inside)
{
    bool is_over = false;
    for (int n = 0; !is_over; n++) {
        open_service(config);
        atomic_store(&has_failed, false);
        atomic_store(&left, n);
        use(is_inside);
        atomic_store(&left, -1);
        is_over = !atomic_load(&has_failed);
        ask(happn_mb_client_close(mailbox, next(), 2), false);
        ask(happn_mb_service_close(mailbox, next(), 1, 0), false);
        take_until(0);
        happn_mailbox_close(mailbox);
    }
}

static void within_the_process(void **state)
{
    (void)state;
    for_every_allocation(open_to_all, use_open, true);
    for_every_allocation(secured, use_secured, true);
    for_every_allocation(open_to_all, use_layered, true);
}

static void over_a_websocket(void **state)
{
    (void)state;
    for_every_allocation(open_to_all, use_open, false);
    for_every_allocation(secured, use_secured, false);
}

/* libwebsockets does not survive it, and libuv ends the process, so they have what they ask for. */
static void *give_all(void *ptr, size_t size, const char *reason)
{
    (void)reason;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return __real_realloc(ptr, size);
}

int main(void)
{
    lws_set_allocator(give_all);
    uv_replace_allocator(malloc, __real_realloc, calloc, free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_the_process),
        cmocka_unit_test(over_a_websocket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
