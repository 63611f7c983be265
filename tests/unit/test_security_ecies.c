/* Payload encryption, by what the original's own libraries made (tests/vectors), in both directions. */
#include "vectors.h"
#include "test_arena.h"

#include "base/id.h"
#include "security/crypto.h"
#include "security/ecies.h"

static struct str unhex(struct str digits)
{
    char *out = arena_alloc(&test_arena, digits.len / 2 + 1);
    for (size_t i = 0; i + 1 < digits.len; i += 2) {
        unsigned value;
        assert_int_equal(sscanf(digits.ptr + i, "%2x", &value), 1);
        out[i / 2] = (char)value;
    }
    return str_make(out, digits.len / 2);
}

static struct key_pair keys_of(struct str object)
{
    struct key_pair keys;
    assert_true(key_pair_read(&test_arena, vectors_text(&test_arena, object, "privateKey"), vectors_text(&test_arena, object, "publicKey"), &keys));
    return keys;
}

static struct key_pair keys_named(struct str all, struct str name)
{
    return keys_of(json_get(json_get(all, "keys"), str_is(name, "server") ? "server" : "client"));
}

static void messages_are_sealed_and_opened_as_the_original_does(void **state)
{
    (void)state;
    struct str all = vectors_read("ecies.json");
    size_t count = 0;
    for (struct json_iter it = json_iter(json_get(all, "vectors")); json_next(&it); count++) {
        struct key_pair from = keys_named(all, vectors_text(&test_arena, it.value, "from")), to = keys_named(all, vectors_text(&test_arena, it.value, "to"));
        struct str message = unhex(vectors_text(&test_arena, it.value, "message_hex"));
        struct str blob = unhex(vectors_text(&test_arena, it.value, "blob_hex")), text;
        unsigned char peer[POINT_BYTES];
        assert_true(ecies_open(&test_arena, &to, blob, &text, peer));
        assert_true(str_equal(text, message));
        assert_memory_equal(peer, from.point, POINT_BYTES);
        struct buf sealed;
        buf_init(&sealed, NULL, 1 << 20);
        assert_true(ecies_seal(&from, to.point, message, &sealed));
        assert_true(str_equal(buf_str(&sealed), blob)); /* the IV is made of the message */
        buf_fini(&sealed);
    }
    assert_int_equal(count, 12);
    free((char *)all.ptr);
}

static void messages_that_were_changed_are_refused(void **state)
{
    (void)state;
    struct str all = vectors_read("ecies.json");
    struct key_pair client = keys_named(all, STR_LIT("client")), server = keys_named(all, STR_LIT("server"));
    struct buf sealed;
    struct str text;
    unsigned char peer[POINT_BYTES];
    buf_init(&sealed, NULL, 1 << 20);
    assert_true(ecies_seal(&client, server.point, STR_LIT("{\"username\":\"bob\"}"), &sealed));
    for (size_t i = 1; i < sealed.len; i++) { /* the first byte is the sign of the sender's point, whose product has the same X */
        sealed.ptr[i] ^= 1;
        assert_false(ecies_open(&test_arena, &server, buf_str(&sealed), &text, peer));
        sealed.ptr[i] ^= 1;
    }
    for (size_t len = 0; len < sealed.len; len++) {
        assert_false(ecies_open(&test_arena, &server, str_make(sealed.ptr, len), &text, peer));
    }
    assert_false(ecies_open(&test_arena, &client, buf_str(&sealed), &text, peer)); /* it is for somebody else */
    assert_true(ecies_open(&test_arena, &server, buf_str(&sealed), &text, peer));
    buf_fini(&sealed);
    free((char *)all.ptr);
}

static void sessions_are_encrypted_as_the_original_does(void **state)
{
    (void)state;
    struct str all = vectors_read("symmetric.json");
    size_t count = 0;
    for (struct json_iter it = json_iter(json_get(all, "vectors")); json_next(&it); count++) {
        struct str secret = vectors_text(&test_arena, it.value, "secret"), text = vectors_text(&test_arena, it.value, "plaintext");
        struct str digits = vectors_text(&test_arena, it.value, "ciphertext_hex");
        struct buf sealed;
        buf_init(&sealed, NULL, 1 << 20);
        assert_true(session_seal(secret, text, &sealed));
        assert_true(str_equal(buf_str(&sealed), digits));
        assert_true(str_equal(session_open(&test_arena, secret, digits), text));
        buf_fini(&sealed);
    }
    assert_true(count >= 3);
    assert_false(str_is_set(session_open(&test_arena, STR_LIT("x"), STR_LIT("abc"))));
    assert_false(str_is_set(session_open(&test_arena, STR_LIT("x"), STR_LIT("zz"))));
    free((char *)all.ptr);
}

static struct str bytes_of(struct str list)
{
    char *out = arena_alloc(&test_arena, list.len);
    size_t len = 0;
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        out[len++] = (char)json_int(it.value, 0);
    }
    return str_make(out, len);
}

/* Whole sessions of the real clients and servers, frame by frame. */
static void look_at_session(const char *name)
{
    struct str all = vectors_read(name);
    struct key_pair server = keys_of(json_get(all, "server_keypair")), client = keys_of(json_get(all, "client_keypair"));
    struct str secret = vectors_text(&test_arena, all, "session_secret");
    size_t sealed = 0;
    for (struct json_iter it = json_iter(json_get(all, "frames")); json_next(&it);) {
        struct str frame = vectors_text(&test_arena, it.value, "frame"), how = vectors_text(&test_arena, it.value, "how");
        if (str_is(how, "plain") || json_type_of(frame) != JSON_OBJECT) {
            continue;
        }
        struct str plain = vectors_text(&test_arena, it.value, "plaintext"), text = STR_NONE;
        struct str outer = json_get(frame, "encrypted"), inner = json_get(json_get(frame, "data"), "encrypted");
        unsigned char peer[POINT_BYTES];
        if (str_is(how, "ECIES to server key")) {
            assert_true(ecies_open(&test_arena, &server, bytes_of(json_get(inner, "data")), &text, peer));
        } else if (str_is(how, "ECIES to client key")) {
            assert_true(ecies_open(&test_arena, &client, bytes_of(json_get(outer, "data")), &text, peer));
        } else {
            text = session_open(&test_arena, secret, json_string(&test_arena, outer));
        }
        assert_true(str_equal(text, plain));
        sealed++;
    }
    assert_true(sealed > 10);
    free((char *)all.ptr);
}

static void captured_sessions_can_be_read(void **state)
{
    (void)state;
    look_at_session("encrypted-session-6.3.2.json");
    look_at_session("encrypted-session-8.2.7.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_sealed_and_opened_as_the_original_does),
        cmocka_unit_test(messages_that_were_changed_are_refused),
        cmocka_unit_test(sessions_are_encrypted_as_the_original_does),
        cmocka_unit_test(captured_sessions_can_be_read),
    };
    return cmocka_run_group_tests(tests, open_test_arena, close_test_arena);
}
