/* What a script may use, and how it is stopped.
 *
 * Memory: the allocator refuses what is over the limit. Lua then collects, tries again and raises "not enough memory",
 * an ordinary error of the script.
 *
 * Time: a count hook ticks every thousand instructions and takes them from the call's budget. When that is gone the hook
 * arms itself for every single instruction before it raises, so a script that catches the error (pcall, xpcall, __close) is
 * stopped at its next instruction, until nothing of the call is left. Work in C that grows with its arguments charges
 * for itself, and large allocations are charged in the allocator, which cannot raise but can arm the hook.
 *
 * The CPU clock is looked at whenever ten thousand steps have been taken, wherever they were: work in C that has charged so many
 * arms the hook for the next instruction, and looks for itself when it goes on for long. Single instructions that take long (two
 * texts of megabytes compared, `next` in an emptied table) are found by a clock that costs little: while very large blocks exist
 * the hook ticks more often, and where the CPU clock agrees that steps take long, at the next instruction. A late tick alone says nothing: the
 * machine may have had other things to do.
 *
 * Slices: what can go on later is interrupted after a millisecond, so that the loop has its turn; the hook yields, which Lua allows where
 * the running thread is the task's own and no C function stands between. Elsewhere (a comparator of table.sort, a coroutine of the
 * script's, an outbound layer) a stretch may take fifty milliseconds and is then killed, as if its budget were gone.
 *
 * Hooks belong to threads: a script's coroutine inherits ours when it is made, but counts its own instructions. So making
 * and resuming coroutines charges too, else a tree of short-lived ones would never tick.
 *
 * A thread that an error of the hook has killed keeps its hooks off, which is how Lua marks "inside a hook". Nothing may
 * run on it any more: its to-be-closed variables would run unwatched. Hence vm_check in everything that closes. */

#include "script/vm.h"

#include <string.h>
#include <time.h>

#include "base/error.h"

enum { HOOK_INTERVAL = 1000, SHORT_INTERVAL = 20, STEPS_A_CLOCK = 10000, STEPS_IN_C = 100000, LATE_NS = 300000, SLOW_STEP_NS = 200 };
enum { MAX_TEXT = 8 << 20, TEXT_HEAD = 64 }; /* of a text that a script makes; what is before its bytes */
enum { LARGE_BLOCK = 4096, HUGE_BLOCK = 1 << 19, BYTES_A_STEP = 64, BYTES_A_COLLECTION_STEP = 16 };
/* A slice ends by the CPU clock; on a machine whose clock is coarse by the instructions. */
enum { SLICE_NS = 1000000, STEPS_A_SLICE = 1000000 };

const char vm_fail_key, vm_call_error_key;

static void on_count(lua_State *L, lua_Debug *where);

/* The hook fires at the next instruction of the thread, to look at the clock. */
static void arm(struct vm *vm, lua_State *thread)
{
    if (thread != NULL && vm->armed != thread && !vm->killed) {
        vm->armed = thread;
        lua_sethook(thread, on_count, lua_gethookmask(thread) | LUA_MASKCOUNT, 1);
    }
}

static void take_steps(struct vm *vm, lua_State *thread, size_t steps)
{
    vm->budget.steps -= (int64_t)steps;
    vm->unseen += steps;
    if (vm->budget.steps <= 0 || vm->unseen >= STEPS_A_CLOCK) {
        arm(vm, thread);
    }
}

/* Lua answers a refusal by a whole collection before it asks again. */
static void *refuse_block(struct vm *vm)
{
    take_steps(vm, vm->running, vm->used / BYTES_A_COLLECTION_STEP);
    return NULL;
}

static void count_huge(struct vm *vm, size_t old_size, size_t size)
{
    vm->huge += size >= HUGE_BLOCK;
    vm->huge -= old_size >= HUGE_BLOCK;
    if (size >= HUGE_BLOCK) {
        arm(vm, vm->running);
    }
}

static void *allocate(void *context, void *ptr, size_t old_size, size_t size)
{
    struct vm *vm = context;
    bool is_text = ptr == NULL && old_size == LUA_TSTRING;
    old_size = ptr != NULL ? old_size : 0; /* for new blocks it is the kind of object */
    if (size == 0) {
        memory_free(vm->allocator, ptr);
        vm->used -= old_size;
        vm->huge -= old_size >= HUGE_BLOCK;
        return NULL;
    }
    bool is_too_long = is_text && size > vm->max_text + TEXT_HEAD && !vm->is_given;
    bool is_full = size > old_size && size - old_size > vm->limit - vm->used;
    if (is_too_long || is_full) {
        vm->was_full = vm->was_full || is_full;
        return refuse_block(vm);
    }
    if (size > LARGE_BLOCK) {
        take_steps(vm, vm->running, size / BYTES_A_STEP);
    }
    void *block = memory_resize(vm->allocator, ptr, size);
    if (block == NULL) {
        return size <= old_size ? ptr : NULL; /* Lua counts on shrinking to succeed */
    }
    vm->used = vm->used - old_size + size;
    count_huge(vm, old_size, size);
    return block;
}

void vm_copy_table(lua_State *L, int from)
{
    from = lua_absindex(L, from);
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, from) != 0;) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
}

const char *vm_push_given(lua_State *L, struct str text)
{
    vm_of(L)->is_given = true;
    const char *pushed = lua_pushlstring(L, text.ptr, text.len);
    vm_of(L)->is_given = false;
    return pushed;
}

happn_status vm_open(struct vm *vm, const struct allocator *allocator, size_t limit, size_t max_json)
{
    *vm = (struct vm){.allocator = allocator, .limit = limit, .max_text = MAX_TEXT};
    buf_init(&vm->out, allocator, max_json);
    arena_init(&vm->scratch, allocator);
    vm->L = lua_newstate(allocate, vm);
    if (vm->L == NULL) {
        return HAPPN_E_MEMORY;
    }
    *(struct vm **)lua_getextraspace(vm->L) = vm;
    return HAPPN_OK;
}

void vm_close(struct vm *vm)
{
    if (vm->L != NULL) {
        lua_close(vm->L);
    }
    buf_fini(&vm->out);
    arena_fini(&vm->scratch);
}

static int64_t clock_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t cpu_now(void)
{
    return clock_now(CLOCK_THREAD_CPUTIME_ID);
}

static void begin_slice(struct vm *vm, struct budget budget)
{
    vm->budget = budget;
    vm->slice_steps = budget.steps;
    vm->slice_start = 0;
    vm->seen = vm->cpu_seen = 0;
    vm->unseen = 0;
}

static int interval(const struct vm *vm)
{
    return vm->is_late ? 1 : vm->huge != 0 ? SHORT_INTERVAL : HOOK_INTERVAL;
}

static void watch(const struct vm *vm, lua_State *thread)
{
    lua_sethook(thread, on_count, LUA_MASKCOUNT | (vm->on_line != NULL ? LUA_MASKLINE : 0), interval(vm));
}

void vm_enter(struct vm *vm, lua_State *thread, struct budget budget)
{
    begin_slice(vm, budget);
    vm->killed = vm->is_paused = vm->is_late = vm->is_given = vm->is_interrupted = false;
    vm->armed = NULL;
    vm->running = vm->own_thread = thread;
    vm->slice_start = vm->cpu_seen = vm->huge != 0 ? cpu_now() : 0; /* its first instruction may be a long one */
    watch(vm, thread);
}

void vm_renew(struct vm *vm, struct budget budget)
{
    begin_slice(vm, budget);
}

lua_State *vm_switch(struct vm *vm, lua_State *thread)
{
    lua_State *before = vm->running;
    vm->running = thread;
    vm->armed = NULL;
    if (!vm->killed && lua_gethookcount(thread) != interval(vm)) {
        watch(vm, thread);
    }
    return before;
}

struct budget vm_leave(struct vm *vm)
{
    if (vm->slice_start != 0) {
        vm->budget.cpu_ns -= cpu_now() - vm->slice_start;
    }
    vm->running = NULL;
    return vm->budget;
}

static void kill_call(lua_State *L)
{
    vm_of(L)->killed = true;
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    luaL_where(L, 0);
    lua_pushstring(L, vm_of(L)->is_interrupted ? "interrupted" : "the script ran too long and was stopped");
    lua_concat(L, 2);
    lua_error(L);
}

enum need { GO_ON, PAUSE, STOP };

/* Never in a call that ends before the first tick. */
static enum need look_at_clock(struct vm *vm, bool can_pause)
{
    int64_t now = cpu_now(), since = vm->cpu_seen != 0 ? now - vm->cpu_seen : 0;
    vm->is_late = since > LATE_NS && since > (int64_t)vm->unseen * SLOW_STEP_NS;
    vm->cpu_seen = now;
    vm->unseen = 0;
    if (vm->slice_start == 0) {
        vm->slice_start = now;
    }
    int64_t took = now - vm->slice_start;
    if (took > vm->budget.cpu_ns) {
        return STOP;
    }
    if (can_pause) {
        return took > SLICE_NS || vm->slice_steps - vm->budget.steps > STEPS_A_SLICE ? PAUSE : GO_ON;
    }
    return took > vm->unbroken_ns && !vm->is_alone ? STOP : GO_ON;
}

/* The cheap clock tells when the dear one is worth a look. */
static bool is_time_to_look(struct vm *vm)
{
    int64_t now = clock_now(CLOCK_MONOTONIC), before = vm->seen;
    vm->seen = now;
    return vm->is_late || (before != 0 && now - before > LATE_NS) || vm->unseen >= STEPS_A_CLOCK || vm->slice_start == 0;
}

/* At a tick that looks at the clock, and before work in C that takes long: what is stuck later is not far from it. */
static void note_line(lua_State *L, const struct vm *vm)
{
    lua_Debug frame;
    for (int level = 0; vm->line != NULL && level < 4 && lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "l", &frame);
        if (frame.currentline > 0) {
            atomic_store_explicit(vm->line, frame.currentline, memory_order_relaxed);
            return;
        }
    }
}

static void tell_line(lua_State *L, const struct vm *vm, lua_Debug *where)
{
    lua_getinfo(L, "S", where);
    if (where->source[0] == '@') {
        vm->on_line(vm->on_line_arg, where->source + 1, where->currentline);
    }
}

static void on_count(lua_State *L, lua_Debug *where)
{
    struct vm *vm = vm_of(L);
    if (where->event == LUA_HOOKLINE) {
        tell_line(L, vm, where);
        return;
    }
    if (!vm->killed) {
        bool can_pause = vm->may_pause && L == vm->own_thread && lua_isyieldable(L);
        vm->budget.steps -= lua_gethookcount(L);
        vm->unseen += (size_t)lua_gethookcount(L);
        bool looks = vm->budget.steps > 0 && is_time_to_look(vm);
        vm->is_interrupted = vm->wants_end != NULL && vm->wants_end(vm->wants_end_arg);
        enum need need = vm->budget.steps <= 0 || vm->is_interrupted ? STOP : looks ? look_at_clock(vm, can_pause) : GO_ON;
        if (looks) {
            note_line(L, vm);
        }
        vm->armed = NULL;
        if (lua_gethookcount(L) != interval(vm)) {
            watch(vm, L);
        }
        if (need == PAUSE) {
            vm->is_paused = true;
            lua_yield(L, 0);
            return;
        }
        if (need == GO_ON) {
            return;
        }
    }
    kill_call(L);
}

void vm_check(lua_State *L)
{
    if (vm_of(L)->killed) {
        kill_call(L);
    }
}

void vm_charge(lua_State *L, size_t steps)
{
    struct vm *vm = vm_of(L);
    if (steps >= STEPS_A_CLOCK) {
        note_line(L, vm);
    }
    take_steps(vm, L, steps > INT32_MAX ? INT32_MAX : steps);
    bool is_over = vm->budget.steps <= 0 || vm->killed;
    if (!is_over && vm->unseen >= STEPS_IN_C && vm->running != NULL) {
        is_over = look_at_clock(vm, false) == STOP;
        vm->unseen = STEPS_A_CLOCK; /* the hook shall look, too: it can pause */
    }
    if (is_over) {
        kill_call(L);
    }
}

/* They live as long as the state: each is looked for in the registry once. */
static const void *metatable_of(lua_State *L, const void *key)
{
    struct vm_kind *kind = vm_of(L)->kinds;
    for (int i = 0; i < VM_KINDS && kind->key != NULL; i++, kind++) {
        if (kind->key == key) {
            return kind->metatable;
        }
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
    const void *metatable = lua_topointer(L, -1);
    lua_pop(L, 1);
    if (metatable != NULL && kind < vm_of(L)->kinds + VM_KINDS) {
        *kind = (struct vm_kind){key, metatable};
    }
    return metatable;
}

bool vm_has_metatable(lua_State *L, int index, const void *key)
{
    if (!lua_getmetatable(L, index)) {
        return false;
    }
    bool same = lua_topointer(L, -1) == metatable_of(L, key);
    lua_pop(L, 1);
    return same;
}

static const char *raw_text(lua_State *L, int index, const char *field)
{
    lua_pushstring(L, field);
    lua_rawget(L, index);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1); /* the table keeps it alive */
    return text;
}

void vm_push_error_text(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    int type = lua_type(L, index);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        lua_pushvalue(L, index);
        lua_tostring(L, -1);
        return;
    }
    const char *name = NULL, *message = NULL;
    if (type == LUA_TTABLE) {
        name = raw_text(L, index, "name");
        message = raw_text(L, index, "message");
    }
    if (message != NULL) {
        lua_pushfstring(L, "%s: %s", name != NULL ? name : "error", message);
        return;
    }
    lua_pushfstring(L, "(the error is a %s without a message)", lua_typename(L, type));
}

static void remember_place(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_Debug frame;
    vm->error_source[0] = '\0';
    vm->error_line = 0;
    for (int level = 0; lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "Sl", &frame);
        if (frame.currentline > 0) {
            vm->error_line = frame.currentline;
            strcpy(vm->error_source, frame.short_src);
            return;
        }
    }
}

static void add_level(lua_State *L, luaL_Buffer *text, lua_Debug *frame)
{
    lua_getinfo(L, "Slnt", frame);
    lua_pushfstring(L, frame->currentline > 0 ? "\n\t%s:%d: in " : "\n\t%s: in ", frame->short_src, frame->currentline);
    luaL_addvalue(text);
    if (frame->name != NULL) {
        lua_pushfstring(L, "%s '%s'", frame->namewhat, frame->name);
    } else if (*frame->what == 'm') {
        lua_pushliteral(L, "main chunk");
    } else if (*frame->what == 'C') {
        lua_pushliteral(L, "?");
    } else {
        lua_pushfstring(L, "function <%s:%d>", frame->short_src, frame->linedefined);
    }
    luaL_addvalue(text);
    luaL_addstring(text, frame->istailcall ? "\n\t(...tail calls...)" : "");
}

enum { MOST_LEVELS = 24, MOST_OF_MESSAGE = 65536 };

/* Lua's own looks for the stack's lowest levels, too: from two hundred thousand that takes it a quarter of a second. */
void vm_push_traceback(lua_State *L, const char *message)
{
    luaL_Buffer text;
    lua_Debug frame;
    int level = 1;
    luaL_buffinit(L, &text);
    size_t len = message != NULL ? strlen(message) : 0;
    luaL_addlstring(&text, message, len < MOST_OF_MESSAGE ? len : MOST_OF_MESSAGE);
    luaL_addstring(&text, message != NULL ? "\nstack traceback:" : "stack traceback:");
    for (; level <= MOST_LEVELS && lua_getstack(L, level, &frame); level++) {
        add_level(L, &text, &frame);
    }
    luaL_addstring(&text, lua_getstack(L, level, &frame) ? "\n\t..." : "");
    luaL_pushresult(&text);
}

int vm_traceback(lua_State *L)
{
    lua_settop(L, 1);
    remember_place(L);
    if (vm_has_metatable(L, 1, &vm_fail_key)) {
        return 1;
    }
    vm_push_error_text(L, 1);
    vm_push_traceback(L, lua_tostring(L, -1));
    return 1;
}

happn_status vm_protect(struct vm *vm, lua_CFunction fn, void *arg, happn_error *error)
{
    lua_State *L = vm->L;
    int top = lua_gettop(L);
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, arg);
    int status = lua_pcall(L, 1, 0, 0);
    if (status == LUA_OK) {
        return HAPPN_OK;
    }
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "the error is not a text";
    error_set(error, status == LUA_ERRMEM ? HAPPN_E_MEMORY : HAPPN_E_SCRIPT, "%s", text);
    lua_settop(L, top);
    return status == LUA_ERRMEM ? HAPPN_E_MEMORY : HAPPN_E_SCRIPT;
}
