/* What administrators do, logins and revocations while the n-th allocation fails, for every n: each has one answer, an error has words, and
 * nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "security/administration.h"
#include "security/checkpoint.h"
#include "security/login.h"
#include "store/memory.h"
#include "test_memory.h"

static struct loop loop;
static struct datastores *stores;
static struct security *security;
static struct test_memory memory = TEST_MEMORY(memory);
static int answers;
static happn_status status;
static char message[512], token_text[4096];

static void take_status(happn_status result, const happn_error *error, void *arg)
{
    (void)arg;
    answers++;
    status = result;
    snprintf(message, sizeof message, "%s", error != NULL ? error->message : "");
}

static void take_answer(const happn_error *error, struct str result, void *arg)
{
    (void)result;
    take_status(error != NULL ? error->status : HAPPN_OK, error, arg);
}

static void await(void)
{
    while (answers == 0) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(answers, 1);
    answers = 0;
}

static const struct security_settings settings = {.name = STR_LIT("here"), .admin_password = STR_LIT("secret"), .iterations = 1,
                                                  .keeps_permissions = true, .lockout_is_off = true};

static int set_up(void **state)
{
    (void)state;
    happn_error error;
    assert_int_equal(loop_init(&loop, NULL), HAPPN_OK);
    stores = datastores_new(&loop, NULL);
    struct provider *provider;
    assert_int_equal(store_memory_open(&loop, NULL, &provider), HAPPN_OK);
    assert_int_equal(datastores_add(stores, "memory", provider, true, NULL), HAPPN_OK);
    assert_int_equal(security_new(&loop, &memory.allocator, NULL, stores, &settings, &security, &error), HAPPN_OK);
    security_load(security, take_status, NULL);
    await();
    assert_int_equal(status, HAPPN_OK);
    return 0;
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

static int tear_down(void **state)
{
    (void)state;
    bool is_closed = false;
    datastores_close(stores, note_closed, &is_closed);
    while (!is_closed) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    security_free(security);
    loop_fini(&loop);
    assert_int_equal(memory.in_use, 0);
    return 0;
}

/* Until it needs no more than it gets. */
static void until_it_succeeds(void (*run)(const void *what), const void *what, happn_status expected)
{
    bool is_over = false;
    for (int n = 0; !is_over; n++) {
        memory.left = n;
        memory.has_failed = false;
        run(what);
        await();
        memory.left = -1;
        is_over = !memory.has_failed;
        if (status != HAPPN_OK && message[0] == '\0') {
            fail_msg("failure without words: %d, at the %d. allocation", status, n);
        }
    }
    if (status != expected && status != HAPPN_OK) {
        fail_msg("%d: %s", status, message);
    }
}

static void with_little_memory(void (*run)(const void *what), const void *what, happn_status expected)
{
    memory.is_rare = true;
    until_it_succeeds(run, what, expected);
    memory.is_rare = false;
    until_it_succeeds(run, what, expected);
}

struct verb {
    const char *name, *arguments;
};

static void administer(const void *what)
{
    const struct verb *verb = what;
    administration_call(security, str_of(verb->name), str_of(verb->arguments), take_answer, NULL);
}

static void administration(void **state)
{
    (void)state;
    static const struct verb verbs[] = {
        {"upsertGroup", "{\"group\":{\"name\":\"g\",\"permissions\":{\"/a/*\":{\"actions\":[\"get\",\"*\"],\"prohibit\":[\"set\"]}}}}"},
        {"upsertUser", "{\"user\":{\"username\":\"u\",\"password\":\"p\",\"custom_data\":{\"site\":[\"x\",\"y\"]},\"permissions\":{\"/{{user.custom_data.site}}\":{\"actions\":[\"on\"]}}}}"},
        {"upsertUser", "{\"user\":{\"username\":\"u\",\"publicKey\":\"k\"}}"},
        {"linkGroup", "{\"group\":\"g\",\"username\":\"u\",\"data\":{\"a\":1}}"},
        {"upsertPermission", "{\"username\":\"u\",\"path\":\"/b/*\",\"action\":\"*\"}"},
        {"removePermission", "{\"username\":\"u\",\"path\":\"/b/*\",\"action\":\"*\"}"},
        {"listPermissions", "{\"group\":\"g\"}"},
        {"upsertLookupTable", "{\"table\":{\"name\":\"t\",\"paths\":[\"/a/b\",\"/a/c\"]}}"},
        {"insertPath", "{\"table\":\"t\",\"path\":\"/a/d\"}"},
        {"fetchLookupTable", "{\"name\":\"t\"}"},
        {"upsertLookupPermission", "{\"group\":\"g\",\"permission\":{\"regex\":\"^/l/(.*)\",\"actions\":[\"get\"],\"table\":\"t\",\"path\":\"/a/{{$1}}\"}}"},
        {"fetchLookupPermissions", "{\"group\":\"g\"}"},
        {"getUser", "{\"username\":\"u\"}"},
        {"getGroup", "{\"name\":\"g\"}"},
        {"getGroupMemberships", "{\"username\":\"u\"}"},
        {"userBelongsToGroups", "{\"username\":\"u\",\"groups\":[\"g\"]}"},
        {"listUsers", "{\"criteria\":{\"username\":\"u\"},\"sort\":{\"username\":1}}"},
        {"listUsersByGroup", "{\"group\":\"g\",\"count\":true}"},
        {"listUserNamesByGroup", "{\"group\":\"g\"}"},
        {"listGroups", "{}"},
        {"resetPassword", "{\"username\":\"u\",\"password\":\"q\",\"endSessions\":true}"},
        {"listActiveSessions", "{}"},
        {"removeLookupPermission", "{\"group\":\"g\",\"permission\":{\"regex\":\"^/l/(.*)\",\"actions\":[\"get\"],\"table\":\"t\",\"path\":\"/a/{{$1}}\"}}"},
        {"removeAllTablePermission", "{\"group\":\"g\",\"table\":\"t\"}"},
        {"removePath", "{\"table\":\"t\",\"path\":\"/a/d\"}"},
        {"deleteLookupTable", "{\"name\":\"t\"}"},
        {"unlinkGroup", "{\"group\":\"g\",\"username\":\"u\"}"},
        {"deleteUser", "{\"username\":\"u\"}"},
        {"deleteGroup", "{\"name\":\"g\"}"},
    };
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        bool may_be_gone = strcmp(verbs[i].name, "deleteGroup") == 0; /* a call that failed may have removed it all the same */
        with_little_memory(administer, &verbs[i], may_be_gone ? HAPPN_E_NOT_FOUND : HAPPN_OK);
    }
}

/* --- logins */

static struct arena arena;
static struct happn_login login;

static void logged_in(struct happn_login *done)
{
    happn_status result = done->identity != NULL ? HAPPN_OK : done->error.status;
    if (done->identity != NULL && memory.left == -1) {
        snprintf(token_text, sizeof token_text, "%.*s", (int)done->identity->token.len, done->identity->token.ptr);
    }
    identity_unref(done->identity);
    take_status(result, result != HAPPN_OK ? &done->error : NULL, NULL);
}

static void log_in(const void *credentials)
{
    arena_reset(&arena);
    login = (struct happn_login){.security = security, .arena = &arena, .credentials = str_of(credentials), .session_id = STR_LIT("8a3b-session"),
                                 .address = STR_LIT("127.0.0.1"), .type = SESSION_STATEFUL, .done = logged_in};
    login_begin(&login);
}

static void logins(void **state)
{
    (void)state;
    char by_token[4200];
    arena_init(&arena, &memory.allocator);
    with_little_memory(log_in, "{\"username\":\"_ADMIN\",\"password\":\"secret\"}", HAPPN_OK);
    log_in("{\"username\":\"_ADMIN\",\"password\":\"secret\"}");
    await();
    snprintf(by_token, sizeof by_token, "{\"token\":\"%s\"}", token_text);
    with_little_memory(log_in, by_token, HAPPN_OK);
    arena_fini(&arena);
}

/* --- revocations */

static void end_token(const void *what)
{
    (void)what;
    security_revoke(security, str_of(token_text), STR_LIT("why"), take_status, NULL);
}

static void restore(const void *id)
{
    security_restore(security, str_of(id), take_status, NULL);
}

static void revocations(void **state)
{
    (void)state;
    static const struct verb list = {"listRevokedTokens", "{}"};
    char arguments[4200];
    with_little_memory(end_token, NULL, HAPPN_OK);
    assert_true(security_is_revoked(security, STR_LIT("8a3b-session")));
    with_little_memory(administer, &list, HAPPN_OK);
    with_little_memory(restore, "8a3b-session", HAPPN_OK);
    assert_false(security_is_revoked(security, STR_LIT("8a3b-session")));
    snprintf(arguments, sizeof arguments, "{\"token\":\"%s\"}", token_text);
    with_little_memory(administer, &(struct verb){"revokeToken", arguments}, HAPPN_OK);
    with_little_memory(administer, &(struct verb){"revokeToken", arguments}, HAPPN_OK);
    assert_true(security_is_revoked(security, STR_LIT("8a3b-session")));
}

/* One that failed for want of memory is not forgotten. */
static void a_token_stays_revoked(void **state)
{
    (void)state;
    for (int n = 0; n < 20; n++) {
        memory.left = n;
        end_token(NULL);
        await();
        memory.left = -1;
        assert_true(security_is_revoked(security, STR_LIT("8a3b-session")));
    }
}

static bool may_get(const char *path)
{
    struct user *user = directory_user(&security->directory, STR_LIT("p"));
    permission_set_unref(user->rights);
    user->rights = NULL; /* they are compiled anew */
    return checkpoint_allows(security, user, user_rights(security, user), str_of(path), MAY_GET);
}

/* What cannot be compiled allows nothing; what prohibits is not left out. */
static void a_prohibition_is_not_forgotten(void **state)
{
    (void)state;
    static const struct verb user = {"upsertUser", "{\"user\":{\"username\":\"p\",\"password\":\"p\",\"site\":\"s\\u0065cret\",\"permissions\":"
                                                   "{\"/a/*\":{\"actions\":[\"*\"]},\"/a/{{user.site}}\":{\"prohibit\":[\"*\"]}}}}"};
    administer(&user);
    await();
    assert_int_equal(status, HAPPN_OK);
    assert_true(may_get("/a/open"));
    memory.has_failed = memory.is_rare = true;
    for (int n = 0; memory.has_failed; n++) {
        memory.left = n;
        memory.has_failed = false;
        bool may = may_get("/a/secret");
        memory.left = -1;
        assert_false(may);
    }
    memory.is_rare = false;
    assert_true(may_get("/a/open"));
}

static void start_again(struct security **other)
{
    happn_error error = {0};
    *other = NULL;
    status = security_new(&loop, &memory.allocator, NULL, stores, &settings, other, &error);
    if (status == HAPPN_OK) {
        security_load(*other, take_status, NULL);
        await();
    }
}

/* A start either fails or has what is stored: nothing is made anew for want of memory to read it. */
static void a_start_does_not_replace_what_it_cannot_read(void **state)
{
    (void)state;
    assert_true(security_is_revoked(security, STR_LIT("8a3b-session")));
    bool is_over = false;
    for (int n = 0; !is_over; n++) {
        struct security *other;
        memory.left = n;
        memory.has_failed = false;
        memory.is_rare = true;
        start_again(&other);
        memory.left = -1;
        is_over = !memory.has_failed;
        if (status == HAPPN_OK) {
            assert_string_equal(other->secrets[0].id, security->secrets[0].id);
            assert_true(str_equal(other->public_key, security->public_key));
            assert_true(security_is_revoked(other, STR_LIT("8a3b-session")));
            assert_non_null(directory_user(&other->directory, STR_LIT("p")));
        }
        security_free(other);
    }
    memory.is_rare = false;
    assert_int_equal(status, HAPPN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(administration),
        cmocka_unit_test(logins),
        cmocka_unit_test(revocations),
        cmocka_unit_test(a_token_stays_revoked),
        cmocka_unit_test(a_prohibition_is_not_forgotten),
        cmocka_unit_test(a_start_does_not_replace_what_it_cannot_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
