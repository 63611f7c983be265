/* A task: one message on its way through the scripts, one request of a route, or work that nobody waits for; a pooled coroutine that may
 * wait. */
#ifndef HAPPN_SCRIPT_TASK_H
#define HAPPN_SCRIPT_TASK_H

#include "core/session.h"
#include "happn/auth.h"
#include "script/generation.h"

enum task_kind { TASK_INBOUND, TASK_OUTBOUND, TASK_ROUTE, TASK_BACKGROUND };

/* The store operation, sleep or group of tasks that a task waits for; one at a time. */
struct call {
    struct fetch *fetch;     /* an answer over HTTP, awaited or just come */
    struct request *request; /* prepared by the script, not yet given to the core */
    size_t together;         /* tasks of happn.together that have not ended */
    bool together_failed;    /* one of them */
    bool is_stream;          /* an answer in parts, until its last part has left */
    struct task *stream;     /* whose answer that is; only while is_stream */
    bool is_sleep, is_done;
    uint64_t sleep_ms;
    happn_status status;     /* OK: result is JSON text; otherwise what call_fail was told, as far as there was memory */
    struct buf result;
};

/* What the script's view of a message or request points at; NULL when it has ended. Lives in a userdata. */
struct task_view {
    struct task *task;
};

/* Whose rights its calls have, and how many scripts in a row led to it. */
struct actor {
    struct identity *identity; /* a reference; NULL: nobody */
    bool is_trusted;
    unsigned depth;
};

/* A background task's function of a script. */
struct background {
    int function;              /* reference in the registry */
    bool owns_function;
    bool gives_config;         /* behind its arguments: the script's config */
    int arguments;             /* reference of {n = 2, ...}, its own; LUA_NOREF: body has them, a JSON array */
    struct actor actor;
    struct task *parent;       /* of happn.together: uses up the parent's budget */
    bool is_begun;             /* by a call: it counts in the script's share */
    const void *origin;        /* the session that it goes back to, only to be compared; NULL: none */
    happn_login *login;        /* of M.login: who waits to be told */
    int results, slot;         /* reference of the parent's list, and the place in it */
    void (*ended)(void *owner);
    void *owner;
};

struct task {
    struct link link; /* first: calls go over a session of our own */
    struct session *session;
    struct scripts *scripts;
    struct generation *generation;
    struct task *previous, *next; /* running, or the pool */
    struct task *next_ready;
    enum task_kind kind;
    lua_State *co;
    struct budget budget;
    struct call call;
    struct task_view *view;
    /* what it is about */
    happn_message *message;
    happn_http *http;
    struct script *script;
    const char *hook;
    const char *place;                 /* the same for the watchdog, which may look at it whenever it likes: a text that stays */
    size_t index;                      /* of the script in its chain */
    const struct script_route *route;
    struct background work;
    lua_CFunction starts;              /* has yet to begin with this */
    uint64_t id;                       /* for those who look at what runs */
    uint64_t started;                  /* of the loop's clock */
    /* how it ends */
    happn_verdict verdict;
    enum { LOGIN_FAILED, LOGIN_ACCEPTED, LOGIN_USUAL, LOGIN_REFUSED, LOGIN_REFUSED_BECAUSE } answer; /* of M.login; body has the name or the reason */
    int status;
    char *content_type; /* of the answer over HTTP; NULL: the usual one for what body is */
    bool is_plain;      /* and that is text, not JSON */
    struct buf body;
    /* where it is */
    bool is_stopping; /* M.stop: it runs while others are cancelled */
    bool is_silent; /* it ends without a word in the log */
    bool is_streaming; /* its answer goes out in parts: it may take as long as it likes */
    bool has_writers;  /* others may wait for its reader */
    bool is_paused;   /* its slice has ended */
    bool is_running, is_ready, is_parked, is_cancelled, has_timer;
    uint64_t deadline; /* of the loop's clock, 0 until it waits */
    uv_timer_t timer;
};

/* NULL: too many are under way, or no memory. */
struct task *task_new(struct generation *generation, enum task_kind kind);

/* It runs its script's function: from now on that is what the loop's thread is at. */
void task_tell_place(const struct task *task);

/* Runs main(task) until it has ended (true: the outcome is in the task, which the caller must release) or waits (false). */
bool task_start(struct task *task, lua_CFunction main);
void task_release(struct task *task);
/* Frees what is pooled, once nothing runs. */
void task_free_pool(struct generation *generation);
/* Parts of the end: its coroutine is of no use any more; the script's view of what it is about is void; its session ends. */
void task_drop_thread(struct task *task);
void task_end_view(struct task *task);
void task_leave_session(struct task *task);

/* Ends a waiting task now, as a failure with this text. */
void task_cancel(struct task *task, const char *why);

/* The budget of one call of this kind. */
struct budget task_budget(const struct task *task);

/* NULL: forgets it. False: no memory. */
bool task_set_content_type(struct task *task, const char *type);

/* Logs the failure under an id. */
void task_report(struct task *task, const char *text, char id[ERROR_ID_SIZE]);
/* Logs the failure and gives the neutral error to the client. text is what went wrong. */
void task_fail(struct task *task, const char *text);

/* What a waiting task does when it has ended: layer.c and route.c. Releases it. */
void layer_finish(struct task *task);
void route_finish(struct task *task);
void background_finish(struct task *task);

/* Who a task's calls are made for. Borrowed. */
struct actor task_actor(const struct task *task);
/* Ends what the task waits for together. */
void task_cancel_children(struct task *task);

/* calls.c: the protocol of the sessions that tasks call through. */
extern const struct protocol script_protocol;
extern const struct link_ops script_link_ops;
/* The call is done: go on, later. */
void task_wake(struct task *task);

#endif
