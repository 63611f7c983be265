/* A thread that may block, beside a loop that may not: lists of operations go over, and come back finished. */
#ifndef HAPPN_STORE_STORAGE_THREAD_H
#define HAPPN_STORE_STORAGE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

#include "base/loop.h"
#include "store/provider.h"

struct op_list {
    struct store_op *first, *last;
};

void op_list_add(struct op_list *list, struct store_op *op);
void op_list_join(struct op_list *list, struct op_list *more); /* empties `more` */

/* What the owner does, and where. `context` is the owner. */
struct storage_work {
    void (*run)(void *context, struct store_op *first);  /* storage thread: carries out a batch, in order */
    void (*rest)(void *context);                         /* storage thread: after a batch was handed back */
    void (*end)(void *context);                          /* storage thread: everything is done, last call there */
    void (*finished)(void *context, struct store_op *op); /* loop: one operation, in order */
    void (*ended)(void *context);                        /* loop: the thread is gone, `storage` may be freed */
};

struct storage_thread {
    const struct storage_work *work;
    void *context;
    size_t batch_max; /* operations run in one go */
    uv_async_t wake;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct op_list queue;    /* under mutex */
    struct op_list finished; /* under mutex */
    bool stopping;           /* under mutex: take what is queued, then end */
    bool has_ended;          /* under mutex */
    bool is_abandoned;       /* set before stopping: storage_start failed half-way */
};

happn_status storage_start(struct storage_thread *storage, struct loop *loop, const struct storage_work *work,
                           void *context, size_t batch_max);

/* Loop: hands the list over and empties it. */
void storage_send(struct storage_thread *storage, struct op_list *list);

/* Loop: ends the thread when everything sent is done; work->ended follows in a later turn. */
void storage_stop(struct storage_thread *storage);

#endif
