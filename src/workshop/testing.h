/* One file of tests: the Lua state it runs in, the case that is running, and what belongs to that. */
#ifndef HAPPN_WORKSHOP_TESTING_H
#define HAPPN_WORKSHOP_TESTING_H

#include "happn/client.h"
#include "script/trial.h"
#include "script/value.h"
#include "workshop/house.h"

/* Of users for whom a test names none. */
#define TESTING_PASSWORD "of this test"

/* What a verb waits for. It lives until the case is over, because its answer may be late. */
struct answer {
    struct answer *next;
    bool is_done;
    happn_error error; /* status OK: data and meta are JSON */
    struct buf data, meta;
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
    lua_State *L;      /* that waits: what is called meanwhile runs on it */
    int outside;       /* the function of t.on_http, LUA_NOREF: none */
    bool is_answering; /* it runs */
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
/* server.c: makes sure that there is a server, as the options at index say (nil: any); takes away what of them is a server's. */
void server_ensure(lua_State *L, struct testing *testing, int options, bool must_be_new);
/* Makes a user of a secured server: the options' groups, permissions, password. */
void server_add_user(lua_State *L, struct testing *testing, const char *name, int options);
/* guest.c: pushes a client. username NULL: the host itself. */
void guest_push(lua_State *L, struct testing *testing, const char *username, const char *password);
/* The same for a client that is there. */
void guest_wrap(lua_State *L, struct testing *testing, happn_client *client);
void guest_install(lua_State *L, struct testing *testing);
/* outside.c: for house.outside; arg is the testing. */
happn_status outside_answer(void *arg, struct str request, long *status, struct buf *head, struct buf *body, happn_error *error);
/* request.c: method, path, body and headers from index on; pushes the answer. token may be NULL. */
void request_push(lua_State *L, struct testing *testing, int index, const char *token);
/* compare.c: pushes the value at index as a text for people, of `most` bytes; _meta of documents may be left out. */
void compare_push_shown(lua_State *L, struct testing *testing, int index, bool with_meta, size_t most);
/* t.equal. */
int compare_equal(lua_State *L);

#endif
