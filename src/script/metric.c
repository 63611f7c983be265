#include "script/metric.h"

#include <math.h>

#include "json/write.h"
#include "script/generation.h"
#include "script/value.h"

enum { MOST_METRICS = 1000, MOST_NAME = 200, METRIC_COST = 50 };

static const char metric_key;

struct metric {
    struct metric *next;
    double value;
    size_t len;
    char name[];
};

void metrics_init(struct metrics *metrics, const struct allocator *allocator)
{
    *metrics = (struct metrics){.allocator = allocator};
    metrics->last = &metrics->first;
}

void metrics_fini(struct metrics *metrics)
{
    while (metrics->first != NULL) {
        struct metric *next = metrics->first->next;
        memory_free(metrics->allocator, metrics->first);
        metrics->first = next;
    }
}

void metrics_add(const struct metrics *metrics, struct buf *out)
{
    buf_add_char(out, '{');
    for (const struct metric *metric = metrics->first; metric != NULL; metric = metric->next) {
        buf_add_text(out, metric == metrics->first ? "" : ",");
        json_add_string(out, str_make(metric->name, metric->len));
        buf_add_char(out, ':');
        json_add_number(out, metric->value);
    }
    buf_add_char(out, '}');
}

static struct metric *find(struct metrics *metrics, struct str name)
{
    struct metric *metric = metrics->first;
    while (metric != NULL && !str_equal(str_make(metric->name, metric->len), name)) {
        metric = metric->next;
    }
    return metric;
}

static struct metric *make(lua_State *L, struct metrics *metrics, struct str name)
{
    if (metrics->count == MOST_METRICS) {
        luaL_error(L, "there are %d metrics already: a name should not contain what differs from call to call", MOST_METRICS);
    }
    struct metric *metric = memory_zalloc(metrics->allocator, sizeof *metric + name.len);
    if (metric == NULL) {
        luaL_error(L, "out of memory");
    }
    metric->len = name.len;
    memcpy(metric->name, name.ptr, name.len);
    *metrics->last = metric;
    metrics->last = &metric->next;
    metrics->count++;
    return metric;
}

/* happn.metric("orders"): the handle points at the number, which lives as long as the scripts do. */
static int get_metric(lua_State *L)
{
    struct metrics *metrics = &((struct generation *)vm_of(L)->owner)->scripts->metrics;
    struct str name;
    name.ptr = luaL_checklstring(L, 1, &name.len);
    luaL_argcheck(L, name.len != 0 && name.len <= MOST_NAME && value_is_utf8(name), 1, "a name of 1 to 200 bytes");
    vm_charge(L, METRIC_COST + metrics->count);
    struct metric *metric = find(metrics, name);
    struct metric **handle = lua_newuserdatauv(L, sizeof(struct metric *), 0);
    *handle = metric != NULL ? metric : make(L, metrics, name);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metric_key);
    lua_setmetatable(L, -2);
    return 1;
}

static struct metric *check(lua_State *L)
{
    luaL_argexpected(L, lua_type(L, 1) == LUA_TUSERDATA && vm_has_metatable(L, 1, &metric_key), 1, "metric");
    return *(struct metric **)lua_touserdata(L, 1);
}

static int set_to(lua_State *L, struct metric *metric, double value)
{
    luaL_argcheck(L, isfinite(value), 2, "a finite number");
    metric->value = value;
    lua_pushnumber(L, value);
    return 1;
}

static int inc(lua_State *L)
{
    struct metric *metric = check(L);
    return set_to(L, metric, metric->value + luaL_optnumber(L, 2, 1));
}

static int set(lua_State *L)
{
    return set_to(L, check(L), luaL_checknumber(L, 2));
}

static int get(lua_State *L)
{
    lua_pushnumber(L, check(L)->value);
    return 1;
}

void metric_add(lua_State *L)
{
    lua_pushcfunction(L, get_metric);
    lua_setfield(L, -2, "metric");
}

void metric_install(lua_State *L)
{
    static const luaL_Reg methods[] = {{"inc", inc}, {"set", set}, {"get", get}, {NULL, NULL}};
    lua_newtable(L);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "metric");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metric_key);
}
