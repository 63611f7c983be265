/* happn check: what it finds in scripts, where, and what it leaves alone. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "happn/workshop.h"
#include "script/trial.h"
#include "base/buf.h"
#include "test_folder.h"
#include "workshop/globals.h"
#include "workshop/tokens.h"

static char root[TEST_FOLDER_SIZE], seen[8192];

static int make_folder(void **state)
{
    (void)state;
    test_folder_make(root);
    seen[0] = '\0';
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    test_folder_remove(root);
    return 0;
}

static void put(const char *file, const char *text)
{
    test_folder_put(root, file, text);
}

static void note(const happn_finding *finding, void *arg)
{
    (void)arg;
    size_t at = strlen(seen);
    snprintf(seen + at, sizeof seen - at, "%s:%d:%s: %s\n", finding->file, finding->line, finding->is_warning ? "warning" : "error", finding->text);
}

static void count_note(const happn_finding *finding, void *arg)
{
    (void)finding;
    ++*(size_t *)arg;
}

static size_t check(const char *config)
{
    size_t checked = 0;
    happn_error error = {0};
    happn_check_options options = {.size = sizeof options, .root = root, .config = config, .config_len = config != NULL ? strlen(config) : 0,
                                   .config_name = "happn.json", .base_dir = root};
    seen[0] = '\0';
    if (happn_check(&options, note, NULL, &checked, &error) != HAPPN_OK) {
        fail_msg("%s", error.message);
    }
    return checked;
}

static void good_scripts_have_nothing(void **state)
{
    (void)state;
    put("layers/a.lua", "local checks = require 'lib.checks'\n"
                        "local M = { config = { max = { type = 'number', required = true } } }\n"
                        "local function print(x) return x end\n"
                        "function M.inbound(msg, conf)\n"
                        "  local string = { dance = print }\n"
                        "  string.dance(msg)\n"
                        "  happn.set(happn.path('/a', msg.session.id) .. '/b', checks.ok(conf.max))\n"
                        "  happn.get('/a/' .. '*')\n"
                        "  msg.data.text = string .. 'x' .. msg.path\n"
                        "end\n"
                        "return M\n");
    put("lib/checks.lua", "local C = {}\nfunction C.ok(v) return math.max(v, 1) end\nreturn C\n");
    put("unused.lua", "return { clamp = function(v) return math.min(v, 1) end }\n");
    put("wrapping.lua", "local M = {}\nfunction M.wrap(routes, on)\n  for key in pairs(routes) do on(key) end\n  return routes, 'every'\nend\nreturn M\n");
    put("types/happn.lua", "---@meta\nhappn = {}\nnonsense(\n");
    put("a_test.lua", "local t = require 'happn.test'\nt.case('a', function() end)\n");
    put(".hidden/x.lua", "nonsense(");
    assert_int_equal(check(NULL), 5);
    assert_string_equal(seen, "");
}

static void every_mistake_has_its_line(void **state)
{
    (void)state;
    put("a.lua", "local M = {}\n\nfunction M.inbond(msg)\n  happn.gett('/x')\n  totl = tosting(1)\nend\nreturn M\n");
    put("b.lua", "return {\n  ['GET /'] = function(req)\n    return happn.get('/x/' .. req.query.id)\n  end,\n");
    put("d.lua", "return { ['GET /'] = function() end, pubic = true }\n");
    put("c.lua", "return { inbound = function(msg)\n\n happn.log.inof(print)\n happn.remove(string.format('/x/%s', msg.path)) end }");
    assert_int_equal(check(NULL), 4);
    assert_string_equal(seen, "a.lua:3:error: unknown key \"inbond\"; did you mean inbound?\n"
                              "a.lua:4:error: happn has no gett; did you mean get?\n"
                              "a.lua:5:error: there is no global tosting; did you mean tostring?\n"
                              "a.lua:5:warning: this makes a global of totl; is local totl meant?\n"
                              "b.lua:5:error: unexpected symbol near <eof>\n"
                              "c.lua:3:error: happn.log has no inof; did you mean info?\n"
                              "c.lua:3:error: there is no global print: scripts have no terminal: happn.log.info writes to the log\n"
                              "c.lua:4:warning: happn.remove: the path is joined from texts; one from outside may contain / or *, which "
                              "happn.path(base, part) refuses\n"
                              "d.lua:1:error: unknown key \"pubic\"\n");
    put("d.lua", "return {\n  xyzzy = 1, pahts = {},\n  action = {}, inbound = function() end }\n");
    check(NULL);
    assert_non_null(strstr(seen, "d.lua:3:error: unknown key \"action\"; did you mean actions? unknown key \"pahts\"; did you mean paths? unknown key \"xyzzy\"\n"));
}

static void modules_that_are_not_there_are_found_wherever_they_are_required(void **state)
{
    (void)state;
    put("a.lua", "local v = require 'happn.validate'\nreturn { inbound = function(msg)\n  require('lib.later').go(v)\n  pcall(require, 'perhaps')\nend }\n");
    put("b.lua", "local M = {}\nlocal x = require 'gone'\nreturn M\n");
    put("b_test.lua", "local t = require 'happn.test'\nlocal u = require 'happn.tests'\n");
    check(NULL);
    assert_string_equal(seen, "a.lua:3:warning: require: there is no lib/later.lua below the scripts' root\n"
                              "b.lua:2:error: gone.lua: cannot be read: No such file or directory\n"
                              "b_test.lua:2:warning: require: there is no happn/tests.lua below the scripts' root\n");
}

/* In a call files are not read any more. */
static void modules_belong_to_the_top(void **state)
{
    (void)state;
    put("lib/m.lua", "return {}\n");
    put("lib/n.lua", "return {}\n");
    put("a.lua", "for i = 1, 2 do if i == 1 then require 'lib.m' end end\n"
                 "while false do end repeat local x until true\n"
                 "return { inbound = function(msg)\n  if msg then require 'lib.m' end\n  local n = require('lib.n')\n end,\n"
                 " start = require 'lib.m'.start }\n");
    put("a_test.lua", "local t = require 'happn.test'\nt.case('a', function() require 'lib.n' end)\n");
    check(NULL);
    assert_string_equal(seen, "a.lua:5:warning: require: in a call it gives only what was required while the script was loaded; lib/n.lua belongs to the "
                              "top of the file\n");
}

static void the_configuration_says_what_a_script_is_for(void **state)
{
    (void)state;
    put("a.lua", "return { config = { max = { type = 'number' } }, inbound = function(msg) end }");
    check("{\"services\":{\"protocol\":{\"config\":{\"inboundLayers\":[{\"script\":\"a.lua\",\"config\":{\"mox\":1}},\"gone.lua\"],"
          "\"outboundLayers\":[\"a.lua\"]}}}}");
    assert_string_equal(seen, "a.lua:0:error: config: the script does not know \"mox\"\n"
                              "a.lua:0:error: it is configured for this, but has no function outbound\n"
                              "gone.lua:0:error: cannot be read: No such file or directory\n");
    check("{\"port\": 1,\n \"prot\": 2}");
    assert_string_equal(seen, "happn.json:2:error: the key prot is not known; did you mean port? (all keys: docs/config.md)\n");
}

static void a_script_that_never_ends_is_stopped(void **state)
{
    (void)state;
    put("a.lua", "while true do end");
    check(NULL);
    assert_string_equal(seen, "a.lua:1:error: the script ran too long and was stopped\n");
}

static void a_thousand_findings_are_enough(void **state)
{
    (void)state;
    struct buf text;
    size_t lines = 0;
    buf_init(&text, NULL, 1 << 20);
    for (int i = 0; i < 3000; i++) {
        buf_add_format(&text, "x%d = y%d.z\n", i % 200, i % 200);
    }
    buf_add_char(&text, '\0');
    put("a.lua", text.ptr);
    happn_error error = {0};
    happn_check_options options = {.size = sizeof options, .root = root};
    size_t checked = 0;
    assert_int_equal(happn_check(&options, count_note, &lines, &checked, &error), HAPPN_OK);
    assert_int_equal(lines, 1000);
    buf_fini(&text);
}

static void what_cannot_be_looked_at_is_an_error(void **state)
{
    (void)state;
    size_t checked;
    happn_error error = {0};
    happn_check_options options = {.size = sizeof options, .root = "/nowhere"};
    assert_int_equal(happn_check(&options, note, NULL, &checked, &error), HAPPN_E_ARGUMENT);
    assert_string_equal(error.message, "/nowhere: No such file or directory");
    const char *outside = "/etc/passwd";
    options = (happn_check_options){.size = sizeof options, .root = root, .files = &outside, .file_count = 1};
    assert_int_equal(happn_check(&options, note, NULL, &checked, &error), HAPPN_E_ARGUMENT);
    assert_non_null(strstr(error.message, "/etc/passwd is not below the scripts' root"));
}

/* The words of any text, byte by byte cut off, end. */
static void words_of_anything_have_an_end(void **state)
{
    (void)state;
    static const char text[] = "#!/x\nlocal a = [==[ x ]=] ]==] .. \"q\\\"\" --[[ c\n]] -- d\n f(0x1p+4, 3..2) :: ... [[z]] '\\\\' a.b:c";
    for (size_t len = 0; len < sizeof text; len++) {
        char *copy = malloc(len + 1); /* so that the sanitizer sees a byte too many */
        memcpy(copy, text, len);
        struct tokens tokens = tokens_of(str_make(copy, len));
        size_t count = 0;
        while (token_next(&tokens).kind != TOKEN_END) {
            assert_true(++count <= len);
        }
        free(copy);
    }
}

static void globals_are_found_with_their_lines(void **state)
{
    (void)state;
    struct arena arena;
    struct global_use *uses = NULL;
    happn_error error;
    struct buf text;
    arena_init(&arena, NULL);
    buf_init(&text, NULL, 1 << 20);
    buf_add_lit(&text, "local a <const> = one\n");
    for (int i = 0; i < 300; i++) { /* so many lines that the compiler needs absolute ones */
        buf_add_lit(&text, "\n");
    }
    buf_add_lit(&text, "function two() return function() three = a.b end end\n");
    assert_int_equal(globals_find(&arena, "x.lua", buf_str(&text), &uses, &error), HAPPN_OK);
    int found = 0;
    for (; uses != NULL; uses = uses->next) {
        found += strcmp(uses->name, "one") == 0 && uses->line == 1 && !uses->is_write;
        found += strcmp(uses->name, "two") == 0 && uses->line == 302 && uses->is_write;
        found += strcmp(uses->name, "three") == 0 && uses->line == 302 && uses->is_write;
        found += strcmp(uses->name, "a") == 0 || strcmp(uses->name, "b") == 0 ? 100 : 0;
    }
    assert_int_equal(found, 3);
    buf_fini(&text);
    arena_fini(&arena);
}

/* -- what editors are told is what there is -- */

static const char *const told[] = {
#define FUNCTION(name, arguments, returns, text) name,
#define VALUE(name, type, text) name,
#define CLASS(name, text)
#define MEMBER(class, name, type, text)
#define METHOD(class, name, arguments, returns, text)
#include "script/api.def"
};

static size_t found_names;

static void look_for(void *arg, const char *name)
{
    (void)arg;
    bool is_table = strcmp(name, "happn") == 0;
    static const char *const tables[] = {"happn.json", "happn.log", "happn.system", "happn.shared", "happn.http"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        is_table = is_table || strcmp(name, tables[i]) == 0;
    }
    if (strncmp(name, "happn", 5) != 0 || is_table) {
        return;
    }
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        if (strcmp(told[i], name) == 0) {
            found_names++;
            return;
        }
    }
    fail_msg("src/script/api.def does not tell of %s", name);
}

static void the_reference_tells_every_name(void **state)
{
    (void)state;
    static struct loop loop;
    struct core core = {.loop = &loop, .limits = {.message_bytes = 1 << 20}};
    happn_error error;
    found_names = 0;
    assert_int_equal(trial_names(&core, look_for, NULL, &error), HAPPN_OK);
    assert_int_equal(found_names, sizeof told / sizeof told[0]);
}

static void annotations_are_lua(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    if (luaL_loadfile(L, HAPPN_SOURCE_DIR "/lua/types/happn.lua") != LUA_OK || luaL_loadfile(L, HAPPN_SOURCE_DIR "/lua/types/happn_test.lua") != LUA_OK) {
        fail_msg("%s", lua_tostring(L, -1));
    }
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_scripts_have_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_mistake_has_its_line, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(modules_that_are_not_there_are_found_wherever_they_are_required, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(modules_belong_to_the_top, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_configuration_says_what_a_script_is_for, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_script_that_never_ends_is_stopped, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_thousand_findings_are_enough, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_looked_at_is_an_error, make_folder, remove_folder),
        cmocka_unit_test(words_of_anything_have_an_end),
        cmocka_unit_test(globals_are_found_with_their_lines),
        cmocka_unit_test(the_reference_tells_every_name),
        cmocka_unit_test(annotations_are_lua),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
