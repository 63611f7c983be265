/* One curl "multi" for all scripts: it tells which sockets and which timeout to watch, and is told when they are ready. Host names are
 * looked up on threads of its own. */

#include "script/fetcher.h"

#include <stdio.h>

#include "base/error.h"

/* A socket of curl's that the loop watches. */
struct watched {
    uv_poll_t poll;
    struct scripts *scripts; /* outlives the fetcher */
    struct fetcher *fetcher;
    curl_socket_t socket;
};

void fetch_fail(struct call *call, happn_error *error)
{
    snprintf(error->name, sizeof error->name, "HttpError");
    call_fail(call, error);
}

static void finish_fetch(struct fetch *fetch, CURLcode code)
{
    struct call *call = &fetch->task->call;
    curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
    fetch->fetcher->count--;
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &fetch->status);
    curl_easy_cleanup(fetch->easy);
    fetch->easy = NULL;
    if (code != CURLE_OK) {
        const char *why = fetch->body.status != HAPPN_OK ? "the answer is too large: max says how many bytes it may have"
                          : fetch->error[0] != '\0'      ? fetch->error
                                                         : curl_easy_strerror(code);
        happn_error error = {0};
        error_set(&error, HAPPN_E_IO, "%s: %s", fetch->what, why);
        fetch_fail(call, &error);
    }
    call->is_done = true;
    task_wake(fetch->task);
}

static void look_for_ends(struct fetcher *fetcher)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        struct fetch *fetch = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&fetch);
        finish_fetch(fetch, code);
    }
}

static void on_timeout(uv_timer_t *timer)
{
    struct fetcher *fetcher = timer->data;
    int running;
    curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    look_for_ends(fetcher);
}

static int set_timeout(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct fetcher *fetcher = arg;
    if (ms < 0) {
        uv_timer_stop(&fetcher->timer);
    } else {
        uv_timer_start(&fetcher->timer, on_timeout, (uint64_t)ms, 0);
    }
    return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watched *watched = poll->data;
    struct fetcher *fetcher = watched->fetcher;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    int running;
    curl_multi_socket_action(fetcher->multi, watched->socket, flags, &running);
    look_for_ends(fetcher);
}

static void free_watched(uv_handle_t *handle)
{
    struct watched *watched = handle->data;
    struct scripts *scripts = watched->scripts;
    memory_free(scripts->core->allocator, watched);
    scripts_release(scripts);
}

static struct watched *watch(struct fetcher *fetcher, curl_socket_t socket)
{
    struct watched *watched = memory_zalloc(fetcher->scripts->core->allocator, sizeof *watched);
    if (watched == NULL) {
        return NULL;
    }
    if (uv_poll_init_socket(&fetcher->scripts->core->loop->uv, &watched->poll, socket) != 0) {
        memory_free(fetcher->scripts->core->allocator, watched);
        return NULL;
    }
    watched->poll.data = watched;
    watched->fetcher = fetcher;
    watched->scripts = fetcher->scripts;
    watched->socket = socket;
    fetcher->scripts->holds++;
    curl_multi_assign(fetcher->multi, socket, watched);
    return watched;
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *of_socket)
{
    (void)easy;
    struct fetcher *fetcher = arg;
    struct watched *watched = of_socket;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            curl_multi_assign(fetcher->multi, socket, NULL);
            uv_close((uv_handle_t *)&watched->poll, free_watched);
        }
        return 0;
    }
    watched = watched != NULL ? watched : watch(fetcher, socket);
    if (watched == NULL) {
        return -1;
    }
    uv_poll_start(&watched->poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0), on_ready);
    return 0;
}

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct fetcher *fetcher_of(struct scripts *scripts)
{
    static uv_once_t once = UV_ONCE_INIT;
    if (scripts->fetcher != NULL) {
        return scripts->fetcher;
    }
    uv_once(&once, start_curl);
    struct fetcher *fetcher = memory_zalloc(scripts->core->allocator, sizeof *fetcher);
    CURLM *multi = fetcher != NULL ? curl_multi_init() : NULL;
    if (multi == NULL) {
        memory_free(scripts->core->allocator, fetcher);
        return NULL;
    }
    *fetcher = (struct fetcher){.scripts = scripts, .multi = multi};
    uv_timer_init(&scripts->core->loop->uv, &fetcher->timer);
    fetcher->timer.data = fetcher;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, fetcher);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timeout);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, fetcher);
    scripts->fetcher = fetcher;
    return fetcher;
}

static void free_fetcher(uv_handle_t *handle)
{
    struct fetcher *fetcher = handle->data;
    struct scripts *scripts = fetcher->scripts;
    memory_free(scripts->core->allocator, fetcher);
    scripts_release(scripts);
}

void fetcher_close(struct fetcher *fetcher)
{
    if (fetcher == NULL) {
        return;
    }
    fetcher->scripts->holds++; /* before the sockets', which this closes */
    fetcher->scripts->fetcher = NULL;
    curl_multi_cleanup(fetcher->multi);
    uv_close((uv_handle_t *)&fetcher->timer, free_fetcher);
}

void fetch_drop(struct fetch *fetch)
{
    if (fetch == NULL) {
        return;
    }
    if (fetch->is_asked) {
        const struct script_outside *outside = fetch->task->scripts->settings.options.outside;
        outside->drop(outside->arg, fetch);
    }
    if (fetch->easy != NULL) {
        curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
        fetch->fetcher->count--;
        curl_easy_cleanup(fetch->easy);
    }
    curl_slist_free_all(fetch->headers);
    buf_fini(&fetch->sent);
    buf_fini(&fetch->head);
    buf_fini(&fetch->body);
    memory_free(fetch->task->scripts->core->allocator, fetch);
}
