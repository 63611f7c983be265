/* Clients of a test's server. Their verbs look like plain calls: each waits until its answer is there, and time goes on meanwhile when it has to. */

#include <stdio.h>

#include "client/client.h"
#include "core/session.h"
#include "json/write.h"
#include "security/identity.h"
#include "workshop/testing.h"

static const char guest_key;

struct guest {
    happn_client *client;
    unsigned long number; /* of the case it belongs to */
};

static happn_client *check_guest(lua_State *L)
{
    struct testing *testing = testing_of(L);
    if (lua_type(L, 1) != LUA_TUSERDATA || !vm_has_metatable(L, 1, &guest_key)) {
        luaL_error(L, "a client was expected: c:get(path), not c.get(path)");
    }
    struct guest *guest = lua_touserdata(L, 1);
    if (guest->number != testing->number || !testing->has_house || guest->client == NULL) {
        luaL_error(L, "this client belongs to a case that is over");
    }
    return guest->client;
}

static const char *check_path(lua_State *L)
{
    size_t len;
    const char *path = luaL_checklstring(L, 2, &len);
    luaL_argcheck(L, strlen(path) == len, 2, "a path without zeros");
    return path;
}

static const char *options_at(lua_State *L, struct testing *testing, int index)
{
    if (lua_isnoneornil(L, index)) {
        return NULL;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    return testing_json(L, testing, index, "options").ptr;
}

/* A verb has begun, or could not. */
static int finish(lua_State *L, happn_status status, struct answer *answer, lua_KFunction push)
{
    return status != HAPPN_OK ? testing_raise(L, status) : testing_wait_then(L, testing_of(L), answer, push);
}

static int push_nothing(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)testing_answered(L, context);
    return 0;
}

/* The document and its _meta. */
static int push_document(lua_State *L, int status, lua_KContext context)
{
    const struct answer *answer = testing_answered(L, context);
    (void)status;
    testing_push_json(L, buf_str(&answer->data));
    testing_push_json(L, buf_str(&answer->meta));
    return 2;
}

static int guest_get(lua_State *L)
{
    happn_client *client = check_guest(L);
    const char *path = check_path(L), *options = options_at(L, testing_of(L), 3);
    struct answer *answer = testing_answer(L, testing_of(L));
    return finish(L, happn_client_get(client, path, options, testing_take_result, answer), answer, push_document);
}

/* options NULL: those at 4. */
static int set(lua_State *L, const char *options, lua_KFunction push)
{
    happn_client *client = check_guest(L);
    const char *path = check_path(L);
    options = options != NULL ? options : options_at(L, testing_of(L), 4);
    luaL_checkany(L, 3);
    struct str json = testing_json(L, testing_of(L), 3, "data");
    struct answer *answer = testing_answer(L, testing_of(L));
    return finish(L, happn_client_set(client, path, json.ptr, json.len, options, testing_take_result, answer), answer, push);
}

static int guest_set(lua_State *L)
{
    return set(L, NULL, push_document);
}

/* Sent to subscribers, not stored. */
static int guest_publish(lua_State *L)
{
    return set(L, "{\"noStore\":true}", push_nothing);
}

static int push_number(lua_State *L, lua_KContext context, const char *member)
{
    lua_pushinteger(L, json_int(json_get(buf_str(&testing_answered(L, context)->data), member), 0));
    return 1;
}

static int push_removed(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return push_number(L, context, "removed");
}

static int guest_remove(lua_State *L)
{
    happn_client *client = check_guest(L);
    const char *path = check_path(L), *options = options_at(L, testing_of(L), 3);
    struct answer *answer = testing_answer(L, testing_of(L));
    return finish(L, happn_client_remove(client, path, options, testing_take_result, answer), answer, push_removed);
}

static int push_count(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return push_number(L, context, "value");
}

static int guest_count(lua_State *L)
{
    happn_client *client = check_guest(L);
    const char *path = check_path(L), *options = options_at(L, testing_of(L), 3);
    struct answer *answer = testing_answer(L, testing_of(L));
    return finish(L, happn_client_count(client, path, options, testing_take_result, answer), answer, push_count);
}

/* A list of texts. */
static int push_paths(lua_State *L, int status, lua_KContext context)
{
    struct str list = buf_str(&testing_answered(L, context)->data);
    (void)status;
    lua_newtable(L);
    for (struct json_iter it = json_iter(list); json_type_of(list) == JSON_ARRAY && json_next(&it);) {
        struct str path = json_type_of(it.value) == JSON_OBJECT ? json_get(json_get(it.value, "_meta"), "path") : it.value;
        value_push_plain(L, str_is_set(path) ? path : json_get(it.value, "path"));
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    value_mark_list(L);
    return 1;
}

static int guest_paths(lua_State *L)
{
    happn_client *client = check_guest(L);
    struct answer *answer = testing_answer(L, testing_of(L));
    return finish(L, happn_client_get_paths(client, check_path(L), testing_take_result, answer), answer, push_paths);
}

/* What off takes is on the stack already. */
static int push_handle(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)testing_answered(L, context);
    return 1;
}

/* on(path, fn) or on(path, options, fn); returns what off takes. */
static int guest_on(lua_State *L)
{
    happn_client *client = check_guest(L);
    struct testing *testing = testing_of(L);
    int function = lua_gettop(L) >= 4 ? 4 : 3;
    int64_t handle = 0;
    const char *path = check_path(L), *options = function == 4 ? options_at(L, testing, 3) : NULL;
    luaL_checktype(L, function, LUA_TFUNCTION);
    struct answer *answer = testing_answer(L, testing);
    struct listening *listening = arena_alloc(&testing->case_arena, sizeof *listening);
    if (listening == NULL) {
        return luaL_error(L, "out of memory");
    }
    lua_pushvalue(L, function);
    *listening = (struct listening){testing, luaL_ref(L, LUA_REGISTRYINDEX)};
    happn_status status = happn_client_on(client, path, options, testing_take_event, listening, testing_take_result, answer, &handle);
    lua_pushinteger(L, handle);
    return finish(L, status, answer, push_handle);
}

static int guest_off(lua_State *L)
{
    happn_client *client = check_guest(L);
    struct answer *answer = testing_answer(L, testing_of(L));
    if (lua_isinteger(L, 2)) {
        return finish(L, happn_client_off(client, lua_tointeger(L, 2), testing_take_result, answer), answer, push_nothing);
    }
    return finish(L, happn_client_off_path(client, check_path(L), testing_take_result, answer), answer, push_nothing);
}

static void note_closed(void *arg)
{
    testing_take_status(HAPPN_OK, NULL, arg);
}

static int guest_disconnect(lua_State *L)
{
    happn_client *client = check_guest(L);
    struct testing *testing = testing_of(L);
    struct answer *answer = testing_answer(L, testing);
    luaL_argcheck(L, client != testing->host, 1, "a client of the case's own: this is the server itself");
    ((struct guest *)lua_touserdata(L, 1))->client = NULL;
    happn_client_close(client, note_closed, answer);
    return testing_wait_then(L, testing, answer, push_nothing);
}

static int guest_http(lua_State *L)
{
    happn_client *client = check_guest(L);
    const struct session *session = link_inprocess_session(client->link);
    const struct identity *identity = session->identity;
    const char *token = NULL;
    if (identity != NULL && identity->token.len != 0) {
        token = arena_str(&testing_of(L)->case_arena, identity->token).ptr;
    }
    return request_ask(L, testing_of(L), 2, token);
}

static happn_client *log_in(lua_State *L, struct testing *testing, const char *username, const char *password)
{
    struct answer *answer = testing_answer(L, testing);
    struct buf *login = &answer->meta;
    happn_client *client = NULL;
    buf_add_lit(login, "{\"username\":");
    json_add_string(login, str_of(username));
    buf_add_lit(login, ",\"password\":");
    json_add_string(login, str_of(password));
    buf_add_char(login, '}');
    happn_status status = happn_client_open_as(testing->house.service, login->ptr, login->len, testing_take_status, answer, &client);
    if (status != HAPPN_OK) {
        testing_raise(L, status);
    }
    testing_wait(L, testing, answer);
    return client;
}

static happn_client *open_trusted(lua_State *L, struct testing *testing)
{
    struct answer *answer = testing_answer(L, testing);
    happn_client *client = NULL;
    happn_status status = happn_client_open(testing->house.service, testing_take_status, answer, &client);
    if (status != HAPPN_OK) {
        testing_raise(L, status);
    }
    testing_wait(L, testing, answer);
    return client;
}

void guest_push(lua_State *L, struct testing *testing, const char *username, const char *password)
{
    guest_wrap(L, testing, username != NULL ? log_in(L, testing, username, password) : open_trusted(L, testing));
}

void guest_wrap(lua_State *L, struct testing *testing, happn_client *client)
{
    struct guest *guest = lua_newuserdatauv(L, sizeof *guest, 0);
    *guest = (struct guest){client, testing->number};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &guest_key);
    lua_setmetatable(L, -2);
}

void guest_install(lua_State *L, struct testing *testing)
{
    static const luaL_Reg verbs[] = {{"get", guest_get},       {"set", guest_set},   {"publish", guest_publish}, {"remove", guest_remove},
                                     {"count", guest_count},   {"paths", guest_paths}, {"on", guest_on},         {"off", guest_off},
                                     {"http", guest_http},     {"disconnect", guest_disconnect}, {NULL, NULL}};
    lua_newtable(L);
    luaL_newlibtable(L, verbs);
    lua_pushlightuserdata(L, testing);
    luaL_setfuncs(L, verbs, 1);
    module_close_table(L, "a client");
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &guest_key);
}
