#include "script/watch.h"

#include <string.h>
#include <sys/stat.h>

#include "script/generation.h"

enum { LOOK_MS = 300 };

static struct watched_file look_at(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return (struct watched_file){.modified_ns = -1, .size = -1};
    }
    return (struct watched_file){.modified_ns = (long long)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec, .size = info.st_size};
}

void watch_forget(struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        memory_free(watch->scripts->core->allocator, watch->files[i].path);
    }
    watch->count = 0;
}

/* Out of memory: this file is not watched. */
void watch_note(struct watch *watch, const char *path)
{
    if (!watch->is_on) {
        return;
    }
    const struct allocator *allocator = watch->scripts->core->allocator;
    if (watch->count == watch->room) {
        size_t room = watch->room == 0 ? 16 : watch->room * 2;
        struct watched_file *files = memory_resize(allocator, watch->files, room * sizeof *files);
        if (files == NULL) {
            return;
        }
        watch->files = files;
        watch->room = room;
    }
    struct watched_file file = look_at(path);
    file.path = memory_strdup(allocator, path, strlen(path));
    if (file.path != NULL) {
        watch->files[watch->count++] = file;
    }
}

static const struct watched_file *find_changed(const struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        struct watched_file now = look_at(watch->files[i].path);
        if (now.modified_ns != watch->files[i].modified_ns || now.size != watch->files[i].size) {
            return &watch->files[i];
        }
    }
    return NULL;
}

static void look(uv_timer_t *timer)
{
    struct watch *watch = timer->data;
    const struct watched_file *changed = find_changed(watch);
    if (changed == NULL) {
        return;
    }
    happn_error error;
    struct log *log = watch->scripts->core->log;
    log_write(log, LOG_INFO, "script", "%s has changed", changed->path);
    if (scripts_reload(watch->scripts, &error) == HAPPN_OK) {
        log_write(log, LOG_INFO, "script", "the scripts were loaded anew");
    }
}

void watch_files_begin(struct watch *watch)
{
    if (!watch->is_on) {
        return;
    }
    watch->has_timer = true;
    uv_timer_init(&watch->scripts->core->loop->uv, &watch->timer);
    watch->timer.data = watch;
    uv_timer_start(&watch->timer, look, LOOK_MS, LOOK_MS);
    uv_unref((uv_handle_t *)&watch->timer);
}

static void closed(uv_handle_t *handle)
{
    scripts_release(((struct watch *)handle->data)->scripts);
}

void watch_files_end(struct watch *watch)
{
    if (watch->has_timer) {
        watch->has_timer = watch->is_on = false;
        watch->scripts->holds++;
        uv_close((uv_handle_t *)&watch->timer, closed);
    }
}
