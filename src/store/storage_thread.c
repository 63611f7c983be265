/* The mutex guards two lists and two flags, and is held for a few instructions only: never while an operation runs.
 * An operation belongs to one side at a time, so its own fields need no lock. The way back is a uv_async handle of
 * our own instead of loop_post(): it needs no memory, and keeps working while the loop is going down. */

#include "store/storage_thread.h"

#include <signal.h>

void op_list_add(struct op_list *list, struct store_op *op)
{
    op->next = NULL;
    if (list->last != NULL) {
        list->last->next = op;
    } else {
        list->first = op;
    }
    list->last = op;
}

void op_list_join(struct op_list *list, struct op_list *more)
{
    if (more->first == NULL) {
        return;
    }
    if (list->last != NULL) {
        list->last->next = more->first;
    } else {
        list->first = more->first;
    }
    list->last = more->last;
    *more = (struct op_list){NULL, NULL};
}

/* Cuts at most `max` operations off the front. */
static struct op_list cut(struct op_list *list, size_t max)
{
    struct op_list batch = {list->first, list->first};
    for (size_t i = 1; i < max && batch.last->next != NULL; i++) {
        batch.last = batch.last->next;
    }
    list->first = batch.last->next;
    if (list->first == NULL) {
        list->last = NULL;
    }
    batch.last->next = NULL;
    return batch;
}

/* Waits for work; false when there will be none. */
static bool wait_for_batch(struct storage_thread *storage, struct op_list *batch)
{
    pthread_mutex_lock(&storage->mutex);
    while (storage->queue.first == NULL && !storage->stopping) {
        pthread_cond_wait(&storage->changed, &storage->mutex);
    }
    bool has_work = storage->queue.first != NULL;
    if (has_work) {
        *batch = cut(&storage->queue, storage->batch_max);
    }
    pthread_mutex_unlock(&storage->mutex);
    return has_work;
}

/* The wake-up is sent under the mutex: once the loop has seen has_ended it closes the handle. */
static void hand_back(struct storage_thread *storage, struct op_list *batch, bool has_ended)
{
    pthread_mutex_lock(&storage->mutex);
    op_list_join(&storage->finished, batch);
    storage->has_ended = has_ended;
    uv_async_send(&storage->wake);
    pthread_mutex_unlock(&storage->mutex);
}

static void *thread_main(void *arg)
{
    struct storage_thread *storage = arg;
    struct op_list batch = {NULL, NULL};
    while (wait_for_batch(storage, &batch)) {
        storage->work->run(storage->context, batch.first);
        hand_back(storage, &batch, false);
        storage->work->rest(storage->context);
    }
    if (storage->is_abandoned) {
        return NULL;
    }
    storage->work->end(storage->context);
    hand_back(storage, &batch, true);
    return NULL;
}

static void on_wake_closed(uv_handle_t *handle)
{
    struct storage_thread *storage = handle->data;
    pthread_cond_destroy(&storage->changed);
    pthread_mutex_destroy(&storage->mutex);
    storage->work->ended(storage->context);
}

static void on_wake(uv_async_t *handle)
{
    struct storage_thread *storage = handle->data;
    pthread_mutex_lock(&storage->mutex);
    struct store_op *op = storage->finished.first;
    storage->finished = (struct op_list){NULL, NULL};
    bool has_ended = storage->has_ended;
    pthread_mutex_unlock(&storage->mutex);
    while (op != NULL) {
        struct store_op *next = op->next;
        storage->work->finished(storage->context, op);
        op = next;
    }
    if (has_ended) {
        pthread_join(storage->thread, NULL);
        uv_close((uv_handle_t *)handle, on_wake_closed);
    }
}

/* The host's signal handlers are not meant for our thread. */
static int start_without_signals(struct storage_thread *storage)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&storage->thread, NULL, thread_main, storage);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

/* The thread comes first: it can be taken back at once, a uv handle only in a later turn. */
happn_status storage_start(struct storage_thread *storage, struct loop *loop, const struct storage_work *work,
                           void *context, size_t batch_max)
{
    *storage = (struct storage_thread){.work = work, .context = context, .batch_max = batch_max};
    pthread_mutex_init(&storage->mutex, NULL);
    pthread_cond_init(&storage->changed, NULL);
    storage->wake.data = storage;
    bool has_thread = start_without_signals(storage) == 0;
    if (has_thread && uv_async_init(&loop->uv, &storage->wake, on_wake) == 0) {
        return HAPPN_OK;
    }
    if (has_thread) {
        storage->is_abandoned = true;
        storage_stop(storage);
        pthread_join(storage->thread, NULL);
    }
    pthread_cond_destroy(&storage->changed);
    pthread_mutex_destroy(&storage->mutex);
    return HAPPN_E_MEMORY;
}

void storage_send(struct storage_thread *storage, struct op_list *list)
{
    pthread_mutex_lock(&storage->mutex);
    op_list_join(&storage->queue, list);
    pthread_cond_signal(&storage->changed);
    pthread_mutex_unlock(&storage->mutex);
}

void storage_stop(struct storage_thread *storage)
{
    pthread_mutex_lock(&storage->mutex);
    storage->stopping = true;
    pthread_cond_signal(&storage->changed);
    pthread_mutex_unlock(&storage->mutex);
}
