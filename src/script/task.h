/* A task: one message on its way through the scripts, or one request of a route; a pooled coroutine that may wait. */
#ifndef HAPPN_SCRIPT_TASK_H
#define HAPPN_SCRIPT_TASK_H

#include "core/session.h"
#include "script/generation.h"

enum task_kind { TASK_INBOUND, TASK_OUTBOUND, TASK_ROUTE };

/* The store operation or sleep that a task waits for; one at a time. */
struct call {
    struct request *request; /* prepared by the script, not yet given to the core */
    bool is_sleep, is_done;
    uint64_t sleep_ms;
    happn_error error;       /* status OK: result is JSON text */
    struct buf result;
};

/* What the script's view of a message or request points at; NULL when it has ended. Lives in a userdata. */
struct task_view {
    struct task *task;
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
    size_t index;                      /* of the script in its chain */
    const struct script_route *route;
    /* how it ends */
    happn_verdict verdict;
    int status;
    char content_type[128];
    struct buf body;
    /* where it is */
    bool is_running, is_ready, is_parked, is_cancelled, has_timer;
    uint64_t deadline; /* of the loop's clock, 0 until it waits */
    uv_timer_t timer;
};

/* NULL: too many are under way, or no memory. */
struct task *task_new(struct generation *generation, enum task_kind kind);

/* Runs main(task) until it has ended (true: the outcome is in the task, which the caller must release) or waits (false). */
bool task_start(struct task *task, lua_CFunction main);
void task_release(struct task *task);
/* Frees what is pooled, once nothing runs. */
void task_free_pool(struct generation *generation);

/* Ends a waiting task now, as a failure with this text. */
void task_cancel(struct task *task, const char *why);

/* The budget of one call of this kind. */
struct budget task_budget(const struct task *task);

/* Logs the failure and gives the neutral error to the client. text is what went wrong. */
void task_fail(struct task *task, const char *text);

/* What a waiting task does when it has ended: layer.c and route.c. Releases it. */
void layer_finish(struct task *task);
void route_finish(struct task *task);

/* calls.c: the protocol of the sessions that tasks call through. */
extern const struct protocol script_protocol;
extern const struct link_ops script_link_ops;
/* The call is done: go on, later. */
void task_wake(struct task *task);

#endif
