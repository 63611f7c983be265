/* The configuration: the original's shape as JSON text, checked key by key. */
#ifndef HAPPN_SERVICE_CONFIG_H
#define HAPPN_SERVICE_CONFIG_H

#include "base/arena.h"
#include "base/log.h"
#include "base/str.h"

/* A script and what it is told. */
struct config_script {
    struct str file;   /* as it was written */
    struct str mount;  /* of a route: "/api"; empty: none */
    struct str config; /* raw JSON value, or not set */
    struct str user;   /* whose rights its own work has; empty: nobody's */
    struct str on_error; /* "reject", "skip"; empty: reject */
    bool is_trusted, sees_secrets;
};

struct config_scripts {
    struct config_script *items;
    size_t count;
};

/* One store of services.data.config.datastores. */
struct config_store {
    struct str name;
    struct str file;       /* complete path; empty: in memory */
    struct str provider;   /* as it was written; empty: memory or SQLite, depending on the file */
    struct str settings;   /* raw JSON object, or not set */
    struct str durability; /* empty: as services.data.config.durability says */
    int64_t cache_bytes;   /* 0: as services.data.config.cacheBytes says */
    bool is_default;
    struct str *patterns;
    size_t pattern_count;
    struct str *indexes;   /* fields that searches ask for */
    size_t index_count;
};

struct config_stores {
    struct config_store *items;
    size_t count;
};

/* Texts. */
struct config_list {
    struct str *items;
    size_t count;
};

#define CONFIG_BOOL bool
#define CONFIG_INT int64_t
#define CONFIG_DURATION int64_t /* milliseconds */
#define CONFIG_JSON struct str /* raw value */
#define CONFIG_TEXT struct str
#define CONFIG_FILE struct str /* complete path */
#define CONFIG_CHOICE struct str
#define CONFIG_LIST struct config_list
#define CONFIG_LAYERS struct config_scripts
#define CONFIG_ROUTES struct config_scripts
#define CONFIG_STORES struct config_stores

/* All texts are NUL terminated and live as long as the configuration. */
struct config {
    struct arena arena;
    struct str base_dir;
    struct str text;
    struct str warnings; /* one a line; empty when there are none */
#define KEY(path, field, kind, fallback, least, most, text) CONFIG_##kind field;
#define LATER(path, text)
#define IGNORED(path, text)
#include "service/config.def"
#undef KEY
#undef LATER
#undef IGNORED
};

/* Reads text over the defaults; empty text is all defaults. On failure error says "line 7, column 5: ..." and what to do;
 * config_fini is needed in any case. base_dir NULL: the working directory. */
happn_status config_parse(struct config *config, const struct allocator *allocator, struct str text, const char *base_dir,
                          happn_error *error);

/* Sets one key by its dotted path to a JSON value. Afterwards the configuration is as before when it fails. */
happn_status config_set(struct config *config, const char *key, struct str value, happn_error *error);

/* The complete name of a file that the configuration names. E_MEMORY. */
happn_status config_file_name(struct config *config, struct str file, struct str *out);

/* The list of datastores. */
happn_status config_read_stores(struct config *config, struct str json, struct config_stores *out, happn_error *error);

void config_fini(struct config *config);

#endif
