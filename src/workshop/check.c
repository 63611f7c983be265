/* happn check: everything that can be known about scripts before they serve.
 *
 * Two looks at each file. The first needs no server: it compiles the text and reads the words. The second loads the script the way the
 * server does, in the same sandbox: as the configuration says when it names it, and otherwise as something that may be a layer, routes or
 * neither. All of them are looked at, so that one run tells everything. */

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "happn/workshop.h"
#include "script/library.h"
#include "script/trial.h"
#include "service/config.h"
#include "workshop/files.h"
#include "workshop/source.h"

enum { MAX_NAMES = 4096, MAX_MESSAGE = 32 << 20 };

struct check {
    const happn_check_options *options;
    struct arena arena;
    struct notes notes;
    struct names names;
    struct loop loop; /* a clock, never run */
    struct core core;
    struct config config;
    const char *root;
    struct scripts_options limits;
    struct source *sources, **last;
    size_t count;
    bool no_memory;
};

/* -- what is known -- */

static void take_name(void *arg, const char *name)
{
    struct check *check = arg;
    if (check->names.count < MAX_NAMES) {
        check->names.items[check->names.count] = arena_str(&check->arena, str_of(name)).ptr;
        check->no_memory = check->no_memory || check->names.items[check->names.count++] == NULL;
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static happn_status learn_names(struct check *check, happn_error *error)
{
    check->names.items = arena_alloc(&check->arena, MAX_NAMES * sizeof *check->names.items);
    if (check->names.items == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    happn_status status = trial_names(&check->core, take_name, check, error);
    if (status == HAPPN_OK && check->no_memory) {
        status = error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    if (status == HAPPN_OK) {
        qsort(check->names.items, check->names.count, sizeof *check->names.items, compare_names);
    }
    return status;
}

/* -- the configuration -- */

static void note_config(struct check *check, const char *text)
{
    int line = 0, skipped = 0;
    if (sscanf(text, "line %d, column %*d: %n", &line, &skipped) != 1 || skipped == 0) {
        skipped = 0;
    }
    notes_add(&check->notes, check->options->config_name != NULL ? check->options->config_name : "configuration", line, false, "%s", text + skipped);
}

static void read_config(struct check *check)
{
    const happn_check_options *options = check->options;
    happn_error error = {0};
    happn_status status = HAPPN_OK;
    if (options->config != NULL) {
        status = config_parse(&check->config, NULL, str_make(options->config, options->config_len), options->base_dir, &error);
    }
    if (status != HAPPN_OK) {
        note_config(check, error.message);
        config_fini(&check->config);
        memset(&check->config, 0, sizeof check->config);
    }
    const struct config *config = &check->config;
    const char *of_config = config->script_root.len != 0 ? config->script_root.ptr : config->base_dir.ptr;
    check->root = options->root != NULL ? options->root : of_config != NULL && of_config[0] != '\0' ? of_config : ".";
    check->limits = (struct scripts_options){.root = check->root, .memory = (size_t)config->script_memory};
}

/* -- the files -- */

static struct source *find_source(const struct check *check, const char *file)
{
    struct source *source = check->sources;
    while (source != NULL && strcmp(source->file, file) != 0) {
        source = source->next;
    }
    return source;
}

/* Annotations for editors are no scripts. */
static bool is_meta(struct str text)
{
    return str_starts(text, STR_LIT("---@meta"));
}

static void add_source(struct check *check, const char *file)
{
    happn_error error;
    struct str text;
    struct source *source = arena_alloc(&check->arena, sizeof *source);
    if (source == NULL) {
        check->no_memory = true;
        return;
    }
    if (find_source(check, file) != NULL) {
        return;
    }
    if (files_read(&check->arena, check->root, file, &text, &error) != HAPPN_OK) {
        notes_add_error(&check->notes, file, error.message);
        return;
    }
    *source = (struct source){.file = file, .text = text};
    source->is_test = str_ends(str_of(file), STR_LIT("_test.lua"));
    source->is_module = str_starts(str_of(file), STR_LIT("lib/")) || strstr(file, "/lib/") != NULL;
    if (is_meta(text)) {
        return;
    }
    check->no_memory = check->no_memory || !source_read(source, &check->arena, &check->notes);
    *check->last = source;
    check->last = &source->next;
    check->count++;
}

static void mark_module(void *arg, const struct required *required)
{
    struct source *source = find_source(arg, required->file);
    if (source != NULL) {
        source->is_module = true;
    }
}

/* A module that a listed file requires is looked at, too. */
static void add_module(void *arg, const struct required *required)
{
    struct check *check = arg;
    const char *file = required->file, *copy = arena_str(&check->arena, str_of(file)).ptr;
    char path[4096];
    FILE *stream = NULL;
    if (copy != NULL && snprintf(path, sizeof path, "%s/%s", check->root, file) < (int)sizeof path && (stream = fopen(path, "re")) != NULL) {
        fclose(stream);
        add_source(check, copy);
    }
}

static happn_status list_files(struct check *check, struct file_list *list, happn_error *error)
{
    const happn_check_options *options = check->options;
    if (options->file_count == 0) {
        return files_find(&check->arena, check->root, ".lua", list, error);
    }
    happn_status status = HAPPN_OK;
    for (size_t i = 0; i < options->file_count && status == HAPPN_OK; i++) {
        status = files_take(&check->arena, check->root, options->files[i], ".lua", list, error);
    }
    return status;
}

static happn_status read_sources(struct check *check, happn_error *error)
{
    struct file_list list = {0};
    happn_status status = list_files(check, &list, error);
    for (size_t i = 0; i < list.count && status == HAPPN_OK; i++) {
        add_source(check, list.names[i]);
    }
    for (struct source *source = check->sources; source != NULL && status == HAPPN_OK; source = source->next) {
        source_modules(source, add_module, check);
    }
    for (struct source *source = check->sources; source != NULL; source = source->next) {
        source_modules(source, mark_module, check);
    }
    return status;
}

/* -- loading -- */

/* The load says what is wrong with a name, the words of the file say where it stands. */
static void note_load(struct check *check, const char *file, const char *text)
{
    const struct source *source = find_source(check, file);
    const char *open = strchr(text, '"'), *close = open != NULL ? strchr(open + 1, '"') : NULL;
    char placed[600];
    size_t len = strlen(file);
    int line = 0;
    if (source != NULL && close != NULL && strncmp(text, file, len) == 0 && strncmp(text + len, ": ", 2) == 0) {
        line = source_line_of(source, str_make(open + 1, (size_t)(close - open - 1)));
    }
    if (line != 0) {
        snprintf(placed, sizeof placed, "%s:%d:%s", file, line, text + len + 1);
        text = placed;
    }
    notes_add_error(&check->notes, file, text);
}

static bool load(struct check *check, const struct script_entry *entry, enum script_role role)
{
    happn_error error = {0};
    if (trial_load(&check->core, &check->limits, entry, role, &error) == HAPPN_OK) {
        return true;
    }
    note_load(check, entry->file, error.message);
    return false;
}

static bool is_wanted(const struct check *check, const char *file)
{
    return check->options->file_count == 0 || find_source(check, file) != NULL;
}

static bool load_list(struct check *check, const struct config_scripts *list, enum script_role role)
{
    bool ok = true;
    for (size_t i = 0; i < list->count; i++) {
        const struct config_script *item = &list->items[i];
        struct source *source = find_source(check, item->file.ptr);
        struct script_entry entry = {.file = item->file.ptr, .config_json = item->config.ptr, .config_len = item->config.len,
                                     .mount = item->mount.ptr, .user = item->user.ptr, .is_trusted = item->is_trusted};
        if (source != NULL) {
            source->is_loaded = true;
        }
        if (is_wanted(check, entry.file) && (source == NULL || !source->is_broken)) {
            ok = load(check, &entry, role) && ok;
        }
    }
    return ok;
}

/* A table without any member of a script's, and nothing like one: nobody requires it yet, but it is a module. */
static bool is_module(const struct source *source, const char *text)
{
    static const char *const words[] = {"inbound", "outbound", "routes", "start", "login", "on_session", "on_security", "every", "on"};
    if (strstr(text, "unknown key") == NULL || strstr(text, "did you mean") != NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (source_has_member(source, str_of(words[i]))) {
            return false;
        }
    }
    return !source_has_route(source);
}

static void load_any(struct check *check, const struct source *source)
{
    struct script_entry entry = {.file = source->file};
    happn_error error = {0};
    if (trial_load(&check->core, &check->limits, &entry, ROLE_ANY, &error) != HAPPN_OK && !is_module(source, error.message)) {
        note_load(check, source->file, error.message);
    }
}

static void load_sources(struct check *check)
{
    const struct config *config = &check->config;
    load_list(check, &config->inbound, ROLE_INBOUND);
    load_list(check, &config->outbound, ROLE_OUTBOUND);
    load_list(check, &config->routes, ROLE_ROUTES);
    load_list(check, &config->scripts, ROLE_OTHER);
    for (const struct source *source = check->sources; source != NULL; source = source->next) {
        if (!source->is_broken && !source->is_module && !source->is_test && !source->is_loaded) {
            load_any(check, source);
        }
    }
}

struct requiring {
    struct check *check;
    const struct source *source;
    const char *file; /* that is looked for */
    bool is_early;    /* it is required while the source is loaded */
};

static void look_for_early(void *arg, const struct required *required)
{
    struct requiring *self = arg;
    self->is_early = self->is_early || (!required->in_function && strcmp(required->file, self->file) == 0);
}

/* One that is missing while a script is loaded was told then; this one would be missed when a function is called. There it works only for what
 * was required before. */
static void note_required(void *arg, const struct required *required)
{
    struct requiring *self = arg;
    struct check *check = self->check;
    struct str ours;
    const char *file = required->file;
    bool is_there = find_source(check, file) != NULL || library_find(file, &ours) || (self->source->is_test && strcmp(file, "happn/test.lua") == 0);
    struct requiring early = {.file = file};
    if (is_there && required->in_function && !self->source->is_test) {
        source_modules(self->source, look_for_early, &early);
    }
    if (!is_there && !notes_mention(&check->notes, self->source->file, required->line, file)) {
        notes_add(&check->notes, self->source->file, required->line, true, "require: there is no %s below the scripts' root", file);
    } else if (is_there && required->in_function && !early.is_early && !self->source->is_test) {
        notes_add(&check->notes, self->source->file, required->line, true,
                  "require: in a call it gives only what was required while the script was loaded; %s belongs to the top of the file", file);
    }
}

static void look(struct check *check)
{
    for (const struct source *source = check->sources; source != NULL; source = source->next) {
        struct requiring requiring = {.check = check, .source = source};
        source_modules(source, note_required, &requiring);
        source_check_globals(source, check->sources, &check->names, &check->notes);
        source_check_members(source, &check->names, &check->notes);
    }
}

happn_status happn_check(const happn_check_options *options, void (*found)(const happn_finding *finding, void *arg), void *arg, size_t *checked,
                         happn_error *error)
{
    struct check *check = memory_zalloc(NULL, sizeof *check);
    if (check == NULL || options->size < sizeof *options) {
        memory_free(NULL, check);
        return error_set(error, check == NULL ? HAPPN_E_MEMORY : HAPPN_E_ARGUMENT, "out of memory, or options of another version");
    }
    check->options = options;
    check->last = &check->sources;
    check->core = (struct core){.loop = &check->loop, .limits = {.message_bytes = MAX_MESSAGE}};
    arena_init(&check->arena, NULL);
    check->notes.arena = &check->arena;
    read_config(check);
    happn_status status = learn_names(check, error);
    if (status == HAPPN_OK) {
        status = read_sources(check, error);
    }
    if (status == HAPPN_OK) {
        load_sources(check);
        look(check);
        *checked = check->count;
        status = !notes_tell(&check->notes, found, arg) || check->no_memory ? error_set(error, HAPPN_E_MEMORY, "out of memory") : HAPPN_OK;
    }
    config_fini(&check->config);
    arena_fini(&check->arena);
    memory_free(NULL, check);
    return status;
}
