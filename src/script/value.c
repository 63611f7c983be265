#include "script/value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json/write.h"
#include "script/view.h"

static const char null_tag, list_key;

void value_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&null_tag);
}

bool value_is_null(lua_State *L, int index)
{
    return lua_touserdata(L, index) == &null_tag;
}

void value_mark_list(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
    lua_setmetatable(L, -2);
}

static int null_text(lua_State *L)
{
    lua_pushliteral(L, "null");
    return 1;
}

static void lock_metatable(lua_State *L)
{
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

void value_install(lua_State *L)
{
    lua_newtable(L);
    lock_metatable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &list_key);
    value_push_null(L); /* light userdata share one metatable; happn.null is the only one scripts see */
    lua_newtable(L);
    lua_pushcfunction(L, null_text);
    lua_setfield(L, -2, "__tostring");
    lock_metatable(L);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* -- writing -- */

/* "data.items[3]", as far as there is room. */
static void write_place(const struct encoder *encoder, char *out, size_t size)
{
    size_t len = (size_t)snprintf(out, size, "%s", encoder->name);
    for (size_t i = 0; i < encoder->step_count && len < size; i++) {
        struct str name = encoder->steps[i].name;
        len += (size_t)(str_is_set(name) ? snprintf(out + len, size - len, ".%.*s", (int)(name.len > 60 ? 60 : name.len), name.ptr)
                                         : snprintf(out + len, size - len, "[%lld]", (long long)encoder->steps[i].number));
    }
}

int value_refuse(lua_State *L, const struct encoder *encoder, const char *what)
{
    char place[160];
    write_place(encoder, place, sizeof place);
    return luaL_error(L, "%s: %s", place, what);
}

void value_step_into(struct encoder *encoder, struct str name, lua_Integer number)
{
    encoder->steps[encoder->step_count].name = name;
    encoder->steps[encoder->step_count++].number = number;
}

void value_step_back(struct encoder *encoder)
{
    encoder->step_count--;
}

size_t value_enter(lua_State *L, struct encoder *encoder, const void *container)
{
    for (int i = 0; i < encoder->depth; i++) {
        if (encoder->open[i] == container) {
            value_refuse(L, encoder, "the value contains itself");
        }
    }
    if (encoder->depth == VALUE_MAX_DEPTH) {
        value_refuse(L, encoder, "the value is nested too deeply");
    }
    luaL_checkstack(L, 12, "the value is nested too deeply");
    encoder->open[encoder->depth++] = container;
    return encoder->out->len;
}

void value_leave(struct encoder *encoder)
{
    encoder->depth--;
}

bool value_is_utf8(struct str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.len;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        int more = *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : 0;
        if (more == 0 || end - p <= more) {
            return false;
        }
        unsigned char low = *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : 0x80;
        unsigned char high = *p == 0xed ? 0x9f : *p == 0xf4 ? 0x8f : 0xbf;
        if (p[1] < low || p[1] > high) {
            return false;
        }
        for (int i = 2; i <= more; i++) {
            if ((p[i] & 0xc0) != 0x80) {
                return false;
            }
        }
        p += more + 1;
    }
    return true;
}

void value_write_text(lua_State *L, struct encoder *encoder, struct str text)
{
    if (!value_is_utf8(text)) {
        value_refuse(L, encoder, "the text is not valid UTF-8");
    }
    json_add_string(encoder->out, text);
}

/* The shortest digits that read back as the same number. */
static void write_float(lua_State *L, struct encoder *encoder, lua_Number number)
{
    char digits[40];
    if (isnan(number)) {
        value_refuse(L, encoder, "NaN cannot be written as JSON");
    }
    if (isinf(number)) {
        value_refuse(L, encoder, "infinity cannot be written as JSON");
    }
    if (number == floor(number) && fabs(number) < 9007199254740992.0) {
        buf_add_i64(encoder->out, (int64_t)number);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number) {
            break;
        }
    }
    for (char *p = digits; *p != '\0'; p++) {
        *p = *p == ',' ? '.' : *p; /* a host may have set a locale */
    }
    buf_add_text(encoder->out, digits);
}

static struct str text_at(lua_State *L, int index)
{
    size_t len;
    const char *ptr = lua_tolstring(L, index, &len);
    return str_make(ptr, len);
}

bool value_is_list(lua_State *L, int index, lua_Integer *count)
{
    lua_Integer length = (lua_Integer)lua_rawlen(L, index);
    *count = length;
    return length > 0 || vm_has_metatable(L, index, &list_key);
}

static void refuse_mixed(lua_State *L, struct encoder *encoder, int key)
{
    if (lua_type(L, key) == LUA_TNUMBER) {
        value_refuse(L, encoder, "a list has a hole; happn.null keeps a place");
    }
    if (lua_type(L, key) != LUA_TSTRING) {
        value_refuse(L, encoder, "keys must be texts");
    }
    lua_pushfstring(L, "keys 1 and \"%s\" in one table", lua_tostring(L, key));
    value_refuse(L, encoder, lua_tostring(L, -1));
}

/* Every key must be one of 1..count. */
static void check_list(lua_State *L, struct encoder *encoder, int index, lua_Integer count)
{
    lua_Integer seen = 0;
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1 || lua_tointeger(L, -1) > count) {
            refuse_mixed(L, encoder, -1);
        }
        seen++;
    }
    if (seen != count) {
        value_refuse(L, encoder, "a list has a hole; happn.null keeps a place");
    }
    vm_charge(L, (size_t)count);
}

static void write_list(lua_State *L, struct encoder *encoder, int index, lua_Integer count)
{
    check_list(L, encoder, index, count);
    buf_add_char(encoder->out, '[');
    for (lua_Integer i = 1; i <= count; i++) {
        buf_add_text(encoder->out, i > 1 ? "," : "");
        value_step_into(encoder, STR_NONE, i);
        lua_rawgeti(L, index, i);
        value_write(L, encoder, lua_gettop(L));
        lua_pop(L, 1);
        value_step_back(encoder);
    }
    buf_add_char(encoder->out, ']');
}

static void write_object(lua_State *L, struct encoder *encoder, int index)
{
    const char *comma = "";
    buf_add_char(encoder->out, '{');
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            refuse_mixed(L, encoder, -2);
        }
        struct str key = text_at(L, -2);
        value_step_into(encoder, key, 0);
        buf_add_text(encoder->out, comma);
        value_write_text(L, encoder, key);
        buf_add_char(encoder->out, ':');
        value_write(L, encoder, lua_gettop(L));
        lua_pop(L, 1);
        value_step_back(encoder);
        comma = ",";
        vm_charge(L, 1);
    }
    buf_add_char(encoder->out, '}');
}

static void write_table(lua_State *L, struct encoder *encoder, int index)
{
    lua_Integer count;
    vm_of(L)->out_moved = true;
    value_enter(L, encoder, lua_topointer(L, index));
    if (value_is_list(L, index, &count)) {
        write_list(L, encoder, index, count);
    } else {
        write_object(L, encoder, index);
    }
    value_leave(encoder);
}

void value_write(lua_State *L, struct encoder *encoder, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        buf_add_lit(encoder->out, "null");
        break;
    case LUA_TBOOLEAN:
        buf_add_text(encoder->out, lua_toboolean(L, index) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            buf_add_i64(encoder->out, lua_tointeger(L, index));
        } else {
            write_float(L, encoder, lua_tonumber(L, index));
        }
        break;
    case LUA_TSTRING:
        value_write_text(L, encoder, text_at(L, index));
        break;
    case LUA_TTABLE:
        write_table(L, encoder, index);
        break;
    default:
        if (value_is_null(L, index)) {
            buf_add_lit(encoder->out, "null");
        } else if (!view_write(L, encoder, index)) {
            lua_pushfstring(L, "a %s cannot be written as JSON", luaL_typename(L, index));
            value_refuse(L, encoder, lua_tostring(L, -1));
        }
    }
    if (encoder->out->status != HAPPN_OK) {
        value_refuse(L, encoder, happn_status_text(encoder->out->status));
    }
}

enum { KEEP_BYTES = 1 << 20 };

struct str value_encode(lua_State *L, int index, const char *name)
{
    struct vm *vm = vm_of(L);
    struct encoder encoder;
    encoder.out = &vm->out;
    encoder.depth = 0;
    encoder.name = name;
    encoder.step_count = 0;
    if (vm->out.capacity > KEEP_BYTES) {
        buf_fini(&vm->out);
    }
    buf_clear(&vm->out);
    vm->out_moved = false;
    value_write(L, &encoder, lua_absindex(L, index));
    vm_charge(L, vm->out.len / 16);
    return buf_str(&vm->out);
}

/* -- reading -- */

static void push_number(lua_State *L, struct str json)
{
    struct vm *vm = vm_of(L);
    char small[64], *copy = small, *end;
    if (json.len >= sizeof small) {
        copy = (char *)arena_str(&vm->scratch, json).ptr;
        if (copy == NULL) {
            luaL_error(L, "out of memory");
        }
    } else {
        memcpy(small, json.ptr, json.len);
        small[json.len] = '\0';
    }
    if (strpbrk(copy, ".eE") == NULL) {
        errno = 0;
        long long integer = strtoll(copy, &end, 10);
        if (errno == 0) {
            lua_pushinteger(L, integer);
            return;
        }
    }
    lua_pushnumber(L, json_number(json, 0));
}

static void push_text(lua_State *L, struct str quoted)
{
    struct vm *vm = vm_of(L);
    struct str text = json_string(&vm->scratch, quoted);
    if (text.ptr == NULL) {
        luaL_error(L, "out of memory");
    }
    vm_push_given(L, text);
    arena_reset(&vm->scratch);
}

void value_push_key(lua_State *L, struct str key)
{
    if (str_has(key, '\\')) {
        push_text(L, str_make(key.ptr - 1, key.len + 2)); /* its quotes are around it */
        return;
    }
    vm_push_given(L, key);
}

void value_push_scalar(lua_State *L, struct str json)
{
    switch (json_type_of(json)) {
    case JSON_BOOL:
        lua_pushboolean(L, json_true(json));
        return;
    case JSON_NUMBER:
        push_number(L, json);
        return;
    case JSON_STRING:
        push_text(L, json);
        return;
    default:
        lua_pushnil(L);
    }
}

static void push_container(lua_State *L, struct str json, bool is_object)
{
    luaL_checkstack(L, 6, "the document is nested too deeply");
    lua_newtable(L);
    lua_Integer count = 0;
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        if (is_object) {
            value_push_key(L, it.key);
            value_push_plain(L, it.value);
            lua_rawset(L, -3);
        } else {
            value_push_plain(L, it.value);
            lua_rawseti(L, -2, ++count);
        }
        vm_charge(L, 1);
    }
    if (!is_object) {
        value_mark_list(L);
    }
}

void value_push_plain(lua_State *L, struct str json)
{
    enum json_type type = json_type_of(json);
    if (type == JSON_OBJECT || type == JSON_ARRAY) {
        push_container(L, json, type == JSON_OBJECT);
    } else if (type == JSON_NULL) {
        value_push_null(L);
    } else {
        value_push_scalar(L, json);
    }
}
