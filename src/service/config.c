/* One walk over the JSON text: every member is a section on the way to some key, a key, or a mistake that is named. */

#include "service/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/nearest.h"
#include "json/scan.h"
#include "security/policy.h"

enum kind { BOOL, INT, DURATION, JSON, LIST, TEXT, FILE_NAME, CHOICE, LAYERS, ROUTES, STORES, LATER_KEY, IGNORED_KEY };
#define KIND_BOOL BOOL
#define KIND_INT INT
#define KIND_DURATION DURATION
#define KIND_JSON JSON
#define KIND_LIST LIST
#define KIND_TEXT TEXT
#define KIND_FILE FILE_NAME
#define KIND_CHOICE CHOICE
#define KIND_LAYERS LAYERS
#define KIND_ROUTES ROUTES
#define KIND_STORES STORES

enum { KEY_BYTES = 256 };

struct key {
    const char *path;
    enum kind kind;
    size_t offset;
    int64_t least, most;
    const char *choices;
    const char *text;
};

/* The default's column is a number for some kinds and a text for others: choices is only looked at for CHOICE. */
#define TEXT_OF(fallback) _Generic((fallback), char *: (fallback), default: NULL)
static const struct key keys[] = {
#define KEY(path, field, kind, fallback, least, most, text) \
    {path, KIND_##kind, offsetof(struct config, field), least, most, TEXT_OF(fallback), text},
#define LATER(path, text) {path, LATER_KEY, 0, 0, 0, NULL, text},
#define IGNORED(path, text) {path, IGNORED_KEY, 0, 0, 0, NULL, text},
#include "service/config.def"
#undef KEY
#undef LATER
#undef IGNORED
};
enum { KEYS = sizeof keys / sizeof keys[0] };

struct reader {
    struct config *config;
    struct str text;   /* for positions; not set when a single key is set */
    struct buf warnings;
    happn_error *error;
};

static happn_status fail_at(struct reader *reader, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static happn_status fail_at(struct reader *reader, const char *at, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!str_is_set(reader->text)) {
        return error_set(reader->error, HAPPN_E_CONFIG, "%s", text);
    }
    int line = 1, column = 1;
    for (const char *p = reader->text.ptr; p < at; p++) {
        bool is_end = *p == '\n';
        line += is_end;
        column = is_end ? 1 : column + 1;
    }
    return error_set(reader->error, HAPPN_E_CONFIG, "line %d, column %d: %s", line, column, text);
}

static const char *nearest(const char *path)
{
    const char *best = NULL;
    for (int i = 0; i < KEYS; i++) {
        if (keys[i].kind < LATER_KEY) {
            nearest_offer(path, keys[i].path, &best);
        }
    }
    return best;
}

/* services.NAME.path and .instance name modules of the original's. */
static bool names_module(const char *path)
{
    const char *last = strrchr(path, '.');
    return strncmp(path, "services.", 9) == 0 && last != NULL && (strcmp(last, ".path") == 0 || strcmp(last, ".instance") == 0);
}

static happn_status refuse_unknown(struct reader *reader, const char *at, const char *path)
{
    if (names_module(path)) {
        return fail_at(reader, at, "%s: a service's JavaScript module cannot be run here", path);
    }
    const char *known = nearest(path);
    if (known != NULL) {
        return fail_at(reader, at, "the key %s is not known; did you mean %s? (all keys: docs/config.md)", path, known);
    }
    return fail_at(reader, at, "the key %s is not known (all keys: docs/config.md)", path);
}

static const struct key *find_key(const char *path)
{
    for (int i = 0; i < KEYS; i++) {
        if (strcmp(keys[i].path, path) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static bool is_section(const char *path)
{
    size_t len = strlen(path);
    for (int i = 0; i < KEYS; i++) {
        if (strncmp(keys[i].path, path, len) == 0 && keys[i].path[len] == '.') {
            return true;
        }
    }
    return false;
}

static happn_status out_of_memory(struct reader *reader)
{
    return error_set(reader->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

/* "" stays "": nothing was named. */
happn_status config_file_name(struct config *config, struct str file, struct str *out)
{
    if (file.len == 0 || file.ptr[0] == '/') {
        *out = arena_str(&config->arena, file);
    } else {
        size_t len = config->base_dir.len + 1 + file.len;
        char *text = arena_alloc(&config->arena, len + 1);
        if (text != NULL) {
            snprintf(text, len + 1, "%s/%.*s", config->base_dir.ptr, (int)file.len, file.ptr);
        }
        *out = str_make(text, len);
    }
    return out->ptr != NULL ? HAPPN_OK : HAPPN_E_MEMORY;
}

static happn_status join_file(struct reader *reader, struct str file, struct str *out)
{
    return config_file_name(reader->config, file, out) == HAPPN_OK ? HAPPN_OK : out_of_memory(reader);
}

static happn_status read_text(struct reader *reader, const char *path, struct str value, struct str *out)
{
    if (json_type_of(value) != JSON_STRING) {
        return fail_at(reader, value.ptr, "%s must be a text in quotes", path);
    }
    struct str decoded = json_string(&reader->config->arena, value);
    if (decoded.ptr == NULL) {
        return out_of_memory(reader);
    }
    if (str_has(decoded, '\0')) {
        return fail_at(reader, value.ptr, "%s must not contain a NUL character", path);
    }
    *out = arena_str(&reader->config->arena, decoded);
    return out->ptr != NULL ? HAPPN_OK : out_of_memory(reader);
}

static happn_status read_int(struct reader *reader, const struct key *key, struct str value, int64_t *out)
{
    double number = json_number(value, 0.5);
    bool is_whole = json_type_of(value) == JSON_NUMBER && number == (double)(int64_t)number;
    if (!is_whole || number < (double)key->least || number > (double)key->most) {
        return fail_at(reader, value.ptr, "%s must be a whole number from %lld to %lld", key->path, (long long)key->least,
                       (long long)key->most);
    }
    *out = (int64_t)number;
    return HAPPN_OK;
}

static happn_status read_duration(struct reader *reader, const struct key *key, struct str value, int64_t *out)
{
    int64_t ms;
    if (!duration_read(&reader->config->arena, value, &ms) || ms < key->least || ms > key->most) {
        return fail_at(reader, value.ptr, "%s must be a time of %lld to %lld milliseconds: a number, or \"4 seconds\", \"2 hours\", \"7 days\"", key->path,
                       (long long)key->least, (long long)key->most);
    }
    *out = ms;
    return HAPPN_OK;
}

/* What it means is looked at by whoever uses it. */
static happn_status read_json(struct reader *reader, struct str value, struct str *out)
{
    *out = arena_str(&reader->config->arena, value);
    return out->ptr != NULL ? HAPPN_OK : out_of_memory(reader);
}

static happn_status read_list(struct reader *reader, const struct key *key, struct str value, struct config_list *out)
{
    if (json_type_of(value) != JSON_ARRAY) {
        return fail_at(reader, value.ptr, "%s must be a list of texts", key->path);
    }
    size_t count = 0;
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        count++;
    }
    *out = (struct config_list){arena_alloc(&reader->config->arena, (count + 1) * sizeof *out->items), 0};
    happn_status status = out->items != NULL ? HAPPN_OK : out_of_memory(reader);
    for (struct json_iter it = json_iter(value); status == HAPPN_OK && json_next(&it);) {
        status = read_text(reader, key->path, it.value, &out->items[out->count++]);
    }
    return status;
}

static happn_status read_bool(struct reader *reader, const struct key *key, struct str value, bool *out)
{
    if (json_type_of(value) != JSON_BOOL) {
        return fail_at(reader, value.ptr, "%s must be true or false", key->path);
    }
    *out = json_true(value);
    return HAPPN_OK;
}

static happn_status read_choice(struct reader *reader, const struct key *key, struct str value, struct str *out)
{
    struct str chosen = STR_NONE;
    happn_status status = read_text(reader, key->path, value, &chosen);
    for (const char *p = key->choices; status == HAPPN_OK && *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (str_equal(chosen, str_make(p, len))) {
            *out = chosen;
            return HAPPN_OK;
        }
        p += len + (p[len] == ',');
    }
    return status != HAPPN_OK ? status : fail_at(reader, value.ptr, "%s must be one of %s", key->path, key->choices);
}

static happn_status read_script_mount(struct reader *reader, struct str value, struct config_script *out)
{
    happn_status status = read_text(reader, "mount", value, &out->mount);
    if (status == HAPPN_OK && !str_starts(out->mount, STR_LIT("/"))) {
        return fail_at(reader, value.ptr, "mount must begin with a slash");
    }
    return status;
}

static happn_status read_script_flag(struct reader *reader, const char *name, struct str value, bool *out)
{
    if (json_type_of(value) != JSON_BOOL) {
        return fail_at(reader, value.ptr, "%s must be true or false", name);
    }
    *out = json_true(value);
    return HAPPN_OK;
}

/* What becomes of a message when its layer is wrong. */
static happn_status read_script_on_error(struct reader *reader, struct str value, struct config_script *out)
{
    happn_status status = read_text(reader, "onError", value, &out->on_error);
    if (status == HAPPN_OK && !str_is(out->on_error, "reject") && !str_is(out->on_error, "skip")) {
        return fail_at(reader, value.ptr, "onError must be \"reject\" or \"skip\"");
    }
    return status;
}

static happn_status read_script_member(struct reader *reader, const struct key *key, const struct json_iter *it, struct config_script *out)
{
    if (json_text_is(it->key, STR_LIT("script"))) {
        return read_text(reader, "script", it->value, &out->file);
    }
    if (json_text_is(it->key, STR_LIT("config"))) {
        out->config = arena_str(&reader->config->arena, it->value);
        return HAPPN_OK;
    }
    if (json_text_is(it->key, STR_LIT("mount")) && key->kind == ROUTES) {
        return read_script_mount(reader, it->value, out);
    }
    if (json_text_is(it->key, STR_LIT("user"))) {
        return read_text(reader, "user", it->value, &out->user);
    }
    if (json_text_is(it->key, STR_LIT("trusted"))) {
        return read_script_flag(reader, "trusted", it->value, &out->is_trusted);
    }
    if (json_text_is(it->key, STR_LIT("secrets"))) {
        return read_script_flag(reader, "secrets", it->value, &out->sees_secrets);
    }
    if (json_text_is(it->key, STR_LIT("onError")) && key->kind != ROUTES) {
        return read_script_on_error(reader, it->value, out);
    }
    return fail_at(reader, it->key.ptr - 1, "an entry of %s has the members script, config, %s, user, trusted and secrets, not %.*s", key->path,
                   key->kind == ROUTES ? "mount" : "onError", (int)(it->key.len > 60 ? 60 : it->key.len), it->key.ptr);
}

static happn_status read_script_members(struct reader *reader, const struct key *key, struct str value, struct config_script *out)
{
    happn_status status = HAPPN_OK;
    for (struct json_iter it = json_iter(value); status == HAPPN_OK && json_next(&it);) {
        status = read_script_member(reader, key, &it, out);
    }
    return status;
}

static happn_status read_script(struct reader *reader, const struct key *key, struct str value, struct config_script *out)
{
    happn_status status = HAPPN_OK;
    if (json_type_of(value) == JSON_STRING) {
        status = read_text(reader, key->path, value, &out->file);
    } else if (json_type_of(value) == JSON_OBJECT) {
        status = read_script_members(reader, key, value, out);
    }
    if (status == HAPPN_OK && out->file.len == 0) {
        return fail_at(reader, value.ptr, "an entry of %s names a script: \"stamp.lua\" or {\"script\": \"stamp.lua\"}", key->path);
    }
    return status;
}

static happn_status read_scripts(struct reader *reader, const struct key *key, struct str value, struct config_scripts *out)
{
    if (json_type_of(value) != JSON_ARRAY) {
        return fail_at(reader, value.ptr, "%s must be a list", key->path);
    }
    size_t count = 0;
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        count++;
    }
    struct config_script *items = arena_alloc(&reader->config->arena, (count + 1) * sizeof *items);
    if (items == NULL) {
        return out_of_memory(reader);
    }
    memset(items, 0, (count + 1) * sizeof *items);
    size_t index = 0;
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        happn_status status = read_script(reader, key, it.value, &items[index++]);
        if (status != HAPPN_OK) {
            return status;
        }
    }
    *out = (struct config_scripts){items, count};
    return HAPPN_OK;
}

/* What is switched off anyway may be said. */
static bool says_no(struct str value)
{
    return str_is(value, "false") || str_is(value, "null") || str_is(value, "{}") || str_is(value, "\"http\"");
}

static happn_status read_value(struct reader *reader, const struct key *key, const char *at, struct str value)
{
    void *field = (char *)reader->config + key->offset;
    switch (key->kind) {
    case BOOL:
        return read_bool(reader, key, value, field);
    case INT:
        return read_int(reader, key, value, field);
    case DURATION:
        return read_duration(reader, key, value, field);
    case JSON:
        return read_json(reader, value, field);
    case LIST:
        return read_list(reader, key, value, field);
    case TEXT:
        return read_text(reader, key->path, value, field);
    case FILE_NAME: {
        struct str file = STR_NONE;
        happn_status status = read_text(reader, key->path, value, &file);
        return status == HAPPN_OK ? join_file(reader, file, field) : status;
    }
    case CHOICE:
        return read_choice(reader, key, value, field);
    case LAYERS:
    case ROUTES:
        return read_scripts(reader, key, value, field);
    case STORES: {
        happn_error error = {.status = HAPPN_OK};
        happn_status status = config_read_stores(reader->config, value, field, &error);
        return status == HAPPN_OK ? HAPPN_OK : fail_at(reader, at, "%s: %s", key->path, error.message);
    }
    case LATER_KEY:
        return says_no(value) ? HAPPN_OK : fail_at(reader, at, "%s: %s", key->path, key->text);
    case IGNORED_KEY:
        buf_add_format(&reader->warnings, "%s has no effect: %s\n", key->path, key->text);
        return HAPPN_OK;
    }
    return HAPPN_OK;
}

static bool was_said_before(struct str object, const struct json_iter *now)
{
    for (struct json_iter it = json_iter(object); json_next(&it) && it.key.ptr < now->key.ptr;) {
        if (str_equal(it.key, now->key)) {
            return true;
        }
    }
    return false;
}

static happn_status read_section(struct reader *reader, struct str object, const char *prefix)
{
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        char path[KEY_BYTES];
        const char *at = it.key.ptr - 1;
        int len = snprintf(path, sizeof path, "%s%s%.*s", prefix, prefix[0] != '\0' ? "." : "",
                           (int)(it.key.len < KEY_BYTES ? it.key.len : KEY_BYTES), it.key.ptr);
        if (len >= (int)sizeof path) {
            return fail_at(reader, at, "there is no key with so long a name");
        }
        if (was_said_before(object, &it)) {
            return fail_at(reader, at, "%s stands here twice", path);
        }
        const struct key *key = find_key(path);
        happn_status status;
        if (key != NULL) {
            status = read_value(reader, key, at, it.value);
        } else if (!is_section(path)) {
            status = refuse_unknown(reader, at, path);
        } else if (json_type_of(it.value) != JSON_OBJECT) {
            status = fail_at(reader, it.value.ptr, "%s must be an object", path);
        } else {
            status = read_section(reader, it.value, path);
        }
        if (status != HAPPN_OK) {
            return status;
        }
    }
    return HAPPN_OK;
}

static struct str first_choice(struct arena *arena, const char *choices)
{
    return arena_str(arena, str_make(choices, strcspn(choices, ",")));
}

#define DEFAULT_BOOL(field, fallback) config->field = (fallback) != 0
#define DEFAULT_INT(field, fallback) config->field = (fallback)
#define DEFAULT_DURATION(field, fallback) config->field = (fallback)
#define DEFAULT_JSON(field, fallback) config->field = STR_LIT(fallback)
#define DEFAULT_LIST(field, fallback) config->field = (struct config_list){NULL, 0}
#define DEFAULT_TEXT(field, fallback) config->field = STR_LIT(fallback)
#define DEFAULT_FILE(field, fallback) config->field = STR_LIT(fallback)
#define DEFAULT_CHOICE(field, fallback) config->field = first_choice(&config->arena, fallback)
#define DEFAULT_LAYERS(field, fallback) config->field = (struct config_scripts){NULL, 0}
#define DEFAULT_ROUTES(field, fallback) config->field = (struct config_scripts){NULL, 0}
#define DEFAULT_STORES(field, fallback) config->field = (struct config_stores){NULL, 0}

static void set_defaults(struct config *config)
{
#define KEY(path, field, kind, fallback, least, most, text) DEFAULT_##kind(field, fallback);
#define LATER(path, text)
#define IGNORED(path, text)
#include "service/config.def"
#undef KEY
#undef LATER
#undef IGNORED
}

static struct str working_directory(struct arena *arena)
{
    char text[4096];
    return arena_str(arena, str_of(getcwd(text, sizeof text) != NULL ? text : "."));
}

static happn_status parse_text(struct reader *reader)
{
    size_t at = 0;
    happn_status status = json_check(reader->text, &at);
    if (status != HAPPN_OK) {
        return fail_at(reader, reader->text.ptr + at, "this is not JSON: %s", happn_status_text(status));
    }
    if (json_type_of(reader->text) != JSON_OBJECT) {
        return fail_at(reader, reader->text.ptr, "a configuration is a JSON object");
    }
    return read_section(reader, reader->text, "");
}

happn_status config_parse(struct config *config, const struct allocator *allocator, struct str text, const char *base_dir,
                          happn_error *error)
{
    memset(config, 0, sizeof *config);
    arena_init(&config->arena, allocator);
    set_defaults(config);
    config->base_dir = base_dir != NULL ? arena_str(&config->arena, str_of(base_dir)) : working_directory(&config->arena);
    config->text = arena_str(&config->arena, text.len != 0 ? text : STR_LIT("{}"));
    struct reader reader = {.config = config, .text = config->text, .error = error};
    if (config->base_dir.ptr == NULL || config->text.ptr == NULL || config->log_level.ptr == NULL) {
        return out_of_memory(&reader);
    }
    buf_init(&reader.warnings, allocator, 65536);
    happn_status status = parse_text(&reader);
    config->warnings = arena_str(&config->arena, buf_str(&reader.warnings));
    buf_fini(&reader.warnings);
    return status;
}

happn_status config_set(struct config *config, const char *path, struct str value, happn_error *error)
{
    struct reader reader = {.config = config, .error = error};
    const struct key *key = find_key(path);
    if (key == NULL) {
        return refuse_unknown(&reader, NULL, path);
    }
    struct str copy = arena_str(&config->arena, value);
    if (copy.ptr == NULL) {
        return out_of_memory(&reader);
    }
    if (json_check(copy, NULL) != HAPPN_OK) {
        return error_set(error, HAPPN_E_CONFIG, "the value for %s is not JSON; texts need quotes", path);
    }
    buf_init(&reader.warnings, NULL, 1024);
    happn_status status = read_value(&reader, key, NULL, json_trim(copy));
    buf_fini(&reader.warnings);
    return status;
}

void config_fini(struct config *config)
{
    arena_fini(&config->arena);
}
