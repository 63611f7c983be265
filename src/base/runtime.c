/* A loop, the thread that may run it, and the list of what is open on it. */

#include "base/runtime.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/watchdog.h"

struct happn_runtime {
    struct loop loop;
    const struct allocator *allocator;
    bool is_threaded, is_closing;
    pid_t owner;
    pthread_t thread;
    struct runtime_part *parts;
};

static void stop_when_empty(happn_runtime *runtime)
{
    if (runtime->is_closing && runtime->parts == NULL) {
        uv_stop(&runtime->loop.uv);
    }
}

static void close_parts(void *arg)
{
    happn_runtime *runtime = arg;
    runtime->is_closing = true;
    for (struct runtime_part *part = runtime->parts, *next; part != NULL; part = next) {
        next = part->next;
        part->close(part);
    }
    stop_when_empty(runtime);
}

static void *run_thread(void *arg)
{
    happn_runtime *runtime = arg;
    prctl(PR_SET_NAME, "happn-loop");
    watchdog_loop_runs(&runtime->loop, true);
    uv_run(&runtime->loop.uv, UV_RUN_DEFAULT);
    watchdog_loop_runs(&runtime->loop, false);
    return NULL;
}

/* Signals belong to the host: none of them is delivered on our thread. */
static int start_thread(happn_runtime *runtime)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&runtime->thread, NULL, run_thread, runtime);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

happn_status happn_runtime_open(int mode, happn_runtime **out)
{
    if (out == NULL || (mode != HAPPN_RUNTIME_THREADED && mode != HAPPN_RUNTIME_STEPPED)) {
        return HAPPN_E_ARGUMENT;
    }
    happn_runtime *runtime = memory_zalloc(NULL, sizeof *runtime);
    if (runtime == NULL) {
        return HAPPN_E_MEMORY;
    }
    happn_status status = loop_init(&runtime->loop, NULL);
    if (status != HAPPN_OK) {
        memory_free(NULL, runtime);
        return status;
    }
    runtime->owner = getpid();
    runtime->is_threaded = mode == HAPPN_RUNTIME_THREADED;
    if (runtime->is_threaded && start_thread(runtime) != 0) {
        loop_fini(&runtime->loop);
        memory_free(NULL, runtime);
        return HAPPN_E_MEMORY;
    }
    *out = runtime;
    return HAPPN_OK;
}

happn_status runtime_check(const happn_runtime *runtime)
{
    return runtime->owner == getpid() ? HAPPN_OK : HAPPN_E_FORK;
}

void happn_runtime_close(happn_runtime *runtime)
{
    if (runtime == NULL || runtime_check(runtime) != HAPPN_OK) {
        return; /* in a forked child the loop belongs to the parent: only memory is left behind */
    }
    if (runtime->is_threaded) {
        while (loop_post(&runtime->loop, close_parts, runtime) == HAPPN_E_MEMORY) {
            usleep(1000);
        }
        pthread_join(runtime->thread, NULL);
    } else {
        close_parts(runtime);
        while (runtime->parts != NULL) {
            uv_run(&runtime->loop.uv, UV_RUN_ONCE);
        }
    }
    loop_fini(&runtime->loop);
    memory_free(NULL, runtime);
}

happn_status happn_post(happn_runtime *runtime, void (*fn)(void *arg), void *arg)
{
    happn_status status = runtime_check(runtime);
    return status == HAPPN_OK ? loop_post(&runtime->loop, fn, arg) : status;
}

int happn_runtime_step(happn_runtime *runtime, int wait)
{
    if (runtime->is_threaded) {
        return HAPPN_E_ARGUMENT;
    }
    happn_status status = runtime_check(runtime);
    if (status != HAPPN_OK) {
        return status;
    }
    bool is_idle = runtime->parts == NULL;
    watchdog_loop_runs(&runtime->loop, true);
    uv_run(&runtime->loop.uv, wait != 0 && !is_idle ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    watchdog_loop_runs(&runtime->loop, false);
    return runtime->parts != NULL;
}

int happn_runtime_fd(const happn_runtime *runtime)
{
    return runtime->is_threaded ? HAPPN_E_ARGUMENT : uv_backend_fd(&runtime->loop.uv);
}

int happn_runtime_timeout(const happn_runtime *runtime)
{
    return runtime->is_threaded ? HAPPN_E_ARGUMENT : uv_backend_timeout(&runtime->loop.uv);
}

struct loop *runtime_loop(happn_runtime *runtime)
{
    return &runtime->loop;
}

const struct allocator *runtime_allocator(happn_runtime *runtime)
{
    return runtime->allocator;
}

void runtime_add(happn_runtime *runtime, struct runtime_part *part)
{
    part->previous = NULL;
    part->next = runtime->parts;
    if (part->next != NULL) {
        part->next->previous = part;
    }
    runtime->parts = part;
}

void runtime_remove(happn_runtime *runtime, struct runtime_part *part)
{
    if (part->previous != NULL) {
        part->previous->next = part->next;
    } else {
        runtime->parts = part->next;
    }
    if (part->next != NULL) {
        part->next->previous = part->previous;
    }
    stop_when_empty(runtime);
}
