#include "test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

void test_folder_make(char folder[TEST_FOLDER_SIZE])
{
    strcpy(folder, "/tmp/happn-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

void test_folder_put(const char *folder, const char *file, const char *text)
{
    char path[256];
    int len = snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_true(len > 0 && (size_t)len < sizeof path);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = '\0';
        mkdir(path, 0755);
    }
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

void test_folder_remove(const char *folder)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}
