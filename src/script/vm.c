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

enum { HOOK_INTERVAL = 1000, TICKS_A_CLOCK = 10, LARGE_BLOCK = 4096, BYTES_A_STEP = 64 };
/* A slice ends by the CPU clock; on a machine whose clock is coarse by the instructions. */
enum { SLICE_NS = 1000000, TICKS_A_SLICE = 1000 };

const char vm_fail_key, vm_call_error_key;

static void on_count(lua_State *L, lua_Debug *where);

static void charge_block(struct vm *vm, size_t size)
{
    vm->budget.steps -= (int64_t)(size / BYTES_A_STEP);
    if (vm->budget.steps <= 0 && vm->running != NULL) {
        lua_sethook(vm->running, on_count, LUA_MASKCOUNT, 1);
    }
}

static void *allocate(void *context, void *ptr, size_t old_size, size_t size)
{
    struct vm *vm = context;
    old_size = ptr != NULL ? old_size : 0; /* for new blocks it is the kind of object */
    if (size == 0) {
        memory_free(vm->allocator, ptr);
        vm->used -= old_size;
        return NULL;
    }
    if (size > old_size && size - old_size > vm->limit - vm->used) {
        return NULL;
    }
    if (size > LARGE_BLOCK) {
        charge_block(vm, size);
    }
    void *block = memory_resize(vm->allocator, ptr, size);
    if (block == NULL) {
        return size <= old_size ? ptr : NULL; /* Lua counts on shrinking to succeed */
    }
    vm->used = vm->used - old_size + size;
    return block;
}

happn_status vm_open(struct vm *vm, const struct allocator *allocator, size_t limit, size_t max_text)
{
    *vm = (struct vm){.allocator = allocator, .limit = limit};
    buf_init(&vm->out, allocator, max_text);
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

static int64_t cpu_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void vm_enter(struct vm *vm, lua_State *thread, struct budget budget)
{
    vm->budget = budget;
    vm->killed = false;
    vm->slice_start = 0;
    vm->ticks = 0;
    vm->is_paused = false;
    vm->running = vm->own_thread = thread;
    lua_sethook(thread, on_count, LUA_MASKCOUNT | (vm->on_line != NULL ? LUA_MASKLINE : 0), HOOK_INTERVAL);
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
    lua_pushliteral(L, "the script ran too long and was stopped");
    lua_concat(L, 2);
    lua_error(L);
}

enum need { GO_ON, PAUSE, STOP };

/* The clock is read rarely, and never in a call that ends before the first tick. */
static enum need look_at_clock(struct vm *vm, bool can_pause)
{
    if (vm->ticks++ % TICKS_A_CLOCK != 0) {
        return GO_ON;
    }
    int64_t now = cpu_now();
    if (vm->slice_start == 0) {
        vm->slice_start = now;
    }
    if (now - vm->slice_start > vm->budget.cpu_ns) {
        return STOP;
    }
    if (can_pause) {
        return now - vm->slice_start > SLICE_NS || vm->ticks > TICKS_A_SLICE ? PAUSE : GO_ON;
    }
    bool is_load = vm->task == NULL; /* nobody is served by it yet */
    return !is_load && now - vm->slice_start > vm->unbroken_ns ? STOP : GO_ON;
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
        vm->budget.steps -= HOOK_INTERVAL;
        enum need need = vm->budget.steps > 0 ? look_at_clock(vm, can_pause) : STOP;
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
    vm->budget.steps -= (int64_t)(steps > INT32_MAX ? INT32_MAX : steps);
    if (vm->budget.steps <= 0 || vm->killed) {
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

int vm_traceback(lua_State *L)
{
    lua_settop(L, 1);
    remember_place(L);
    if (vm_has_metatable(L, 1, &vm_fail_key)) {
        return 1;
    }
    vm_push_error_text(L, 1);
    luaL_traceback(L, L, lua_tostring(L, -1), 1);
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
