/* happn repl: Lua, line by line. It is a client that happens to be written in Lua: what it calls goes over a connection to a running server, or
 * within the process to one of its own. While it waits for a line the loop goes on, so timers run and events arrive. */

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "happn/workshop.h"
#include "script/sandbox.h"
#include "workshop/listing.h"
#include "workshop/names.h"
#include "workshop/testing.h"

enum { REPL_MEMORY = 512 << 20, MAX_MESSAGE = 32 << 20, MOST_INPUT = 1 << 20, MOST_SHOWN = 100000 };

/* One line may do a lot, but not for ever. */
static const struct budget budget = {INT64_C(10000000000), INT64_C(60000000000)};

static const char prelude[] =
    "local client, write = ...\n"
    "local given = happn\n"
    "happn = { path = given.path, json = given.json, null = given.null, array = given.array, table = given.table,\n"
    "          is_null = given.is_null, uuid = given.uuid }\n"
    "local wanted = { get = { 'a path' }, set = { 'a path', 'data' }, publish = { 'a path', 'data' }, remove = { 'a path' }, count = { 'a path' },\n"
    "                 paths = { 'a path' }, on = { 'a path', 'a function' }, off = { 'what happn.on has returned' } }\n"
    "for verb, arguments in pairs(wanted) do\n"
    "  happn[verb] = function(...)\n"
    "    for i, what in ipairs(arguments) do\n"
    "      local given = select(i, ...)\n"
    "      if given == nil or (what == 'a path' and type(given) ~= 'string') then error('happn.' .. verb .. ': ' .. what .. ' is missing', 2) end\n"
    "    end\n"
    "    return (client[verb](client, ...))\n"
    "  end\n"
    "end\n"
    "function print(...)\n"
    "  local texts = table.pack(...)\n"
    "  for i = 1, texts.n do texts[i] = tostring(texts[i]) end\n"
    "  write(table.concat(texts, '\\t') .. '\\n')\n"
    "end\n"
    "function help()\n"
    "  print('happn.get(path, options)  set(path, data, options)  remove  count  paths  publish(path, data)\\n' ..\n"
    "        'happn.on(path, fn) calls fn(data, meta) for every event; happn.off(what on has returned)\\n' ..\n"
    "        'happn.path json null array table is_null uuid; print; exit, or the end of the input, ends')\n"
    "end\n";

struct repl {
    const happn_repl_options *options;
    struct testing testing;
    struct buf input, chunk; /* read and not yet used; the statement so far */
    uv_poll_t poll, interrupt;
    bool is_polled, is_readable, is_over;
    bool is_running; /* a statement */
    bool has_said; /* something, since the editor was told */
    /* completion */
    struct str typed;
    names_take_fn take;
    void *take_arg;
    size_t part;
};

static void say(struct repl *repl, const char *text)
{
    repl->has_said = true;
    repl->options->write(text, strlen(text), repl->options->arg);
}

/* Ctrl-C was pressed. */
static bool wants_end(void *arg)
{
    const struct repl *repl = arg;
    struct pollfd poll_one = {.fd = repl->options->interrupt, .events = POLLIN};
    return poll(&poll_one, 1, 0) == 1;
}

/* -- the state -- */

/* Upvalue 1: the repl. */
static int write_text(lua_State *L)
{
    say(lua_touserdata(L, lua_upvalueindex(1)), luaL_checkstring(L, 1));
    return 0;
}

static int set_up(lua_State *L)
{
    struct repl *repl = lua_touserdata(L, 1);
    struct testing *testing = &repl->testing;
    struct script *script = &testing->script;
    lua_settop(L, 0);
    guest_install(L, testing);
    lua_newtable(L);
    script->modules = luaL_ref(L, LUA_REGISTRYINDEX);
    sandbox_push_environment(L, script);
    lua_pushvalue(L, 1);
    script->environment = luaL_ref(L, LUA_REGISTRYINDEX);
    if (luaL_loadbufferx(L, prelude, sizeof prelude - 1, "=prelude", "t") != LUA_OK) {
        return lua_error(L);
    }
    lua_pushvalue(L, 1);
    lua_setupvalue(L, -2, 1);
    guest_wrap(L, testing, testing->host);
    lua_pushlightuserdata(L, repl);
    lua_pushcclosure(L, write_text, 1);
    lua_call(L, 2, 0);
    lua_getfield(L, 1, "happn");
    module_close_table(L, "happn");
    return 0;
}

static happn_status open_client(struct repl *repl, happn_error *error)
{
    struct testing *testing = &repl->testing;
    const happn_repl_options *options = repl->options;
    struct answer answer = {0};
    happn_status status;
    if (options->connect != NULL) {
        status = happn_client_connect(testing->house.runtime, options->connect, options->connect_len, testing_take_status, &answer, &testing->host);
    } else {
        status = happn_client_open(testing->house.service, testing_take_status, &answer, &testing->host);
    }
    if (status != HAPPN_OK) {
        return error_set(error, status, "%s", happn_status_text(status));
    }
    house_wait(&testing->house, &answer.is_done);
    if (answer.error.status != HAPPN_OK && error != NULL) {
        *error = answer.error;
    }
    return answer.error.status;
}

static happn_status open_repl(struct repl *repl, happn_error *error)
{
    static const struct script_entry no_entry;
    const happn_repl_options *options = repl->options;
    struct testing *testing = &repl->testing;
    struct scripts_options limits = {.root = options->base_dir != NULL ? options->base_dir : ".", .memory = REPL_MEMORY};
    struct str config = options->connect != NULL  ? STR_NONE
                        : options->config != NULL ? str_make(options->config, options->config_len)
                                                  : STR_LIT("{\"utils\":{\"logLevel\":\"warn\"}}");
    testing->core = (struct core){.loop = &testing->loop, .limits = {.message_bytes = MAX_MESSAGE}};
    testing_begin(testing);
    happn_status status = trial_open(&testing->trial, &testing->core, &limits, error);
    if (status == HAPPN_OK) {
        testing->has_house = true;
        testing->house.keeps_log = options->editor != NULL;
        status = house_open_live(&testing->house, config, options->base_dir, error);
    }
    if (status == HAPPN_OK) {
        status = open_client(repl, error);
    }
    if (status == HAPPN_OK) {
        testing->script = (struct script){.generation = testing->trial.generation, .entry = &no_entry, .file = "repl", .name = "repl"};
        struct vm *vm = &testing->trial.generation->vm;
        vm_enter(vm, vm->L, budget);
        status = vm_protect(vm, set_up, repl, error);
        (void)vm_leave(vm);
    }
    return status;
}

/* -- one statement -- */

/* Compiles what there is, as an expression when it is one. False: more lines are needed; otherwise the function or the message is pushed. */
static bool compile(lua_State *L, struct repl *repl, int *status)
{
    struct str text = buf_str(&repl->chunk);
    lua_pushfstring(L, "return %s", text.ptr);
    const char *expression = lua_tostring(L, -1);
    *status = luaL_loadbufferx(L, expression, strlen(expression), "=repl", "t");
    if (*status != LUA_OK) {
        lua_pop(L, 1);
        *status = luaL_loadbufferx(L, text.ptr, text.len - 1, "=repl", "t");
    }
    lua_remove(L, -2);
    size_t len;
    const char *message = *status == LUA_ERRSYNTAX ? lua_tolstring(L, -1, &len) : NULL;
    return message == NULL || len < 5 || strcmp(message + len - 5, "<eof>") != 0;
}

/* The repl, and a value. */
static int push_shown(lua_State *L)
{
    struct repl *repl = lua_touserdata(L, 1);
    compare_push_shown(L, &repl->testing, 2, true, MOST_SHOWN);
    return 1;
}

static int push_listed(lua_State *L)
{
    struct repl *repl = lua_touserdata(L, 1);
    struct answer *memory = testing_answer(L, &repl->testing);
    listing_add(L, &memory->data, 2);
    memory->is_done = true;
    lua_pushlstring(L, memory->data.ptr, memory->data.len);
    return 1;
}

/* Leaves the text of the value at index on the stack: JSON when it can be written so. */
static void push_text(lua_State *L, struct repl *repl, int index)
{
    lua_pushcfunction(L, push_shown);
    lua_pushlightuserdata(L, repl);
    lua_pushvalue(L, index);
    if (lua_pcall(L, 2, 1, 0) == LUA_OK || !lua_istable(L, index)) {
        return;
    }
    vm_check(L);
    lua_pop(L, 1);
    lua_pushcfunction(L, push_listed);
    lua_pushlightuserdata(L, repl);
    lua_pushvalue(L, index);
    lua_call(L, 2, 1);
}

static void show_results(lua_State *L, struct repl *repl, int first)
{
    for (int i = first, last = lua_gettop(L); i <= last; i++) {
        push_text(L, repl, i);
        say(repl, lua_tostring(L, -1) != NULL ? lua_tostring(L, -1) : "a value that cannot be shown");
        say(repl, "\n");
        lua_pop(L, 1);
    }
}

static void show_failure(struct repl *repl, const char *text)
{
    const char *trace = strstr(text, "\nstack traceback:");
    size_t len = trace != NULL ? (size_t)(trace - text) : strlen(text);
    if (repl->options->editor != NULL && repl->is_running && wants_end(repl)) {
        say(repl, "\n"); /* behind the ^C that the terminal has shown */
    }
    say(repl, "error: ");
    repl->options->write(text, len, repl->options->arg);
    bool is_away = repl->options->connect != NULL && strncmp(text, "Closed: ", 8) == 0;
    say(repl, is_away ? ": the server has gone; when it is back, go on\n" : "\n");
}

static int evaluate(lua_State *L)
{
    struct repl *repl = lua_touserdata(L, 1);
    int status;
    lua_settop(L, 0);
    lua_pushcfunction(L, vm_traceback);
    if (!compile(L, repl, &status) && !repl->is_over) {
        return 0; /* the chunk stays: it goes on in the next line */
    }
    buf_clear(&repl->chunk);
    if (status == LUA_OK) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, repl->testing.script.environment);
        lua_setupvalue(L, -2, 1);
        status = lua_pcall(L, 0, LUA_MULTRET, 1);
    }
    if (status != LUA_OK) {
        vm_enter(vm_of(L), L, budget); /* what was stopped is still to be told */
        vm_push_error_text(L, -1);
        show_failure(repl, lua_tostring(L, -1));
        return 0;
    }
    show_results(L, repl, 2);
    return 0;
}

static int pump(lua_State *L)
{
    struct repl *repl = lua_touserdata(L, 1);
    testing_pump(L, &repl->testing);
    if (repl->testing.failure[0] != '\0') {
        show_failure(repl, repl->testing.failure);
        repl->testing.failure[0] = '\0';
    }
    return 0;
}

static void run(struct repl *repl, lua_CFunction fn)
{
    happn_error error = {0};
    struct vm *vm = &repl->testing.trial.generation->vm;
    vm_enter(vm, vm->L, budget);
    if (vm_protect(vm, fn, repl, &error) != HAPPN_OK) {
        show_failure(repl, error.message);
        buf_clear(&repl->chunk);
    }
    (void)vm_leave(vm);
    testing_trim(&repl->testing);
}

/* -- ending a statement that runs -- */

static void on_interrupt(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    ((struct repl *)poll->data)->testing.house.is_interrupted = true;
    uv_poll_stop(poll);
}

static void begin_interrupt(struct repl *repl)
{
    struct vm *vm = &repl->testing.trial.generation->vm;
    vm->wants_end = wants_end;
    vm->wants_end_arg = repl;
    uv_poll_init(&repl->testing.house.loop->uv, &repl->interrupt, repl->options->interrupt);
    repl->interrupt.data = repl;
}

static void end_interrupt(struct repl *repl)
{
    repl->testing.trial.generation->vm.wants_end = NULL;
    uv_close((uv_handle_t *)&repl->interrupt, NULL);
}

/* What was pressed before is over. */
static void listen_for_interrupt(struct repl *repl)
{
    char bytes[64];
    while (read(repl->options->interrupt, bytes, sizeof bytes) > 0) {
    }
    repl->testing.house.is_interrupted = false;
    uv_poll_start(&repl->interrupt, UV_READABLE, on_interrupt);
}

/* -- lines -- */

/* Lines of the log would go across the one that is being edited. */
static void say_log(struct repl *repl)
{
    struct buf text;
    buf_init(&text, NULL, MOST_INPUT);
    house_take_log(&repl->testing.house, &text);
    if (text.len != 0) {
        buf_add_char(&text, '\0');
        say(repl, text.status == HAPPN_OK ? text.ptr : "(the log is too long to be shown)\n");
    }
    buf_fini(&text);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    ((struct repl *)poll->data)->is_readable = true;
}

/* A file is always readable, and cannot be watched. */
static void begin_input(struct repl *repl)
{
    struct testing *testing = &repl->testing;
    repl->is_polled = uv_poll_init(&testing->house.loop->uv, &repl->poll, repl->options->input) == 0;
    repl->poll.data = repl;
    if (repl->is_polled) {
        uv_poll_start(&repl->poll, UV_READABLE, on_readable);
    }
}

static void end_input(struct repl *repl)
{
    if (repl->is_polled) {
        uv_close((uv_handle_t *)&repl->poll, NULL);
    }
}

/* Meanwhile events arrive. True: there is input; false: something was said. */
static bool wait_a_turn(struct repl *repl)
{
    repl->is_readable = !repl->is_polled;
    repl->has_said = false;
    while (!repl->is_readable && !repl->has_said) {
        uv_run(&repl->testing.house.loop->uv, UV_RUN_ONCE);
        run(repl, pump);
        say_log(repl);
    }
    return repl->is_readable;
}

static void wait_for_input(struct repl *repl)
{
    while (!wait_a_turn(repl)) {
    }
}

static void read_input(struct repl *repl)
{
    char bytes[4096];
    wait_for_input(repl);
    ssize_t len = read(repl->options->input, bytes, sizeof bytes);
    if (len > 0) {
        buf_add(&repl->input, bytes, (size_t)len);
    }
    repl->is_over = len <= 0 || repl->input.status != HAPPN_OK;
}

/* Moves one line from the input to the chunk; at the end the rest counts as one. False: there is none yet. */
static bool take_line(struct repl *repl)
{
    struct buf *input = &repl->input;
    const char *end = input->len != 0 ? memchr(input->ptr, '\n', input->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - input->ptr) + 1 : repl->is_over ? input->len : 0;
    if (len == 0) {
        return false;
    }
    if (repl->chunk.len != 0) {
        repl->chunk.len--; /* the NUL */
    }
    buf_add(&repl->chunk, input->ptr, len);
    buf_add_char(&repl->chunk, '\0');
    memmove(input->ptr, input->ptr + len, input->len - len);
    input->len -= len;
    return repl->chunk.status == HAPPN_OK;
}

static bool is_blank(const struct repl *repl)
{
    return repl->chunk.len == 0 || strspn(repl->chunk.ptr, " \t\r\n") + 1 == repl->chunk.len;
}

static bool is_word(const struct repl *repl, const char *word)
{
    const char *text = repl->chunk.ptr + strspn(repl->chunk.ptr, " \t");
    size_t len = strlen(word), rest = strncmp(text, word, len) == 0 ? strspn(text + len, "() \t\r\n;") : 0;
    return rest != 0 && text[len + rest] == '\0';
}

/* Carries out the statement when it is whole. False: it was the last. */
static bool take_statement(struct repl *repl)
{
    if (is_blank(repl)) {
        buf_clear(&repl->chunk);
        return true;
    }
    if (is_word(repl, "exit") || is_word(repl, "quit")) {
        buf_clear(&repl->chunk);
        return false;
    }
    if (is_word(repl, "help")) {
        buf_clear(&repl->chunk);
        buf_add(&repl->chunk, "help()", sizeof "help()");
    }
    run(repl, evaluate);
    say_log(repl);
    return true;
}

static void prompt(struct repl *repl)
{
    if (repl->options->is_terminal) {
        say(repl, repl->chunk.len != 0 ? ">> " : "> ");
    }
}

static void loop_lines(struct repl *repl)
{
    prompt(repl);
    for (;;) {
        if (take_line(repl)) {
            if (!take_statement(repl)) {
                return;
            }
            prompt(repl);
        } else if (repl->is_over) {
            break;
        } else {
            read_input(repl);
        }
    }
    if (!is_blank(repl)) { /* a statement without its end */
        run(repl, evaluate);
    }
}

/* -- lines that a person edits -- */

static int wait_for_key(void *arg)
{
    return wait_a_turn(arg);
}

static int find_names(lua_State *L)
{
    struct repl *repl = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, repl->testing.script.environment);
    repl->part = names_find(L, 1, repl->typed, repl->take, repl->take_arg);
    return 0;
}

static size_t complete(void *arg, const char *text, size_t len, names_take_fn take, void *take_arg)
{
    struct repl *repl = arg;
    repl->typed = str_make(text, len);
    repl->take = take;
    repl->take_arg = take_arg;
    repl->part = 0;
    run(repl, find_names);
    return repl->part;
}

static void add_line(struct repl *repl, const char *line, size_t len)
{
    buf_add(&repl->input, line, len);
    if (len == 0 || line[len - 1] != '\n') {
        buf_add_char(&repl->input, '\n');
    }
    take_line(repl);
}

static void loop_typed(struct repl *repl)
{
    const happn_repl_editor *editor = repl->options->editor;
    const happn_repl_desk desk = {wait_for_key, complete, repl};
    const char *line;
    size_t len;
    for (int got; (got = editor->read_line(repl->chunk.len != 0 ? ">> " : "> ", &desk, &line, &len, editor->arg)) != 0;) {
        if (got > 0) {
            add_line(repl, line, len);
        }
        if (got < 0) {
            buf_clear(&repl->chunk);
            continue;
        }
        listen_for_interrupt(repl);
        repl->is_running = true;
        bool goes_on = take_statement(repl);
        repl->is_running = false;
        uv_poll_stop(&repl->interrupt);
        if (!goes_on) {
            return;
        }
    }
}

static void loop_terminal(struct repl *repl)
{
    begin_interrupt(repl);
    loop_typed(repl);
    end_interrupt(repl);
}

happn_status happn_repl(const happn_repl_options *options, happn_error *error)
{
    if (options->size < sizeof *options || options->write == NULL) {
        return error_set(error, HAPPN_E_ARGUMENT, "options of another version, or without write");
    }
    struct repl *repl = memory_zalloc(NULL, sizeof *repl);
    if (repl == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    repl->options = options;
    buf_init(&repl->input, NULL, MOST_INPUT);
    buf_init(&repl->chunk, NULL, MOST_INPUT);
    happn_status status = open_repl(repl, error);
    if (status == HAPPN_OK) {
        begin_input(repl);
        (options->editor != NULL ? loop_terminal : loop_lines)(repl);
        end_input(repl);
    }
    testing_end(&repl->testing);
    trial_close(&repl->testing.trial);
    buf_fini(&repl->input);
    buf_fini(&repl->chunk);
    memory_free(NULL, repl);
    return status;
}
