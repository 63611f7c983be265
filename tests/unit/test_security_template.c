/* Permission paths with holes: what fills them, and what must not. */
#include "vectors.h"

#include "base/buf.h"
#include "security/template.h"

static const char *const user =
    "{\"username\":\"bob\",\"email\":\"b@x\",\"custom_data\":{\"dept\":\"sales\",\"n\":7,\"f\":1.5,\"t\":true,\"z\":null,\"deep\":{\"a\":{\"b\":\"c\"}},"
    "\"list\":[\"a\",\"b\",3],\"mixed\":[\"a\",\"*\",\"x/y\",null,{},[\"in\"],\"b\"],\"none\":[],\"star\":\"*\",\"part\":\"a*\",\"slash\":\"a/b\",\"empty\":\"\","
    "\"hole\":\"{{user.username}}\",\"open\":\"{{\",\"close\":\"}}\",\"escaped\":\"\\u002a\",\"esc\":\"\\u0061\",\"object\":{\"x\":1},\"up\":\"..\"}}";

static const struct {
    const char *path, *filled; /* one after another, with a space between */
} rows[] = {
    {"/plain/*", "/plain/*"},
    {"/u/{{user.username}}/*", "/u/bob/*"},
    {"{{user.username}}", "bob"},
    {"/c/{{user.custom_data.dept}}", "/c/sales"},
    {"/c/{{user.custom_data.n}}", "/c/7"},
    {"/c/{{user.custom_data.f}}", "/c/1.5"},
    {"/c/{{user.custom_data.deep.a.b}}", "/c/c"},
    {"/c/{{user.email}}", "/c/b@x"},
    {"/c/{{user.custom_data.list}}/x", "/c/a/x /c/b/x /c/3/x"},
    {"/{{user.custom_data.list}}/{{user.custom_data.list}}", "/a/a /a/b /a/3 /b/a /b/b /b/3 /3/a /3/b /3/3"},
    {"/{{user.username}}-{{user.custom_data.dept}}", "/bob-sales"},
    {"/c/{{user.custom_data.mixed}}", "/c/a /c/b"}, /* one by one: the others still count */
    {"/c/{{user.custom_data.esc}}", "/c/a"},
    {"/c/{{user.custom_data.nope}}", ""},
    {"/c/{{user.custom_data.dept.x}}", ""},
    {"/c/{{user.custom_data.deep.a}}", ""},
    {"/c/{{user.custom_data.object}}", ""},
    {"/c/{{user.custom_data}}", ""},
    {"/c/{{user.custom_data.z}}", ""},
    {"/c/{{user.custom_data.none}}", ""},
    {"/c/{{user.custom_data.empty}}", ""},
    {"/c/{{user.custom_data.star}}", ""},
    {"/c/{{user.custom_data.part}}", ""},
    {"/c/{{user.custom_data.escaped}}", ""},
    {"/c/{{user.custom_data.slash}}", ""},
    {"/c/{{user.custom_data.hole}}", ""},
    {"/c/{{user.custom_data.open}}user.username}}", ""},
    {"/c/{{user.custom_data.close}}", ""},
    {"/c/{{user.username}}/{{user.custom_data.nope}}", ""},
    {"/c/{{username}}", ""},
    {"/c/{{user}}", ""},
    {"/c/{{user.}}", ""},
    {"/c/{{user..username}}", ""},
    {"/c/{{}}", ""},
    {"/c/{{user.username", ""},
    {"/c/user.username}}", "/c/user.username}}"},
    {"/c/{{session.id}}", ""},
    {"/c/{{ user.username }}", ""},
    {"/c/{{user.username}}}}", "/c/bob}}"},
    {"", ""},
};

static happn_status note(struct str path, void *arg)
{
    struct buf *out = arg;
    buf_add_text(out, out->len != 0 ? " " : "");
    buf_add_str(out, path);
    return out->status;
}

static struct str filled(struct arena *arena, const char *path)
{
    struct buf out;
    buf_init(&out, NULL, 1 << 20);
    assert_int_equal(template_fill(arena, str_of(path), str_of(user), note, &out), HAPPN_OK);
    struct str text = arena_str(arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

static void the_table(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str text = filled(&arena, rows[i].path);
        if (!str_is(text, rows[i].filled)) {
            fail_msg("%s: %.*s", rows[i].path, (int)text.len, text.ptr);
        }
    }
    arena_fini(&arena);
}

static void holes(void **state)
{
    (void)state;
    assert_true(template_has_holes(STR_LIT("/a/{{user.username}}")));
    assert_true(template_has_holes(STR_LIT("/a/{{user")));
    assert_false(template_has_holes(STR_LIT("/a/*")));
    assert_false(template_has_holes(STR_LIT("")));
    assert_false(template_has_holes(STR_NONE));
}

static happn_status count(struct str path, void *arg)
{
    (void)path;
    ++*(int *)arg;
    return HAPPN_OK;
}

/* Lists in many holes multiply: there is an end to that. */
static void not_too_many(void **state)
{
    (void)state;
    char list[4000] = "{\"username\":\"bob\",\"custom_data\":{\"l\":[0";
    for (int i = 1; i < 200; i++) {
        snprintf(list + strlen(list), 8, ",%d", i);
    }
    strcat(list, "]}}");
    struct arena arena;
    arena_init(&arena, NULL);
    int paths = 0;
    happn_status status = template_fill(&arena, STR_LIT("/{{user.custom_data.l}}/{{user.custom_data.l}}/{{user.custom_data.l}}/{{user.custom_data.l}}"), str_of(list),
                                        count, &paths);
    assert_true(status == HAPPN_OK && paths > 0 && paths <= 1000);
    paths = 0; /* values that give nothing cost something, too */
    status = template_fill(&arena, STR_LIT("/{{user.custom_data.l}}/{{user.custom_data.l}}/{{user.custom_data.l}}/{{user.nothing}}"), str_of(list), count, &paths);
    assert_true(status == HAPPN_OK && paths == 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_table), cmocka_unit_test(holes), cmocka_unit_test(not_too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
