#include "core/core.h"

#include "base/id.h"
#include "core/acknowledgement.h"
#include "core/budget.h"
#include "core/events.h"
#include "core/session.h"

enum { POOLED_REQUESTS = 256 };

happn_status core_init(struct core *core, struct loop *loop, const struct allocator *allocator)
{
    *core = (struct core){.loop = loop, .allocator = allocator, .compat = 13, .acknowledge_ms = 60000};
    core->limits = (struct core_limits){.message_bytes = 32u << 20, .subscriptions = 100000, .pending_requests = 1000, .list_bytes = 64u << 20};
    uv_timer_init(&loop->uv, &core->timer);
    uv_timer_init(&loop->uv, &core->sweep);
    core->sweep.data = core;
    idmap_init(&core->acknowledgement_ids, allocator);
    core->subscriptions = subscriptions_new(allocator);
    id_short(core->instance);
    return core->subscriptions != NULL ? HAPPN_OK : HAPPN_E_MEMORY;
}

static void free_layers(struct core *core, struct layer *layer)
{
    while (layer != NULL) {
        struct layer *next = layer->next;
        memory_free(core->allocator, layer);
        layer = next;
    }
}

void core_close_timer(struct core *core)
{
    acknowledgement_drop_all(core);
    uv_close((uv_handle_t *)&core->timer, NULL);
    uv_close((uv_handle_t *)&core->sweep, NULL);
}

void core_fini(struct core *core)
{
    while (core->free_requests != NULL) {
        struct request *request = core->free_requests;
        core->free_requests = request->next;
        arena_fini(&request->arena);
        memory_free(core->allocator, request);
    }
    events_forget_all(core);
    idmap_fini(&core->acknowledgement_ids);
    for (int chain = 0; chain < LAYER_CHAINS; chain++) {
        free_layers(core, core->layers[chain]);
    }
    while (core->routes != NULL) {
        struct route *next = core->routes->next;
        memory_free(core->allocator, core->routes);
        core->routes = next;
    }
    if (core->subscriptions != NULL) {
        subscriptions_free(core->subscriptions);
    }
}

static void receive(struct session *session, struct str text, struct buf *memory)
{
    if (session->is_closed) {
        return;
    }
    if (session->protocol->receive != NULL) {
        session->protocol->receive(session, text);
    } else {
        session->core->wire->receive(session, text, memory);
    }
}

void core_receive(struct session *session, struct str text)
{
    receive(session, text, NULL);
}

void core_receive_buf(struct session *session, struct buf *message)
{
    receive(session, buf_str(message), message);
}

struct request *core_request_new(struct session *session)
{
    struct core *core = session->core;
    struct request *request = core->free_requests;
    struct arena arena;
    if (request != NULL) {
        core->free_requests = request->next;
        core->free_count--;
        arena = request->arena;
    } else {
        request = memory_alloc(core->allocator, sizeof *request);
        if (request == NULL) {
            return NULL;
        }
        arena_init(&arena, core->allocator);
    }
    memset(request, 0, sizeof *request);
    request->arena = arena;
    request->core = core;
    request->session = session;
    session->holds++;
    core->request_count++;
    core->stats.requests++;
    return request;
}

void core_request_free(struct request *request)
{
    struct core *core = request->core;
    struct session *session = request->session;
    core->request_count--;
    budget_give(request);
    sight_fini(&request->sight);
    if (core->free_count < POOLED_REQUESTS) {
        arena_reset(&request->arena);
        request->next = core->free_requests;
        core->free_requests = request;
        core->free_count++;
    } else {
        arena_fini(&request->arena);
        memory_free(core->allocator, request);
    }
    session_release(session);
}

happn_status core_add_route(struct core *core, const char *method, const char *path, happn_route_fn run, void *arg)
{
    size_t method_len = strlen(method) + 1, path_len = strlen(path) + 1;
    struct route *route = memory_zalloc(core->allocator, sizeof *route + method_len + path_len);
    if (route == NULL) {
        return HAPPN_E_MEMORY;
    }
    char *text = (char *)(route + 1);
    memcpy(text, method, method_len);
    memcpy(text + method_len, path, path_len);
    *route = (struct route){.method = text, .path = text + method_len, .run = run, .arg = arg, .next = core->routes};
    core->routes = route;
    return HAPPN_OK;
}

/* True when the route's path, which may end in `*`, stands for this path. */
static bool route_matches(const struct route *route, const char *method, struct str path)
{
    if (strcmp(route->method, "*") != 0 && strcmp(route->method, method) != 0) {
        return false;
    }
    struct str pattern = str_of(route->path);
    if (str_ends(pattern, STR_LIT("*"))) {
        return str_starts(path, str_make(pattern.ptr, pattern.len - 1));
    }
    return str_equal(pattern, path);
}

static struct route *find_route(const struct core *core, const char *method, struct str path)
{
    struct route *best = NULL;
    for (struct route *route = core->routes; route != NULL; route = route->next) {
        bool longer = best == NULL || strlen(route->path) > strlen(best->path);
        if (longer && route_matches(route, method, path)) {
            best = route;
        }
    }
    return best;
}

bool core_has_route(struct core *core, const happn_http *http, const char *method, struct str path)
{
    return find_route(core, method, path) != NULL || (core->script_has_route != NULL && core->script_has_route(core->scripts, http));
}

bool core_route(struct core *core, happn_http *http, const char *method, struct str path)
{
    struct route *best = find_route(core, method, path);
    const char *before = whereabouts_set(&core->loop->whereabouts.action, "a route");
    bool is_taken = best != NULL || (core->script_route != NULL && core->script_route(core->scripts, http));
    if (best != NULL) {
        best->run(http, best->arg);
    }
    whereabouts_set(&core->loop->whereabouts.action, before);
    return is_taken;
}
