/* A folder of a test's own, and files in it. */
#ifndef TESTS_TEST_FOLDER_H
#define TESTS_TEST_FOLDER_H

enum { TEST_FOLDER_SIZE = 32 };

/* Makes a new one and writes its path. */
void test_folder_make(char folder[TEST_FOLDER_SIZE]);
/* Writes a file, which may be in a folder that is not there yet. */
void test_folder_put(const char *folder, const char *file, const char *text);
/* It goes with all that is in it. */
void test_folder_remove(const char *folder);

#endif
