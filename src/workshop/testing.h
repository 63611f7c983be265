/* One file of tests: the Lua state it runs in, the case that is running, and what belongs to that. */
#ifndef HAPPN_WORKSHOP_TESTING_H
#define HAPPN_WORKSHOP_TESTING_H

#include "happn/client.h"
#include "script/trial.h"
#include "script/value.h"
#include "workshop/house.h"

/* Of users for whom a test names none. */
#define TESTING_PASSWORD "of this test"

struct testing;

/* What a verb waits for. It lives until the case is over, because its answer may be late. */
struct answer {
    struct answer *next;
    struct testing *testing;
    bool is_done;
    happn_error error; /* status OK: data and meta are JSON */
    struct buf data, meta;
};

/* What a script asks another server, which a coroutine with the function of t.on_http plays. */
struct errand {
    struct errand *next;
    struct fetch *fetch;     /* NULL: nobody waits for the answer any more */
    uint64_t deadline;       /* of the loop's clock: the script's timeout */
    uint64_t timeout;        /* in milliseconds */
    struct str request;
    lua_State *co;           /* NULL: not begun */
    bool is_running, is_over;
    uint64_t wake_at;        /* it waits for a time; 0: it does not */
    struct answer *answer;   /* it waits for that; NULL */
};

/* An event on its way to a function of the test. */
struct happening {
    struct happening *next;
    struct listening *listening;
    struct str data, meta;
};

struct listening {
    struct testing *testing;
    int function; /* registry reference */
};

/* t.expect: how often a function is to be called. */
struct expectation {
    struct expectation *next;
    lua_Integer wanted, count;
    char place[96]; /* "a_test.lua:12" */
};

/* A call of a script's to the store. */
struct store_call {
    struct store_call *next;
    struct str action, path, data;
};

struct test_case {
    struct test_case *next;
    const char *name;
    int function, line;
};

struct testing {
    struct arena arena;
    const char *root, *file; /* of the scripts, complete; the file below it */
    struct coverage *coverage;
    struct loop loop; /* of the state's own clock, never run */
    struct core core;
    struct trial trial;
    struct script script;
    struct test_case *cases, **last_case;
    bool is_collecting;
    /* the running case */
    unsigned long number; /* clients of earlier ones are told from those of this one */
    struct arena case_arena;
    struct house house;
    bool has_house, is_secured;
    happn_client *host;
    struct answer *answers;
    struct happening *happenings, **last_happening;
    struct expectation *expectations;
    struct store_call *calls, **last_call;
    int outside;       /* the function of t.on_http, LUA_NOREF: none */
    struct errand *errands, **last_errand;
    struct errand *errand; /* that runs; NULL: the case itself, or a function of an event */
    char failure[2000]; /* of a function that was called by an event; empty: none */
};

/* In upvalue 1 of every function of the module. */
static inline struct testing *testing_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* A case begins and ends. */
void testing_begin(struct testing *testing);
void testing_end(struct testing *testing);

/* Settles, and calls the functions that events are for, until nothing happens any more. */
void testing_pump(lua_State *L, struct testing *testing);

struct answer *testing_answer(lua_State *L, struct testing *testing);
/* Waits for the answer; raises its error, or that none comes. */
void testing_wait(lua_State *L, struct testing *testing, struct answer *answer);
/* The same as the last thing a function does: then it returns what k(L, ..., answer) does, which calls testing_answered. In the function of t.on_http
 * others go on meanwhile. */
int testing_wait_then(lua_State *L, struct testing *testing, struct answer *answer, lua_KFunction k);
/* The answer that k was given; raises its error. */
struct answer *testing_answered(lua_State *L, lua_KContext context);
/* One step of time towards `ticks`; false: it is `ticks` o'clock. */
bool testing_step(struct testing *testing, uint64_t ticks);
void testing_take_result(const happn_result *result, void *answer);
void testing_take_status(happn_status status, const happn_error *error, void *answer);
void testing_take_event(const char *data, size_t data_len, const char *meta, size_t meta_len, void *listening);
/* Raises an error of a verb that could not begin. */
int testing_raise(lua_State *L, happn_status status);

/* Answers that are there and were used: gives their memory back. */
void testing_trim(struct testing *testing);
/* The value of a copy of JSON text; nil for null. */
void testing_push_json(lua_State *L, struct str json);
/* The value at index as JSON, in the case's memory. */
struct str testing_json(lua_State *L, struct testing *testing, int index, const char *name);

/* module.c: pushes the table that require "happn.test" returns. */
void module_push(lua_State *L, struct testing *testing);
/* Asking the table on top of the stack for a member that it does not have is an error: "happn.test has no eqal; did you mean equal?" */
void module_close_table(lua_State *L, const char *name);
/* server.c: makes sure that there is a server, as the options at index say (nil: any); takes away what of them is a server's. */
void server_ensure(lua_State *L, struct testing *testing, int options, bool must_be_new);
/* Makes a user of a secured server: the options' groups, permissions, password. */
void server_add_user(lua_State *L, struct testing *testing, const char *name, int options);
/* guest.c: pushes a client. username NULL: the host itself. */
void guest_push(lua_State *L, struct testing *testing, const char *username, const char *password);
/* The same for a client that is there. */
void guest_wrap(lua_State *L, struct testing *testing, happn_client *client);
void guest_install(lua_State *L, struct testing *testing);
/* outside.c: other servers, as the function of t.on_http plays them. */
struct script_outside outside_of(struct testing *testing);
/* Lets those go on who can; false: nobody can. */
bool outside_serve(lua_State *L, struct testing *testing);
/* When the next one can; UINT64_MAX: time alone helps none. */
uint64_t outside_next(const struct testing *testing);
/* The case is over: those that wait are closed. */
void outside_close(lua_State *L, struct testing *testing);
/* request.c: method, path, body and headers from index on; returns the answer, as a function of the module or a client does. token may be NULL. */
int request_ask(lua_State *L, struct testing *testing, int index, const char *token);
/* compare.c: pushes the value at index as a text for people, of `most` bytes; _meta of documents may be left out. */
void compare_push_shown(lua_State *L, struct testing *testing, int index, bool with_meta, size_t most);
/* t.equal. */
int compare_equal(lua_State *L);

#endif
