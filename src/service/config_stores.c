/* services.data.config.datastores, in the original's shape: name, isDefault, patterns, settings. The provider's name only
 * matters where it asks for memory in spite of a file. */

#include "base/error.h"
#include "json/scan.h"
#include "service/config.h"

struct store_reader {
    struct config *config;
    struct config_store *store;
    happn_error *error;
    bool in_memory;
};

static happn_status no_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static happn_status read_text(struct store_reader *reader, const char *name, struct str value, struct str *out)
{
    struct str text = json_string(&reader->config->arena, value);
    if (text.len == 0) {
        return error_set(reader->error, HAPPN_E_CONFIG, "%s must be a text", name);
    }
    *out = arena_str(&reader->config->arena, text);
    return out->ptr != NULL ? HAPPN_OK : no_memory(reader->error);
}

static happn_status read_list(struct store_reader *reader, const char *expected, const char *each, struct str value, struct str **out, size_t *out_count)
{
    size_t count = 0;
    if (json_type_of(value) != JSON_ARRAY) {
        return error_set(reader->error, HAPPN_E_CONFIG, "%s", expected);
    }
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        count++;
    }
    *out = arena_alloc(&reader->config->arena, (count + 1) * sizeof **out);
    if (*out == NULL) {
        return no_memory(reader->error);
    }
    happn_status status = HAPPN_OK;
    for (struct json_iter it = json_iter(value); status == HAPPN_OK && json_next(&it);) {
        status = read_text(reader, each, it.value, &(*out)[(*out_count)++]);
    }
    return status;
}

static happn_status read_setting(struct store_reader *reader, struct str key, struct str value)
{
    struct config_store *store = reader->store;
    if (json_type_of(value) == JSON_NULL) {
        return HAPPN_OK;
    }
    if (json_text_is(key, STR_LIT("filename")) || json_text_is(key, STR_LIT("dbfile"))) {
        struct str file;
        happn_status status = read_text(reader, "settings.filename", value, &file);
        return status == HAPPN_OK ? config_file_name(reader->config, file, &store->file) : status;
    }
    if (json_text_is(key, STR_LIT("durability"))) {
        happn_status status = read_text(reader, "settings.durability", value, &store->durability);
        bool fits = status == HAPPN_OK && (str_is(store->durability, "fsync") || str_is(store->durability, "file"));
        return fits ? HAPPN_OK : error_set(reader->error, HAPPN_E_CONFIG, "settings.durability must be fsync or file");
    }
    if (json_text_is(key, STR_LIT("cacheBytes"))) {
        store->cache_bytes = json_int(value, 0);
        return store->cache_bytes >= 65536 ? HAPPN_OK : error_set(reader->error, HAPPN_E_CONFIG, "settings.cacheBytes must be 65536 or more");
    }
    if (json_text_is(key, STR_LIT("indexes"))) {
        return read_list(reader, "settings.indexes must be a list of names such as \"address.city\"", "an index", value, &store->indexes,
                         &store->index_count);
    }
    return error_set(reader->error, HAPPN_E_CONFIG, "settings.%.*s is not known, there are filename, durability, cacheBytes and indexes",
                     (int)(key.len < 60 ? key.len : 60), key.ptr);
}

static happn_status read_settings(struct store_reader *reader, struct str value)
{
    if (json_type_of(value) != JSON_OBJECT) {
        return error_set(reader->error, HAPPN_E_CONFIG, "settings must be an object");
    }
    happn_status status = HAPPN_OK;
    for (struct json_iter it = json_iter(value); status == HAPPN_OK && json_next(&it);) {
        status = read_setting(reader, it.key, it.value);
    }
    return status;
}

static happn_status read_provider(struct store_reader *reader, struct str value)
{
    static const char *const known[] = {"memory", "mem", "sqlite", "nedb", "happn-db-provider-loki", "happn-db-provider-nedb"};
    struct str name;
    happn_status status = read_text(reader, "provider", value, &name);
    for (size_t i = 0; status == HAPPN_OK && i < sizeof known / sizeof known[0]; i++) {
        if (str_is(name, known[i])) {
            reader->in_memory = i < 2;
            return HAPPN_OK;
        }
    }
    reader->store->provider = name; /* the host's, perhaps: it is asked for when the store is opened */
    return status;
}

static happn_status read_member(struct store_reader *reader, struct str key, struct str value)
{
    if (json_text_is(key, STR_LIT("name"))) {
        return read_text(reader, "name", value, &reader->store->name);
    }
    if (json_text_is(key, STR_LIT("isDefault"))) {
        reader->store->is_default = json_true(value);
        return HAPPN_OK;
    }
    if (json_text_is(key, STR_LIT("patterns"))) {
        return read_list(reader, "patterns must be a list of texts such as \"/live/*\"", "a pattern", value, &reader->store->patterns,
                         &reader->store->pattern_count);
    }
    if (json_text_is(key, STR_LIT("settings"))) {
        reader->store->settings = value;
        return HAPPN_OK;
    }
    if (json_text_is(key, STR_LIT("provider"))) {
        return read_provider(reader, value);
    }
    return error_set(reader->error, HAPPN_E_CONFIG, "%.*s is not known, there are name, provider, isDefault, patterns and settings",
                     (int)(key.len < 60 ? key.len : 60), key.ptr);
}

static happn_status read_store(struct store_reader *reader, struct str value)
{
    if (json_type_of(value) != JSON_OBJECT) {
        return error_set(reader->error, HAPPN_E_CONFIG, "each datastore must be an object");
    }
    happn_status status = HAPPN_OK;
    for (struct json_iter it = json_iter(value); status == HAPPN_OK && json_next(&it);) {
        status = read_member(reader, it.key, it.value);
    }
    bool is_ours = reader->store->provider.len == 0; /* settings of the host's providers are theirs */
    if (status == HAPPN_OK && is_ours && str_is_set(reader->store->settings)) {
        status = read_settings(reader, reader->store->settings);
    }
    if (status == HAPPN_OK && reader->store->name.len == 0) {
        return error_set(reader->error, HAPPN_E_CONFIG, "each datastore needs a name");
    }
    if (reader->in_memory) {
        reader->store->file = STR_NONE;
    }
    return status;
}

happn_status config_read_stores(struct config *config, struct str json, struct config_stores *out, happn_error *error)
{
    size_t count = 0;
    if (json_type_of(json) != JSON_ARRAY) {
        return error_set(error, HAPPN_E_CONFIG, "it must be a list of datastores");
    }
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        count++;
    }
    struct config_stores stores = {arena_alloc(&config->arena, (count + 1) * sizeof *stores.items), 0};
    if (stores.items == NULL) {
        return no_memory(error);
    }
    happn_status status = HAPPN_OK;
    for (struct json_iter it = json_iter(json); status == HAPPN_OK && json_next(&it);) {
        struct config_store *store = &stores.items[stores.count++];
        *store = (struct config_store){.is_default = false};
        struct store_reader reader = {config, store, error, false};
        status = read_store(&reader, it.value);
    }
    if (status == HAPPN_OK) {
        *out = stores;
    }
    return status;
}
