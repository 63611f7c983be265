/* The compiler knows best what is a global: it turns each of them into an access of the upvalue _ENV with a constant key. So the text is
 * compiled, dumped, and the dump is read: scopes, shadowing and goto need no second implementation. The dump is our own, made a moment
 * ago by the same library, but it is read with bounds all the same.
 *
 * Not seen: globals of functions with more than 256 constants, and names of more than 40 bytes, where the compiler needs another way. */

#include "workshop/globals.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"

_Static_assert(LUA_VERSION_NUM == 504, "the format of dumps belongs to a version");

enum { MAX_DUMP = 16 << 20, HEADER = 31, MAX_NESTING = 250, NO_LINE_HERE = -0x80 };
enum { GET_GLOBAL = 11, SET_GLOBAL = 15, FIRST_RETURN = 70, LAST_RETURN = 72, PREPARE_VARARGS = 81 };

struct dump {
    const unsigned char *at, *end;
    bool is_broken;
    struct arena *arena;
    struct global_use *uses;
    void (*take_line)(void *arg, int line); /* NULL: nobody asks */
    void *take_arg;
};

/* One function of the dump: where its parts are. */
struct part {
    const unsigned char *code, *lines, *jumps;
    size_t code_count, line_count, jump_count;
    struct str *constants; /* texts; others are not set */
    size_t constant_count;
    struct str *upvalues;
    size_t upvalue_count;
    int first_line;
};

static const unsigned char *take(struct dump *dump, size_t len)
{
    if (dump->is_broken || len > (size_t)(dump->end - dump->at)) {
        dump->is_broken = true;
        return NULL;
    }
    const unsigned char *at = dump->at;
    dump->at += len;
    return at;
}

/* Seven bits a byte, the last one marked. */
static size_t take_number(struct dump *dump)
{
    size_t number = 0;
    for (int i = 0; i < 10; i++) {
        const unsigned char *byte = take(dump, 1);
        if (byte == NULL) {
            return 0;
        }
        number = (number << 7) | (*byte & 0x7f);
        if ((*byte & 0x80) != 0) {
            return number;
        }
    }
    dump->is_broken = true;
    return 0;
}

static struct str take_text(struct dump *dump)
{
    size_t size = take_number(dump);
    if (size == 0) {
        return STR_NONE;
    }
    const unsigned char *text = take(dump, size - 1);
    return text != NULL ? str_make((const char *)text, size - 1) : STR_NONE;
}

/* A list of `count` texts; its memory is no more than the dump is long. */
static struct str *new_texts(struct dump *dump, size_t count)
{
    if (count > (size_t)(dump->end - dump->at)) {
        dump->is_broken = true;
        return NULL;
    }
    struct str *texts = arena_alloc(dump->arena, (count + 1) * sizeof *texts);
    dump->is_broken = dump->is_broken || texts == NULL;
    return dump->is_broken ? NULL : memset(texts, 0, (count + 1) * sizeof *texts);
}

static struct str take_constant(struct dump *dump)
{
    enum { INTEGER = 0x03, NUMBER = 0x13, SHORT_TEXT = 0x04, LONG_TEXT = 0x14 };
    const unsigned char *tag = take(dump, 1);
    if (tag != NULL && (*tag == SHORT_TEXT || *tag == LONG_TEXT)) {
        return take_text(dump);
    }
    if (tag != NULL && (*tag == INTEGER || *tag == NUMBER)) {
        take(dump, 8);
    }
    return STR_NONE;
}

static void add_use(struct dump *dump, struct str name, int line, bool is_write)
{
    struct global_use *use = arena_alloc(dump->arena, sizeof *use);
    const char *copy = arena_str(dump->arena, name).ptr;
    if (use == NULL || copy == NULL) {
        dump->is_broken = true;
        return;
    }
    *use = (struct global_use){dump->uses, copy, line, is_write};
    dump->uses = use;
}

static int jump_at(const struct part *part, size_t pc, int line)
{
    const unsigned char *at = part->jumps;
    struct dump jumps = {.at = at, .end = at + part->jump_count};
    while (!jumps.is_broken && jumps.at < jumps.end) {
        size_t where = take_number(&jumps), there = take_number(&jumps);
        if (where == pc) {
            return (int)there;
        }
    }
    return line;
}

static unsigned operation_at(const struct part *part, size_t pc)
{
    return part->code[4 * pc] & 0x7f; /* all machines that we run on are little endian */
}

/* The compiler ends every function with a return, also behind one of the author's; and what prepares varargs belongs to no line. */
static bool never_runs(const struct part *part, size_t pc)
{
    if (pc == 0) {
        return operation_at(part, pc) == PREPARE_VARARGS;
    }
    unsigned before = operation_at(part, pc - 1);
    return pc + 1 == part->code_count && before >= FIRST_RETURN && before <= LAST_RETURN;
}

static void look_at_code(struct dump *dump, const struct part *part)
{
    int line = part->first_line;
    for (size_t pc = 0; pc < part->code_count && pc < part->line_count; pc++) {
        const unsigned char *code = part->code + 4 * pc;
        signed char step = (signed char)part->lines[pc];
        line = step == NO_LINE_HERE ? jump_at(part, pc, line) : line + step;
        if (dump->take_line != NULL && !never_runs(part, pc)) {
            dump->take_line(dump->take_arg, line);
        }
        unsigned operation = operation_at(part, pc), a = (code[0] >> 7 | code[1] << 1) & 0xff, b = code[2], c = code[3];
        unsigned upvalue = operation == GET_GLOBAL ? b : a, key = operation == GET_GLOBAL ? c : b;
        if ((operation == GET_GLOBAL || operation == SET_GLOBAL) && upvalue < part->upvalue_count && key < part->constant_count &&
            str_is(part->upvalues[upvalue], "_ENV") && str_is_set(part->constants[key])) {
            add_use(dump, part->constants[key], line, operation == SET_GLOBAL);
        }
    }
}

static void take_debug(struct dump *dump, struct part *part)
{
    part->line_count = take_number(dump);
    part->lines = take(dump, part->line_count);
    size_t jumps = take_number(dump);
    part->jumps = dump->at;
    for (size_t i = 0; i < jumps && !dump->is_broken; i++) {
        take_number(dump);
        take_number(dump);
    }
    part->jump_count = (size_t)(dump->at - part->jumps);
    size_t locals = take_number(dump);
    for (size_t i = 0; i < locals && !dump->is_broken; i++) {
        take_text(dump);
        take_number(dump);
        take_number(dump);
    }
    part->upvalue_count = take_number(dump);
    part->upvalues = new_texts(dump, part->upvalue_count);
    for (size_t i = 0; i < part->upvalue_count && !dump->is_broken; i++) {
        part->upvalues[i] = take_text(dump);
    }
}

static void take_function(struct dump *dump, int depth)
{
    struct part part = {0};
    take_text(dump); /* its source */
    part.first_line = (int)take_number(dump);
    take_number(dump);
    take(dump, 3);
    part.code_count = take_number(dump);
    part.code = part.code_count < MAX_DUMP ? take(dump, 4 * part.code_count) : NULL;
    part.constant_count = take_number(dump);
    part.constants = new_texts(dump, part.constant_count);
    for (size_t i = 0; i < part.constant_count && !dump->is_broken; i++) {
        part.constants[i] = take_constant(dump);
    }
    size_t upvalues = take_number(dump);
    take(dump, upvalues < MAX_DUMP ? 3 * upvalues : SIZE_MAX);
    size_t inner = take_number(dump);
    dump->is_broken = dump->is_broken || depth > MAX_NESTING || part.code == NULL;
    for (size_t i = 0; i < inner && !dump->is_broken; i++) {
        take_function(dump, depth + 1);
    }
    take_debug(dump, &part);
    if (!dump->is_broken) {
        look_at_code(dump, &part);
    }
}

static int write_dump(lua_State *L, const void *bytes, size_t len, void *arg)
{
    (void)L;
    struct buf *out = arg;
    buf_add(out, bytes, len);
    return out->status != HAPPN_OK;
}

static happn_status compile(const char *name, struct str text, struct buf *out, happn_error *error)
{
    char chunk[256];
    lua_State *L = luaL_newstate();
    if (L == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s: out of memory", name);
    }
    snprintf(chunk, sizeof chunk, "@%s", name);
    happn_status status = HAPPN_OK;
    if (luaL_loadbufferx(L, text.ptr, text.len, chunk, "t") != LUA_OK) {
        status = error_set(error, HAPPN_E_SCRIPT, "%s", lua_tostring(L, -1));
    } else if (lua_dump(L, write_dump, out, 0) != 0) {
        status = error_set(error, HAPPN_E_MEMORY, "%s: out of memory", name);
    }
    lua_close(L);
    return status;
}

static happn_status read_dump(struct dump *dump, const char *name, struct str text, happn_error *error)
{
    struct buf bytes;
    buf_init(&bytes, dump->arena->allocator, MAX_DUMP);
    happn_status status = compile(name, text, &bytes, error);
    if (status == HAPPN_OK) {
        dump->at = (const unsigned char *)bytes.ptr;
        dump->end = dump->at + bytes.len;
        take(dump, HEADER);
        take(dump, 1);
        take_function(dump, 0);
        status = dump->is_broken ? error_set(error, HAPPN_E_SCRIPT, "%s: its globals cannot be found", name) : HAPPN_OK;
    }
    buf_fini(&bytes);
    return status;
}

happn_status globals_find(struct arena *arena, const char *name, struct str text, struct global_use **out, happn_error *error)
{
    struct dump dump = {.arena = arena};
    happn_status status = read_dump(&dump, name, text, error);
    *out = dump.uses;
    return status;
}

happn_status globals_lines(struct arena *arena, const char *name, struct str text, void (*take)(void *arg, int line), void *arg, happn_error *error)
{
    struct dump dump = {.arena = arena, .take_line = take, .take_arg = arg};
    return read_dump(&dump, name, text, error);
}
