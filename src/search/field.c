#include "search/field.h"

#include "base/error.h"

static const struct {
    struct str name;
    enum field_source source;
    bool is_plain; /* also without `_meta.` */
} own[] = {
    {STR_LIT("path"), FIELD_PATH, true},
    {STR_LIT("_id"), FIELD_PATH, true},
    {STR_LIT("created"), FIELD_CREATED, true},
    {STR_LIT("modified"), FIELD_MODIFIED, true},
    {STR_LIT("modifiedBy"), FIELD_MODIFIED_BY, true},
    {STR_LIT("createdBy"), FIELD_NOTHING, true},
    {STR_LIT("timestamp"), FIELD_NOTHING, true},
    {STR_LIT("tag"), FIELD_TAG, false},
    {STR_LIT("_tag"), FIELD_TAG, true},
    {STR_LIT("rev"), FIELD_REV, false},
};

static enum field_source own_source(struct str name, bool is_plain)
{
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (str_equal(name, own[i].name) && (!is_plain || own[i].is_plain)) {
            return own[i].source;
        }
    }
    return is_plain ? FIELD_DATA : FIELD_NOTHING;
}

static happn_status split(struct arena *arena, struct str name, struct field *out, happn_error *error)
{
    size_t count = 1;
    for (size_t i = 0; i < name.len; i++) {
        count += name.ptr[i] == '.';
    }
    if (count > FIELD_MAX_PARTS) {
        return error_set(error, HAPPN_E_LIMIT, "the field %.*s... has more than %d parts", 60, name.ptr, FIELD_MAX_PARTS);
    }
    out->parts = arena_alloc(arena, count * sizeof *out->parts);
    if (out->parts == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    while (out->count < count) {
        const char *dot = name.len != 0 ? memchr(name.ptr, '.', name.len) : NULL;
        size_t len = dot != NULL ? (size_t)(dot - name.ptr) : name.len;
        out->parts[out->count++] = str_make(name.ptr, len);
        name = str_skip(name, len + 1);
    }
    return HAPPN_OK;
}

happn_status field_read(struct arena *arena, struct str name, struct field *out, happn_error *error)
{
    static const struct str data[] = {STR_LIT("data."), STR_LIT("_data.")};
    *out = (struct field){.source = FIELD_DATA, .name = name};
    if (str_is(name, "_meta")) {
        out->source = FIELD_META;
        return HAPPN_OK;
    }
    if (str_is(name, "data") || str_is(name, "_data")) {
        return HAPPN_OK;
    }
    if (str_starts(name, STR_LIT("_meta."))) {
        out->source = own_source(str_skip(name, 6), false);
        return HAPPN_OK;
    }
    for (size_t i = 0; i < 2; i++) {
        if (str_starts(name, data[i])) {
            return split(arena, str_skip(name, data[i].len), out, error);
        }
    }
    out->source = own_source(name, true);
    return out->source == FIELD_DATA ? split(arena, name, out, error) : HAPPN_OK;
}

/* Whole and small; -1 otherwise. */
static long index_of(struct str part)
{
    long index = 0;
    if (part.len == 0 || part.len > 9) {
        return -1;
    }
    for (size_t i = 0; i < part.len; i++) {
        if (part.ptr[i] < '0' || part.ptr[i] > '9') {
            return -1;
        }
        index = index * 10 + (part.ptr[i] - '0');
    }
    return index;
}

struct walk {
    const struct field *field;
    struct arena *scratch;
    field_visit visit;
    void *arg;
};

static bool walk_from(const struct walk *walk, size_t part, struct str json);

static bool walk_array(const struct walk *walk, size_t part, struct str array)
{
    long wanted = index_of(walk->field->parts[part]), at = 0;
    for (struct json_iter it = json_iter(array); json_next(&it); at++) {
        if (wanted == at && walk_from(walk, part + 1, it.value)) {
            return true;
        }
        if (wanted < 0 && json_type_of(it.value) == JSON_OBJECT && walk_from(walk, part, it.value)) {
            return true;
        }
    }
    return false;
}

struct str field_member(struct str object, struct str name)
{
    struct str found = STR_NONE;
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        found = json_text_is(it.key, name) ? it.value : found;
    }
    return found;
}

static bool walk_from(const struct walk *walk, size_t part, struct str json)
{
    while (part < walk->field->count) {
        enum json_type type = json_type_of(json);
        if (type == JSON_ARRAY) {
            return walk_array(walk, part, json);
        }
        if (type != JSON_OBJECT) {
            return false;
        }
        json = field_member(json, walk->field->parts[part++]);
        if (!str_is_set(json)) {
            return false;
        }
    }
    struct value value = value_of(walk->scratch, json);
    return walk->visit(walk->arg, &value);
}

bool field_each_below(const struct field *field, struct str json, struct arena *scratch, field_visit visit, void *arg)
{
    struct walk walk = {field, scratch, visit, arg};
    return walk_from(&walk, 0, json);
}

bool field_each(const struct field *field, const struct document *document, struct arena *scratch, field_visit visit, void *arg)
{
    struct value value;
    switch (field->source) {
    case FIELD_DATA:
        return field_each_below(field, document->data, scratch, visit, arg);
    case FIELD_PATH:
        value = value_text(document->path);
        break;
    case FIELD_CREATED:
        value = value_number((double)document->created);
        break;
    case FIELD_MODIFIED:
        value = value_number((double)document->modified);
        break;
    case FIELD_REV:
        value = value_number((double)document->rev);
        break;
    case FIELD_MODIFIED_BY:
        value = value_text(document->modified_by);
        break;
    case FIELD_TAG:
        value = value_text(document->tag);
        break;
    default:
        return false;
    }
    return value.type != VALUE_MISSING && visit(arg, &value);
}

static bool take_first(void *arg, const struct value *value)
{
    *(struct value *)arg = *value;
    return true;
}

struct value field_first(const struct field *field, const struct document *document, struct arena *scratch)
{
    struct value first = {.type = VALUE_MISSING};
    field_each(field, document, scratch, take_first, &first);
    return first;
}
