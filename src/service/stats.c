/* How the service is: counters, what waits in every queue, and rates since the last time somebody asked. */

#include "base/buf.h"
#include "base/error.h"
#include "core/acknowledgement.h"
#include "core/session.h"
#include "json/write.h"
#include "script/inspect.h"
#include "service/service.h"
#include "store/datastores.h"

struct totals {
    size_t waiting, in_store, queued_bytes, references;
    size_t by_protocol[5]; /* 0: the host's */
};

static struct totals sum(const struct core *core)
{
    struct totals totals = {.waiting = 0};
    for (const struct session *session = core->sessions; session != NULL; session = session->next) {
        totals.waiting += session->waiting_count + (session->parked != NULL);
        totals.in_store += session->in_store;
        totals.references += session->reference_count;
        totals.by_protocol[session->protocol->receive != NULL ? 0 : session->protocol->number]++;
        if (session->link != NULL && session->link->ops->queued != NULL) {
            totals.queued_bytes += session->link->ops->queued(session->link);
        }
    }
    return totals;
}

static void add_queue(struct buf *out, const char *name, size_t length, uint64_t now, uint64_t before, double seconds, uint64_t drops)
{
    buf_add_format(out, "\"%s\":{\"length\":%zu,\"rate\":", name, length);
    json_add_number(out, seconds > 0 ? (double)(int64_t)((double)(now - before) / seconds * 10) / 10 : 0);
    buf_add_format(out, ",\"total\":%llu,\"drops\":%llu}", (unsigned long long)now, (unsigned long long)drops);
}

static void add_stores(struct buf *out, const struct core *core)
{
    buf_add_lit(out, ",\"data\":{\"stores\":[");
    for (const struct datastore *store = datastores_first(core->stores); store != NULL; store = store->next) {
        buf_add_text(out, store != datastores_first(core->stores) ? ",{\"name\":" : "{\"name\":");
        json_add_string(out, str_of(store->name));
        buf_add_format(out, ",\"provider\":\"%s\",\"length\":%zu}", store->provider->ops->name, store->provider->waiting);
    }
    buf_add_lit(out, "]}");
}

static void add_all(happn_service *service, struct buf *out)
{
    const struct core *core = &service->core;
    const struct core_stats *now = &core->stats, *before = &service->told;
    struct totals totals = sum(core);
    int64_t time = loop_now_ms(core->loop);
    double seconds = (double)(time - service->told_at) / 1000;
    buf_add_format(out, "{\"session\":{\"sessions\":%zu},\"subscription\":{\"subscriptions\":%zu,\"channels\":%zu},\"queue\":{",
                   core->session_count, totals.references, subscriptions_count(core->subscriptions));
    add_queue(out, "inbound", totals.waiting, now->requests, before->requests, seconds, now->ignored_text);
    buf_add_char(out, ',');
    add_queue(out, "store", totals.in_store, now->store_operations, before->store_operations, seconds, now->store_failures);
    buf_add_char(out, ',');
    add_queue(out, "publication", acknowledgement_count(core), now->publications, before->publications, seconds, now->unacknowledged);
    buf_add_char(out, ',');
    add_queue(out, "outbound", totals.queued_bytes, now->deliveries, before->deliveries, seconds, now->failed_deliveries + now->cut_off);
    buf_add_format(out, ",\"failures\":%llu},\"publisher\":{\"attempted\":%llu,\"failed\":%llu,\"unacknowledged\":%llu}",
                   (unsigned long long)now->refused, (unsigned long long)now->publications,
                   (unsigned long long)now->failed_deliveries, (unsigned long long)now->unacknowledged);
    buf_add_format(out, ",\"protocol\":{\"protocolCounts\":{\"happn_1\":%zu,\"happn_2\":%zu,\"happn_3\":%zu,\"happn_4\":%zu,\"other\":%zu}}",
                   totals.by_protocol[1], totals.by_protocol[2], totals.by_protocol[3], totals.by_protocol[4], totals.by_protocol[0]);
    add_stores(out, core);
    if (service->scripts != NULL) {
        buf_add_lit(out, ",\"script\":");
        inspect_add_totals(service->scripts, out);
    }
    size_t resident = 0;
    uv_resident_set_memory(&resident);
    buf_add_lit(out, ",\"system\":{\"name\":");
    json_add_string(out, str_of(core->name));
    buf_add_format(out, ",\"memory\":{\"rss\":%zu},\"uptimeMs\":%lld,\"stalls\":", resident, (long long)(time - service->started_at));
    inspect_add_stalls(core->loop, out);
    buf_add_lit(out, "}}");
    service->told = *now;
    service->told_at = time;
}

happn_status happn_service_stats(happn_service *service, void (*take)(const char *json, size_t len, void *arg), void *arg)
{
    if (service->state != SERVICE_OPEN) {
        return HAPPN_E_CLOSED;
    }
    struct buf out;
    buf_init(&out, service->core.allocator, 1 << 20);
    add_all(service, &out);
    happn_status status = out.status;
    if (status == HAPPN_OK) {
        take(out.ptr, out.len, arg);
    }
    buf_fini(&out);
    return status;
}

static void respond(const char *json, size_t len, void *arg)
{
    happn_http_respond(arg, 200, "application/json", json, len);
}

static void on_request(happn_http *http, void *arg)
{
    if (happn_service_stats(arg, respond, http) != HAPPN_OK) {
        happn_http_respond(http, 503, "text/plain", "no statistics now", 17);
    }
}

happn_status service_open_stats(happn_service *service, happn_error *error)
{
    service->started_at = service->told_at = loop_now_ms(service->core.loop);
    struct str route = service->config.stats_route;
    if (route.len == 0) {
        return HAPPN_OK;
    }
    happn_status status = happn_service_add_route(service, "GET", route.ptr, on_request, service);
    return status == HAPPN_OK ? HAPPN_OK : error_set(error, HAPPN_E_CONFIG, "services.stats.config.route must begin with a slash: %.200s", route.ptr);
}
