/* What the files look like (docs/moving.md): happn-3 6 and 8 write {"_id", "path", "data", "created", "modified", "_tag"?} or
 * {"$$deleted": true, "_id"}, the last line of a path counts. 13 writes {"snapshot": "<text of the database>"} and then
 * {"operation": {"operationType", "arguments"}}. Ours has {"path", "data", "created", "modified", "modifiedBy"?, "tag"?}. */

#include "transfer/record.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "json/scan.h"
#include "json/write.h"
#include "paths/path.h"

static happn_status no_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

/* Older versions left the `_meta` of a reply in the data. */
static happn_status read_data(struct arena *arena, struct str data, struct str *out, happn_error *error)
{
    if (json_type_of(data) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_JSON, "its data is not an object");
    }
    if (!str_is_set(json_get(data, "_meta"))) {
        *out = data;
        return HAPPN_OK;
    }
    struct buf text;
    bool has_members;
    buf_init(&text, arena->allocator, data.len + 64);
    json_add_open_object(&text, data, "_meta", &has_members);
    buf_add_char(&text, '}');
    *out = text.status == HAPPN_OK ? arena_str(arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return out->ptr != NULL ? HAPPN_OK : no_memory(error);
}

static happn_status read_path(struct arena *arena, struct str value, struct str *out, happn_error *error)
{
    *out = json_string(arena, value);
    if (!str_is_set(*out)) {
        return error_set(error, HAPPN_E_PATH, "it has no path");
    }
    if (out->len == 0 || out->len > PATH_MAX_LENGTH) {
        return error_set(error, HAPPN_E_PATH, "its path must have 1 to %d bytes", PATH_MAX_LENGTH);
    }
    if (str_has(*out, '\0')) {
        return error_set(error, HAPPN_E_PATH, "its path has a NUL in it");
    }
    return HAPPN_OK;
}

static struct str text_of(struct arena *arena, struct str value)
{
    struct str text = json_type_of(value) == JSON_STRING ? json_string(arena, value) : STR_NONE;
    return text.len != 0 ? text : STR_NONE;
}

/* `from` has the dates: the line itself, or its `_meta`. */
static void read_dates(struct arena *arena, struct str from, int64_t now, struct document *out)
{
    int64_t modified = json_int(json_get(from, "modified"), now);
    out->modified = modified;
    out->created = json_int(json_get(from, "created"), modified);
    out->modified_by = text_of(arena, json_get(from, "modifiedBy"));
    out->tag = text_of(arena, json_get(from, "_tag"));
    if (!str_is_set(out->tag)) {
        out->tag = text_of(arena, json_get(from, "tag"));
    }
}

static happn_status read_document(struct arena *arena, struct str object, int64_t now, struct document *out, happn_error *error)
{
    struct str path = json_get(object, "path");
    happn_status status = read_path(arena, str_is_set(path) ? path : json_get(object, "_id"), &out->path, error);
    if (status == HAPPN_OK) {
        status = read_data(arena, json_get(object, "data"), &out->data, error);
    }
    read_dates(arena, object, now, out);
    return status;
}

static struct str argument(struct str arguments, size_t index)
{
    struct json_iter it = json_iter(arguments);
    while (json_next(&it)) {
        if (index-- == 0) {
            return it.value;
        }
    }
    return STR_NONE;
}

static happn_status read_upsert(struct arena *arena, struct str arguments, int64_t now, struct record *out, happn_error *error)
{
    struct str content = argument(arguments, 1);
    happn_status status = read_path(arena, argument(arguments, 0), &out->document.path, error);
    if (status == HAPPN_OK) {
        status = read_data(arena, json_get(content, "data"), &out->document.data, error);
    }
    out->is_set = true;
    out->is_merge = json_true(json_get(argument(arguments, 2), "merge"));
    struct str meta = json_get(content, "_meta");
    read_dates(arena, str_is_set(meta) ? meta : content, now, &out->document);
    return status;
}

/* What happened after 13's snapshot. */
static happn_status read_operation(struct arena *arena, struct str operation, int64_t now, struct record *out, happn_error *error)
{
    struct str type = json_get(operation, "operationType"), arguments = json_get(operation, "arguments");
    if (str_is(type, "\"ARCHIVE\"")) {
        out->kind = RECORD_NOTHING;
        return HAPPN_OK;
    }
    if (json_type_of(arguments) != JSON_ARRAY) {
        return error_set(error, HAPPN_E_JSON, "its operation has no arguments");
    }
    if (str_is(type, "\"UPSERT\"")) {
        return read_upsert(arena, arguments, now, out, error);
    }
    if (str_is(type, "\"INSERT\"") || str_is(type, "\"UPDATE\"")) {
        return read_document(arena, argument(arguments, 0), now, &out->document, error);
    }
    if (str_is(type, "\"REMOVE\"")) {
        out->kind = RECORD_REMOVE;
        struct str criteria = argument(arguments, 1);
        out->criteria = json_type_of(criteria) == JSON_OBJECT ? criteria : STR_NONE;
        return read_path(arena, argument(arguments, 0), &out->document.path, error);
    }
    if (str_is(type, "\"INCREMENT\"")) {
        out->kind = RECORD_INCREMENT;
        out->field = json_string(arena, argument(arguments, 1));
        out->by = argument(arguments, 2);
        if (out->field.len == 0 || json_type_of(out->by) != JSON_NUMBER) {
            return error_set(error, HAPPN_E_JSON, "its counter has no name, or no number");
        }
        return read_path(arena, argument(arguments, 0), &out->document.path, error);
    }
    return error_set(error, HAPPN_E_JSON, "its operation %.*s is not known", (int)(type.len < 40 ? type.len : 40), type.ptr != NULL ? type.ptr : "");
}

happn_status record_read(struct arena *arena, struct str line, int64_t now, struct record *out, happn_error *error)
{
    size_t at = 0;
    *out = (struct record){.kind = RECORD_DOCUMENT};
    happn_status status = json_check(line, &at);
    if (status != HAPPN_OK || !utf8_is_valid(line)) {
        status = status != HAPPN_OK ? status : HAPPN_E_JSON;
        return error_set(error, status, "%s (at byte %zu)", happn_status_text(status), at);
    }
    if (json_type_of(line) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_JSON, "it is not an object");
    }
    struct str snapshot = json_get(line, "snapshot"), operation = json_get(line, "operation");
    if (json_type_of(snapshot) == JSON_STRING) {
        out->kind = RECORD_SNAPSHOT;
        out->snapshot = json_string(arena, snapshot);
        return out->snapshot.ptr != NULL ? HAPPN_OK : no_memory(error);
    }
    if (json_type_of(operation) == JSON_OBJECT) {
        return read_operation(arena, operation, now, out, error);
    }
    if (str_is_set(json_get(line, "$$indexCreated")) || str_is_set(json_get(line, "$$indexRemoved"))) {
        out->kind = RECORD_NOTHING;
        return HAPPN_OK;
    }
    if (json_true(json_get(line, "$$deleted"))) {
        out->kind = RECORD_REMOVE;
        return read_path(arena, json_get(line, "_id"), &out->document.path, error);
    }
    return read_document(arena, line, now, &out->document, error);
}

happn_status record_each(struct arena *arena, struct str snapshot, int64_t now, record_visit visit, void *arg, happn_error *error)
{
    if (json_check(snapshot, NULL) != HAPPN_OK || json_type_of(json_get(snapshot, "collections")) != JSON_ARRAY) {
        return error_set(error, HAPPN_E_JSON, "its snapshot is not a database of happn-3");
    }
    for (struct json_iter it = json_iter(json_get(snapshot, "collections")); json_next(&it);) {
        struct str data = json_get(it.value, "data");
        for (struct json_iter each = json_iter(data); json_type_of(data) == JSON_ARRAY && json_next(&each);) {
            struct document document = {.rev = 0};
            happn_error reason = {.status = HAPPN_OK};
            happn_status status = read_document(arena, each.value, now, &document, &reason);
            if (!visit(arg, &document, status != HAPPN_OK ? &reason : NULL, each.value)) {
                return HAPPN_OK;
            }
        }
    }
    return HAPPN_OK;
}
