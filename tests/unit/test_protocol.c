/* A protocol of lines, written outside of the library with its public headers only, over a link of its own:
 * "set PATH JSON", "get PATH", "on CHANNEL"; answers "ok JSON" or "failed TEXT", events "set PATH JSON" or "remove PATH JSON". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "happn/happn.h"

static happn_runtime *runtime;
static happn_service *service;
static char lines[65536]; /* everything that was sent, a line each */
static char closed_because[256];

static happn_text word(const char **at, const char *end)
{
    const char *start = *at;
    while (*at < end && **at != ' ') {
        ++*at;
    }
    happn_text text = {start, (size_t)(*at - start)};
    *at += *at < end;
    return text;
}

static happn_status decode(const char *text, size_t len, happn_wire_request *request, void *host)
{
    const char *at = text, *end = text + len;
    (void)host;
    request->action = word(&at, end);
    if (request->action.len == 0) {
        return HAPPN_E_PROTOCOL;
    }
    if (at < end) {
        request->path = word(&at, end);
    }
    if (at < end) {
        request->data = (happn_text){at, (size_t)(end - at)};
    }
    return HAPPN_OK;
}

static void add(happn_out *out, happn_text text)
{
    happn_out_add(out, text.ptr, text.len);
}

static void encode_reply(const happn_wire_reply *reply, happn_out *out, void *host)
{
    (void)host;
    if (reply->failed) {
        happn_out_add(out, "failed ", 7);
        happn_out_add(out, reply->error->message, strlen(reply->error->message));
        return;
    }
    happn_out_add(out, "ok ", 3);
    add(out, reply->data);
}

static void encode_event(const happn_wire_event *event, happn_out *out, void *host)
{
    (void)host;
    happn_out_add(out, event->removed ? "remove " : "set ", event->removed ? 7 : 4);
    add(out, event->path);
    happn_out_add(out, " ", 1);
    add(out, event->data);
}

static void encode_end(const char *reason, happn_out *out, void *host)
{
    (void)host;
    happn_out_add(out, "end ", 4);
    happn_out_add(out, reason, strlen(reason));
}

static const happn_protocol_ops line_protocol = {sizeof line_protocol, decode, encode_reply, encode_event, encode_end};

static void send_line(const char *text, size_t len, void *host)
{
    (void)host;
    snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "%.*s\n", (int)len, text);
}

static void close_line(const char *reason, void *host)
{
    (void)host;
    snprintf(closed_because, sizeof closed_because, "%s", reason);
}

static const happn_link_ops line_link = {sizeof line_link, send_line, close_line};

static int set_up(void **state)
{
    (void)state;
    static const char config[] = "{\"deferListen\":true,\"utils\":{\"logLevel\":\"off\"}}";
    happn_error error;
    lines[0] = '\0';
    assert_int_equal(happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime), HAPPN_OK);
    assert_int_equal(happn_service_new(runtime, config, strlen(config), NULL, &service, &error), HAPPN_OK);
    assert_int_equal(happn_service_add_protocol(service, "lines", &line_protocol, NULL, &error), HAPPN_OK);
    happn_service_start(service, NULL, NULL);
    happn_runtime_step(runtime, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    happn_service_close(service, 0, NULL, NULL);
    happn_runtime_close(runtime);
    return 0;
}

static happn_link *open_link(void)
{
    happn_link *link;
    happn_error error = {.status = HAPPN_OK};
    assert_int_equal(happn_link_open(service, "lines", &line_link, NULL, &link, &error), HAPPN_OK);
    return link;
}

static void say(happn_link *link, const char *text, const char *expected)
{
    lines[0] = '\0';
    happn_link_receive(link, text, strlen(text));
    assert_string_equal(lines, expected);
}

static void documents_and_events_by_lines(void **state)
{
    (void)state;
    happn_link *link = open_link();
    say(link, "set /a/b {\"x\":1}", "ok {\"x\":1}\n");
    say(link, "get /a/b", "ok {\"x\":1}\n");
    say(link, "get /nothing", "ok null\n");
    lines[0] = '\0';
    happn_link_receive(link, "on /ALL@/a/*", 12);
    assert_non_null(strstr(lines, "ok {\"id\":"));
    say(link, "set /a/c 5", "set /a/c {\"value\":5}\nok {\"value\":5}\n");
    say(link, "remove /a/*", "remove /a/* {\"removed\":2}\nok {\"removed\":2}\n");
    lines[0] = '\0';
    happn_link_receive(link, "set /b {}", 9);
    happn_link_receive(link, "get /*", 6);
    assert_non_null(strstr(lines, "ok [{\"_meta\":{"));
    assert_non_null(strstr(lines, "\"path\":\"/b\"}}]\n"));
    happn_link_end(link);
}

static void bad_lines_get_an_answer_or_are_counted(void **state)
{
    (void)state;
    happn_link *link = open_link();
    say(link, "set /a/* 1", "failed Bad path, if the action is 'set' the path cannot contain the * wildcard character\n");
    say(link, "fly /a", "failed unknown action: fly\n");
    say(link, "", "");
    say(link, "set /a {broken", "");
    happn_link_end(link);
}

static void names_are_checked(void **state)
{
    (void)state;
    happn_error error = {.status = HAPPN_OK};
    happn_protocol_ops half = line_protocol;
    half.decode = NULL;
    happn_link *link;
    assert_int_equal(happn_service_add_protocol(service, "lines", &line_protocol, NULL, &error), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_service_add_protocol(service, "happn_9", &line_protocol, NULL, &error), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_service_add_protocol(service, "half", &half, NULL, &error), HAPPN_E_ARGUMENT);
    assert_int_equal(happn_link_open(service, "nobody", &line_link, NULL, &link, &error), HAPPN_E_ARGUMENT);
    assert_non_null(strstr(error.message, "there is no protocol nobody"));
}

static happn_link *left_open;

static void end_now(void *arg)
{
    (void)arg;
    happn_link_end(left_open);
}

static void close_later(const char *reason, void *host)
{
    close_line(reason, host);
    assert_int_equal(happn_post(runtime, end_now, NULL), HAPPN_OK);
}

static void a_link_is_told_when_the_service_ends(void **state)
{
    (void)state;
    static const happn_link_ops ops = {sizeof ops, send_line, close_later};
    happn_error error;
    lines[0] = '\0';
    assert_int_equal(happn_link_open(service, "lines", &ops, NULL, &left_open, &error), HAPPN_OK);
    happn_service_close(service, 1, NULL, NULL);
    while (closed_because[0] == '\0') {
        happn_runtime_step(runtime, 1);
    }
    assert_non_null(strstr(lines, "end server-side-disconnect"));
    happn_runtime_close(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(documents_and_events_by_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_lines_get_an_answer_or_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_checked, set_up, tear_down),
        cmocka_unit_test_setup(a_link_is_told_when_the_service_ends, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
