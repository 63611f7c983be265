#include "transfer/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

happn_status output_begin(struct output *output, const char *name, const char *suffix, bool force, happn_error *error)
{
    output->name = name;
    if (snprintf(output->part, sizeof output->part, "%s%s", name, suffix) >= (int)sizeof output->part) {
        return error_set(error, HAPPN_E_ARGUMENT, "the file's name is too long");
    }
    if (!force && access(name, F_OK) == 0) {
        return error_set(error, HAPPN_E_REFUSED, "%.300s is there already", name);
    }
    output_drop(output);
    return HAPPN_OK;
}

static happn_status failed(const struct output *output, happn_error *error)
{
    return error_set(error, HAPPN_E_IO, "cannot write %.300s: %s", output->name, strerror(errno));
}

static bool sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_done = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* EINVAL: this file system does it without */
    if (fd >= 0) {
        close(fd);
    }
    return is_done;
}

happn_status output_finish(struct output *output, happn_error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(output->name, '/');
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - output->name + 1) : 1, slash != NULL ? output->name : ".");
    if (!sync_path(output->part) || rename(output->part, output->name) != 0 || !sync_path(folder)) {
        return failed(output, error);
    }
    return HAPPN_OK;
}

void output_drop(struct output *output)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-lock", "-journal"};
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        char name[PATH_MAX + 16];
        snprintf(name, sizeof name, "%s%s", output->part, beside[i]);
        unlink(name);
    }
}
