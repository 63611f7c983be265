/* The loop is stepped by the test and never sleeps for a timer of ours: they follow the stopped clock. What it does wait for is other
 * threads (passwords are hashed there), and it asks whether they are at work. */

#include "workshop/house.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "json/scan.h"
#include "security/hashing.h"
#include "security/security.h"
#include "service/service.h"

enum { MOST_ROUNDS = 100000, CLOSING_MS = 600000 };

static bool has_posts(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    bool has = loop->posts != NULL;
    pthread_mutex_unlock(&loop->lock);
    return has;
}

/* Other threads are at work for the loop: it is worth to wait for them. */
static bool has_workers(const struct house *house)
{
    const struct security *security = house->service != NULL ? house->service->core.security : NULL;
    return house->loop->uv.active_reqs.count != 0 || (security != NULL && hashing_is_busy(security->hashing));
}

bool house_settle(struct house *house)
{
    struct loop *loop = house->loop;
    for (int i = 0; i < MOST_ROUNDS; i++) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        if (house->is_live && uv_backend_timeout(&loop->uv) != 0) {
            return true;
        }
        if (has_posts(loop) || uv_backend_timeout(&loop->uv) == 0) {
            continue;
        }
        if (has_workers(house)) {
            uv_run(&loop->uv, UV_RUN_ONCE);
        } else if (!clock_step(loop, loop_ticks(loop))) { /* what is due now */
            return true;
        }
    }
    return false;
}

bool house_step(struct house *house, uint64_t ticks)
{
    bool stepped = clock_step(house->loop, ticks);
    return house_settle(house) && stepped;
}

void house_wait(struct house *house, const bool *done)
{
    while (!*done && !house->is_interrupted) {
        uv_run(&house->loop->uv, UV_RUN_ONCE);
    }
    house_settle(house);
}

struct starting {
    bool is_done;
    happn_status status;
    happn_error error;
};

static void started(happn_status status, const happn_error *error, void *arg)
{
    struct starting *starting = arg;
    starting->status = status;
    if (error != NULL) {
        starting->error = *error;
    }
    starting->is_done = true;
}

static happn_status start(struct house *house, happn_error *error)
{
    struct starting starting = {.status = HAPPN_E_TIMEOUT};
    happn_service_start(house->service, started, &starting);
    while (!starting.is_done) { /* it always answers; threads may take their time */
        house_settle(house);
    }
    if (starting.status != HAPPN_OK) {
        *error = starting.error;
    }
    return starting.status;
}

/* The log goes into memory. */
static happn_status keep_log(struct house *house, happn_error *error)
{
    house->log = memfd_create("log", MFD_CLOEXEC);
    if (house->log < 0) {
        return error_set(error, HAPPN_E_IO, "there is no memory for the log");
    }
    snprintf(house->log_name, sizeof house->log_name, "\"/proc/self/fd/%d\"", house->log);
    return happn_service_set(house->service, "utils.logFile", house->log_name, error);
}

static happn_status open_log(struct house *house, happn_error *error)
{
    happn_status status = keep_log(house, error);
    if (status == HAPPN_OK) {
        status = happn_service_set(house->service, "utils.logFormat", "\"json\"", error);
    }
    return status == HAPPN_OK ? happn_service_set(house->service, "deferListen", "true", error) : status;
}

static happn_status set_keys(struct house *house, struct str settings, happn_error *error)
{
    happn_status status = HAPPN_OK;
    struct arena arena;
    arena_init(&arena, NULL);
    for (struct json_iter it = json_iter(settings); status == HAPPN_OK && str_is_set(settings) && json_next(&it);) {
        const char *key = arena_str(&arena, it.key).ptr, *value = arena_str(&arena, it.value).ptr;
        status = value != NULL && key != NULL ? happn_service_set(house->service, key, value, error) : error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    arena_fini(&arena);
    return status;
}

happn_status house_open(struct house *house, struct str config, struct str settings, struct coverage *coverage, happn_error *error)
{
    struct listener_options options;
    *house = (struct house){.log = -1, .outside = house->outside};
    happn_status status = happn_runtime_open(HAPPN_RUNTIME_STEPPED, &house->runtime);
    if (status != HAPPN_OK) {
        return error_set(error, status, "%s", happn_status_text(status));
    }
    house->loop = runtime_loop(house->runtime);
    clock_freeze(house->loop, HOUSE_BEGINNING);
    status = happn_service_new(house->runtime, config.ptr, config.len, NULL, &house->service, error);
    if (status == HAPPN_OK) {
        house->service->on_line = coverage != NULL ? coverage_note : NULL;
        house->service->on_line_arg = coverage;
        house->service->outside = house->outside.ask != NULL ? &house->outside : NULL;
        status = open_log(house, error);
    }
    if (status == HAPPN_OK) {
        status = set_keys(house, settings, error);
    }
    if (status == HAPPN_OK) {
        status = start(house, error);
    }
    if (status == HAPPN_OK) {
        status = service_listener_options(house->service, &options, error);
    }
    return status == HAPPN_OK ? local_open(&house->service->core, &options, &house->http) : status;
}

happn_status house_open_live(struct house *house, struct str config, const char *base_dir, happn_error *error)
{
    *house = (struct house){.log = -1, .is_live = true, .keeps_log = house->keeps_log};
    happn_status status = happn_runtime_open(HAPPN_RUNTIME_STEPPED, &house->runtime);
    if (status != HAPPN_OK) {
        return error_set(error, status, "%s", happn_status_text(status));
    }
    house->loop = runtime_loop(house->runtime);
    if (!str_is_set(config)) {
        return HAPPN_OK;
    }
    status = happn_service_new(house->runtime, config.ptr, config.len, base_dir, &house->service, error);
    if (status == HAPPN_OK) {
        status = happn_service_set(house->service, "deferListen", "true", error);
    }
    if (status == HAPPN_OK && house->keeps_log && house->service->config.log_file.len == 0) {
        status = keep_log(house, error);
    }
    return status == HAPPN_OK ? start(house, error) : status;
}

/* What is under way ends by its own limits: their time comes at once. */
static void finish_work(struct house *house)
{
    uint64_t end = loop_ticks(house->loop) + CLOSING_MS;
    while (house->service != NULL && !house->is_live && house->service->core.request_count != 0 && house_step(house, end)) {
    }
}

void house_close(struct house *house)
{
    if (house->runtime != NULL) {
        finish_work(house);
        struct listener *http = house->http;
        house->http = NULL;
        happn_runtime_close(house->runtime);
        memory_free(NULL, http); /* requests that were cancelled by the close have looked at it */
    }
    if (house->log >= 0) {
        close(house->log);
    }
    *house = (struct house){.log = -1};
}

void house_take_log(struct house *house, struct buf *out)
{
    if (house->log >= 0 && house_read_log(house, out) && out->len != 0) {
        (void)!ftruncate(house->log, 0); /* it is written at its end */
    }
}

bool house_read_log(const struct house *house, struct buf *out)
{
    char part[4096];
    ssize_t len;
    off_t at = 0;
    while ((len = pread(house->log, part, sizeof part, at)) > 0) {
        buf_add(out, part, (size_t)len);
        at += len;
    }
    return len == 0 && out->status == HAPPN_OK;
}
