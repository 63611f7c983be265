#include "base/loop.h"

#include <string.h>

struct loop_post {
    loop_fn fn;
    void *arg;
    struct loop_post *next;
};

static void run_flushes(struct loop *loop)
{
    for (struct loop_flush *flush = loop->flushes, *next; flush != NULL; flush = next) {
        next = flush->next;
        flush->run(flush);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    run_flushes(handle->data);
}

static void on_check(uv_check_t *handle)
{
    run_flushes(handle->data);
}

static void on_wake(uv_async_t *handle)
{
    struct loop *loop = handle->data;
    pthread_mutex_lock(&loop->lock);
    struct loop_post *post = loop->posts;
    loop->posts = NULL;
    loop->posts_tail = &loop->posts;
    pthread_mutex_unlock(&loop->lock);
    while (post != NULL) {
        struct loop_post *next = post->next;
        loop_fn fn = post->fn;
        void *arg = post->arg;
        memory_free(loop->allocator, post);
        fn(arg);
        post = next;
    }
}

happn_status loop_init(struct loop *loop, const struct allocator *allocator)
{
    memset(loop, 0, sizeof *loop);
    loop->allocator = allocator;
    loop->posts_tail = &loop->posts;
    if (pthread_mutex_init(&loop->lock, NULL) != 0 || uv_loop_init(&loop->uv) != 0) {
        return HAPPN_E_MEMORY;
    }
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0) {
        return HAPPN_E_IO;
    }
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    loop->wake.data = loop->prepare.data = loop->check.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_unref((uv_handle_t *)&loop->check);
    return HAPPN_OK;
}

void loop_fini(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->stopping = true;
    pthread_mutex_unlock(&loop->lock);
    on_wake(&loop->wake); /* what was accepted before runs */
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    do {
        uv_run(&loop->uv, UV_RUN_DEFAULT); /* returns at once when somebody has called uv_stop before */
    } while (uv_loop_close(&loop->uv) == UV_EBUSY && uv_loop_alive(&loop->uv));
    pthread_mutex_destroy(&loop->lock);
}

happn_status loop_post(struct loop *loop, loop_fn fn, void *arg)
{
    struct loop_post *post = memory_alloc(loop->allocator, sizeof *post);
    if (post == NULL) {
        return HAPPN_E_MEMORY;
    }
    *post = (struct loop_post){fn, arg, NULL};
    pthread_mutex_lock(&loop->lock);
    bool stopping = loop->stopping;
    if (!stopping) {
        *loop->posts_tail = post;
        loop->posts_tail = &post->next;
        uv_async_send(&loop->wake);
    }
    pthread_mutex_unlock(&loop->lock);
    if (stopping) {
        memory_free(loop->allocator, post);
        return HAPPN_E_CLOSED;
    }
    return HAPPN_OK;
}

void loop_flush_add(struct loop *loop, struct loop_flush *flush)
{
    flush->next = loop->flushes;
    loop->flushes = flush;
}

void loop_flush_remove(struct loop *loop, struct loop_flush *flush)
{
    struct loop_flush **at = &loop->flushes;
    while (*at != NULL && *at != flush) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = flush->next;
    }
}
