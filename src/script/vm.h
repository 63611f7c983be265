/* One Lua state with limits: memory through its allocator, instructions and CPU time through a hook. */
#ifndef HAPPN_SCRIPT_VM_H
#define HAPPN_SCRIPT_VM_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/whereabouts.h"
#include "happn/status.h"

struct task;

/* What one call may still use. Kept by the call while it waits, by the VM while it runs. */
struct budget {
    int64_t steps;  /* instructions, and what C functions charge */
    int64_t cpu_ns; /* CPU time */
};

enum { VM_KINDS = 8 };

/* A metatable of ours, by its key in the registry. */
struct vm_kind {
    const void *key, *metatable;
};

struct vm {
    lua_State *L;
    const struct allocator *allocator;
    size_t used, limit;
    size_t max_text;     /* of a text that a script makes */
    size_t huge;         /* very large blocks that exist */
    bool was_full;       /* memory was refused, since somebody last asked */
    bool is_given;       /* the text being made is no script's: it may be as large as a message */
    struct budget budget;
    int64_t slice_start; /* CPU clock at the first look in this slice, 0 before */
    int64_t slice_steps; /* what the budget had when it began */
    int64_t seen;        /* the cheap clock at the last tick */
    int64_t cpu_seen;    /* the CPU clock when it was looked at last, 0: not in this slice */
    size_t unseen;       /* steps since then */
    lua_State *armed;    /* its hook fires at the next instruction */
    bool is_late;        /* single instructions take long: it fires at every one */
    bool is_alone;       /* nobody is served yet: a stretch may take all of its budget */
    bool may_pause;      /* the call can go on later: a long stretch is cut into slices */
    int64_t unbroken_ns; /* how long a stretch that cannot be cut may take */
    bool is_paused;      /* it was: the thread has yielded for no other reason */
    lua_State *own_thread; /* of the task: no coroutine of the script's */
    bool killed;         /* the budget is gone: every instruction raises until the call has ended */
    lua_State *running;  /* the thread whose instructions count */
    struct task *task;   /* whose call runs; NULL while loading */
    bool out_moved;      /* containers in it stand where they did not stand before: it may be nested more deeply than its source was */
    struct buf out;      /* JSON being written; conversions run no Lua code, so one is enough */
    struct arena scratch;
    char error_source[64]; /* where the last error was raised */
    int error_line;
    struct vm_kind kinds[VM_KINDS]; /* those that were asked for */
    void *owner;         /* struct generation */
    bool (*wants_end)(void *arg); /* asked at every tick, for tools: somebody has pressed Ctrl-C; NULL */
    void *wants_end_arg;
    bool is_interrupted; /* it said so */
    atomic_int *line;    /* where the running line is told to the watchdog, now and then; NULL: nowhere */
    void (*on_line)(void *arg, const char *file, int line); /* for coverage */
    void *on_line_arg;
};

/* Opens a state without any library. max_json limits what is written to `out`. */
happn_status vm_open(struct vm *vm, const struct allocator *allocator, size_t limit, size_t max_json);
void vm_close(struct vm *vm);

static inline struct vm *vm_of(lua_State *L)
{
    return *(struct vm **)lua_getextraspace(L);
}

/* Starts and ends a stretch of running on `thread`; the budget is taken and given back. */
void vm_enter(struct vm *vm, lua_State *thread, struct budget budget);
struct budget vm_leave(struct vm *vm);

/* The running call begins anew with this budget. */
void vm_renew(struct vm *vm, struct budget budget);
/* From now on this thread's instructions count. Returns whose did. */
lua_State *vm_switch(struct vm *vm, lua_State *thread);
/* Pushes a new table with the fields of the one at this index. */
void vm_copy_table(lua_State *L, int from);
/* Pushes a text that came from outside: the limit of those that scripts make is not for it. */
const char *vm_push_given(lua_State *L, struct str text);

/* Takes `steps` for work done in C. Raises when the budget is gone. */
void vm_charge(lua_State *L, size_t steps);
/* Raises when the call was killed: for C functions that would run script code without a hook. */
void vm_check(lua_State *L);

/* Calls fn with one light userdata argument on the main state, protected. On failure error has the message. */
happn_status vm_protect(struct vm *vm, lua_CFunction fn, void *arg, happn_error *error);

/* Message handler: turns the error into text with a traceback, without running any metamethod, and remembers its place.
 * Errors of happn.fail pass unchanged. */
int vm_traceback(lua_State *L);

/* Pushes the message, which may be NULL, with the upper levels of the stack. */
void vm_push_traceback(lua_State *L, const char *message);

/* Text of an error object by raw access only. Pushes it. */
void vm_push_error_text(lua_State *L, int index);

/* The metatable of happn.fail's errors and that of failed store calls, by registry key. */
extern const char vm_fail_key, vm_call_error_key;
bool vm_has_metatable(lua_State *L, int index, const void *key);

#endif
