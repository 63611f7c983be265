/* A disk for SQLite that can lose power, and one that can refuse to write. */
#ifndef TESTS_TEST_DISK_H
#define TESTS_TEST_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test_disk;

/* One disk a folder, with everything random about it from the seed. */
struct test_disk *test_disk_new(uint64_t seed);
void test_disk_free(struct test_disk *disk);

/* The name of its VFS. */
const char *test_disk_vfs(const struct test_disk *disk);

/* The power fails at the n-th write, truncation or sync from now: that one and all after it fail. */
void test_disk_cut_after(struct test_disk *disk, int n);
void test_disk_cut(struct test_disk *disk);
bool test_disk_is_cut(struct test_disk *disk);

/* When all connections are closed: puts what survived the cut into real files under the same names. */
void test_disk_settle(struct test_disk *disk);

/* From now on writes and syncs return these SQLite codes; 0 heals it. */
void test_disk_refuse(struct test_disk *disk, int write_code, int sync_code);

/* No more than so many bytes in all files together: what would need more is refused with SQLITE_FULL. 0: no end. */
void test_disk_limit(struct test_disk *disk, size_t bytes);

/* The n-th read, write, truncation or sync from now fails, once, as an error of the disk. False: it has not come to that. */
void test_disk_fail_once(struct test_disk *disk, int n);
bool test_disk_has_failed(struct test_disk *disk);

#endif
