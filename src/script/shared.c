/* Values are kept as JSON text outside of every VM. What has expired is forgotten when it is asked for, and when room is needed. What an entry
 * costs besides its texts counts, too: or many small ones would need far more memory than was allowed. */

#include "script/shared.h"

#include "json/scan.h"
#include "script/duration.h"
#include "script/generation.h"
#include "script/value.h"

enum { SHARED_COST = 50, MAX_NAME = 1024 };

struct entry {
    struct idmap_node node;
    int64_t expires; /* of the clock, 0: never */
    struct str name, value;
    char bytes[];
};

void shared_init(struct shared *shared, const struct allocator *allocator, size_t most)
{
    *shared = (struct shared){.allocator = allocator, .most = most};
    idmap_init(&shared->entries, allocator);
}

static size_t cost(struct str name, struct str value)
{
    return sizeof(struct entry) + sizeof(struct idmap_node *) + name.len + value.len;
}

static void drop(struct shared *shared, struct entry *entry)
{
    idmap_remove(&shared->entries, &entry->node);
    shared->bytes -= cost(entry->name, entry->value);
    memory_free(shared->allocator, entry);
}

void shared_fini(struct shared *shared)
{
    struct idmap_node *node;
    while ((node = idmap_any(&shared->entries)) != NULL) {
        drop(shared, (struct entry *)node);
    }
    idmap_fini(&shared->entries);
}

static int64_t now_of(lua_State *L)
{
    return loop_now_ms(((struct generation *)vm_of(L)->owner)->scripts->core->loop);
}

static struct shared *shared_of(lua_State *L)
{
    return &((struct generation *)vm_of(L)->owner)->scripts->shared;
}

static struct entry *find(struct shared *shared, struct str name, int64_t now)
{
    struct idmap_node *node = idmap_find(&shared->entries, str_hash(name));
    while (node != NULL && !str_equal(((struct entry *)node)->name, name)) {
        node = idmap_find_next(node);
    }
    struct entry *entry = (struct entry *)node;
    if (entry != NULL && entry->expires != 0 && entry->expires <= now) {
        drop(shared, entry);
        return NULL;
    }
    return entry;
}

enum { EXPIRED_AT_ONCE = 64 };

struct expired {
    int64_t now;
    struct entry *entries[EXPIRED_AT_ONCE];
    size_t count;
};

static void note_expired(struct idmap_node *node, void *arg)
{
    struct expired *expired = arg;
    struct entry *entry = (struct entry *)node;
    if (entry->expires != 0 && entry->expires <= expired->now && expired->count < EXPIRED_AT_ONCE) {
        expired->entries[expired->count++] = entry;
    }
}

static void drop_expired(struct shared *shared, int64_t now)
{
    struct expired expired;
    do {
        expired = (struct expired){.now = now};
        idmap_each(&shared->entries, note_expired, &expired);
        for (size_t i = 0; i < expired.count; i++) {
            drop(shared, expired.entries[i]);
        }
    } while (expired.count == EXPIRED_AT_ONCE);
}

/* Is there room for it, in place of `before`? */
static bool has_room(const struct shared *shared, const struct entry *before, struct str name, struct str value)
{
    size_t freed = before != NULL ? cost(before->name, before->value) : 0;
    return shared->bytes - freed + cost(name, value) <= shared->most;
}

/* In place of what was there. Raises and changes nothing when there is no room. */
static void put(lua_State *L, struct shared *shared, struct str name, struct str value, int64_t expires)
{
    struct entry *before = find(shared, name, now_of(L));
    if (!has_room(shared, before, name, value)) {
        drop_expired(shared, now_of(L));
        before = find(shared, name, now_of(L));
    }
    if (!has_room(shared, before, name, value)) {
        luaL_error(L, "happn.shared is full: it keeps at most %d bytes", (int)shared->most);
    }
    struct entry *entry = memory_alloc(shared->allocator, sizeof *entry + name.len + value.len);
    if (entry == NULL) {
        luaL_error(L, "out of memory");
    }
    *entry = (struct entry){.expires = expires, .name = str_make(entry->bytes, name.len), .value = str_make(entry->bytes + name.len, value.len)};
    memcpy(entry->bytes, name.ptr, name.len);
    memcpy(entry->bytes + name.len, value.ptr, value.len);
    if (idmap_add(&shared->entries, &entry->node, str_hash(name)) != HAPPN_OK) {
        memory_free(shared->allocator, entry);
        luaL_error(L, "out of memory");
    }
    shared->bytes += cost(name, value);
    if (before != NULL) {
        drop(shared, before);
    }
}

static struct str check_name(lua_State *L)
{
    struct str name;
    name.ptr = luaL_checklstring(L, 1, &name.len);
    luaL_argcheck(L, name.len <= MAX_NAME, 1, "a name has at most 1024 bytes");
    vm_charge(L, SHARED_COST);
    return name;
}

static int64_t check_expiry(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? 0 : now_of(L) + (int64_t)duration_check(L, index);
}

/* -- the functions -- */

static int get(lua_State *L)
{
    const struct entry *entry = find(shared_of(L), check_name(L), now_of(L));
    if (entry == NULL) {
        return 0;
    }
    vm_charge(L, entry->value.len / 16);
    value_push_plain(L, entry->value);
    return 1;
}

static int set(lua_State *L)
{
    struct str name = check_name(L);
    struct shared *shared = shared_of(L);
    int64_t expires = check_expiry(L, 3);
    if (lua_isnoneornil(L, 2)) {
        struct entry *entry = find(shared, name, now_of(L));
        if (entry != NULL) {
            drop(shared, entry);
        }
        return 0;
    }
    put(L, shared, name, value_encode(L, 2, "value"), expires);
    return 0;
}

/* incr(name, by, ttl): the time to live is that of the first one, so a counter of a minute ends after a minute. */
static int incr(lua_State *L)
{
    lua_settop(L, 3);
    struct str name = check_name(L);
    struct shared *shared = shared_of(L);
    lua_Number by = luaL_optnumber(L, 2, 1);
    const struct entry *entry = find(shared, name, now_of(L));
    int64_t expires = entry != NULL ? entry->expires : check_expiry(L, 3);
    if (entry != NULL) {
        value_push_scalar(L, entry->value);
        if (lua_type(L, -1) != LUA_TNUMBER) {
            return luaL_error(L, "happn.shared.incr: %s is no number", name.ptr);
        }
    } else {
        lua_pushinteger(L, 0);
    }
    if (lua_isinteger(L, -1) && (lua_isnoneornil(L, 2) || lua_isinteger(L, 2))) {
        lua_pushinteger(L, (lua_Integer)((lua_Unsigned)lua_tointeger(L, -1) + (lua_Unsigned)luaL_optinteger(L, 2, 1)));
    } else {
        lua_pushnumber(L, lua_tonumber(L, -1) + by);
    }
    put(L, shared, name, value_encode(L, -1, "value"), expires);
    return 1;
}

static int expire(lua_State *L)
{
    struct entry *entry = find(shared_of(L), check_name(L), now_of(L));
    int64_t expires = check_expiry(L, 2);
    if (entry != NULL) {
        entry->expires = expires;
    }
    lua_pushboolean(L, entry != NULL);
    return 1;
}

void shared_add(lua_State *L)
{
    static const luaL_Reg functions[] = {{"get", get}, {"set", set}, {"incr", incr}, {"expire", expire}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "shared");
}
