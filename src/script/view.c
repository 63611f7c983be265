/* A view stands for one object or list in a JSON text. It owns nothing but a slice of the text, which a Lua string keeps
 * alive, so a view can outlive its message and can never dangle.
 *
 * Reading looks a member up in the text. Nested containers become views of their own, kept in the overlay so that the same
 * field is the same view and changes in it are found again. Writing puts the value into the overlay. Making text of a view
 * copies what was not touched, byte for byte: numbers keep their digits, nulls and empty lists stay what they were.
 *
 * User values: 1 the text, 2 the overlay (key -> value), 3 new keys in the order they came, 4 the index when it is long. */

#include "script/view.h"

#include "json/write.h"

struct item {
    struct str key; /* raw; not set in lists */
    struct str value;
    bool is_overlaid; /* the overlay has something for it */
};

enum { FEW = JSON_PARTS };

struct view {
    const void *kind; /* &view_key: scripts hold userdata of other kinds, too */
    struct str text;
    bool is_list;
    bool is_changed;     /* itself; views inside it know for themselves */
    bool is_indexed, has_escapes;
    size_t stored;       /* members or elements in the text, once indexed */
    size_t length;       /* elements now */
    struct item *items;  /* the index */
    struct item few[FEW]; /* of most documents */
};

enum { TEXT = 1, OVERLAY, NEW_KEYS, INDEX, USER_VALUES = INDEX };

static const char view_key, removed_tag;

static bool is_removed(lua_State *L, int index)
{
    return lua_touserdata(L, index) == &removed_tag;
}

/* A metatable would tell it as well, and cost more than reading a field. */
static struct view *to_view(lua_State *L, int index)
{
    struct view *view = lua_touserdata(L, index);
    return view != NULL && lua_rawlen(L, index) == sizeof *view && view->kind == &view_key ? view : NULL;
}

bool view_is(lua_State *L, int index)
{
    return to_view(L, index) != NULL;
}

bool view_is_list(lua_State *L, int index)
{
    const struct view *view = to_view(L, index);
    return view != NULL && view->is_list;
}

static struct view *check_view(lua_State *L)
{
    struct view *view = to_view(L, 1);
    if (view == NULL) {
        luaL_error(L, "a document was expected");
    }
    return view;
}

/* The text is on top of the stack; replaced by the view. */
static void push_view(lua_State *L, struct str slice)
{
    struct view *view = lua_newuserdatauv(L, sizeof *view, USER_VALUES);
    memset(view, 0, offsetof(struct view, few));
    view->kind = &view_key;
    view->text = slice;
    view->is_list = json_type_of(slice) == JSON_ARRAY;
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, TEXT);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &view_key);
    lua_setmetatable(L, -2);
}

static bool is_container(struct str json)
{
    enum json_type type = json_type_of(json);
    return type == JSON_OBJECT || type == JSON_ARRAY;
}

void view_push(lua_State *L, struct str json)
{
    if (!is_container(json)) {
        value_push_scalar(L, json);
        return;
    }
    vm_push_given(L, json);
    push_view(L, json_trim(str_make(lua_tostring(L, -1), json.len)));
}

/* The view's text is a copy of theirs. */
static void take_parts(struct view *view, const struct json_parts *parts)
{
    const char *from = parts->object.ptr, *to = view->text.ptr;
    for (size_t i = 0; i < parts->count; i++) {
        struct json_part part = parts->items[i];
        struct str key = str_make(to + (part.key.ptr - from), part.key.len);
        view->few[i] = (struct item){key, str_make(to + (part.value.ptr - from), part.value.len), false};
        view->has_escapes = view->has_escapes || str_has(key, '\\');
    }
    view->items = view->few;
    view->stored = view->length = parts->count;
    view->is_indexed = true;
}

void view_push_parts(lua_State *L, struct str json, const struct json_parts *parts)
{
    view_push(L, json);
    if (parts != NULL) {
        take_parts(to_view(L, -1), parts);
    }
}

/* Pushes user value n, a table that is made when it is missing. */
static void push_table(lua_State *L, int view, int n)
{
    if (lua_getiuservalue(L, view, n) == LUA_TTABLE) {
        return;
    }
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, view, n);
}

/* Pushes the overlay's value for the key at index `key`, or nil. */
static void push_overlaid(lua_State *L, int view, int key)
{
    if (lua_getiuservalue(L, view, OVERLAY) == LUA_TTABLE) {
        lua_pushvalue(L, key);
        lua_rawget(L, -2);
        lua_remove(L, -2);
    }
}

static void set_overlaid(lua_State *L, int view, int key, int value)
{
    push_table(L, view, OVERLAY);
    lua_pushvalue(L, key);
    lua_pushvalue(L, value);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* The view keeps the new ones; the old ones are collected. */
static struct item *grow_items(lua_State *L, int at, const struct item *items, size_t count)
{
    struct item *more = lua_newuserdatauv(L, 2 * count * sizeof *more, 0);
    memcpy(more, items, count * sizeof *more);
    lua_setiuservalue(L, at, INDEX);
    return more;
}

/* Finds the members or elements once: a second look at a field, and a loop over a list, need no second scan. */
static void build_index(lua_State *L, int at, struct view *view)
{
    if (view->is_indexed) {
        return;
    }
    struct item *items = view->few;
    size_t count = 0, room = FEW;
    for (struct json_iter it = json_iter(view->text); json_next(&it); count++) { /* once: it may be long */
        if (count == room) {
            items = grow_items(L, at, items, room);
            room *= 2;
        }
        items[count] = (struct item){it.key, it.value, false};
        view->has_escapes = view->has_escapes || (!view->is_list && str_has(it.key, '\\'));
    }
    view->items = items;
    view->stored = view->length = count;
    view->is_indexed = true;
    vm_charge(L, view->text.len / 32);
}

static bool has_name(const struct view *view, const struct item *item, struct str name)
{
    return view->has_escapes ? json_text_is(item->key, name) : str_equal(item->key, name);
}

/* Of a doubled name the last wins. */
static struct item *find_member(lua_State *L, struct view *view, struct str name)
{
    if (view->stored > 64) {
        vm_charge(L, view->stored / 16);
    }
    for (size_t i = view->stored; i-- != 0;) {
        if (has_name(view, &view->items[i], name)) {
            return &view->items[i];
        }
    }
    return NULL;
}

/* What the text has behind a key, NULL when there is nothing. */
static struct item *find_item(lua_State *L, int at, struct view *view, int key)
{
    build_index(L, at, view);
    if (!view->is_list) {
        if (lua_type(L, key) != LUA_TSTRING) {
            return NULL;
        }
        size_t len;
        const char *name = lua_tolstring(L, key, &len);
        return find_member(L, view, str_make(name, len));
    }
    if (!lua_isinteger(L, key)) {
        return NULL;
    }
    lua_Integer i = lua_tointeger(L, key);
    bool there = i >= 1 && (lua_Unsigned)i <= view->stored && (lua_Unsigned)i <= view->length;
    return there ? &view->items[i - 1] : NULL;
}

static void push_raw(lua_State *L, int at, int key, struct item *item)
{
    if (!is_container(item->value)) {
        value_push_scalar(L, item->value);
        return;
    }
    lua_getiuservalue(L, at, TEXT);
    push_view(L, item->value);
    set_overlaid(L, at, key, lua_gettop(L));
    item->is_overlaid = true;
}

/* Keys such as 2.0 are the same as 2, as in tables. */
static void normalize_key(lua_State *L, int key)
{
    int is_integer;
    lua_Integer i = lua_type(L, key) == LUA_TNUMBER ? lua_tointegerx(L, key, &is_integer) : (is_integer = 0);
    if (is_integer) {
        lua_pushinteger(L, i);
        lua_replace(L, key);
    }
}

static int view_get(lua_State *L)
{
    struct view *view = check_view(L);
    lua_settop(L, 2);
    normalize_key(L, 2);
    push_overlaid(L, 1, 2);
    if (!lua_isnil(L, -1)) {
        if (is_removed(L, -1) || value_is_null(L, -1)) {
            lua_pushnil(L);
        }
        return 1;
    }
    struct item *item = find_item(L, 1, view, 2);
    if (item != NULL) {
        push_raw(L, 1, 2, item);
    }
    return 1;
}

static void remember_new_key(lua_State *L)
{
    push_table(L, 1, NEW_KEYS);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

/* All that have this name: what is removed must not come back from a doubled one. */
static void mark_overlaid(lua_State *L, struct view *view)
{
    size_t len;
    const char *name = lua_tolstring(L, 2, &len);
    for (size_t i = 0; i < view->stored; i++) {
        if (has_name(view, &view->items[i], str_make(name, len))) {
            view->items[i].is_overlaid = true;
        }
    }
}

static int set_member(lua_State *L, struct view *view)
{
    if (lua_type(L, 2) != LUA_TSTRING) {
        return luaL_error(L, "the keys of an object are texts, not %s", luaL_typename(L, 2));
    }
    push_overlaid(L, 1, 2);
    bool is_stored = find_item(L, 1, view, 2) != NULL, is_known = is_stored || !lua_isnil(L, -1);
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        if (!is_known) {
            return 0;
        }
        lua_pushlightuserdata(L, (void *)&removed_tag);
        lua_replace(L, 3);
    } else if (!is_known) {
        remember_new_key(L);
    }
    if (is_stored) {
        mark_overlaid(L, view);
    }
    set_overlaid(L, 1, 2, 3);
    view->is_changed = true;
    return 0;
}

static int set_element(lua_State *L, struct view *view)
{
    build_index(L, 1, view);
    lua_Integer i = lua_isinteger(L, 2) ? lua_tointeger(L, 2) : 0, length = (lua_Integer)view->length;
    bool is_nil = lua_isnil(L, 3);
    if (i < 1 || i > length + 1) {
        if (is_nil && i == length + 1) {
            return 0;
        }
        return luaL_error(L, "a list of %I has no place %s", length, luaL_tolstring(L, 2, NULL));
    }
    if (is_nil && i < length) {
        return luaL_error(L, "removing place %I of %I would leave a hole: use table.remove or happn.null", i, length);
    }
    if (is_nil && i == length + 1) {
        return 0;
    }
    view->length = (size_t)(is_nil ? length - 1 : i > length ? i : length);
    if ((size_t)i <= view->stored) {
        view->items[i - 1].is_overlaid = true;
    }
    set_overlaid(L, 1, 2, 3);
    view->is_changed = true;
    return 0;
}

static int view_set(lua_State *L)
{
    struct view *view = check_view(L);
    lua_settop(L, 3);
    normalize_key(L, 2);
    return view->is_list ? set_element(L, view) : set_member(L, view);
}

static int view_length(lua_State *L)
{
    struct view *view = check_view(L);
    if (view->is_list) {
        build_index(L, 1, view);
    }
    lua_pushinteger(L, view->is_list ? (lua_Integer)view->length : 0);
    return 1;
}

/* -- pairs: the keys are listed first, so that changing the document on the way is safe -- */

static void push_keys(lua_State *L, struct view *view)
{
    lua_Integer count = 0;
    lua_newtable(L);
    for (struct json_iter it = json_iter(view->text); json_next(&it);) {
        value_push_key(L, it.key);
        lua_rawseti(L, -2, ++count);
        vm_charge(L, 1);
    }
    if (lua_getiuservalue(L, 1, NEW_KEYS) == LUA_TTABLE) {
        lua_Integer more = (lua_Integer)lua_rawlen(L, -1);
        for (lua_Integer i = 1; i <= more; i++) {
            lua_rawgeti(L, -1, i);
            lua_rawseti(L, -3, ++count);
        }
    }
    lua_pop(L, 1);
}

static bool push_pair(lua_State *L, int key)
{
    lua_pushcfunction(L, view_get);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, key);
    lua_call(L, 2, 1);
    return !lua_isnil(L, -1);
}

static int next_member(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(3));
    for (;;) {
        lua_settop(L, 0);
        bool more = lua_rawgeti(L, lua_upvalueindex(2), ++i) != LUA_TNIL;
        lua_pushinteger(L, i);
        lua_replace(L, lua_upvalueindex(3));
        if (!more) {
            return 1;
        }
        if (push_pair(L, 1)) {
            return 2;
        }
    }
}

static int next_element(lua_State *L)
{
    struct view *view = lua_touserdata(L, lua_upvalueindex(1));
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(2)) + 1;
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(2));
    lua_settop(L, 0);
    if ((lua_Unsigned)i > view->length) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, i);
    push_pair(L, 1);
    return 2;
}

static int view_pairs(lua_State *L)
{
    struct view *view = check_view(L);
    lua_settop(L, 1);
    if (view->is_list) {
        build_index(L, 1, view);
        lua_pushvalue(L, 1);
        lua_pushinteger(L, 0);
        lua_pushcclosure(L, next_element, 2);
        return 1;
    }
    lua_pushvalue(L, 1);
    push_keys(L, view);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_member, 3);
    return 1;
}

static int view_text(lua_State *L)
{
    check_view(L);
    struct str text = value_encode(L, 1, "document");
    vm_push_given(L, text);
    return 1;
}

/* -- writing -- */

bool view_is_changed(lua_State *L, int index)
{
    struct view *view = to_view(L, index);
    if (view == NULL || view->is_changed) {
        return view != NULL;
    }
    index = lua_absindex(L, index);
    luaL_checkstack(L, 6, "the document is nested too deeply");
    bool changed = false;
    if (lua_getiuservalue(L, index, OVERLAY) == LUA_TTABLE) {
        lua_pushnil(L);
        while (!changed && lua_next(L, -2) != 0) {
            changed = view_is_changed(L, -1);
            lua_pop(L, changed ? 2 : 1);
        }
    }
    lua_pop(L, 1);
    return changed;
}

/* The overlay's value on top, in the place of `before`: what was only looked at, or changed inside, stands where it stood. */
static void write_value(lua_State *L, struct encoder *encoder, struct str name, lua_Integer number, struct str before)
{
    const struct view *view = to_view(L, -1);
    if (view != NULL && view->text.ptr != before.ptr) {
        vm_of(L)->out_moved = true;
    }
    value_step_into(encoder, name, number);
    value_write(L, encoder, lua_gettop(L));
    value_step_back(encoder);
}

/* A member with something in the overlay: its new value, or nothing when it was removed. */
static void write_overlaid(lua_State *L, struct encoder *encoder, struct view *view, int index, const struct item *item,
                           const char **comma)
{
    value_push_key(L, item->key);
    int key = lua_gettop(L);
    push_overlaid(L, index, key);
    bool is_doubled = find_item(L, index, view, key) != item;
    if (!is_doubled && !is_removed(L, -1)) {
        buf_add_text(encoder->out, *comma);
        buf_add_char(encoder->out, '"');
        buf_add_str(encoder->out, item->key);
        buf_add_lit(encoder->out, "\":");
        size_t len;
        const char *name = lua_tolstring(L, key, &len);
        write_value(L, encoder, str_make(name, len), 0, item->value);
        *comma = ",";
    }
    lua_settop(L, key - 1);
}

/* Members from i on that nobody has touched, as they stand in the text; returns the next one. */
static size_t write_untouched(struct encoder *encoder, const struct view *view, size_t i, const char **comma)
{
    const char *start = view->items[i].key.ptr - 1; /* with its quote */
    while (i < view->stored && !view->items[i].is_overlaid) {
        i++;
    }
    struct str last = view->items[i - 1].value;
    buf_add_text(encoder->out, *comma);
    buf_add(encoder->out, start, (size_t)(last.ptr + last.len - start));
    *comma = ",";
    return i;
}

static void write_new_members(lua_State *L, struct encoder *encoder, int index, const char *comma)
{
    int top = lua_gettop(L);
    lua_Integer count = 0;
    if (lua_getiuservalue(L, index, NEW_KEYS) == LUA_TTABLE) {
        count = (lua_Integer)lua_rawlen(L, -1);
    }
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, top + 1, i);
        push_overlaid(L, index, top + 2);
        if (!is_removed(L, -1)) {
            size_t len;
            const char *name = lua_tolstring(L, top + 2, &len);
            buf_add_text(encoder->out, comma);
            value_write_text(L, encoder, str_make(name, len));
            buf_add_char(encoder->out, ':');
            write_value(L, encoder, str_make(name, len), 0, STR_NONE);
            comma = ",";
        }
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
}

static void write_object(lua_State *L, struct encoder *encoder, struct view *view, int index)
{
    const char *comma = "";
    buf_add_char(encoder->out, '{');
    build_index(L, index, view);
    for (size_t i = 0; i < view->stored;) {
        if (view->items[i].is_overlaid) {
            write_overlaid(L, encoder, view, index, &view->items[i++], &comma);
        } else {
            i = write_untouched(encoder, view, i, &comma);
        }
    }
    write_new_members(L, encoder, index, comma);
    buf_add_char(encoder->out, '}');
}

static void write_list(lua_State *L, struct encoder *encoder, struct view *view, int index)
{
    build_index(L, index, view);
    buf_add_char(encoder->out, '[');
    for (size_t i = 0; i < view->length; i++) {
        buf_add_text(encoder->out, i != 0 ? "," : "");
        bool is_stored = i < view->stored;
        if (is_stored && !view->items[i].is_overlaid) {
            buf_add_str(encoder->out, view->items[i].value);
            continue;
        }
        lua_pushinteger(L, (lua_Integer)i + 1);
        push_overlaid(L, index, lua_gettop(L));
        write_value(L, encoder, STR_NONE, (lua_Integer)i + 1, is_stored ? view->items[i].value : STR_NONE);
        lua_pop(L, 2);
    }
    buf_add_char(encoder->out, ']');
}

bool view_write(lua_State *L, struct encoder *encoder, int index)
{
    struct view *view = to_view(L, index);
    if (view == NULL) {
        return false;
    }
    index = lua_absindex(L, index);
    if (!view_is_changed(L, index)) {
        buf_add_str(encoder->out, view->text);
        return true;
    }
    value_enter(L, encoder, view);
    if (view->is_list) {
        write_list(L, encoder, view, index);
    } else {
        write_object(L, encoder, view, index);
    }
    value_leave(encoder);
    return true;
}

bool view_has_null(lua_State *L, int index, int key)
{
    struct view *view = to_view(L, index);
    if (view == NULL) {
        return false;
    }
    push_overlaid(L, index, key);
    bool overlaid = !lua_isnil(L, -1), null = value_is_null(L, -1);
    lua_pop(L, 1);
    const struct item *item = overlaid ? NULL : find_item(L, index, view, key);
    return overlaid ? null : item != NULL && json_type_of(item->value) == JSON_NULL;
}

void view_install(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", view_get},   {"__newindex", view_set},  {"__len", view_length},
                                       {"__pairs", view_pairs}, {"__tostring", view_text}, {NULL, NULL}};
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushliteral(L, "document");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &view_key);
}
