/* happn test: the files of a folder one after the other, each in a Lua state of its own, and each of its cases with a server of its own. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "happn/workshop.h"
#include "script/sandbox.h"
#include "script/view.h"
#include "service/config.h"
#include "workshop/files.h"
#include "workshop/globals.h"
#include "workshop/testing.h"

enum { TEST_MEMORY = 256 << 20, MAX_MESSAGE = 32 << 20, MOST_LOG = 2000 };

/* A test may do a lot, but not for ever. */
static const struct budget budget = {INT64_C(100000000), INT64_C(10000000000)};

struct run {
    const happn_test_options *options;
    struct arena arena;
    struct file_list files;
    char *root;
    struct coverage coverage;
    happn_test_summary summary;
};

/* -- the state of one file -- */

/* Upvalues: the module, the sandbox's require. */
static int require_test(lua_State *L)
{
    if (strcmp(luaL_checkstring(L, 1), "happn.test") == 0) {
        lua_pushvalue(L, lua_upvalueindex(1));
        return 1;
    }
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int print(lua_State *L)
{
    int count = lua_gettop(L);
    for (int i = 1; i <= count; i++) {
        size_t len;
        const char *text = luaL_tolstring(L, i, &len);
        fprintf(stderr, "%s%.*s", i == 1 ? "# " : " ", (int)len, text);
        lua_pop(L, 1);
    }
    fputs("\n", stderr);
    return 0;
}

/* A test is nobody's script: it asks its clients, and has only those members of happn that make values. */
static void limit_happn(lua_State *L, int environment)
{
    static const char *const kept[] = {"path", "json", "null", "array", "table", "is_null", "uuid"};
    lua_getfield(L, environment, "happn");
    lua_newtable(L);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        lua_getfield(L, -2, kept[i]);
        lua_setfield(L, -2, kept[i]);
    }
    lua_setfield(L, environment, "happn");
    lua_pop(L, 1);
}

static int load_file(lua_State *L)
{
    struct testing *testing = lua_touserdata(L, 1);
    struct script *script = &testing->script;
    lua_settop(L, 0);
    guest_install(L, testing);
    lua_newtable(L);
    script->modules = luaL_ref(L, LUA_REGISTRYINDEX);
    sandbox_push_environment(L, script);
    limit_happn(L, 1);
    lua_pushcfunction(L, print);
    lua_setfield(L, 1, "print");
    module_push(L, testing);
    lua_getfield(L, 1, "require");
    lua_pushcclosure(L, require_test, 2);
    lua_setfield(L, 1, "require");
    lua_pushvalue(L, 1);
    script->environment = luaL_ref(L, LUA_REGISTRYINDEX);
    sandbox_push_chunk(L, script, script->file, 1);
    lua_call(L, 0, 0);
    return 0;
}

/* -- one case -- */

struct outcome {
    struct testing *testing;
    const struct test_case *one;
    char text[3000], file[96], log[MOST_LOG];
    int line;
    bool is_ok;
};

/* "a_test.lua:12: what" of the place that is told anyway: what. */
static void set_failure(struct outcome *outcome, const char *text)
{
    char place[128];
    int len = snprintf(place, sizeof place, "%s:%d: ", outcome->file, outcome->line);
    const char *trace = strstr(text, "\nstack traceback:");
    text += strncmp(text, place, (size_t)len) == 0 ? len : 0;
    snprintf(outcome->text, sizeof outcome->text, "%.*s", trace != NULL && trace >= text ? (int)(trace - text) : (int)sizeof outcome->text - 1, text);
    outcome->is_ok = false;
}

static void check_expectations(struct outcome *outcome)
{
    for (const struct expectation *each = outcome->testing->expectations; each != NULL; each = each->next) {
        if (each->count != each->wanted && outcome->is_ok) {
            char text[120];
            const char *colon = strrchr(each->place, ':');
            outcome->line = colon != NULL ? atoi(colon + 1) : 0;
            snprintf(outcome->file, sizeof outcome->file, "%.*s", colon != NULL ? (int)(colon - each->place) : 0, each->place);
            snprintf(text, sizeof text, "the function of t.expect was called %lld times\nexpected: %lld times", (long long)each->count,
                     (long long)each->wanted);
            set_failure(outcome, text);
        }
    }
}

static int run_case(lua_State *L)
{
    struct outcome *outcome = lua_touserdata(L, 1);
    struct testing *testing = outcome->testing;
    struct vm *vm = vm_of(L);
    lua_settop(L, 0);
    lua_pushcfunction(L, vm_traceback);
    lua_rawgeti(L, LUA_REGISTRYINDEX, outcome->one->function);
    vm->error_line = 0;
    vm->error_source[0] = '\0';
    if (lua_pcall(L, 0, 0, 1) != LUA_OK) {
        snprintf(outcome->file, sizeof outcome->file, "%s", vm->error_source);
        outcome->line = vm->error_line;
        vm_enter(vm, L, budget); /* a case that was stopped is still to be reported */
        vm_push_error_text(L, -1);
        set_failure(outcome, lua_tostring(L, -1));
    }
    testing_pump(L, testing);
    outside_close(L, testing);
    if (outcome->is_ok && testing->failure[0] != '\0') {
        snprintf(outcome->file, sizeof outcome->file, "%s", vm->error_source);
        outcome->line = vm->error_line;
        set_failure(outcome, testing->failure);
    }
    check_expectations(outcome);
    return 0;
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* What scripts have logged may say why. */
static void keep_log(struct outcome *outcome)
{
    struct testing *testing = outcome->testing;
    struct buf text;
    size_t len = 0;
    buf_init(&text, NULL, 16 << 20);
    if (testing->has_house && house_read_log(&testing->house, &text)) {
        struct str rest = buf_str(&text);
        while (rest.len != 0 && len + 1 < sizeof outcome->log) {
            const char *end = memchr(rest.ptr, '\n', rest.len);
            struct str line = str_make(rest.ptr, end != NULL ? (size_t)(end - rest.ptr) : rest.len);
            rest = str_skip(rest, line.len + 1);
            struct str level = json_string(&testing->case_arena, json_get(line, "level"));
            struct str message = json_string(&testing->case_arena, json_get(line, "message"));
            int added = snprintf(outcome->log + len, sizeof outcome->log - len, "%.*s: %.*s\n", (int)level.len, level.ptr, (int)message.len, message.ptr);
            len += added > 0 ? (size_t)added : 0;
        }
    }
    buf_fini(&text);
}

/* "bug.lua:3: attempt to ..." of the last error of a script in the log: its line begins with fields and ends with a traceback. */
static void add_reason(struct outcome *outcome)
{
    static const char failed[] = "ScriptError: script failed", trace[] = " stack traceback:";
    const char *last = NULL;
    for (const char *at = outcome->log; (at = strstr(at, "script error id=")) != NULL; at++) {
        last = at;
    }
    const char *fields = last != NULL ? strstr(last, " path=") : NULL, *text = fields != NULL ? strstr(fields, ": ") : NULL;
    const char *end = text != NULL ? strstr(text, trace) : NULL, *place = text != NULL ? strstr(text, ".lua:") : NULL;
    if (strncmp(outcome->text, failed, sizeof failed - 1) == 0 && end != NULL && place != NULL && place < end) {
        size_t len = strlen(outcome->text);
        snprintf(outcome->text + len, sizeof outcome->text - len, "\n%.*s", (int)(end - text - 2), text + 2);
    }
}

static void tell(struct run *run, const struct outcome *outcome, const char *file, double ms)
{
    const struct test_case *one = outcome->one;
    happn_test_result result = {.file = file, .name = one != NULL ? one->name : NULL, .line = one != NULL ? one->line : 0, .is_ok = outcome->is_ok,
                                .text = outcome->text, .failed_file = outcome->file, .failed_line = outcome->line, .log = outcome->log,
                                .milliseconds = ms};
    *(outcome->is_ok ? &run->summary.passed : &run->summary.failed) += 1;
    run->options->tell(&result, run->options->arg);
}

static void run_one(struct run *run, struct testing *testing, const struct test_case *one)
{
    struct outcome *outcome = memory_zalloc(NULL, sizeof *outcome);
    happn_error error = {0};
    double began = milliseconds();
    if (outcome == NULL) {
        run->summary.failed++;
        return;
    }
    outcome->testing = testing;
    outcome->one = one;
    outcome->is_ok = true;
    testing_begin(testing);
    struct vm *vm = &testing->trial.generation->vm;
    vm_enter(vm, vm->L, budget);
    if (vm_protect(vm, run_case, outcome, &error) != HAPPN_OK) {
        set_failure(outcome, error.message);
    }
    (void)vm_leave(vm);
    if (!outcome->is_ok) {
        keep_log(outcome);
        add_reason(outcome);
    }
    testing_end(testing);
    tell(run, outcome, testing->file, milliseconds() - began);
    memory_free(NULL, outcome);
}

/* -- one file -- */

static bool is_wanted(const struct run *run, const struct test_case *one)
{
    const char *filter = run->options->filter;
    return filter == NULL || strstr(one->name, filter) != NULL;
}

static void tell_broken(struct run *run, const char *file, const char *text)
{
    struct outcome *outcome = memory_zalloc(NULL, sizeof *outcome);
    if (outcome == NULL) {
        run->summary.failed++;
        return;
    }
    set_failure(outcome, text);
    tell(run, outcome, file, 0);
    memory_free(NULL, outcome);
}

static happn_status open_file(struct run *run, struct testing *testing, const char *file, happn_error *error)
{
    static const struct script_entry no_entry;
    struct scripts_options options = {.root = run->root, .memory = TEST_MEMORY};
    testing->root = run->root;
    testing->file = file;
    testing->coverage = run->options->coverage ? &run->coverage : NULL;
    testing->last_case = &testing->cases;
    testing->core = (struct core){.loop = &testing->loop, .limits = {.message_bytes = MAX_MESSAGE}};
    clock_freeze(&testing->loop, HOUSE_BEGINNING);
    arena_init(&testing->arena, NULL);
    happn_status status = trial_open(&testing->trial, &testing->core, &options, error);
    if (status != HAPPN_OK) {
        return status;
    }
    testing->script = (struct script){.generation = testing->trial.generation, .entry = &no_entry, .file = file, .name = file};
    struct vm *vm = &testing->trial.generation->vm;
    testing->is_collecting = true;
    vm_enter(vm, vm->L, budget);
    status = vm_protect(vm, load_file, testing, error);
    (void)vm_leave(vm);
    testing->is_collecting = false;
    return status;
}

static void run_file(struct run *run, const char *file)
{
    happn_error error = {0};
    struct testing *testing = memory_zalloc(NULL, sizeof *testing);
    if (testing == NULL) {
        tell_broken(run, file, "out of memory");
        return;
    }
    if (open_file(run, testing, file, &error) != HAPPN_OK) {
        tell_broken(run, file, error.message);
    }
    for (const struct test_case *one = testing->cases; one != NULL && error.status == HAPPN_OK; one = one->next) {
        if (is_wanted(run, one)) {
            run_one(run, testing, one);
        }
    }
    trial_close(&testing->trial);
    arena_fini(&testing->arena);
    memory_free(NULL, testing);
    run->summary.files++;
}

/* -- coverage -- */

struct lines {
    const struct covered_file *file;
    unsigned char known[COVERAGE_LINES / 8 + 1];
    happn_test_coverage told;
    char missing[2000];
    size_t missing_len;
    int last;
};

static void take_line(void *arg, int line)
{
    struct lines *lines = arg;
    if (line > 0 && line < COVERAGE_LINES) {
        lines->known[line / 8] |= (unsigned char)(1 << line % 8);
    }
}

static void add_missing(struct lines *lines, int from, int to)
{
    size_t room = sizeof lines->missing - lines->missing_len;
    int len = snprintf(lines->missing + lines->missing_len, room, from == to ? "%s%d" : "%s%d-%d", lines->missing_len != 0 ? " " : "", from, to);
    lines->missing_len += len > 0 && (size_t)len < room ? (size_t)len : 0;
    lines->missing[lines->missing_len] = '\0';
}

/* Lines without code between two that did not run do not part them. */
static void count_lines(struct lines *lines)
{
    int from = 0, to = 0;
    for (int line = 1; line < COVERAGE_LINES; line++) {
        if ((lines->known[line / 8] >> line % 8 & 1) == 0) {
            continue;
        }
        bool ran = coverage_has(lines->file, line);
        lines->told.lines++;
        lines->told.ran += ran;
        if (ran && from != 0) {
            add_missing(lines, from, to);
            from = 0;
        } else if (!ran) {
            from = from != 0 ? from : line;
            to = line;
        }
    }
    if (from != 0) {
        add_missing(lines, from, to);
    }
}

static void tell_coverage_of(struct run *run, const char *file)
{
    happn_error error;
    struct str text;
    struct lines *lines = memory_zalloc(NULL, sizeof *lines);
    bool is_test = str_ends(str_of(file), STR_LIT("_test.lua"));
    if (lines != NULL && !is_test && files_read(&run->arena, run->root, file, &text, &error) == HAPPN_OK && !str_starts(text, STR_LIT("---@meta")) &&
        globals_lines(&run->arena, file, text, take_line, lines, &error) == HAPPN_OK) {
        lines->file = coverage_find(&run->coverage, file);
        lines->told.file = file;
        lines->told.missing = lines->missing;
        count_lines(lines);
        run->options->covered(&lines->told, run->options->arg);
    }
    memory_free(NULL, lines);
}

static void tell_coverage(struct run *run)
{
    struct file_list all = {0};
    happn_error error;
    if (files_find(&run->arena, run->root, ".lua", &all, &error) == HAPPN_OK) {
        for (size_t i = 0; i < all.count; i++) {
            tell_coverage_of(run, all.names[i]);
        }
    }
}

/* -- all -- */

static happn_status list_files(struct run *run, happn_error *error)
{
    const happn_test_options *options = run->options;
    happn_status status = HAPPN_OK;
    if (options->file_count == 0) {
        return files_find(&run->arena, run->root, "_test.lua", &run->files, error);
    }
    for (size_t i = 0; i < options->file_count && status == HAPPN_OK; i++) {
        status = files_take(&run->arena, run->root, options->files[i], "_test.lua", &run->files, error);
    }
    return status;
}

static happn_status find_root(struct run *run, happn_error *error)
{
    const happn_test_options *options = run->options;
    struct config config = {0};
    happn_status status = HAPPN_OK;
    if (options->root == NULL && options->config != NULL) {
        status = config_parse(&config, NULL, str_make(options->config, options->config_len), options->base_dir, error);
    }
    const char *of_config = config.script_root.len != 0 ? config.script_root.ptr : options->base_dir;
    const char *root = options->root != NULL ? options->root : of_config != NULL ? of_config : ".";
    if (status == HAPPN_OK && (run->root = realpath(root, NULL)) == NULL) {
        status = error_set(error, HAPPN_E_ARGUMENT, "%s is no folder", root);
    }
    config_fini(&config);
    return status;
}

happn_status happn_test(const happn_test_options *options, happn_test_summary *summary, happn_error *error)
{
    struct run run = {.options = options};
    if (options->size < sizeof *options || options->tell == NULL || (options->coverage && options->covered == NULL)) {
        return error_set(error, HAPPN_E_ARGUMENT, "options of another version, or without tell and covered");
    }
    happn_status status = find_root(&run, error);
    if (status != HAPPN_OK) {
        return status;
    }
    arena_init(&run.arena, NULL);
    run.coverage.arena = &run.arena;
    status = list_files(&run, error);
    for (size_t i = 0; i < run.files.count && status == HAPPN_OK; i++) {
        run_file(&run, run.files.names[i]);
    }
    if (status == HAPPN_OK && options->coverage) {
        tell_coverage(&run);
    }
    *summary = run.summary;
    arena_fini(&run.arena);
    free(run.root);
    return status;
}
