/* The control socket, by whoever may open it: many at a time, some that do not read, some that leave. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "happn/happn.h"

enum { PATIENCE_MS = 20000, AT_ONCE = 16 };

static char path[100];

static void await(happn_mailbox *mailbox, uint64_t ticket)
{
    for (bool is_done = false; !is_done;) {
        happn_batch *batch = NULL;
        assert_int_equal(happn_mailbox_take(mailbox, 1, &batch), 0);
        if (batch == NULL) {
            struct pollfd fd = {.fd = happn_mailbox_fd(mailbox), .events = POLLIN};
            assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
            continue;
        }
        const happn_event *event = happn_batch_event(batch, 0);
        is_done = event->kind == HAPPN_EV_DONE && event->ticket == ticket;
        assert_int_equal(is_done ? event->status : 0, HAPPN_OK);
        happn_batch_free(batch);
    }
}

static int open_service(void **state)
{
    char config[300];
    happn_mailbox *mailbox;
    snprintf(path, sizeof path, "/tmp/happn-control-%d.sock", (int)getpid());
    int len = snprintf(config, sizeof config,
                       "{\"port\":0,\"host\":\"127.0.0.1\",\"utils\":{\"logLevel\":\"warn\"},\"services\":{\"transport\":{\"config\":{\"control\":\"%s\"}}}}", path);
    assert_int_equal(happn_mailbox_open(NULL, NULL, 0, &mailbox), 0);
    assert_int_equal(happn_mb_service_open(mailbox, 1, config, (size_t)len), 0);
    await(mailbox, 1);
    *state = mailbox;
    return 0;
}

static int close_service(void **state)
{
    happn_mailbox_close(*state);
    assert_int_equal(access(path, F_OK), -1);
    return 0;
}

static int visit(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void ask(int fd, const char *line)
{
    assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
}

static void expect(int fd, const char *wanted)
{
    char text[300] = "";
    for (size_t len = 0; strchr(text, '\n') == NULL;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
        ssize_t got = recv(fd, text + len, sizeof text - 1 - len, 0);
        assert_true(got > 0);
        len += (size_t)got;
    }
    assert_non_null(strstr(text, wanted));
}

/* Somebody listens there and takes nobody, so whoever connects would have to wait. */
static void a_server_that_hangs_does_not_hold_up_another_one(void **state)
{
    void *mailbox = NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/happn-control-%d.sock", (int)getpid());
    int hanging = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting[8], count = 0;
    assert_int_equal(bind(hanging, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(hanging, 0), 0);
    do {
        assert_true(count < 8);
        waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    } while (connect(waiting[count++], (struct sockaddr *)&address, sizeof address) == 0);
    (void)state;
    open_service(&mailbox); /* without a control socket */
    for (int i = 0; i < count; i++) {
        close(waiting[i]);
    }
    close(hanging);
    happn_mailbox_close(mailbox);
    assert_int_equal(unlink(address.sun_path), 0);
}

static void one_after_the_other_is_answered(void **state)
{
    (void)state;
    int fd = visit();
    ask(fd, "{\"do\":\"scripts\"}\n");
    expect(fd, "no scripts are configured");
    ask(fd, "nonsense\n");
    expect(fd, "a line is a JSON object");
    close(fd);
}

static void who_comes_when_all_places_are_taken_has_the_next_free_one(void **state)
{
    (void)state;
    int early[AT_ONCE], late[3];
    for (int i = 0; i < AT_ONCE; i++) {
        early[i] = visit();
        ask(early[i], "{\"do\":\"scripts\"}\n");
        expect(early[i], "no scripts");
    }
    for (int i = 0; i < 3; i++) {
        late[i] = visit();
        ask(late[i], "{\"do\":\"scripts\"}\n");
    }
    for (int i = 0; i < AT_ONCE; i++) {
        close(early[i]);
    }
    for (int i = 0; i < 3; i++) {
        expect(late[i], "no scripts");
        close(late[i]);
    }
    one_after_the_other_is_answered(state);
}

static void who_asks_and_does_not_read_is_cut_off(void **state)
{
    static const char line[] = "{\"do\":\"scripts\"}\n";
    int fd = visit();
    size_t sent = 0;
    ssize_t got = 0;
    while (got >= 0 && sent < 64 << 20) {
        got = send(fd, line, sizeof line - 1, MSG_NOSIGNAL);
        sent += got > 0 ? (size_t)got : 0;
    }
    assert_true(got < 0 && (errno == EPIPE || errno == ECONNRESET));
    close(fd);
    one_after_the_other_is_answered(state);
}

static void who_leaves_before_the_answer_harms_nobody(void **state)
{
    for (int i = 0; i < 100; i++) {
        int fd = visit();
        ask(fd, "{\"do\":\"scripts\"}\n{\"do\":\"scripts\"}\n{\"do\":");
        close(fd);
    }
    one_after_the_other_is_answered(state);
}

static int umasks;

mode_t __wrap_umask(mode_t mask);
mode_t __real_umask(mode_t mask);
mode_t __wrap_umask(mode_t mask)
{
    umasks++;
    return __real_umask(mask);
}

/* The host's threads make files of their own meanwhile. */
static void nobody_else_may_open_it_and_the_mask_of_the_process_is_left_alone(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    assert_int_equal(info.st_mode, S_IFSOCK | 0600);
    assert_int_equal(umasks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_else_may_open_it_and_the_mask_of_the_process_is_left_alone, open_service, close_service),
        cmocka_unit_test(a_server_that_hangs_does_not_hold_up_another_one),
        cmocka_unit_test_setup_teardown(one_after_the_other_is_answered, open_service, close_service),
        cmocka_unit_test_setup_teardown(who_comes_when_all_places_are_taken_has_the_next_free_one, open_service, close_service),
        cmocka_unit_test_setup_teardown(who_asks_and_does_not_read_is_cut_off, open_service, close_service),
        cmocka_unit_test_setup_teardown(who_leaves_before_the_answer_harms_nobody, open_service, close_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
