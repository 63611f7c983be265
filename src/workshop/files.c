#include "workshop/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"

enum { MAX_FILE = 1 << 20, MAX_FILES = 10000, MAX_DEPTH = 16 };

struct walk {
    struct arena *arena;
    const char *root;
    struct str suffix;
    struct file_list *out;
    happn_error *error;
};

bool files_add(struct arena *arena, struct file_list *list, const char *name)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : 2 * list->room;
        const char **names = arena_alloc(arena, room * sizeof *names);
        if (names == NULL) {
            return false;
        }
        if (list->count != 0) {
            memcpy(names, list->names, list->count * sizeof *names);
        }
        list->names = names;
        list->room = room;
    }
    list->names[list->count] = arena_str(arena, str_of(name)).ptr;
    return list->names[list->count++] != NULL;
}

static happn_status walk_folder(struct walk *walk, const char *folder, int depth);

static happn_status look_at(struct walk *walk, const char *folder, const char *name, int depth)
{
    char relative[1024], path[2048];
    struct stat info;
    int len = snprintf(relative, sizeof relative, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", name);
    int path_len = snprintf(path, sizeof path, "%s/%s", walk->root, relative);
    if (name[0] == '.' || len >= (int)sizeof relative || path_len >= (int)sizeof path || lstat(path, &info) != 0) {
        return HAPPN_OK;
    }
    if (S_ISDIR(info.st_mode)) {
        return strcmp(name, "node_modules") != 0 ? walk_folder(walk, relative, depth + 1) : HAPPN_OK;
    }
    if (!str_ends(str_of(relative), walk->suffix)) {
        return HAPPN_OK;
    }
    if (walk->out->count == MAX_FILES) {
        return error_set(walk->error, HAPPN_E_LIMIT, "%s has more than %d files", walk->root, MAX_FILES);
    }
    return files_add(walk->arena, walk->out, relative) ? HAPPN_OK : error_set(walk->error, HAPPN_E_MEMORY, "out of memory");
}

static happn_status walk_folder(struct walk *walk, const char *folder, int depth)
{
    char path[2048];
    struct dirent *entry;
    snprintf(path, sizeof path, "%s/%s", walk->root, folder);
    DIR *stream = depth <= MAX_DEPTH ? opendir(path) : NULL;
    if (stream == NULL) {
        return depth == 0 ? error_set(walk->error, HAPPN_E_ARGUMENT, "%s: %s", walk->root, strerror(errno)) : HAPPN_OK;
    }
    happn_status status = HAPPN_OK;
    while (status == HAPPN_OK && (entry = readdir(stream)) != NULL) {
        status = look_at(walk, folder, entry->d_name, depth);
    }
    closedir(stream);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static happn_status find_below(struct walk *walk, const char *folder)
{
    size_t before = walk->out->count;
    happn_status status = walk_folder(walk, folder, 0);
    if (status == HAPPN_OK && walk->out->count != before) {
        qsort(walk->out->names + before, walk->out->count - before, sizeof *walk->out->names, compare_names);
    }
    return status;
}

happn_status files_find(struct arena *arena, const char *root, const char *suffix, struct file_list *out, happn_error *error)
{
    struct walk walk = {arena, root, str_of(suffix), out, error};
    return find_below(&walk, "");
}

happn_status files_read(struct arena *arena, const char *root, const char *file, struct str *out, happn_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, file);
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) {
        return error_set(error, HAPPN_E_IO, "%s: cannot be read: %s", file, strerror(errno));
    }
    struct stat info;
    size_t room = fstat(fileno(stream), &info) == 0 && info.st_size <= MAX_FILE ? (size_t)info.st_size + 1 : MAX_FILE + 1;
    char *text = arena_alloc(arena, room);
    size_t len = text != NULL ? fread(text, 1, room, stream) : 0;
    bool failed = ferror(stream) != 0;
    fclose(stream);
    if (text == NULL || failed || len == room) {
        return error_set(error, HAPPN_E_IO, "%s: %s", file, text == NULL ? "out of memory" : failed ? "cannot be read" : "is larger than 1 MiB");
    }
    *out = str_make(text, len);
    return HAPPN_OK;
}

happn_status files_relative(struct arena *arena, const char *root, const char *file, const char **out, happn_error *error)
{
    char *whole_root = realpath(root, NULL), *whole = realpath(file, NULL);
    size_t len = whole_root != NULL ? strlen(whole_root) : 0;
    happn_status status = HAPPN_OK;
    if (whole == NULL || whole_root == NULL) {
        status = error_set(error, HAPPN_E_ARGUMENT, "%s: %s", whole_root == NULL ? root : file, strerror(errno));
    } else if (strcmp(whole, whole_root) == 0) {
        *out = "";
    } else if (strncmp(whole, whole_root, len) != 0 || whole[len] != '/') {
        status = error_set(error, HAPPN_E_ARGUMENT, "%s is not below the scripts' root, %s", file, root);
    } else if ((*out = arena_str(arena, str_of(whole + len + 1)).ptr) == NULL) {
        status = error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    free(whole_root);
    free(whole);
    return status;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

happn_status files_take(struct arena *arena, const char *root, const char *place, const char *suffix, struct file_list *out, happn_error *error)
{
    const char *name = NULL;
    happn_status status = files_relative(arena, root, place, &name, error);
    if (status == HAPPN_OK && is_folder(place)) {
        struct walk walk = {arena, root, str_of(suffix), out, error};
        return find_below(&walk, name);
    }
    if (status == HAPPN_OK && !files_add(arena, out, name)) {
        status = error_set(error, HAPPN_E_MEMORY, "out of memory");
    }
    return status;
}
