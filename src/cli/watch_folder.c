#include "cli/watch_folder.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DEPTH = 16, QUIET_MS = 100 };

static int is_folder(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int watch(int fd, const char *folder, int depth)
{
    if (inotify_add_watch(fd, folder, IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVE) < 0) {
        return depth == 0 ? -1 : 0;
    }
    DIR *stream = depth < MOST_DEPTH ? opendir(folder) : NULL;
    struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        char path[4096];
        int len = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "node_modules") != 0 && len < (int)sizeof path && is_folder(path)) {
            watch(fd, path, depth + 1);
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
    return 0;
}

static int ends_with(const char *name, const char *suffix)
{
    size_t len = strlen(name), suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* What the tests themselves write, such as their results, is no reason to run them. */
static int is_change(const struct inotify_event *event)
{
    return (event->mask & (IN_ISDIR | IN_Q_OVERFLOW)) != 0 || (event->len != 0 && (ends_with(event->name, ".lua") || ends_with(event->name, ".json")));
}

/* Reads what there is; 1 when a change is among it, -1 on failure. */
static int take_events(int fd)
{
    _Alignas(struct inotify_event) char bytes[8192];
    int found = 0;
    ssize_t len = read(fd, bytes, sizeof bytes);
    for (ssize_t at = 0; at < len;) {
        const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
        found |= is_change(event);
        at += (ssize_t)(sizeof *event + event->len);
    }
    return len <= 0 ? -1 : found;
}

int watch_begin(const char *folder)
{
    int fd = inotify_init1(IN_CLOEXEC);
    if (fd >= 0 && watch(fd, folder, 0) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Editors write in several steps: the moment after the last one counts. */
int watch_end(int fd)
{
    struct pollfd waiting = {fd, POLLIN, 0};
    int found = 0;
    while (found == 0 || (found > 0 && poll(&waiting, 1, QUIET_MS) > 0)) {
        int taken = take_events(fd);
        found = taken < 0 ? -1 : found | taken;
    }
    close(fd);
    return found > 0 ? 0 : -1;
}
