#include "search/projection.h"

#include "base/buf.h"
#include "base/error.h"

static happn_status read_one(struct arena *arena, struct json_iter *member, struct projection *out, happn_error *error)
{
    enum json_type type = json_type_of(member->value);
    if (type != JSON_NUMBER && type != JSON_BOOL) {
        return error_set(error, HAPPN_E_ARGUMENT, "fields: %.*s must be 1", (int)(member->key.len < 100 ? member->key.len : 100),
                         member->key.ptr);
    }
    if (!json_true(member->value) && json_number(member->value, 0) == 0) {
        return HAPPN_OK;
    }
    struct str name = json_string(arena, str_make(member->key.ptr - 1, member->key.len + 2)); /* the key with its quotes */
    if (name.ptr == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    struct field *field = &out->fields[out->count];
    happn_status status = field_read(arena, name, field, error);
    if (status != HAPPN_OK) {
        return status;
    }
    if (field->source != FIELD_DATA) {
        out->meta |= field->source == FIELD_META ? ~0u : 1u << field->source;
    } else if (field->count == 0) {
        out->all_data = true;
    } else {
        out->count++;
    }
    return HAPPN_OK;
}

happn_status projection_compile(struct arena *arena, struct str json, struct projection **out, happn_error *error)
{
    if (json_type_of(json) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_ARGUMENT, "fields must be an object such as {\"name\": 1}");
    }
    size_t count = 1;
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        count++;
    }
    struct projection *projection = arena_alloc(arena, sizeof *projection);
    struct field *fields = arena_alloc(arena, count * sizeof *fields);
    if (projection == NULL || fields == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    *projection = (struct projection){.fields = fields};
    *out = projection;
    happn_status status = HAPPN_OK;
    for (struct json_iter it = json_iter(json); status == HAPPN_OK && json_next(&it);) {
        status = read_one(arena, &it, projection, error);
    }
    return status;
}

/* Which fields are still in question at this place, and how many of their parts lie behind. */
struct wanted {
    const struct field *const *fields;
    size_t count, depth;
};

static void write_value(struct buf *out, struct str value, const struct wanted *wanted);

static bool is_whole(const struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        if (wanted->fields[i]->count == wanted->depth) {
            return true;
        }
    }
    return false;
}

static void write_object(struct buf *out, struct str object, const struct wanted *wanted)
{
    const struct field *inner[64];
    bool has_members = false;
    buf_add_char(out, '{');
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        struct wanted below = {inner, 0, wanted->depth + 1};
        for (size_t i = 0; i < wanted->count && below.count < 64; i++) {
            if (json_text_is(it.key, wanted->fields[i]->parts[wanted->depth])) {
                inner[below.count++] = wanted->fields[i];
            }
        }
        bool is_container = json_type_of(it.value) == JSON_OBJECT || json_type_of(it.value) == JSON_ARRAY;
        if (below.count == 0 || (!is_whole(&below) && !is_container)) {
            continue;
        }
        buf_add_text(out, has_members ? ",\"" : "\"");
        buf_add_str(out, it.key);
        buf_add_lit(out, "\":");
        write_value(out, it.value, &below);
        has_members = true;
    }
    buf_add_char(out, '}');
}

/* Of an array of objects each keeps its part. */
static void write_array(struct buf *out, struct str array, const struct wanted *wanted)
{
    bool has_elements = false;
    buf_add_char(out, '[');
    for (struct json_iter it = json_iter(array); json_next(&it);) {
        if (json_type_of(it.value) != JSON_OBJECT && json_type_of(it.value) != JSON_ARRAY) {
            continue;
        }
        buf_add_text(out, has_elements ? "," : "");
        write_value(out, it.value, wanted);
        has_elements = true;
    }
    buf_add_char(out, ']');
}

static void write_value(struct buf *out, struct str value, const struct wanted *wanted)
{
    if (is_whole(wanted)) {
        buf_add_str(out, value);
    } else if (json_type_of(value) == JSON_OBJECT) {
        write_object(out, value, wanted);
    } else {
        write_array(out, value, wanted);
    }
}

struct str projection_apply(const struct projection *projection, struct str data, struct arena *arena)
{
    if (projection->all_data) {
        return data;
    }
    const struct field *fields[64];
    struct wanted wanted = {fields, 0, 0};
    for (size_t i = 0; i < projection->count && wanted.count < 64; i++) {
        fields[wanted.count++] = &projection->fields[i];
    }
    struct buf text;
    buf_init(&text, arena->allocator, data.len + 1024);
    if (wanted.count == 0) {
        buf_add_lit(&text, "{}");
    } else {
        write_object(&text, data, &wanted);
    }
    struct str result = text.status == HAPPN_OK ? arena_str(arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return result;
}
