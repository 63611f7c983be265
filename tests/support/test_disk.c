/* A VFS around SQLite's own. The contents of files live here; the real files stay empty and only lend their locks and
 * their shared memory, so that several connections work as always.
 *
 * Each file has the image that is surely on the disk, what the system shows (`seen`), and the changes between them. A sync
 * makes the image equal to what is seen. When the power fails, each unsynced change survives or not, sector by sector
 * and in any order; now and then a sector is torn. What was synced survives, also in a sector that is written again
 * beside it: SQLite relies on that (powersafe overwrite), and so do disks. A file whose folder was not synced since it
 * was made may be gone; the real VFS syncs the folder with the first sync of a new log or journal, so this one does. */

#include "test_disk.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512 };

struct bytes {
    unsigned char *ptr;
    size_t len, room;
};

struct change {
    struct change *next;
    size_t offset, len; /* a truncation: offset is the size, len 0 */
    unsigned char bytes[];
};

struct node {
    struct node *next;
    char name[256];
    struct bytes seen, safe;
    struct change *changes, **changes_tail;
    bool exists;
    bool entry_is_safe;
    bool syncs_folder; /* a new log or journal, not synced yet */
};

struct test_disk {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    char name[48];
    uint64_t random;
    pthread_mutex_t mutex;
    struct node *nodes;
    int countdown; /* -1: no cut is planned */
    bool is_cut;
    int write_code, sync_code;
    size_t limit; /* 0: none */
    int fails_in; /* calls; 0: it has, or shall not */
};

struct file {
    sqlite3_file base;
    struct test_disk *disk;
    struct node *node; /* NULL: a temporary file, left to the real VFS */
    sqlite3_file *real;
};

static uint64_t draw(struct test_disk *disk)
{
    disk->random ^= disk->random << 13;
    disk->random ^= disk->random >> 7;
    disk->random ^= disk->random << 17;
    return disk->random * 2685821657736338717u >> 16;
}

static void resize(struct bytes *bytes, size_t len)
{
    if (len > bytes->room) {
        bytes->room = len * 2;
        bytes->ptr = realloc(bytes->ptr, bytes->room);
        if (bytes->ptr == NULL) {
            abort();
        }
    }
    if (len > bytes->len) {
        memset(bytes->ptr + bytes->len, 0, len - bytes->len);
    }
    bytes->len = len;
}

static void put(struct bytes *bytes, const void *from, size_t len, size_t offset)
{
    if (offset + len > bytes->len) {
        resize(bytes, offset + len);
    }
    memcpy(bytes->ptr + offset, from, len);
}

static void note_change(struct node *node, const void *from, size_t len, size_t offset)
{
    struct change *change = malloc(sizeof *change + len);
    change->next = NULL;
    change->offset = offset;
    change->len = len;
    if (len != 0) {
        memcpy(change->bytes, from, len);
    }
    *node->changes_tail = change;
    node->changes_tail = &change->next;
}

static void drop_changes(struct node *node)
{
    for (struct change *change = node->changes, *next; change != NULL; change = next) {
        next = change->next;
        free(change);
    }
    node->changes = NULL;
    node->changes_tail = &node->changes;
}

/* Call it under the mutex before each change. */
static bool has_power(struct test_disk *disk)
{
    if (disk->countdown > 0 && --disk->countdown == 0) {
        disk->is_cut = true;
    }
    return !disk->is_cut;
}

/* Call it under the mutex before each call that reaches the disk: `code`, when this is the one that fails. */
static int fails_with(struct test_disk *disk, int code)
{
    return disk->fails_in > 0 && --disk->fails_in == 0 ? code : SQLITE_OK;
}

static bool has_room(const struct test_disk *disk, const struct node *grown, size_t len)
{
    size_t total = 0;
    for (const struct node *node = disk->nodes; node != NULL; node = node->next) {
        total += node->exists && node != grown ? node->seen.len : 0;
    }
    return disk->limit == 0 || len <= grown->seen.len || total + len <= disk->limit;
}

static int file_close(sqlite3_file *base)
{
    struct file *file = (struct file *)base;
    return file->real->pMethods != NULL ? file->real->pMethods->xClose(file->real) : SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *to, int len, sqlite3_int64 offset)
{
    struct file *file = (struct file *)base;
    if (file->node == NULL) {
        return file->real->pMethods->xRead(file->real, to, len, offset);
    }
    pthread_mutex_lock(&file->disk->mutex);
    if (fails_with(file->disk, SQLITE_IOERR_READ) != SQLITE_OK) {
        pthread_mutex_unlock(&file->disk->mutex);
        return SQLITE_IOERR_READ;
    }
    const struct bytes *seen = &file->node->seen;
    size_t have = (size_t)offset < seen->len ? seen->len - (size_t)offset : 0;
    if (have > (size_t)len) {
        have = (size_t)len;
    }
    if (have != 0) {
        memcpy(to, seen->ptr + offset, have);
    }
    pthread_mutex_unlock(&file->disk->mutex);
    memset((char *)to + have, 0, (size_t)len - have);
    return have == (size_t)len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *from, int len, sqlite3_int64 offset)
{
    struct file *file = (struct file *)base;
    if (file->node == NULL) {
        return file->real->pMethods->xWrite(file->real, from, len, offset);
    }
    pthread_mutex_lock(&file->disk->mutex);
    int code = !has_power(file->disk) ? SQLITE_IOERR_WRITE : file->disk->write_code;
    code = code == SQLITE_OK ? fails_with(file->disk, SQLITE_IOERR_WRITE) : code;
    code = code == SQLITE_OK && !has_room(file->disk, file->node, (size_t)offset + (size_t)len) ? SQLITE_FULL : code;
    if (code == SQLITE_OK) {
        put(&file->node->seen, from, (size_t)len, (size_t)offset);
        note_change(file->node, from, (size_t)len, (size_t)offset);
    }
    pthread_mutex_unlock(&file->disk->mutex);
    return code;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *file = (struct file *)base;
    if (file->node == NULL) {
        return file->real->pMethods->xTruncate(file->real, size);
    }
    pthread_mutex_lock(&file->disk->mutex);
    int code = !has_power(file->disk) ? SQLITE_IOERR_TRUNCATE : file->disk->write_code;
    code = code == SQLITE_OK ? fails_with(file->disk, SQLITE_IOERR_TRUNCATE) : code;
    if (code == SQLITE_OK) {
        resize(&file->node->seen, (size_t)size);
        note_change(file->node, NULL, 0, (size_t)size);
    }
    pthread_mutex_unlock(&file->disk->mutex);
    return code;
}

static void make_safe(struct test_disk *disk, struct node *node)
{
    node->safe.len = 0;
    put(&node->safe, node->seen.ptr != NULL ? (const void *)node->seen.ptr : "", node->seen.len, 0);
    drop_changes(node);
    if (node->syncs_folder) {
        node->syncs_folder = false;
        for (struct node *each = disk->nodes; each != NULL; each = each->next) {
            each->entry_is_safe = true;
        }
    }
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct file *file = (struct file *)base;
    if (file->node == NULL) {
        return file->real->pMethods->xSync(file->real, flags);
    }
    pthread_mutex_lock(&file->disk->mutex);
    int code = !has_power(file->disk) ? SQLITE_IOERR_FSYNC : file->disk->sync_code;
    code = code == SQLITE_OK ? fails_with(file->disk, SQLITE_IOERR_FSYNC) : code;
    if (code == SQLITE_OK) {
        make_safe(file->disk, file->node);
    }
    pthread_mutex_unlock(&file->disk->mutex);
    return code;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    struct file *file = (struct file *)base;
    if (file->node == NULL) {
        return file->real->pMethods->xFileSize(file->real, size);
    }
    pthread_mutex_lock(&file->disk->mutex);
    *size = (sqlite3_int64)file->node->seen.len;
    pthread_mutex_unlock(&file->disk->mutex);
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
    sqlite3_file *real = ((struct file *)base)->real;
    return real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *base, int level)
{
    sqlite3_file *real = ((struct file *)base)->real;
    return real->pMethods->xUnlock(real, level);
}

static int file_check_lock(sqlite3_file *base, int *out)
{
    sqlite3_file *real = ((struct file *)base)->real;
    return real->pMethods->xCheckReservedLock(real, out);
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base, (void)op, (void)arg;
    return SQLITE_NOTFOUND; /* hints about sizes must not reach the real file */
}

static int file_sector(sqlite3_file *base)
{
    sqlite3_file *real = ((struct file *)base)->real;
    return real->pMethods->xSectorSize(real);
}

static int file_traits(sqlite3_file *base)
{
    sqlite3_file *real = ((struct file *)base)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static int shm_map(sqlite3_file *base, int page, int size, int extend, void volatile **out)
{
    sqlite3_file *real = ((struct file *)base)->real;
    return real->pMethods->xShmMap(real, page, size, extend, out);
}

static int shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    sqlite3_file *real = ((struct file *)base)->real;
    return real->pMethods->xShmLock(real, offset, n, flags);
}

static void shm_barrier(sqlite3_file *base)
{
    sqlite3_file *real = ((struct file *)base)->real;
    real->pMethods->xShmBarrier(real);
}

static int shm_unmap(sqlite3_file *base, int deletes)
{
    sqlite3_file *real = ((struct file *)base)->real;
    return real->pMethods->xShmUnmap(real, deletes);
}

static const sqlite3_io_methods methods = {2,
                                           file_close,
                                           file_read,
                                           file_write,
                                           file_truncate,
                                           file_sync,
                                           file_size,
                                           file_lock,
                                           file_unlock,
                                           file_check_lock,
                                           file_control,
                                           file_sector,
                                           file_traits,
                                           shm_map,
                                           shm_lock,
                                           shm_barrier,
                                           shm_unmap,
                                           NULL,
                                           NULL};

static struct node *find_node(struct test_disk *disk, const char *name)
{
    struct node *node = disk->nodes;
    while (node != NULL && strcmp(node->name, name) != 0) {
        node = node->next;
    }
    return node;
}

static struct node *open_node(struct test_disk *disk, const char *name, int flags)
{
    struct node *node = find_node(disk, name);
    if (node == NULL) {
        node = calloc(1, sizeof *node);
        snprintf(node->name, sizeof node->name, "%s", name);
        node->changes_tail = &node->changes;
        node->next = disk->nodes;
        disk->nodes = node;
    }
    if (!node->exists && flags & SQLITE_OPEN_CREATE) {
        node->exists = true;
        node->entry_is_safe = false;
        node->syncs_folder = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    }
    return node;
}

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base, int flags, int *out_flags)
{
    struct test_disk *disk = vfs->pAppData;
    struct file *file = (struct file *)base;
    memset(file, 0, sizeof *file);
    file->disk = disk;
    file->real = (sqlite3_file *)(file + 1);
    file->real->pMethods = NULL;
    int code = disk->real->xOpen(disk->real, name, file->real, flags, out_flags);
    if (code != SQLITE_OK) {
        return code;
    }
    if (name != NULL) {
        pthread_mutex_lock(&disk->mutex);
        file->node = open_node(disk, name, flags);
        pthread_mutex_unlock(&disk->mutex);
    }
    file->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int syncs_folder)
{
    struct test_disk *disk = vfs->pAppData;
    pthread_mutex_lock(&disk->mutex);
    bool works = has_power(disk);
    struct node *node = find_node(disk, name);
    if (works && node != NULL) {
        node->exists = false;
        node->seen.len = node->safe.len = 0;
        drop_changes(node);
    }
    pthread_mutex_unlock(&disk->mutex);
    return works ? disk->real->xDelete(disk->real, name, syncs_folder) : SQLITE_IOERR_DELETE;
}

/* A file without content does not count, as in the real VFS. */
static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    struct test_disk *disk = vfs->pAppData;
    pthread_mutex_lock(&disk->mutex);
    struct node *node = find_node(disk, name);
    *out = node != NULL && node->exists && (flags != SQLITE_ACCESS_EXISTS || node->seen.len != 0);
    pthread_mutex_unlock(&disk->mutex);
    return SQLITE_OK;
}

struct test_disk *test_disk_new(uint64_t seed)
{
    struct test_disk *disk = calloc(1, sizeof *disk);
    disk->real = sqlite3_vfs_find(NULL);
    disk->random = (seed + 1) * 0x9e3779b97f4a7c15u | 1;
    disk->countdown = -1;
    pthread_mutex_init(&disk->mutex, NULL);
    disk->vfs = *disk->real;
    disk->vfs.pNext = NULL;
    disk->vfs.pAppData = disk;
    disk->vfs.szOsFile = (int)sizeof(struct file) + disk->real->szOsFile;
    disk->vfs.xOpen = vfs_open;
    disk->vfs.xDelete = vfs_delete;
    disk->vfs.xAccess = vfs_access;
    snprintf(disk->name, sizeof disk->name, "test-disk-%p", (void *)disk);
    disk->vfs.zName = disk->name;
    sqlite3_vfs_register(&disk->vfs, 0);
    return disk;
}

void test_disk_free(struct test_disk *disk)
{
    sqlite3_vfs_unregister(&disk->vfs);
    for (struct node *node = disk->nodes, *next; node != NULL; node = next) {
        next = node->next;
        drop_changes(node);
        free(node->seen.ptr);
        free(node->safe.ptr);
        free(node);
    }
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

const char *test_disk_vfs(const struct test_disk *disk)
{
    return disk->name;
}

void test_disk_cut_after(struct test_disk *disk, int n)
{
    pthread_mutex_lock(&disk->mutex);
    disk->countdown = n;
    pthread_mutex_unlock(&disk->mutex);
}

void test_disk_cut(struct test_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    disk->is_cut = true;
    pthread_mutex_unlock(&disk->mutex);
}

bool test_disk_is_cut(struct test_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    bool is_cut = disk->is_cut;
    pthread_mutex_unlock(&disk->mutex);
    return is_cut;
}

void test_disk_refuse(struct test_disk *disk, int write_code, int sync_code)
{
    pthread_mutex_lock(&disk->mutex);
    disk->write_code = write_code;
    disk->sync_code = sync_code;
    pthread_mutex_unlock(&disk->mutex);
}

/* Of each sector of the change: all, nothing, or a torn part, with `luck` in eight for all. */
static void land(struct test_disk *disk, struct bytes *image, const struct change *change, unsigned luck)
{
    if (change->len == 0) {
        if (draw(disk) % 8 < luck) {
            resize(image, change->offset);
        }
        return;
    }
    for (size_t at = 0, len; at < change->len; at += len) {
        len = SECTOR - (change->offset + at) % SECTOR;
        if (len > change->len - at) {
            len = change->len - at;
        }
        size_t kept = draw(disk) % 8 < luck ? len : draw(disk) % 8 == 0 && luck != 0 ? draw(disk) % len : 0;
        if (kept != 0) {
            put(image, change->bytes + at, kept, change->offset + at);
        }
    }
}

static void write_image(const char *name, const struct bytes *image)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || (image->len != 0 && write(fd, image->ptr, image->len) != (ssize_t)image->len)) {
        abort();
    }
    close(fd);
}

void test_disk_settle(struct test_disk *disk)
{
    for (struct node *node = disk->nodes; node != NULL; node = node->next) {
        bool is_gone = !node->exists || (!node->entry_is_safe && draw(disk) % 2 == 0);
        unsigned luck = (unsigned)(draw(disk) % 9); /* from nothing to everything */
        for (const struct change *change = node->changes; change != NULL; change = change->next) {
            land(disk, &node->safe, change, luck);
        }
        if (is_gone) {
            unlink(node->name);
        } else {
            write_image(node->name, &node->safe);
        }
    }
}

void test_disk_limit(struct test_disk *disk, size_t bytes)
{
    pthread_mutex_lock(&disk->mutex);
    disk->limit = bytes;
    pthread_mutex_unlock(&disk->mutex);
}

void test_disk_fail_once(struct test_disk *disk, int n)
{
    pthread_mutex_lock(&disk->mutex);
    disk->fails_in = n;
    pthread_mutex_unlock(&disk->mutex);
}

bool test_disk_has_failed(struct test_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    bool has = disk->fails_in == 0;
    pthread_mutex_unlock(&disk->mutex);
    return has;
}
