/* flock() on a file beside the database: the system drops it when the process dies, however it dies, and it also tells
 * two stores in one process apart, which fcntl() locks do not. The database itself is not used for it: closing any
 * descriptor of a file drops all of the process's fcntl() locks on it, SQLite's among them. The lock file is never
 * deleted: a third program could lock the deleted one while a fourth makes a new one. It holds the process id, for
 * the message. */

#include "store/sqlite_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static happn_status refuse(const char *file, int fd, happn_error *error)
{
    char owner[32] = "";
    ssize_t len = pread(fd, owner, sizeof owner - 1, 0);
    long id = len > 0 ? strtol(owner, NULL, 10) : 0;
    if (id > 0) {
        return error_set(error, HAPPN_E_BUSY, "%s is open in another program (process %ld)", file, id);
    }
    return error_set(error, HAPPN_E_BUSY, "%s is open in another program", file);
}

static void write_owner(int fd)
{
    char owner[32];
    int len = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, owner, (size_t)len, 0) != len) {
        return; /* only the message of a refusal is poorer */
    }
}

happn_status sqlite_lock_take(const char *file, int *lock, happn_error *error)
{
    char name[4200];
    if (snprintf(name, sizeof name, "%s-lock", file) >= (int)sizeof name) {
        return error_set(error, HAPPN_E_ARGUMENT, "the name of the database is too long");
    }
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_set(error, HAPPN_E_IO, "cannot open %s: %s", name, strerror(errno));
    }
    int result;
    do {
        result = flock(fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        happn_status status = errno == EWOULDBLOCK
                                  ? refuse(file, fd, error)
                                  : error_set(error, HAPPN_E_IO, "cannot lock %s: %s", name, strerror(errno));
        close(fd);
        return status;
    }
    write_owner(fd);
    *lock = fd;
    return HAPPN_OK;
}

void sqlite_lock_release(int lock)
{
    close(lock);
}
