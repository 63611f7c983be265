#include "base/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/utf8.h"

struct watchdog {
    struct loop *loop;
    struct watchdog_options options;
    uv_async_t sign;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    bool is_ending;
    bool is_asked, is_stuck;
    uint64_t asked_at, looked_at;
    struct stall_totals totals;
};

static uint64_t machine_now(void *arg)
{
    struct timespec now;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Names and paths may be anything, and may have been cut. */
static void make_clean(char *text)
{
    bool is_valid = utf8_is_valid(str_of(text));
    for (; !is_valid && *text != '\0'; text++) {
        *text = (unsigned char)*text < 0x80 ? *text : '?';
    }
}

/* -- the loop's side -- */

/* With lock. False: nothing is to be told. */
static bool note_movement(struct watchdog *watchdog, struct stall *out)
{
    bool was_stuck = watchdog->is_stuck;
    struct stall *last = &watchdog->totals.last;
    watchdog->is_asked = watchdog->is_stuck = false;
    if (!was_stuck) {
        return false;
    }
    atomic_store_explicit(&watchdog->loop->whereabouts.is_stuck, false, memory_order_relaxed);
    last->ms = watchdog->options.now(watchdog->options.arg) - watchdog->asked_at;
    last->is_over = true;
    if (last->ms > watchdog->totals.longest.ms) {
        watchdog->totals.longest = *last;
    }
    *out = *last;
    return true;
}

static void move(struct watchdog *watchdog)
{
    struct stall stall;
    pthread_mutex_lock(&watchdog->lock);
    bool is_over = note_movement(watchdog, &stall);
    pthread_mutex_unlock(&watchdog->lock);
    if (is_over) {
        watchdog->options.tell(watchdog->options.arg, &stall);
    }
}

static void on_sign(uv_async_t *sign)
{
    move(sign->data);
}

void watchdog_loop_runs(struct loop *loop, bool runs)
{
    atomic_store_explicit(&loop->whereabouts.is_running, runs, memory_order_relaxed);
    if (!runs && loop->watchdog != NULL && atomic_load_explicit(&loop->whereabouts.is_stuck, memory_order_relaxed)) {
        move(loop->watchdog);
    }
}

void watchdog_note(struct loop *loop, const char *what, const char *path, size_t path_len)
{
    struct watchdog *watchdog = loop->watchdog;
    if (watchdog == NULL || !atomic_load_explicit(&loop->whereabouts.is_stuck, memory_order_relaxed)) {
        return;
    }
    pthread_mutex_lock(&watchdog->lock);
    struct stall *last = &watchdog->totals.last;
    if (last->note[0] == '\0') {
        int most = path_len < 200 ? (int)path_len : 200;
        snprintf(last->note, sizeof last->note, "%s%s%.*s", what, path_len != 0 ? " of " : "", most, path_len != 0 ? path : "");
        make_clean(last->note);
    }
    pthread_mutex_unlock(&watchdog->lock);
}

struct stall_totals watchdog_totals(const struct loop *loop)
{
    struct stall_totals totals = {.count = 0};
    struct watchdog *watchdog = loop->watchdog;
    if (watchdog != NULL) {
        pthread_mutex_lock(&watchdog->lock);
        totals = watchdog->totals;
        pthread_mutex_unlock(&watchdog->lock);
    }
    return totals;
}

/* -- the thread's side -- */

static const char *text_of(whereabouts_text *field)
{
    return atomic_load_explicit(field, memory_order_acquire);
}

static void describe(struct whereabouts *at, char *out, size_t size)
{
    const char *script = text_of(&at->script), *hook = text_of(&at->hook), *action = text_of(&at->action), *part = text_of(&at->part);
    int line = atomic_load_explicit(&at->line, memory_order_relaxed);
    if (script != NULL && line > 0) {
        snprintf(out, size, "%s, %s, line %d or after", script, hook != NULL ? hook : "?", line);
    } else if (script != NULL) {
        snprintf(out, size, "%s, %s", script, hook != NULL ? hook : "?");
    } else if (action != NULL || part != NULL) {
        snprintf(out, size, "in C: %s%s%s", action != NULL ? action : "", action != NULL && part != NULL ? ", " : "", part != NULL ? part : "");
    } else {
        snprintf(out, size, "in C, at nothing that has a name; or the machine has no time for it");
    }
}

/* With lock. */
static void begin_stall(struct watchdog *watchdog, uint64_t now)
{
    struct stall *last = &watchdog->totals.last;
    *last = (struct stall){.ms = now - watchdog->asked_at};
    describe(&watchdog->loop->whereabouts, last->place, sizeof last->place);
    make_clean(last->place);
    watchdog->totals.count++;
    watchdog->is_stuck = true;
    atomic_store_explicit(&watchdog->loop->whereabouts.is_stuck, true, memory_order_relaxed);
}

/* With lock. True: a stall has begun. Who looks late himself was stopped together with the loop: by a debugger, a SIGSTOP, a machine that slept. */
static bool look(struct watchdog *watchdog, uint64_t now)
{
    uint64_t limit = watchdog->options.limit_ms;
    bool runs = atomic_load_explicit(&watchdog->loop->whereabouts.is_running, memory_order_relaxed);
    bool is_late = now - watchdog->looked_at > limit;
    watchdog->looked_at = now;
    if (watchdog->is_stuck) {
        return false;
    }
    if (!watchdog->is_asked || !runs || is_late) {
        watchdog->is_asked = true;
        watchdog->asked_at = now;
        uv_async_send(&watchdog->sign);
        return false;
    }
    if (now - watchdog->asked_at < limit) {
        return false;
    }
    begin_stall(watchdog, now);
    return true;
}

void watchdog_look(struct watchdog *watchdog)
{
    struct stall stall;
    pthread_mutex_lock(&watchdog->lock);
    bool has_begun = look(watchdog, watchdog->options.now(watchdog->options.arg));
    stall = watchdog->totals.last;
    pthread_mutex_unlock(&watchdog->lock);
    if (has_begun) {
        watchdog->options.tell(watchdog->options.arg, &stall);
    }
}

static bool sleep_well(struct watchdog *watchdog)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + watchdog->options.limit_ms * 500000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->is_ending && pthread_cond_timedwait(&watchdog->changed, &watchdog->lock, &until) == 0) {
    }
    bool goes_on = !watchdog->is_ending;
    pthread_mutex_unlock(&watchdog->lock);
    return goes_on;
}

static void *run(void *arg)
{
    prctl(PR_SET_NAME, "happn-watchdog");
    while (sleep_well(arg)) {
        watchdog_look(arg);
    }
    return NULL;
}

/* -- birth and death -- */

/* Signals belong to the host: none of them is delivered on our thread. */
static int start_thread(struct watchdog *watchdog)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&watchdog->thread, NULL, run, watchdog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static void free_watchdog(uv_handle_t *handle)
{
    struct watchdog *watchdog = handle->data;
    pthread_cond_destroy(&watchdog->changed);
    pthread_mutex_destroy(&watchdog->lock);
    memory_free(watchdog->loop->allocator, watchdog);
}

static void init_lock(struct watchdog *watchdog)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

happn_status watchdog_open(struct loop *loop, const struct watchdog_options *options, struct watchdog **out)
{
    struct watchdog *watchdog = memory_zalloc(loop->allocator, sizeof *watchdog);
    if (watchdog == NULL) {
        return HAPPN_E_MEMORY;
    }
    if (uv_async_init(&loop->uv, &watchdog->sign, on_sign) != 0) {
        memory_free(loop->allocator, watchdog);
        return HAPPN_E_IO;
    }
    uv_unref((uv_handle_t *)&watchdog->sign);
    watchdog->sign.data = watchdog;
    watchdog->loop = loop;
    watchdog->options = *options;
    watchdog->options.now = options->now != NULL ? options->now : machine_now;
    watchdog->looked_at = watchdog->options.now(options->arg);
    init_lock(watchdog);
    if (!options->has_no_thread && start_thread(watchdog) != 0) {
        uv_close((uv_handle_t *)&watchdog->sign, free_watchdog);
        return HAPPN_E_MEMORY;
    }
    loop->watchdog = *out = watchdog;
    return HAPPN_OK;
}

void watchdog_close(struct watchdog *watchdog)
{
    if (watchdog == NULL) {
        return;
    }
    pthread_mutex_lock(&watchdog->lock);
    watchdog->is_ending = true;
    pthread_cond_signal(&watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
    if (!watchdog->options.has_no_thread) {
        pthread_join(watchdog->thread, NULL);
    }
    watchdog->loop->watchdog = NULL;
    uv_close((uv_handle_t *)&watchdog->sign, free_watchdog);
}
