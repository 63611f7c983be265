/* Tokens: ours, and those of happn-3 as its own libraries made them (tests/vectors/token.json); and all that is none. */
#include "vectors.h"

#include "json/write.h"
#include "security/crypto.h"
#include "security/jsonpack.h"
#include "security/token.h"

static struct arena arena;
static struct str file;
static const struct token_secret original = {"", STR_LIT("TESTTOKENSECRET")};
static const struct token_secret secrets[] = {{"0011aabb", STR_LIT("a secret of ours, long enough for anybody")},
                                              {"22ccddee", STR_LIT("the one before it")}};

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, NULL);
    file = vectors_read("token.json");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free((char *)file.ptr);
    arena_fini(&arena);
    return 0;
}

static struct str vector(int number)
{
    struct json_iter it = json_iter(json_get(file, "vectors"));
    for (int i = 0; i <= number; i++) {
        assert_true(json_next(&it));
    }
    return it.value;
}

static struct str unpacked(struct str packed)
{
    struct buf out;
    buf_init(&out, NULL, 1 << 16);
    bool fits = jsonpack_read(packed, &out);
    struct str text = fits ? arena_str(&arena, buf_str(&out)) : STR_NONE;
    buf_fini(&out);
    return text;
}

/* Any claims, signed with any key. */
static struct str sign(const char *header, const char *claims, struct str key)
{
    struct buf out;
    buf_init(&out, NULL, 1 << 16);
    crypto_add_base64url(&out, str_of(header));
    buf_add_char(&out, '.');
    crypto_add_base64url(&out, str_of(claims));
    unsigned char mac[SHA256_BYTES];
    assert_true(crypto_hmac_sha256(key, buf_str(&out), mac));
    buf_add_char(&out, '.');
    crypto_add_base64url(&out, str_make((char *)mac, sizeof mac));
    struct str text = arena_str(&arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

static struct token sample(void)
{
    return (struct token){.id = STR_LIT("session-1"),
                          .username = STR_LIT("b\xc3\xb6" "b \"quoted\""),
                          .userid = STR_LIT("83c1c543-cbe1-40cc-85d2-cba9dcdafcb8"),
                          .origin = STR_LIT("here"),
                          .profiles = {STR_LIT("web-session"), STR_LIT("default-stateful")},
                          .policy = {{.ttl = 4000, .inactivity = 2000}, {.usage_limit = 2, .no_token_logins = true, .locked_to_origin = true}},
                          .issued = 1795444396248,
                          .type = SESSION_STATEFUL};
}

static struct str written(const struct token *token, const struct token_secret *secret)
{
    struct buf out;
    buf_init(&out, NULL, TOKEN_MOST);
    assert_true(token_write(token, secret, &out));
    struct str text = arena_str(&arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

static bool reads(struct str text, struct token *out)
{
    return token_read(&arena, text, secrets, 2, out);
}

/* --- jsonpack */

static void packed_by_the_original(void **state)
{
    (void)state;
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "vectors")); json_next(&it); checked++) {
        struct str text = unpacked(vectors_text(&arena, it.value, "jsonpack"));
        assert_true(str_is_set(text));
        assert_int_equal(json_check(text, NULL), HAPPN_OK);
        assert_true(vectors_same(&arena, text, json_get(it.value, "unpacked")));
    }
    assert_int_equal(checked, 3);
}

static void packed_values(void **state)
{
    (void)state;
    assert_string_equal(unpacked(STR_LIT("a%2Bb%7C%5E%25+%2b^^^0")).ptr, "\"a+b|^% %2b\"");
    assert_string_equal(unpacked(STR_LIT("a%^^^0")).ptr, "\"a%\"");
    assert_string_equal(unpacked(STR_LIT("^-9IX|Z^^@0|1]")).ptr, "[-12345,35]");
    assert_string_equal(unpacked(STR_LIT("^^-1.5|1e-7^@0|1]")).ptr, "[-1.5,1e-7]");
    assert_string_equal(unpacked(STR_LIT("a^^^$0|@-1|-2|-3|-4|-5]]")).ptr, "{\"a\":[true,false,null,\"\",null]}");
}

static void what_is_not_packed(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "^", "^^", "^^^", "a^^^1", "a^^^$0", "a^^^$0|", "a^^^$0]", "^1^^$0|0]", "a^^^@0", "a^^^0]", "a^^^0 ",
                                        "^^1.2.3^0", "^^.5^0", "^^--1^0", "^^nan^0", "^1|^^1", "^!^^0", "^^^-6", "^^^-0", "^^^zzzzzzzzzzz", "a^^^$-1|0]",
                                        "^^ 1^0", "^ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ^^0"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct str text = unpacked(str_of(wrong[i]));
        if (str_is_set(text)) {
            fail_msg("%s was unpacked to %s", wrong[i], text.ptr);
        }
    }
    char deep[200];
    memset(deep, '@', sizeof deep - 1);
    memcpy(deep, "^^^", 3);
    assert_false(str_is_set(unpacked(str_make(deep, sizeof deep - 1))));
}

/* --- tokens of happn-3 */

static void made_by_the_original(void **state)
{
    (void)state;
    struct token token;
    struct str first = vector(0);
    assert_true(token_read(&arena, vectors_text(&arena, first, "token"), &original, 1, &token));
    assert_true(token.is_original);
    assert_true(str_is(token.id, "2c9d6992-057b-4734-aa50-15a624151ec6"));
    assert_true(str_is(token.username, "_ADMIN"));
    assert_true(str_is(token.origin, "secure_server"));
    assert_int_equal(token.issued, 1795444396248);
    assert_int_equal(token.type, -1);
    assert_int_equal(token.policy[0].ttl, 0);
    assert_int_equal(token.policy[1].inactivity, 0);
    struct str second = vector(1);
    assert_true(token_read(&arena, vectors_text(&arena, second, "token"), &original, 1, &token));
    assert_int_equal(token.policy[0].ttl, 604800000);
    assert_int_equal(token.policy[1].inactivity, 3600000);
    /* The third has no policy and was never issued: no limits would be no safe reading of that. */
    assert_false(token_read(&arena, vectors_text(&arena, vector(2), "token"), &original, 1, &token));
    assert_false(token_read(&arena, vectors_text(&arena, first, "token"), secrets, 2, &token));
}

static struct str original_with(const char *policy)
{
    char claims[600];
    snprintf(claims, sizeof claims, "\"id|1|timestamp|username|u|policy|0|ttl|%s^1^^$0|1|2|9|3|4|5|$6|$7|8]|1|$7|8]]]\"", policy);
    return sign("{\"typ\":\"JWT\",\"alg\":\"HS256\"}", claims, original.key);
}

/* A numeric text is left as text by the original: it is milliseconds all the same. What cannot be read must not mean for ever. */
static void durations_of_the_original(void **state)
{
    (void)state;
    struct token token;
    /* strings: id 1 timestamp username u policy 0 ttl <policy> ; integers: 1 */
    assert_true(token_read(&arena, original_with("100"), &original, 1, &token));
    assert_int_equal(token.policy[0].ttl, 100);
    assert_true(token_read(&arena, original_with("4+seconds"), &original, 1, &token));
    assert_int_equal(token.policy[1].ttl, 4000);
    assert_false(token_read(&arena, original_with("abc"), &original, 1, &token));
    assert_false(token_read(&arena, original_with("-1+day"), &original, 1, &token));
}

/* --- ours */

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct token in = sample(), out;
    for (int i = 0; i < 2; i++) {
        assert_true(reads(written(&in, &secrets[i]), &out));
        assert_true(str_equal(in.id, out.id) && str_equal(in.username, out.username) && str_equal(in.userid, out.userid));
        assert_true(str_equal(in.origin, out.origin) && str_equal(in.profiles[0], out.profiles[0]) && str_equal(in.profiles[1], out.profiles[1]));
        assert_int_equal(out.issued, in.issued);
        assert_int_equal(out.type, SESSION_STATEFUL);
        assert_false(out.is_original);
        assert_int_equal(out.policy[0].ttl, 4000);
        assert_int_equal(out.policy[0].inactivity, 2000);
        assert_int_equal(out.policy[1].usage_limit, 2);
        assert_true(out.policy[1].no_token_logins && out.policy[1].locked_to_origin);
        assert_false(out.policy[0].no_token_logins || out.policy[0].locked_to_origin);
    }
    in.userid = STR_NONE;
    assert_true(reads(written(&in, &secrets[0]), &out));
    assert_false(str_is_set(out.userid));
}

/* Others can read it too: header, claims and exp as RFC 7519 has them. */
static void it_is_a_standard_token(void **state)
{
    (void)state;
    struct token in = sample();
    struct str text = written(&in, &secrets[0]);
    const char *dot = memchr(text.ptr, '.', text.len), *last = memrchr(text.ptr, '.', text.len);
    struct str header = crypto_base64url_decode(&arena, str_make(text.ptr, (size_t)(dot - text.ptr)));
    struct str claims = crypto_base64url_decode(&arena, str_make(dot + 1, (size_t)(last - dot - 1)));
    assert_true(vectors_same(&arena, header, STR_LIT("{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"0011aabb\"}")));
    assert_int_equal(json_check(claims, NULL), HAPPN_OK);
    assert_int_equal(json_int(json_get(claims, "iat"), 0), 1795444396);
    assert_false(str_is_set(json_get(claims, "exp"))); /* one of its two kinds lives for ever */
    in.policy[1].ttl = 1000;
    text = written(&in, &secrets[0]);
    dot = memchr(text.ptr, '.', text.len), last = memrchr(text.ptr, '.', text.len);
    claims = crypto_base64url_decode(&arena, str_make(dot + 1, (size_t)(last - dot - 1)));
    assert_int_equal(json_int(json_get(claims, "exp"), 0), 1795444401); /* rounded up: never earlier than we say ourselves */
}

static void every_byte_counts(void **state)
{
    (void)state;
    struct token in = sample(), out;
    struct str text = written(&in, &secrets[0]), old = vectors_text(&arena, vector(0), "token");
    struct str both[] = {text, old};
    for (int which = 0; which < 2; which++) {
        const struct token_secret *secret = which == 0 ? secrets : &original;
        char *copy = arena_alloc(&arena, both[which].len + 1);
        assert_true(token_read(&arena, both[which], secret, 1, &out));
        for (size_t i = 0; i < both[which].len; i++) {
            static const char others[] = "A-_+/=.z0 \n\"";
            for (size_t c = 0; c < sizeof others; c++) { /* and NUL */
                memcpy(copy, both[which].ptr, both[which].len);
                copy[i] = others[c];
                if (others[c] != both[which].ptr[i] && token_read(&arena, str_make(copy, both[which].len), secret, 1, &out)) {
                    fail_msg("byte %zu as %d makes no difference", i, others[c]);
                }
            }
            memcpy(copy, both[which].ptr, both[which].len);
            copy[i] ^= 1;
            assert_false(token_read(&arena, str_make(copy, both[which].len), secret, 1, &out));
            assert_false(token_read(&arena, str_make(both[which].ptr, i), secret, 1, &out)); /* cut off */
        }
        memcpy(copy, both[which].ptr, both[which].len);
        copy[both[which].len] = '=';
        assert_false(token_read(&arena, str_make(copy, both[which].len + 1), secret, 1, &out));
    }
}

#define OURS "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"0011aabb\"}"
#define CLAIMS(typ, policy) "{\"jti\":\"1\",\"sub\":\"bob\",\"ms\":1795444396248,\"typ\":" typ ",\"policy\":" policy ",\"profiles\":[\"a\",\"b\"]}"
#define GOOD CLAIMS("0", "{\"0\":{\"ttl\":1},\"1\":{\"ttl\":0}}")

static void headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool fits;
    } rows[] = {
        {OURS, true},
        {"{\"alg\":\"HS256\"}", true}, /* no key named: any of ours */
        {"{\"typ\":\"JWT\",\"alg\":\"none\"}", false},
        {"{\"typ\":\"JWT\",\"alg\":\"None\"}", false},
        {"{\"typ\":\"JWT\",\"alg\":\"\"}", false},
        {"{\"typ\":\"JWT\"}", false},
        {"{\"typ\":\"JWT\",\"alg\":\"HS512\"}", false},
        {"{\"typ\":\"JWT\",\"alg\":\"RS256\"}", false},
        {"{\"typ\":\"JWT\",\"alg\":\"hs256\"}", false},
        {"{\"typ\":\"JWT\",\"alg\":[\"HS256\"]}", false},
        {"{\"alg\":\"HS256\",\"alg\":\"none\"}", false},
        {"{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"22ccddee\"}", false}, /* the name of another key */
        {"{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"../../secret\"}", false},
        {"{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"\"}", false},
        {"{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":7}", false},
        {"[\"HS256\"]", false},
        {"{\"alg\":\"HS256\"} ", true},
        {"{\"alg\":\"HS256\"", false},
        {"", false},
    };
    struct token out;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (reads(sign(rows[i].header, GOOD, secrets[0].key), &out) != rows[i].fits) {
            fail_msg("%s", rows[i].header);
        }
    }
}

/* alg none comes without a signature at all. */
static void no_signature(void **state)
{
    (void)state;
    struct token out;
    struct str whole = sign("{\"typ\":\"JWT\",\"alg\":\"none\"}", GOOD, secrets[0].key);
    size_t end = (size_t)((const char *)memrchr(whole.ptr, '.', whole.len) - whole.ptr);
    assert_false(reads(str_make(whole.ptr, end + 1), &out));
    assert_false(reads(str_make(whole.ptr, end), &out));
    whole = sign(OURS, GOOD, secrets[0].key);
    end = (size_t)((const char *)memrchr(whole.ptr, '.', whole.len) - whole.ptr);
    assert_false(reads(str_make(whole.ptr, end + 1), &out));
    assert_false(reads(STR_LIT(".."), &out));
    assert_false(reads(STR_LIT("..."), &out));
    assert_false(reads(STR_LIT(""), &out));
    assert_false(reads(sign(OURS, GOOD, STR_LIT("")), &out));
}

/* Signed with our key, which others may have been given, and still not ours. */
static void tokens_of_others(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{\"sub\":\"bob\",\"iat\":1516239022,\"exp\":99999999999}",
        "{\"jti\":\"1\",\"sub\":\"_ADMIN\",\"iss\":\"elsewhere\",\"iat\":1516239022}",
        "{\"jti\":\"1\",\"sub\":\"bob\",\"ms\":1,\"typ\":0,\"profiles\":[\"a\",\"b\"]}", /* no policy: no limits? no */
        CLAIMS("0", "{}"), CLAIMS("0", "{\"0\":{\"ttl\":1}}"), CLAIMS("0", "{\"0\":{},\"1\":[]}"), CLAIMS("0", "{\"0\":{\"ttl\":-1},\"1\":{}}"),
        CLAIMS("0", "{\"0\":{\"ttl\":\"soon\"},\"1\":{}}"), CLAIMS("2", "{\"0\":{},\"1\":{}}"), CLAIMS("-1", "{\"0\":{},\"1\":{}}"),
        CLAIMS("\"0\"", "{\"0\":{},\"1\":{}}"), CLAIMS("null", "{\"0\":{},\"1\":{}}"),
        "{\"jti\":\"\",\"sub\":\"bob\",\"ms\":1,\"typ\":0,\"policy\":{\"0\":{},\"1\":{}},\"profiles\":[\"a\",\"b\"]}",
        "{\"jti\":\"1\",\"sub\":{\"username\":\"bob\"},\"ms\":1,\"typ\":0,\"policy\":{\"0\":{},\"1\":{}},\"profiles\":[\"a\",\"b\"]}",
        "{\"jti\":\"1\",\"sub\":\"bob\",\"ms\":1,\"typ\":0,\"policy\":{\"0\":{},\"1\":{}},\"profiles\":[\"a\"]}",
        "{\"jti\":\"1\",\"sub\":\"bob\",\"ms\":1,\"typ\":0,\"policy\":{\"0\":{},\"1\":{}},\"profiles\":\"ab\"}",
        "{\"jti\":\"1\",\"sub\":\"bob\",\"ms\":0,\"typ\":0,\"policy\":{\"0\":{},\"1\":{}},\"profiles\":[\"a\",\"b\"]}",
        "", "null", "[]", "7", "\"\"", "\"id|1^^^$0|1]\"", "{\"jti\":\"1\"", "\"\xff\"", "{\"jti\":\"\xc3\x28\"}"};
    struct token out;
    assert_true(reads(sign(OURS, GOOD, secrets[0].key), &out)); /* the frame of the rows is right */
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (reads(sign(OURS, wrong[i], secrets[0].key), &out)) {
            fail_msg("%s", wrong[i]);
        }
    }
    assert_false(reads(sign(OURS, GOOD, STR_LIT("the secret of another server")), &out));
}

static void sizes(void **state)
{
    (void)state;
    struct token in = sample(), out;
    char *name = malloc(2 * TOKEN_MOST);
    memset(name, 'x', 2 * TOKEN_MOST);
    in.username = str_make(name, 2 * TOKEN_MOST);
    struct buf text;
    buf_init(&text, NULL, 1 << 20);
    assert_false(token_write(&in, &secrets[0], &text)); /* too long to be read again: not written */
    buf_clear(&text);
    in.username.len = TOKEN_MOST - 1000; /* the claims fit, but not as base64 */
    assert_false(token_write(&in, &secrets[0], &text));
    buf_fini(&text);
    memset(name, 'A', 2 * TOKEN_MOST);
    assert_false(reads(str_make(name, 2 * TOKEN_MOST), &out));
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_by_the_original),    cmocka_unit_test(packed_values),           cmocka_unit_test(what_is_not_packed),
        cmocka_unit_test(made_by_the_original),      cmocka_unit_test(durations_of_the_original), cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(it_is_a_standard_token),    cmocka_unit_test(every_byte_counts),       cmocka_unit_test(headers),
        cmocka_unit_test(no_signature),              cmocka_unit_test(tokens_of_others),        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
